#include "eventstore/key_store_committer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// Changes that one synced batch takes; more wait for the next.
constexpr size_t kGroupMax = 1024;

bool DeletesFromDirectory(const StorageBatch& batch) {
  return std::any_of(batch.changes().begin(), batch.changes().end(), [](const auto& change) {
    return change.kind == StorageBatch::Kind::kDelete && change.table == kDirectoryTable;
  });
}

}  // namespace

absl::StatusOr<std::optional<std::string>> PendingChanges::Get(Table table,
                                                               absl::string_view row) const {
  const Place place{table.index, std::string(row)};
  for (auto change = staged_.rbegin(); change != staged_.rend(); ++change) {
    if (change->first == place) return change->second;
  }
  const auto accepted = accepted_.find(place);
  if (accepted != accepted_.end()) return accepted->second;
  return storage_.Get(table, row);
}

void PendingChanges::Insert(Table table, std::string row, std::string value) {
  ++staged_rows_[table.index];
  Replace(table, std::move(row), std::move(value));
}

void PendingChanges::Replace(Table table, std::string row, std::string value) {
  staged_.emplace_back(Place{table.index, std::move(row)}, std::move(value));
}

void PendingChanges::Delete(Table table, std::string row) {
  --staged_rows_[table.index];
  staged_.emplace_back(Place{table.index, std::move(row)}, std::nullopt);
}

void PendingChanges::Accept() {
  for (auto& [place, value] : staged_) {
    if (value.has_value()) {
      batch_.Put(Table{place.first}, place.second, *value);
    } else {
      batch_.Delete(Table{place.first}, place.second);
    }
    accepted_.insert_or_assign(std::move(place), std::move(value));
  }
  for (size_t table = 0; table < rows_.size(); ++table) rows_[table] += staged_rows_[table];
  Drop();
}

void PendingChanges::Drop() {
  staged_.clear();
  staged_rows_ = {};
}

KeyStoreCommitter::KeyStoreCommitter(Storage& storage, const RowCount& rows,
                                     std::unique_ptr<Anchor> anchor, StoreId store,
                                     KeyStoreState state, ErasureHead erasures,
                                     std::function<void(const absl::Status&)> on_fatal)
    : storage_(storage),
      rows_(rows),
      anchor_(std::move(anchor)),
      store_(store),
      on_fatal_(std::move(on_fatal)),
      state_(state),
      erasures_(erasures) {}

absl::Status KeyStoreCommitter::Commit(Decision decide) {
  RETURN_IF_ERROR(rows_.Wait());
  Waiting self{decide, absl::OkStatus()};
  absl::MutexLock lock(&mutex_);
  queue_.push_back(&self);
  while (!self.done) {
    if (leading_) {
      changed_.Wait(&mutex_);
      continue;
    }
    Lead();
    const size_t size = std::min(queue_.size(), kGroupMax);
    const std::vector<Waiting*> group(queue_.begin(),
                                      queue_.begin() + static_cast<std::ptrdiff_t>(size));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
    mutex_.Unlock();
    Write(group);
    mutex_.Lock();
    for (Waiting* waiting : group) waiting->done = true;
    EndLead();
  }
  return self.result;
}

absl::Status KeyStoreCommitter::Pause(absl::FunctionRef<absl::Status(const KeyStoreState&)> work) {
  RETURN_IF_ERROR(rows_.Wait());
  absl::MutexLock lock(&mutex_);
  while (leading_) changed_.Wait(&mutex_);
  Lead();
  const KeyStoreState state = state_;
  absl::Status status = health_;
  mutex_.Unlock();
  if (status.ok()) status = work(state);
  mutex_.Lock();
  EndLead();
  return status;
}

void KeyStoreCommitter::Lead() { leading_ = true; }

void KeyStoreCommitter::EndLead() {
  leading_ = false;
  changed_.SignalAll();
}

void KeyStoreCommitter::Write(const std::vector<Waiting*>& group) {
  if (absl::Status failed = health(); !failed.ok()) {
    for (Waiting* waiting : group) waiting->result = failed;
    return;
  }
  PendingChanges pending(storage_, state().rows);
  for (Waiting* waiting : group) {
    waiting->result = waiting->decide(pending);
    waiting->result.ok() ? pending.Accept() : pending.Drop();
  }
  if (pending.batch().empty()) return;
  const absl::Status written = WriteBatch(pending);
  if (written.ok()) return;
  if (on_fatal_ && !health().ok()) on_fatal_(written);
  // Also who changed nothing: what it saw may be what was not written.
  for (Waiting* waiting : group) {
    if (waiting->result.ok()) waiting->result = written;
  }
}

absl::Status KeyStoreCommitter::WriteBatch(PendingChanges& pending) {
  const KeyStoreState next = NextState(state(), pending.batch(), pending.rows());
  pending.batch().Put(kKeyStoreMetaTable, kStateRow, EncodeState(next));
  const auto durability = PLANTED_BUG("new-key-not-synced") ? Storage::Durability::kUnsynced
                                                            : Storage::Durability::kSynced;
  absl::Status status = storage_.Write(pending.batch(), durability);
  if (DeletesFromDirectory(pending.batch())) ++directory_deletions_;
  if (absl::IsResourceExhausted(status)) return status;
  if (status.ok()) {
    status = anchor_->Write(EncodeKeyStoreAnchor({store_, next.sequence, next.hash, erasures()}));
  }
  absl::MutexLock lock(&mutex_);
  if (status.ok()) {
    state_ = next;
    return status;
  }
  health_ = absl::UnavailableError(absl::StrCat(
      "the key store takes no more changes, as one failed and its outcome is unknown: restart (",
      status.message(), ")"));
  return health_;
}

KeyStoreState KeyStoreCommitter::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

ErasureHead KeyStoreCommitter::erasures() const {
  absl::MutexLock lock(&mutex_);
  return erasures_;
}

void KeyStoreCommitter::SetErasures(const ErasureHead& head) {
  absl::MutexLock lock(&mutex_);
  erasures_ = head;
}

absl::Status KeyStoreCommitter::health() const {
  absl::MutexLock lock(&mutex_);
  return health_;
}

}  // namespace records::eventstore
