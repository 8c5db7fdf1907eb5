#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/erasure_head.h"
#include "eventstore/ids.h"
#include "eventstore/limits.h"
#include "eventstore/stream_name.h"
#include "records/log/v1/event.pb.h"

namespace records::eventstore {

// The two ledgers of one log: what happened, and who read it. Each has its own sequences and trees,
// and both are written by the one committer in the same synced batches.
enum class Ledger { kEvents, kAccess };

using RequestKey = std::array<uint8_t, 32>;
using RequestDigest = std::array<uint8_t, 32>;

// What a stream's state must be for an append to be made.
struct Expectation {
  enum class Kind { kAny, kNoStream, kStreamExists, kRevision };
  StreamName stream;
  Kind kind = Kind::kAny;
  Revision revision;  // with kRevision: the stream's last revision
};

// One event, sealed, without what the committer assigns (revision, position, recorded_at).
struct NewEvent {
  StreamName stream;
  records::log::v1::TimePrecision time_precision = records::log::v1::TIME_PRECISION_UNSPECIFIED;
  std::string body;  // serialised records.log.v1.Event without the committer's fields
};

// One append. All streams must lie in one partition.
struct Append {
  Ledger ledger = Ledger::kEvents;
  std::optional<RequestKey> request_key;  // none: never deduplicated (read traces)
  RequestDigest request_digest{};
  std::vector<NewEvent> events;                  // 1 .. kEventsPerAppendMax
  std::vector<Expectation> expectations;         // of streams written or not
  std::vector<SubjectId> subjects;               // refused when one of them is fenced
  std::vector<KeyId> keys;                       // refused when one of them is no longer live
  absl::Time deadline = absl::InfiniteFuture();  // not written when it has passed before
  bool from_reserve = false;  // traces, fences and erasures go on when the disk is nearly full
};

// What came of an append.
struct Appended {
  Position first;  // of its first event; the others follow densely
  uint32_t count = 0;
  bool repeated = false;  // the request had been appended before; this is the first outcome
};

using AppendCallback = absl::AnyInvocable<void(absl::StatusOr<Appended>)>;

// An event as it is stored.
struct StoredEvent {
  Position position;
  records::log::v1::Event event;
  std::string bytes;  // the leaf of the Merkle tree
};

enum class ReadDirection { kForward, kBackward };

// Bounds of a read: what is asked for, cut to kReadEventsMax and kReadBytesMax. At least one event
// is returned when there is one.
struct ReadLimits {
  size_t events = 256;
  size_t bytes = 1024 * 1024;
};

// How far a reader has come in one partition of one log.
struct PartitionCheckpoint {
  StoreId store;
  Position position;               // last event seen; sequence 0: none
  std::array<uint8_t, 32> root{};  // root of the partition's tree at that size
  std::string resume;              // what the log needs to go on there; nobody else's business
};

// More bytes than any log puts into `resume`.
inline constexpr size_t kResumeBytesMax = 4096;

// Tells whether what an append touches may still be written. The key store implements it.
class AppendGuard {
 public:
  virtual ~AppendGuard() = default;
  // Called by the committer, in the commit order, before an append is taken in. kFailedPrecondition
  // (reason SUBJECT_FENCED or KEY_ENDED) refuses it. Must not block.
  virtual absl::Status Check(const Append& append) const = 0;
  // The key store's sequence, kept in the log's anchor: a log never outlives a newer key store.
  virtual uint64_t Sequence() const = 0;
};

// One message of a follower.
struct FollowMessage {
  enum class Kind {
    kEvent,       // `event` is set
    kCaughtUp,    // all that stood at the head has been delivered; live from here
    kFellBehind,  // was live, is now kFellBehindEvents behind
    kHeartbeat,   // nothing new within the wait; the checkpoint may still have moved past filtered
                  // events
  };
  Kind kind = Kind::kHeartbeat;
  StoredEvent event;
  Position checkpoint;  // resume after this: nothing at or before it is owed
};

// Delivers the events of one partition in order: first what stands, then live. Never skips, never
// repeats. Holds one page of events in memory; a slow reader holds up nobody.
//
// Not thread-safe. Must not outlive its log.
class Follower {
 public:
  virtual ~Follower() = default;
  // Waits up to `wait` for the next message; kHeartbeat when there is none. kCancelled after the
  // log was closed. kDataLoss: the log is damaged there; the follower does not go past it.
  [[nodiscard]] virtual absl::StatusOr<FollowMessage> Next(absl::Duration wait) = 0;
};

struct FollowOptions {
  Ledger ledger = Ledger::kEvents;
  Position after;                  // sequence 0: from the start
  std::vector<std::string> types;  // clear types; empty: all
};

// What a copy of a log's files holds.
struct LogCopy {
  std::string anchor;      // payload of its anchor: sizes and roots of all trees
  std::string checkpoint;  // signed note over just these trees
};

// The event log: append, read, follow.
//
// Thread-safe. An append whose callback got OK is on the disk and covered by the anchor. Any error
// but those named below means outcome unknown: the log then takes no more writes, and a retry with
// the same request id after a restart settles it.
class EventLog {
 public:
  virtual ~EventLog() = default;

