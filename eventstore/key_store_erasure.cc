#include <utility>

#include "absl/strings/match.h"
#include "eventstore/key_store_impl.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

// What the key store does when a data subject is erased.
namespace records::eventstore {

bool DurableKeyStore::LeasesEnded(const SubjectId& subject) {
  absl::MutexLock lock(&guard_mutex_);
  const auto found = leases_.find(subject);
  if (found == leases_.end()) return true;
  std::erase_if(found->second, [](const auto& key) { return key.expired(); });
  if (!found->second.empty()) return false;
  leases_.erase(found);
  return true;
}

absl::StatusOr<std::vector<std::string>> DurableKeyStore::KeyRowsOf(
    const SubjectId& subject) const {
  RETURN_IF_ERROR(rows_->Wait());
  const std::string prefix = secrets_.KeyRowPrefix(subject);
  std::vector<std::string> rows;
  const std::unique_ptr<Cursor> cursor = ports_.storage->NewCursor(kKeysTable);
  for (cursor->Seek(prefix); cursor->Valid() && absl::StartsWith(cursor->key(), prefix);
       cursor->Next()) {
    rows.emplace_back(cursor->key());
  }
  RETURN_IF_ERROR(cursor->status());
  return rows;
}

absl::StatusOr<SubjectHoldings> DurableKeyStore::HoldingsOf(const SubjectId& subject) const {
  SubjectHoldings holdings;
  ASSIGN_OR_RETURN(const std::vector<std::string> rows, KeyRowsOf(subject));
  for (const std::string& row : rows) {
    // A damaged row is one to be destroyed as well: of what category nobody can tell.
    const absl::StatusOr<std::optional<SecretBytes>> bytes = ReadRow(kKeysTable, row);
    if (!bytes.ok() && !absl::IsDataLoss(bytes.status())) return bytes.status();
    if (bytes.ok() && !bytes->has_value()) continue;
    const absl::StatusOr<KeyRow> key =
        bytes.ok() ? DecodeKeyRow(**bytes) : absl::StatusOr<KeyRow>(bytes.status());
    ++holdings.keys[key.ok() ? key->purpose.category : 0];
  }
  ASSIGN_OR_RETURN(const auto directory, ReadDirectory(secrets_.SubjectRow(subject)));
  holdings.directory_rows = directory.has_value() ? 2 : 0;
  return holdings;
}

absl::StatusOr<std::optional<SecretBytes>> DurableKeyStore::DestroyRow(
    Table table, const std::string& row, PendingChanges& changes, DestroyedSubject& destroyed) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value, changes.Get(table, row));
  if (!value.has_value()) return std::nullopt;
  destroyed.bytes.push_back(SecretBytes::CopyOf(*value));
  changes.Delete(table, row);
  absl::StatusOr<SecretBytes> opened = sealer()->Open(table, row, *value);
  return opened.ok() ? *std::move(opened) : SecretBytes();
}

absl::Status DurableKeyStore::DestroyDirectoryRows(const SubjectId& subject,
                                                   PendingChanges& changes,
                                                   DestroyedSubject& destroyed) {
  const std::string by_subject = secrets_.SubjectRow(subject);
  ASSIGN_OR_RETURN(const std::optional<SecretBytes> bytes,
                   DestroyRow(kDirectoryTable, by_subject, changes, destroyed));
  if (!bytes.has_value()) return absl::OkStatus();
  ++destroyed.holdings.directory_rows;
  // Without it nobody can tell which reference led here.
  ASSIGN_OR_RETURN(const DirectoryRow claimed, DecodeDirectoryRow(*bytes));
  if (claimed.entry.subject != subject) return DamagedRow(kDirectoryTable, by_subject);
  const std::string by_reference =
      secrets_.ReferenceRow(claimed.organisation, claimed.name_space, claimed.reference);
  ASSIGN_OR_RETURN(const auto there, DestroyRow(kDirectoryTable, by_reference, changes, destroyed));
  if (there.has_value()) ++destroyed.holdings.directory_rows;
  destroyed.row_names.push_back(by_reference);
  return absl::OkStatus();
}

absl::StatusOr<DestroyedSubject> DurableKeyStore::DestroySubject(const SubjectId& subject) {
  if (!IsFenced(subject)) return absl::FailedPreconditionError("the subject is not fenced");
  DestroyedSubject destroyed;
  // No key of it can come any more: making one asks for the fence in the same order of changes.
  ASSIGN_OR_RETURN(const std::vector<std::string> rows, KeyRowsOf(subject));
  RETURN_IF_ERROR(committer_.Commit([&](PendingChanges& changes) -> absl::Status {
    for (const std::string& row : rows) {
      ASSIGN_OR_RETURN(const auto bytes, DestroyRow(kKeysTable, row, changes, destroyed));
      if (!bytes.has_value()) continue;
      const absl::StatusOr<KeyRow> key = DecodeKeyRow(*bytes);
      ++destroyed.holdings.keys[key.ok() ? key->purpose.category : 0];
      if (key.ok()) destroyed.bytes.push_back(SecretBytes::CopyOf(key->key.view()));
    }
    return DestroyDirectoryRows(subject, changes, destroyed);
  }));
  destroyed.row_names.push_back(secrets_.KeyRowPrefix(subject));
  destroyed.row_names.push_back(secrets_.SubjectRow(subject));
  return destroyed;
}

absl::Status DurableKeyStore::CompactDestroyed() {
  if (PLANTED_BUG("erasure-without-compaction")) return absl::OkStatus();
  RETURN_IF_ERROR(ports_.storage->Compact(kKeysTable));
  return ports_.storage->Compact(kDirectoryTable);
}

}  // namespace records::eventstore
