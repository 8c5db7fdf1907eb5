#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace records::eventstore {

// Where random bytes come from: ids, keys and nonces.
//
// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;

  // Fills `bytes`. On an error the content of `bytes` must not be used.
  // kUnavailable: the source has no randomness to give.
  [[nodiscard]] virtual absl::Status Fill(absl::Span<uint8_t> bytes) = 0;
};

// Returns the cryptographic generator of OpenSSL (RAND_bytes). Lives as long as the process.
Random& SystemRandom();

// A generator that gives the same bytes for the same seed, for tests and the simulation only: its
// bytes are predictable (SplitMix64).
//
// Thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  absl::Status Fill(absl::Span<uint8_t> bytes) override;

 private:
  absl::Mutex mutex_;
  uint64_t state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