  // Enqueues and returns; `done` is called once, from a thread of the log that must not be blocked.
  //   kAborted            an expectation does not hold (reason REVISION_MISMATCH); all are listed
  //   kAlreadyExists      the request id was used with other content (REQUEST_ID_REUSED)
  //   kFailedPrecondition the guard refused, or the clock is behind (CLOCK_BEHIND)
  //   kInvalidArgument    a limit or name; streams in several partitions
  //   kResourceExhausted  queue full, or disk nearly full (DISK_NEARLY_FULL)
  //   kDeadlineExceeded   dropped before it was written
  //   kUnavailable        the log takes no writes (closed, or after a failed sync)
  virtual void AppendAsync(Append append, AppendCallback done) = 0;

  // AppendAsync, waited for.
  [[nodiscard]] absl::StatusOr<Appended> AppendAndWait(Append append);

  // The events of the append that carried this request key; nullopt when there is none.
  [[nodiscard]] virtual absl::StatusOr<std::optional<std::vector<StoredEvent>>> FindRequest(
      const RequestKey& key) const = 0;

  // kNotFound: no such event. kDataLoss: it stood there and is damaged.
  [[nodiscard]] virtual absl::StatusOr<StoredEvent> ReadAt(Ledger ledger,
                                                           Position position) const = 0;

  // Events of a partition from `from` on (inclusive), in `direction`.
  [[nodiscard]] virtual absl::StatusOr<std::vector<StoredEvent>> ReadPartition(
      Ledger ledger, Position from, ReadDirection direction, ReadLimits limits,
      const std::vector<std::string>& types) const = 0;

  // Events of a stream from a revision on (inclusive), in `direction`. An absent stream has none.
  [[nodiscard]] virtual absl::StatusOr<std::vector<StoredEvent>> ReadStream(
      Ledger ledger, const StreamName& stream, Revision from, ReadDirection direction,
      ReadLimits limits) const = 0;

  // Events of all streams of a root, in the order of positions, after `after`.
  [[nodiscard]] virtual absl::StatusOr<std::vector<StoredEvent>> ReadRoot(
      Ledger ledger, const RootId& root, uint64_t after_sequence, ReadLimits limits) const = 0;

  // The last revision of a stream; nullopt when it does not exist.
  [[nodiscard]] virtual absl::StatusOr<std::optional<Revision>> StreamHead(
      Ledger ledger, const StreamName& stream) const = 0;

  // Whether StreamHead() has one. Cheaper for streams that were asked for before: none ends.
  [[nodiscard]] virtual absl::StatusOr<bool> StreamExists(Ledger ledger,
                                                          const StreamName& stream) const;

