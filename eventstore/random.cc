#include "eventstore/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace records::eventstore {
namespace {

class OpenSslRandom final : public Random {
 public:
  absl::Status Fill(absl::Span<uint8_t> bytes) override {
    // RAND_bytes counts in int.
    constexpr size_t kLargestCall = std::numeric_limits<int>::max();
    while (!bytes.empty()) {
      const size_t count = std::min(bytes.size(), kLargestCall);
      if (RAND_bytes(bytes.data(), static_cast<int>(count)) != 1) {
        return absl::UnavailableError("the system has no random bytes to give");
      }
      bytes.remove_prefix(count);
    }
    return absl::OkStatus();
  }
};

// The step of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
// 2014).
uint64_t NextSplitMix64(uint64_t& state) {
  uint64_t word = (state += 0x9e3779b97f4a7c15);
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
  return word ^ (word >> 31);
}

}  // namespace

Random& SystemRandom() {
  static OpenSslRandom random;
  return random;
}

absl::Status SeededRandom::Fill(absl::Span<uint8_t> bytes) {
  absl::MutexLock lock(&mutex_);
  while (!bytes.empty()) {
    uint64_t word = NextSplitMix64(state_);
    const size_t count = std::min(bytes.size(), sizeof(word));
    for (size_t i = 0; i < count; ++i) {
      bytes[i] = static_cast<uint8_t>(word);
      word >>= 8;
    }
    bytes.remove_prefix(count);
  }
  return absl::OkStatus();
}

}  // namespace records::eventstore
