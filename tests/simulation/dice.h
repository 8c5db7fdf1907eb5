#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace records::simulation {

// Where all chance of a simulation comes from (SplitMix64): the same seed, the same draws, on any
// machine. Not thread-safe.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // 0 .. bound - 1. REQUIRES: bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }

  // low .. high.
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }

  // True once in `n`; never for 0.
  bool OneIn(uint64_t n) { return n != 0 && Below(n) == 0; }

  // REQUIRES: not empty.
  template <typename T>
  const T& Pick(const std::vector<T>& values) {
    return values[Below(values.size())];
  }

 private:
  uint64_t state_;
};

}  // namespace records::simulation
