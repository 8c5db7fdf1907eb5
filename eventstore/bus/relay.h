#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/relay_progress.h"
#include "eventstore/bus/work_streams.h"
#include "eventstore/clock.h"
#include "eventstore/log.h"

namespace records::eventstore {

// Topics are <prefix>.<name>; the transactional id is <prefix>.relay.
struct RelayOptions {
  KafkaSettings settings;
  std::string prefix = "records";
  // A transaction holds what has gathered, up to this many events or bytes.
  size_t batch_events = 5'000;
  size_t batch_bytes = size_t{8} << 20;
  // How long events gather after a transaction that was far from full: twice as long as that took,
  // within these two. A transaction costs brokers the same for one event as for hundreds (33 ms on
  // two cores that share it with the load), and what they take they take from appends beside them;
  // yet what waits here reaches consumers later (p99 by as much and two transactions).
  absl::Duration gather_wait = absl::Milliseconds(5);
  absl::Duration gather_wait_max = absl::Milliseconds(20);
  // How long it waits before a new session after one that ended; doubled up to the second.
  absl::Duration retry_wait = absl::Milliseconds(200);
  absl::Duration retry_wait_max = absl::Seconds(10);
  // How long a call to the broker may take before the session is given up.
  absl::Duration broker_timeout = absl::Seconds(30);
  // The same for the calls that write; and brokers end a transaction that is open for so long, and
  // fence the relay that began it.
  absl::Duration transaction_timeout = absl::Seconds(30);
  const Clock* clock = &SystemClock();
  // Says what goes on the work streams; nullptr: only the log's own topic is published. Outlives
  // the relay.
  const WorkStreams* work = nullptr;
  // Called once when another relay of the same prefix took over: this process should end. From the
  // relay's thread, which it must not block.
  std::function<void(const absl::Status&)> on_fenced;
};

// Numbers for health and metrics.
struct RelayStatus {
  enum class State {
    kReady,    // not started
    kRunning,  // publishes
    kWaiting,  // broker or topics are not to be had; `error` says why; tried again
    kRefused,  // log and topics are at odds; `error` names how; needs a hand, then a restart
    kFenced,   // another relay took over
    kStopped,
  };
  State state = State::kReady;
  absl::Status error;
  uint64_t sessions = 0;      // producers made so far
  uint64_t transactions = 0;  // committed by this process
  uint64_t events_published = 0;
  uint64_t events_republished = 0;  // there once, and lost by the broker
};

// What is durable in the log and not known to be on all its topics: all of it before the first
// session.
struct RelayLag {
  uint64_t events = 0;
  absl::Duration age;  // of the oldest, by recorded_at
};

// Publishes the log to Kafka: every event once and in order for those who read what is committed,
// whatever dies in between. One thread for all partitions. Appends never wait for it: the log is
// the queue.
//
// Thread-safe. The log must outlive it.
class Relay {
 public:
  Relay(const EventLog& log, RelayOptions options);
  ~Relay();  // stops

  // Starts the thread. Once.
  void Start();
  // Ends the thread after the transaction at hand. Again: nothing. One thread at a time.
  void Stop();

  RelayStatus GetStatus() const;
  // Reads an event of each partition that is behind.
  RelayLag MeasureLag() const;

  // The last event of a partition that Kafka has acknowledged, on all topics that it is on, and
  // those before it; sequence 0: none yet.
  Position Published(uint32_t partition) const;

  // The last event on a partition of a work stream that Kafka has acknowledged; sequence 0: none.
  Position PublishedTo(absl::string_view topic, size_t partition) const;

  // Waits until the partition's events up to `position` are published, or the relay cannot go on.
  // By the clock of the machine. kDeadlineExceeded; else why it stopped.
  [[nodiscard]] absl::Status WaitFor(Position position, absl::Time deadline) const;
  // As WaitFor(), for all that the log holds now.
  [[nodiscard]] absl::Status WaitForAll(absl::Time deadline) const;

 private:
  class Session;

  void Run();
  absl::Status RunSession(bool& committed);
  bool Stopping() const;
  void PublishProgress(const Session& session);
  void PublishState(RelayStatus::State state, const absl::Status& error);

  const EventLog& log_;
  const RelayOptions options_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  RelayStatus status_ ABSL_GUARDED_BY(mutex_);
  std::vector<Position> published_ ABSL_GUARDED_BY(mutex_);
  std::vector<StreamProgress> streams_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace records::eventstore
