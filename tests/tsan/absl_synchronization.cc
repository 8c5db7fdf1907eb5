// Tells ThreadSanitizer what absl's locks order. Debian's absl is compiled without it, so that each
// use of a mutex would look like a race. The linker sends our calls here (-Wl,--wrap), and each
// says what it does around the real one, as absl does when it is compiled with ThreadSanitizer.
//
// What absl does inside is not watched. A condition that absl evaluates for us is not either.
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

using absl::BlockingCounter;
using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::Notification;
using absl::Time;

namespace {

constexpr unsigned kWrite = 0;
constexpr unsigned kRead = __tsan_mutex_read_lock;

// Runs `lock`, which takes the mutex.
template <typename Function>
void Locking(Mutex* mutex, unsigned flags, Function lock) {
  __tsan_mutex_pre_lock(mutex, flags);
  lock();
  __tsan_mutex_post_lock(mutex, flags, 0);
}

// Runs `lock`, which returns whether its condition held and takes the mutex in any case.
template <typename Function>
bool LockingWhen(Mutex* mutex, unsigned flags, Function lock) {
  bool held = false;
  Locking(mutex, flags, [&] { held = lock(); });
  return held;
}

template <typename Function>
bool TryLocking(Mutex* mutex, unsigned flags, Function lock) {
  __tsan_mutex_pre_lock(mutex, flags | __tsan_mutex_try_lock);
  const bool taken = lock();
  const unsigned outcome = taken ? 0 : __tsan_mutex_try_lock_failed;
  __tsan_mutex_post_lock(mutex, flags | __tsan_mutex_try_lock | outcome, 0);
  return taken;
}

template <typename Function>
void Unlocking(Mutex* mutex, unsigned flags, Function unlock) {
  __tsan_mutex_pre_unlock(mutex, flags);
  unlock();
  __tsan_mutex_post_unlock(mutex, flags);
}

// Runs `wait`, which releases a mutex held for writing and takes it again.
template <typename Function>
bool Waiting(Mutex* mutex, Function wait) {
  Unlocking(mutex, kWrite, [] {});
  return LockingWhen(mutex, kWrite, wait);
}

// HasBeenNotified() is inline and reads the flag behind the notification's mutex.
void* FlagOf(Notification* notification) {
  return reinterpret_cast<char*>(notification) + sizeof(Mutex);
}

}  // namespace

// NAME is the mangled name without the namespaces.
#define REAL(NAME) __real__ZN4absl7debian3##NAME
#define REAL_CONST(NAME) __real__ZNK4absl7debian3##NAME
#define WRAP(NAME) __wrap__ZN4absl7debian3##NAME
#define WRAP_CONST(NAME) __wrap__ZNK4absl7debian3##NAME

