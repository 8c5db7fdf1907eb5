#include "eventstore/clock.h"

#include <chrono>

namespace records::eventstore {
namespace {

class MachineClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

class EvenClock final : public Clock {
 public:
  absl::Time Now() const override {
    return absl::UnixEpoch() +
           absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

const Clock& SteadyClock() {
  static const EvenClock clock;
  return clock;
}

const Clock& SystemClock() {
  static const MachineClock clock;
  return clock;
}

}  // namespace records::eventstore
