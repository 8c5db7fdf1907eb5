#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

// Every limit of the event store, in one place. A test stands at limit - 1, limit and limit + 1.
namespace records::eventstore {

// Below the 1 MB that any Kafka broker takes by default, with room for headers and for two of them.
inline constexpr size_t kEventBytesMax = 512 * 1024;

// An append is one synced batch; more would make other callers wait.
inline constexpr size_t kEventsPerAppendMax = 64;
inline constexpr size_t kAppendBytesMax = 2 * 1024 * 1024;
static_assert(kAppendBytesMax >= kEventBytesMax);

// Streams whose state one append may demand.
inline constexpr size_t kExpectationsPerAppendMax = 64;

// Appends that may wait for the committer, and their bytes. Beyond: RESOURCE_EXHAUSTED.
inline constexpr size_t kQueuedAppendsMax = 8192;
inline constexpr size_t kQueuedBytesMax = 64 * 1024 * 1024;

// What one synced batch may hold. A whole batch must fit behind one anchor.
inline constexpr size_t kBatchEventsMax = 4096;
inline constexpr size_t kBatchBytesMax = 8 * 1024 * 1024;
static_assert(kBatchEventsMax >= kEventsPerAppendMax && kBatchBytesMax >= kAppendBytesMax);

// What one read may return at most, whatever is asked for.
inline constexpr size_t kReadEventsMax = 1024;
inline constexpr size_t kReadBytesMax = 4 * 1024 * 1024;

// Below this much room on its disk the log takes only traces, fences and erasures, and below the
// second nothing: RocksDB must never meet a full disk, and compaction needs room too.
inline constexpr uint64_t kDiskReserveBytes = uint64_t{1} << 30;
inline constexpr uint64_t kDiskFloorBytes = uint64_t{256} << 20;

// Streams whose heads the committer keeps in memory.
inline constexpr size_t kCachedStreamsMax = 131'072;

// Partitions of a log, fixed at its creation. Enough to spread over machines later without
// resharding; the anchor holds a root for each, twice (events and access traces).
inline constexpr uint32_t kPartitionsDefault = 16;
inline constexpr uint32_t kPartitionsMax = 64;

// Open followers of one log.
inline constexpr size_t kFollowersMax = 1024;

// A follower that was live and is now this far behind the head is told so.
inline constexpr uint64_t kFellBehindEvents = 10'000;

// How far the clock may stand behind the last recorded_at before appends stop with a named error.
inline constexpr absl::Duration kClockBehindMax = absl::Seconds(5);

// Length of organisation, collection and sub-stream names.
inline constexpr size_t kNameLengthMax = 32;

// Sealed parts of one event.
inline constexpr size_t kSealedPartsMax = 64;

// Restricted events have at least this many parts, then multiples of it.
inline constexpr size_t kRestrictedPartsClass = 4;
// Size of the smallest part of a restricted event, and of an open one with several categories, so
// that short parts look like empty ones.
inline constexpr size_t kAlikePartBytesMin = 256;
static_assert(kSealedPartsMax % kRestrictedPartsClass == 0);

// Directory references, and the keys that a key store caches.
inline constexpr size_t kReferenceLengthMax = 256;
inline constexpr size_t kCachedKeysMax = 65'536;

// Rows of keys and directory that a start counts before it serves: about 60 ms. More are counted
// while the store serves.
inline constexpr uint64_t kRowsCountedAtStartMax = 250'000;

// Keys ended within ten minutes, which the guard keeps in memory. Beyond: RESOURCE_EXHAUSTED.
inline constexpr size_t kEndedKeysMax = 1'000'000;

// Streams that a log remembers as existing.
inline constexpr size_t kKnownStreamsMax = 131'072;

// What one opaque token may hold.
inline constexpr size_t kTokenBytesMax = 2048;

// How long a holder in this process may use a key or an opened value after it was handed out.
// Erasure waits this long at most (design, section 5).
inline constexpr absl::Duration kKeyLease = absl::Seconds(5);
// As kKeyLease, for a holder in another process (design: at most a minute).
inline constexpr absl::Duration kReleasedKeyLease = absl::Seconds(30);

}  // namespace records::eventstore