extern "C" {

// absl's search for deadlocks keeps its graph behind a spin lock that nothing tells of, and moves
// it with memmove, which ThreadSanitizer watches in whatever library calls it.
const char* __tsan_default_suppressions() {
  return "called_from_lib:libabsl_graphcycles_internal.so\n";
}

void REAL(5Mutex4LockEv)(Mutex*);
void WRAP(5Mutex4LockEv)(Mutex* mutex) {
  Locking(mutex, kWrite, [&] { REAL(5Mutex4LockEv)(mutex); });
}

void REAL(5Mutex6UnlockEv)(Mutex*);
void WRAP(5Mutex6UnlockEv)(Mutex* mutex) {
  Unlocking(mutex, kWrite, [&] { REAL(5Mutex6UnlockEv)(mutex); });
}

bool REAL(5Mutex7TryLockEv)(Mutex*);
bool WRAP(5Mutex7TryLockEv)(Mutex* mutex) {
  return TryLocking(mutex, kWrite, [&] { return REAL(5Mutex7TryLockEv)(mutex); });
}

void REAL(5Mutex10ReaderLockEv)(Mutex*);
void WRAP(5Mutex10ReaderLockEv)(Mutex* mutex) {
  Locking(mutex, kRead, [&] { REAL(5Mutex10ReaderLockEv)(mutex); });
}

void REAL(5Mutex12ReaderUnlockEv)(Mutex*);
void WRAP(5Mutex12ReaderUnlockEv)(Mutex* mutex) {
  Unlocking(mutex, kRead, [&] { REAL(5Mutex12ReaderUnlockEv)(mutex); });
}

void REAL(5MutexD1Ev)(Mutex*);
void WRAP(5MutexD1Ev)(Mutex* mutex) {
  REAL(5MutexD1Ev)(mutex);
  __tsan_mutex_destroy(mutex, __tsan_mutex_not_static);
}

void REAL(5Mutex8LockWhenERKNS0_9ConditionE)(Mutex*, const Condition&);
void WRAP(5Mutex8LockWhenERKNS0_9ConditionE)(Mutex* mutex, const Condition& condition) {
  Locking(mutex, kWrite, [&] { REAL(5Mutex8LockWhenERKNS0_9ConditionE)(mutex, condition); });
}

bool REAL(5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE)(Mutex*, const Condition&,
                                                                       Duration);
bool WRAP(5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE)(Mutex* mutex,
                                                                       const Condition& condition,
                                                                       Duration timeout) {
  return LockingWhen(mutex, kWrite, [&] {
    return REAL(5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE)(mutex, condition,
                                                                             timeout);
  });
}

void REAL(5Mutex5AwaitERKNS0_9ConditionE)(Mutex*, const Condition&);
void WRAP(5Mutex5AwaitERKNS0_9ConditionE)(Mutex* mutex, const Condition& condition) {
  Waiting(mutex, [&] {
    REAL(5Mutex5AwaitERKNS0_9ConditionE)(mutex, condition);
    return true;
  });
}

bool REAL(5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE)(Mutex*, const Condition&,
                                                                    Duration);
bool WRAP(5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE)(Mutex* mutex,
                                                                    const Condition& condition,
                                                                    Duration timeout) {
  return Waiting(mutex, [&] {
    return REAL(5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE)(mutex, condition,
                                                                          timeout);
  });
}

bool REAL(5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE)(Mutex*, const Condition&, Time);
bool WRAP(5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE)(Mutex* mutex,
                                                                 const Condition& condition,
                                                                 Time deadline) {
  return Waiting(mutex, [&] {
    return REAL(5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE)(mutex, condition, deadline);
  });
}

void REAL(7CondVar4WaitEPNS0_5MutexE)(CondVar*, Mutex*);
void WRAP(7CondVar4WaitEPNS0_5MutexE)(CondVar* signal, Mutex* mutex) {
  Waiting(mutex, [&] {
    REAL(7CondVar4WaitEPNS0_5MutexE)(signal, mutex);
    return true;
  });
}

bool REAL(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE)(CondVar*, Mutex*, Duration);
bool WRAP(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE)(CondVar* signal, Mutex* mutex,
                                                                Duration timeout) {
  return Waiting(mutex, [&] {
    return REAL(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE)(signal, mutex, timeout);
  });
}

bool REAL(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)(CondVar*, Mutex*, Time);
bool WRAP(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)(CondVar* signal, Mutex* mutex,
                                                             Time deadline) {
  return Waiting(mutex, [&] {
    return REAL(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)(signal, mutex, deadline);
  });
}

void REAL(12Notification6NotifyEv)(Notification*);
void WRAP(12Notification6NotifyEv)(Notification* notification) {
  __tsan_release(FlagOf(notification));
  REAL(12Notification6NotifyEv)(notification);
}

void REAL_CONST(12Notification19WaitForNotificationEv)(Notification*);
void WRAP_CONST(12Notification19WaitForNotificationEv)(Notification* notification) {
  REAL_CONST(12Notification19WaitForNotificationEv)(notification);
  __tsan_acquire(FlagOf(notification));
}

bool REAL_CONST(12Notification30WaitForNotificationWithTimeoutENS0_8DurationE)(Notification*,
                                                                               Duration);
bool WRAP_CONST(12Notification30WaitForNotificationWithTimeoutENS0_8DurationE)(
    Notification* notification, Duration timeout) {
  const bool notified = REAL_CONST(12Notification30WaitForNotificationWithTimeoutENS0_8DurationE)(
      notification, timeout);
  __tsan_acquire(FlagOf(notification));
  return notified;
}

bool REAL(15BlockingCounter14DecrementCountEv)(BlockingCounter*);
bool WRAP(15BlockingCounter14DecrementCountEv)(BlockingCounter* counter) {
  __tsan_release(counter);
  return REAL(15BlockingCounter14DecrementCountEv)(counter);
}

void REAL(15BlockingCounter4WaitEv)(BlockingCounter*);
void WRAP(15BlockingCounter4WaitEv)(BlockingCounter* counter) {
  REAL(15BlockingCounter4WaitEv)(counter);
  __tsan_acquire(counter);
}

}  // extern "C"
