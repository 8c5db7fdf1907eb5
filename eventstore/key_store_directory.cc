#include <utility>

#include "eventstore/key_store_impl.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<DirectoryEntry> DurableKeyStore::Claim(absl::string_view organisation,
                                                      absl::string_view name_space,
                                                      absl::string_view reference) {
  RETURN_IF_ERROR(committer_.health());
  ASSIGN_OR_RETURN(const std::optional<DirectoryEntry> found,
                   Resolve(organisation, name_space, reference));
  if (found.has_value()) return *found;
  DirectoryEntry entry;
  RETURN_IF_ERROR(committer_.Commit([&](PendingChanges& changes) -> absl::Status {
    const SealerPointer sealer = this->sealer();
    const std::string row = secrets_.ReferenceRow(organisation, name_space, reference);
    ASSIGN_OR_RETURN(const std::optional<std::string> there, changes.Get(kDirectoryTable, row));
    if (there.has_value()) {
      ASSIGN_OR_RETURN(const SecretBytes bytes, sealer->Open(kDirectoryTable, row, *there));
      ASSIGN_OR_RETURN(const DirectoryRow claimed, DecodeDirectoryRow(bytes));
      entry = claimed.entry;
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(entry.subject, SubjectId::Generate(*ports_.random));
    ASSIGN_OR_RETURN(entry.root, RootId::Generate(*ports_.random));
    const SecretBytes bytes = EncodeDirectoryRow(
        {entry, std::string(organisation), std::string(name_space), std::string(reference)});
    for (const std::string& name : {row, secrets_.SubjectRow(entry.subject)}) {
      ASSIGN_OR_RETURN(std::string value,
                       sealer->Seal(kDirectoryTable, name, bytes.view(), *ports_.random));
      changes.Insert(kDirectoryTable, name, std::move(value));
    }
    return absl::OkStatus();
  }));
  return entry;
}

absl::StatusOr<std::optional<DirectoryEntry>> DurableKeyStore::Resolve(
    absl::string_view organisation, absl::string_view name_space,
    absl::string_view reference) const {
  RETURN_IF_ERROR(CheckReference(organisation, name_space, reference));
  const std::string row = secrets_.ReferenceRow(organisation, name_space, reference);
  const uint64_t deletions = committer_.directory_deletions();
  if (auto known = directory_cache_.Find(row, deletions); known.has_value()) return known;
  ASSIGN_OR_RETURN(const std::optional<DirectoryRow> found, ReadDirectory(row));
  if (!found.has_value()) return std::nullopt;
  if (found->organisation != organisation || found->name_space != name_space ||
      found->reference != reference) {
    return DamagedRow(kDirectoryTable, row);
  }
  directory_cache_.Insert(row, found->entry, deletions);
  return found->entry;
}

absl::StatusOr<std::optional<std::string>> DurableKeyStore::ReferenceOf(
    const SubjectId& subject) const {
  const std::string row = secrets_.SubjectRow(subject);
  ASSIGN_OR_RETURN(const std::optional<DirectoryRow> found, ReadDirectory(row));
  if (!found.has_value()) return std::nullopt;
  if (found->entry.subject != subject) return DamagedRow(kDirectoryTable, row);
  return found->reference;
}

absl::StatusOr<DirectoryEntry> DurableKeyStore::PseudoEntry(absl::string_view organisation,
                                                            absl::string_view name_space,
                                                            absl::string_view reference) const {
  RETURN_IF_ERROR(CheckReference(organisation, name_space, reference));
  return secrets_.PseudoEntry(organisation, name_space, reference);
}

absl::StatusOr<std::optional<DirectoryRow>> DurableKeyStore::ReadDirectory(
    const std::string& row) const {
  ASSIGN_OR_RETURN(const std::optional<SecretBytes> bytes, ReadRow(kDirectoryTable, row));
  if (!bytes.has_value()) return std::nullopt;
  return DecodeDirectoryRow(*bytes);
}

absl::StatusOr<std::optional<SecretBytes>> DurableKeyStore::ReadRow(Table table,
                                                                    const std::string& row) const {
  // A rotation may install the next generation between the two reads, but hardly twice.
  for (int attempt = 0; attempt < 3; ++attempt) {
    const SealerPointer sealer = this->sealer();
    ASSIGN_OR_RETURN(const std::optional<std::string> value, ports_.storage->Get(table, row));
    if (!value.has_value()) {
      // One that was lost must not pass for one that is not there.
      RETURN_IF_ERROR(rows_->Wait());
      return std::nullopt;
    }
    if (!sealer->Knows(*value)) continue;
    ASSIGN_OR_RETURN(SecretBytes bytes, sealer->Open(table, row, *value));
    return bytes;
  }
  return DamagedRow(table, row);
}

}  // namespace records::eventstore
