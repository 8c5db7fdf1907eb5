#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace records::eventstore {

// Where the time comes from. Everything below services/ takes a Clock by constructor and never
// reads the system's time itself, so that tests and the simulation decide what time it is.
//
// Thread-safe. The time may go backwards, as a system clock may: a caller that needs order must see
// to it.
class Clock {
 public:
  virtual ~Clock() = default;

  // Returns the current time.
  virtual absl::Time Now() const = 0;
};

// Returns the clock of the machine. Lives as long as the process.
const Clock& SystemClock();

// Returns a clock that goes on evenly, whatever is done to the machine's: it neither jumps nor goes
// back. Its times say nothing by themselves, only what lies between two of them. Lives as long as
// the process.
const Clock& SteadyClock();

// A clock that stands still until it is moved, for tests and the simulation.
//
// Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(absl::Time start) : now_(start) {}

  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }

  // Sets the time, also to an earlier one.
  void Set(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    now_ = now;
  }

  // Moves the time by `step`, which may be negative.
  void Advance(absl::Duration step) {
    absl::MutexLock lock(&mutex_);
    now_ += step;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
