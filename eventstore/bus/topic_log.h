#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/topic_board.h"
#include "eventstore/bus/topic_feed.h"
#include "eventstore/bus/topic_log_follower.h"
#include "eventstore/bus/topic_probe.h"
#include "eventstore/log.h"

namespace records::eventstore {

struct TopicLogOptions {
  KafkaSettings settings;
  std::string prefix = "records";
  // What brokers ask their access rules about; empty: "<prefix>.views". Nothing is kept under it.
  std::string group;
  // The log that it must be; none: the one that the topic says.
  std::optional<StoreId> log;
  // Of one question to the brokers.
  absl::Duration broker_timeout = absl::Seconds(10);
  // Of each follower: see TopicFollowerOptions.
  absl::Duration retry_wait = absl::Milliseconds(100);
  absl::Duration retry_wait_max = absl::Seconds(5);
  // Of all feeds: see TopicFeedOptions.
  absl::Duration silence_max = absl::Seconds(30);
  // How often it asks where partitions end of which a follower has not had all.
  absl::Duration head_refresh = absl::Seconds(5);
};

// The log as its topic has it, for views in a process of their own: followers, checkpoints and what
// a replay needs, from the very bytes that the in-process log gives. Read only, and without the
// ledger of reads.
//
// Brokers may come and go: a follower waits for them and goes on; questions (FindHead(),
// VerifyCheckpoint(), reads) answer kUnavailable after a timeout. What the topic holds is believed
// only as TopicChain allows; a follower names what it refuses and does not go past it.
//
// A checkpoint is to be had where a follower of this log stands or stood one message before, and
// carries in `resume` what Follow() needs to go on there: VerifyCheckpoint() before Follow(), or
// the follower reads the partition from its beginning. Followers do not say kFellBehind.
//
// Thread-safe. Followers share a client of librdkafka and have no threads of their own; one asks
// for heads. Memory: for each follower what its feed reads ahead.
class TopicLog final : public EventLog {
 public:
  //   kUnavailable         no broker answers, or nothing was published yet: try again
  //   kNotFound            there is no such topic
  //   kPermissionDenied    a rule of access forbids it
  //   kFailedPrecondition  OTHER_LOG: the topic is of another log than `options.log`
  static absl::StatusOr<std::unique_ptr<TopicLog>> Open(TopicLogOptions options);
  ~TopicLog() override;

  // Ends all waits; followers answer kCancelled from then on.
  void Close() { board_.Close(); }

  // What keeps the followers of a partition from reading, as they found when they were last asked
  // for something; OK: nothing, or there are none.
  absl::Status ReadHealth(uint32_t partition) const { return board_.Error(partition); }

  // Events, forwards only (kUnimplemented else). A read looks for its place by some questions to
  // the brokers, ReadRoot() goes through all events behind that.
  absl::StatusOr<StoredEvent> ReadAt(Ledger ledger, Position position) const override;
  absl::StatusOr<std::vector<StoredEvent>> ReadPartition(
      Ledger ledger, Position from, ReadDirection direction, ReadLimits limits,
      const std::vector<std::string>& types) const override;
  absl::StatusOr<std::vector<StoredEvent>> ReadRoot(Ledger ledger, const RootId& root,
                                                    uint64_t after_sequence,
                                                    ReadLimits limits) const override;

  // The last event that a follower, a checkpoint or FindHead() has come across.
  Position Head(Ledger ledger, uint32_t partition) const override;
  // Followers have the root wherever they stand.
  Position BatchEnd(Ledger, uint32_t partition) const override {
    return {.partition = partition, .sequence = std::numeric_limits<uint64_t>::max()};
  }
  absl::StatusOr<Position> FindHead(Ledger ledger, uint32_t partition) const override;
  uint64_t WaitForBatch(Ledger ledger, uint64_t seen, absl::Duration wait) const override;
  absl::StatusOr<std::unique_ptr<Follower>> Follow(FollowOptions options) const override;
  // kOutOfRange too where no follower stands there.
  absl::StatusOr<PartitionCheckpoint> CheckpointAt(Ledger ledger, Position position) const override;
  // kFailedPrecondition too where the checkpoint was not made from a topic. kDataLoss: the topic
  // has something else there, so it was made anew or changed. kOutOfRange: it ends before.
  absl::Status VerifyCheckpoint(Ledger ledger,
                                const PartitionCheckpoint& checkpoint) const override;

  StoreId store_id() const override { return follower_options_.log; }
  uint32_t partition_count() const override { return follower_options_.partition_count; }

  // What a topic cannot answer: kUnimplemented.
  void AppendAsync(Append append, AppendCallback done) override;
  absl::StatusOr<std::optional<std::vector<StoredEvent>>> FindRequest(
      const RequestKey& key) const override;
  absl::StatusOr<std::vector<StoredEvent>> ReadStream(Ledger ledger, const StreamName& stream,
                                                      Revision from, ReadDirection direction,
                                                      ReadLimits limits) const override;
  absl::StatusOr<std::optional<Revision>> StreamHead(Ledger ledger,
                                                     const StreamName& stream) const override;
  absl::StatusOr<std::string> SignedCheckpoint() override;
  std::string VerifierKey() const override { return ""; }
  absl::Status WriteHealth() const override;

 private:
  TopicLog(std::unique_ptr<TopicProbe> probe, TopicFeedOptions feeds, TopicFollowerOptions follower,
           absl::Duration head_refresh);

  // A thread's life: looks where partitions end that are read, until it is closed.
  void WatchHeads(absl::Duration refresh) const;

  absl::Status CheckAsked(Ledger ledger, uint32_t partition) const;
  // The offset of an event; nullopt: the topic ends before it.
  absl::StatusOr<std::optional<int64_t>> FindOffset(Position position) const;
  // Gives the events from a position on until `take` answers false.
  absl::Status Scan(Position from, absl::FunctionRef<bool(StoredEvent)> take) const;

  const TopicFollowerOptions follower_options_;
  const std::unique_ptr<TopicProbe> probe_;
  mutable TopicBoard board_;
  mutable TopicFeeds feeds_;
  std::thread head_watch_;
};

}  // namespace records::eventstore
