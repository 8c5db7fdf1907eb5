#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/key_store.h"
#include "eventstore/planted_bug.h"
#include "eventstore/recent_map.h"

namespace records::eventstore {

// Directory entries that were read lately, by the names of their rows, which are keyed hashes: no
// reference lies in it. A row never changes, it can only be deleted, so the entries hold for one
// count of deletions: who looks or inserts asks for that count before reading the row.
//
// Thread-safe.
class DirectoryCache {
 public:
  explicit DirectoryCache(size_t capacity) : entries_(capacity) {}

  std::optional<DirectoryEntry> Find(absl::string_view row, uint64_t deletions) const {
    absl::ReaderMutexLock lock(&mutex_);
    if (deletions != deletions_ && !PLANTED_BUG("stale-directory")) return std::nullopt;
    const DirectoryEntry* entry = entries_.Find(row);
    return entry == nullptr ? std::nullopt : std::optional(*entry);
  }

  void Insert(std::string row, const DirectoryEntry& entry, uint64_t deletions) {
    absl::MutexLock lock(&mutex_);
    if (deletions < deletions_) return;  // read before a deletion: it may be the deleted one
    if (deletions > deletions_) entries_.Clear();
    deletions_ = deletions;
    entries_.Insert(std::move(row), entry);
  }

 private:
  mutable absl::Mutex mutex_;
  uint64_t deletions_ ABSL_GUARDED_BY(mutex_) = 0;
  RecentMap<std::string, DirectoryEntry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
