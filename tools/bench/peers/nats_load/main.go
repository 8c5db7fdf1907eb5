// Load on a NATS JetStream server, as the bars name it: publishers that each wait for the
// acknowledgement before the next message. Prints one line of JSON.
//
//	nats_load ADDRESS CLIENTS SECONDS WARM_UP BYTES
package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const connections = 4

func number(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// publish appends events of one client until the time is over, and returns how long each took that
// ended after from.
func publish(stream nats.JetStreamContext, client int, bytes int, from, until time.Time) []time.Duration {
	body := make([]byte, bytes)
	rand.Read(body)
	var took []time.Duration
	id := make([]byte, 16)
	for n := 0; ; n++ {
		rand.Read(id)
		start := time.Now()
		subject := fmt.Sprintf("events.customer-%d-%d", client, n%30)
		if _, err := stream.Publish(subject, body, nats.MsgId(hex.EncodeToString(id))); err != nil {
			log.Fatal(err)
		}
		now := time.Now()
		if now.After(until) {
			return took
		}
		if now.After(from) {
			took = append(took, now.Sub(start))
		}
	}
}

func connect(address string) nats.JetStreamContext {
	connection, err := nats.Connect(address)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := connection.JetStream()
	if err != nil {
		log.Fatal(err)
	}
	return stream
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: nats_load ADDRESS CLIENTS SECONDS WARM_UP BYTES")
	}
	clients, bytes := int(number(os.Args[2])), int(number(os.Args[5]))
	seconds, warmUp := number(os.Args[3]), number(os.Args[4])
	var streams []nats.JetStreamContext
	for i := 0; i < connections; i++ {
		streams = append(streams, connect(os.Args[1]))
	}
	if _, err := streams[0].AddStream(&nats.StreamConfig{
		Name: "EVENTS", Subjects: []string{"events.*"}, Storage: nats.FileStorage,
	}); err != nil {
		log.Fatal(err)
	}
	from := time.Now().Add(time.Duration(warmUp * float64(time.Second)))
	until := from.Add(time.Duration(seconds * float64(time.Second)))
	var all []time.Duration
	var mutex sync.Mutex
	var done sync.WaitGroup
	for i := 0; i < clients; i++ {
		done.Add(1)
		go func(client int) {
			defer done.Done()
			took := publish(streams[client%connections], client, bytes, from, until)
			mutex.Lock()
			all = append(all, took...)
			mutex.Unlock()
		}(i)
	}
	done.Wait()
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	p99 := time.Duration(0)
	if len(all) > 0 {
		p99 = all[len(all)*99/100]
	}
	fmt.Printf("{\"rate\": %.1f, \"p99_us\": %.1f}\n", float64(len(all))/seconds, float64(p99.Nanoseconds())/1000)
}
