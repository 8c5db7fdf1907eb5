#pragma once

#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "eventstore/log_format.h"
#include "eventstore/status_macros.h"
#include "eventstore/storage.h"

namespace records::eventstore {

// What the committer knows of a stream.
struct StreamHead {
  uint64_t next_revision = 0;  // 0: the stream does not exist
  uint64_t batch = 0;          // the batch that last wrote it, as the committer counts them
};

// The heads of streams in use: from memory, else from the last row of the stream. Bounded: keeps
// the streams of the last batches, in two generations of which the older one is dropped.
//
// Not thread-safe; one committer owns it.
class StreamHeads {
 public:
  StreamHeads(const Storage& storage, size_t streams_max)
      : storage_(storage), generation_max_(streams_max / 2) {}

  // Returns the head, valid until the next call. Errors: the store could not be read.
  absl::StatusOr<StreamHead*> Find(const StreamKey& stream) {
    const auto young = young_.find(stream);
    if (young != young_.end()) return &young->second;
    StreamHead head;
    const auto old = old_.find(stream);
    if (old != old_.end()) {
      head = old->second;
    } else {
      ASSIGN_OR_RETURN(head.next_revision, NextRevision(stream));
    }
    return &young_.emplace(stream, head).first->second;
  }

  // Forgets what was not used lately. Only between batches: a batch that is being made lies nowhere
  // else.
  void Trim() {
    if (young_.size() <= generation_max_) return;
    old_ = std::exchange(young_, {});
  }

 private:
  absl::StatusOr<uint64_t> NextRevision(const StreamKey& stream) const {
    ASSIGN_OR_RETURN(const auto last, storage_.LastWithPrefix(kStreamsTable, AsBytes(stream)));
    if (!last) return 0;
    ASSIGN_OR_RETURN(const StreamRow row, DecodeStreamRowKey(last->key));
    return row.revision.value + 1;
  }

  const Storage& storage_;
  const size_t generation_max_;
  absl::flat_hash_map<StreamKey, StreamHead> young_;
  absl::flat_hash_map<StreamKey, StreamHead> old_;
};

}  // namespace records::eventstore
