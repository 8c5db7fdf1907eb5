#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/crypto.h"
#include "eventstore/key_store.h"

namespace records::eventstore {

// A key, ready for use. Wiped with its last holder.
struct ReadyKey {
  KeyId id;
  Aead aead;
  SecretBytes hash_key;  // of keys for SubjectHash() only
};

using ReadyKeyPointer =
    std::shared_ptr<const ReadyKey>;  // lint: allow(shared_ptr) cache and holders end at any time

// The keys that were used last, at most `capacity`. Keys that are not there are not remembered.
//
// Thread-safe.
class KeyCache {
 public:
  explicit KeyCache(size_t capacity) : capacity_(capacity) {}

  // nullptr: not here.
  ReadyKeyPointer Find(const KeyPurpose& purpose);

  // Counts evictions: a key that was read before one may be gone, and is not taken in.
  uint64_t epoch() const;
  void Insert(const KeyPurpose& purpose, ReadyKeyPointer key, uint64_t epoch);

  void Evict(const KeyPurpose& purpose);
  // Returns the keys of the subject that somebody may still hold: those that were here, and those
  // that were handed out and are not.
  std::vector<std::weak_ptr<const ReadyKey>> EvictSubject(const SubjectId& subject);

  size_t size() const;
  // Keys that are remembered because somebody may hold them; about as many as are held.
  size_t noted_outside() const;

 private:
  using Entry = std::pair<KeyPurpose, ReadyKeyPointer>;

  // Remembers a key that is not here and may be held outside, and forgets those that nobody holds.
  void NoteOutside(const SubjectId& subject, const ReadyKeyPointer& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t capacity_;
  mutable absl::Mutex mutex_;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Entry> by_use_ ABSL_GUARDED_BY(mutex_);  // the last used first
  absl::flat_hash_map<KeyPurpose, std::list<Entry>::iterator> entries_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<SubjectId, std::weak_ptr<const ReadyKey>>> outside_ ABSL_GUARDED_BY(mutex_);
  size_t prune_outside_at_ ABSL_GUARDED_BY(mutex_) = 64;
};

}  // namespace records::eventstore
