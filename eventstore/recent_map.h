#pragma once

#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace records::eventstore {

// A map that keeps what was inserted lately, at most `capacity` entries: two generations, of which
// the older one is dropped when the younger is half of that.
//
// Not thread-safe; Find() changes nothing.
template <typename Key, typename Value>
class RecentMap {
 public:
  explicit RecentMap(size_t capacity) : generation_max_(capacity / 2) {}

  // nullptr: not here. Valid until the next change.
  template <typename LookUp>
  const Value* Find(const LookUp& key) const {
    const auto young = young_.find(key);
    if (young != young_.end()) return &young->second;
    const auto old = old_.find(key);
    return old == old_.end() ? nullptr : &old->second;
  }

  void Insert(Key key, Value value) {
    if (young_.size() >= generation_max_) old_ = std::exchange(young_, {});
    young_.insert_or_assign(std::move(key), std::move(value));
  }

  void Clear() {
    young_.clear();
    old_.clear();
  }

 private:
  const size_t generation_max_;
  absl::flat_hash_map<Key, Value> young_;
  absl::flat_hash_map<Key, Value> old_;
};

}  // namespace records::eventstore