  // The last durable position of a partition; sequence 0 when it is empty.
  virtual Position Head(Ledger ledger, uint32_t partition) const = 0;
  // Where who reads a partition best stops and takes a checkpoint: its head, whose root is at hand.
  // A log that has roots wherever somebody reads says that it does not matter, by the last position
  // of all.
  virtual Position BatchEnd(Ledger ledger, uint32_t partition) const {
    return Head(ledger, partition);
  }

  // As Head(), asked of where the log is kept: a log that is fed from elsewhere may not have heard
  // of its last events. kUnavailable: it cannot be asked now.
  [[nodiscard]] virtual absl::StatusOr<Position> FindHead(Ledger ledger, uint32_t partition) const {
    return Head(ledger, partition);
  }

  // Waits up to `wait` until more batches of this ledger have become durable since the log was
  // opened than `seen`, or the log is closed; returns how many there are now. One thread can so
  // read many partitions: ask with zero wait, poll its followers, then wait on the number it got.
  virtual uint64_t WaitForBatch(Ledger ledger, uint64_t seen, absl::Duration wait) const = 0;

  // kOutOfRange: `after` is beyond the head: it is refused, never moved. kResourceExhausted: too
  // many followers.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<Follower>> Follow(
      FollowOptions options) const = 0;

  // The checkpoint of a partition at `sequence`, with its tree root. kOutOfRange: beyond the head.
  [[nodiscard]] virtual absl::StatusOr<PartitionCheckpoint> CheckpointAt(
      Ledger ledger, Position position) const = 0;

  // kFailedPrecondition: the checkpoint is of another log. kOutOfRange: beyond the head. kDataLoss:
  // the roots differ: one of the two was changed.
  [[nodiscard]] virtual absl::Status VerifyCheckpoint(
      Ledger ledger, const PartitionCheckpoint& checkpoint) const = 0;

  // A signed note (C2SP) over the sizes and roots of all trees, with the log's verifier key.
  [[nodiscard]] virtual absl::StatusOr<std::string> SignedCheckpoint() = 0;
  virtual std::string VerifierKey() const = 0;

  // How far the erasure ledger had come, by who says so: the anchor and the last checkpoint. The
  // ledger is opened with them. A log without an anchor knows of none.
  virtual std::vector<KnownErasureHead> KnownErasures() const { return {}; }
  // From the next batch on the anchor says that the ledger has come to `head`, and from the next
  // checkpoint on that.
  virtual void SetErasureHead(const ErasureHead&) {}

  // The proof that the event at `position` is in its tree when that had `tree_size` events (RFC
  // 6962 section 2.1.1), as a signed checkpoint tells. kInvalidArgument: it is not in that tree.
  // kOutOfRange: the tree has not come so far. kUnimplemented: a log without trees.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::array<uint8_t, 32>>> ProveInclusion(
      Ledger ledger, Position position, uint64_t tree_size) const;

  // Copies the files of the log into `folder`, which is empty and best lies on the same file
  // system: then they are linked, and appends wait for some milliseconds only. The copy stands at
  // one position, with an anchor and a signed checkpoint that say which; nothing in it is beyond.
  // kUnavailable: the log takes no writes. kUnimplemented: this log has no files.
  [[nodiscard]] virtual absl::StatusOr<LogCopy> CopyTo(const std::string& folder);

  // Signs `text`, which must not begin as a checkpoint does, with the key of the checkpoints.
  // kUnimplemented: this log has no key.
  [[nodiscard]] virtual absl::StatusOr<std::string> SignText(absl::string_view text);

  virtual StoreId store_id() const = 0;
  virtual uint32_t partition_count() const = 0;

  // OK while the log takes writes; else why not. For health.
  virtual absl::Status WriteHealth() const = 0;
};

}  // namespace records::eventstore
