#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

namespace records::faults {

// A set of bytes of a file, as ranges that do not touch.
class ByteRanges {
 public:
  void Add(uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    auto next = ranges_.upper_bound(begin);
    if (next != ranges_.begin() && std::prev(next)->second >= begin) {
      --next;
      begin = next->first;
    }
    while (next != ranges_.end() && next->first <= end) {
      end = std::max(end, next->second);
      next = ranges_.erase(next);
    }
    ranges_.emplace(begin, end);
  }

  void Add(const ByteRanges& others) {
    for (const auto& [begin, end] : others.ranges_) Add(begin, end);
  }

  void Remove(uint64_t begin, uint64_t end) {
    auto next = ranges_.upper_bound(begin);
    if (next != ranges_.begin()) --next;
    while (next != ranges_.end() && next->first < end) {
      const auto [from, to] = *next;
      if (to <= begin) {
        ++next;
        continue;
      }
      next = ranges_.erase(next);
      if (from < begin) ranges_.emplace(from, begin);
      if (to > end) ranges_.emplace(end, to);
    }
  }

  void Clear() { ranges_.clear(); }

  // By their begin: begin and end.
  const std::map<uint64_t, uint64_t>& ranges() const { return ranges_; }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

}  // namespace records::faults
