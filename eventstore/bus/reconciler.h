#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/relay.h"
#include "eventstore/bus/stream_check.h"
#include "eventstore/bus/topic_check.h"
#include "eventstore/bus/topic_reader.h"
#include "eventstore/log.h"

namespace records::eventstore {

struct ReconcilerOptions {
  KafkaSettings settings;
  std::string prefix = "records";
  // That of the relay; nullptr: there is only the log's own topic. Outlives the reconciler.
  const WorkStreams* work = nullptr;
  // From the end of one round to the begin of the next.
  absl::Duration between_rounds = absl::Seconds(30);
  // How long a partition may take to answer.
  absl::Duration broker_timeout = absl::Seconds(30);
};

// Numbers for health and metrics.
struct ReconcilerStatus {
  uint64_t rounds = 0;       // in which every partition was read to its end
  uint64_t compared = 0;     // records held against the log since the start
  uint64_t differences = 0;  // found since the start
  absl::Status difference;   // the first of them; OK: none
  absl::Status error;        // why the last round was not finished; OK: it was
};

// Reads what the relay publishes, as any subscriber would, and holds it against the log for as long
// as the server runs: what a second writer, a broker or an operator does to the topic shows within
// a round, not at the next start. It mends nothing. After a start it reads the whole topic again,
// one partition after the other, and then what is new.
//
// Thread-safe but for Start() and Stop(). Log and relay must outlive it.
class Reconciler {
 public:
  Reconciler(const EventLog& log, const Relay& relay, ReconcilerOptions options);
  ~Reconciler() { Stop(); }

  // Starts the thread. Once.
  void Start();
  // Ends it soon, in the middle of a round too. Again: nothing.
  void Stop();

  ReconcilerStatus GetStatus() const;

 private:
  void Run();
  // Reads every partition to its end; why one could not be.
  absl::Status RunRound(TopicReader& reader);
  // Whether the topic is there at all.
  absl::Status CheckTopic(TopicReader& reader);
  absl::Status CheckThere(TopicReader& reader, const std::string& topic, bool has_published);
  absl::Status RunStreams(TopicReader& reader);
  absl::Status RunStream(TopicReader& reader, StreamCheck& check, Position& owed);
  absl::Status FindStreamPartitions(TopicReader& reader);
  // Gives every new record of a partition to `take`, up to its end.
  absl::Status ReadPartition(TopicReader& reader, const std::string& topic, int32_t partition,
                             int64_t offset,
                             absl::FunctionRef<absl::Status(const BusRecord&)> take);
  void Note(const absl::Status& difference);
  bool Stopping() const;

  const EventLog& log_;
  const Relay& relay_;
  const ReconcilerOptions options_;
  // Of the thread alone. What had been published when a round began must be there in the next:
  // brokers acknowledge a transaction before who reads what is committed sees it.
  std::vector<TopicCheck> checks_;
  std::vector<Position> owed_;
  std::vector<StreamCheck> stream_checks_;  // empty: not known yet
  std::vector<Position> owed_by_streams_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  ReconcilerStatus status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace records::eventstore
