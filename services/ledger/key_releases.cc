#include "services/ledger/key_releases.h"

#include "eventstore/limits.h"

namespace records::services {

using eventstore::kReleasedKeyLease;
using eventstore::SubjectId;

KeyReleases::KeyReleases(const eventstore::Clock& steady)
    : steady_(steady), all_until_(steady.Now() + kReleasedKeyLease) {}

void KeyReleases::Note(const SubjectId& subject) {
  // Twice the lease: what the other process counts from is when it asked.
  const absl::Time now = steady_.Now();
  absl::MutexLock lock(&mutex_);
  Forget(now);
  absl::Time& until = until_[subject];
  // One row for many releases in a row.
  if (until < now + kReleasedKeyLease) {
    until = now + 2 * kReleasedKeyLease;
    in_order_.emplace_back(until, subject);
  }
  if (until_.size() <= kSubjectsMax) return;
  all_until_ = now + 2 * kReleasedKeyLease;
  until_.clear();
  in_order_.clear();
}

bool KeyReleases::Ended(const SubjectId& subject) const {
  const absl::Time now = steady_.Now();
  absl::MutexLock lock(&mutex_);
  if (now < all_until_) return false;
  const auto found = until_.find(subject);
  return found == until_.end() || now >= found->second;
}

void KeyReleases::Forget(absl::Time now) {
  while (!in_order_.empty() && in_order_.front().first <= now) {
    const auto found = until_.find(in_order_.front().second);
    if (found != until_.end() && found->second <= now) until_.erase(found);
    in_order_.pop_front();
  }
}

}  // namespace records::services
