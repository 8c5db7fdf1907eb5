#include "eventstore/storage.h"

#include "absl/strings/match.h"

namespace records::eventstore {
namespace {

// Returns the first key behind all keys that start with `prefix`; empty: there is none.
std::string KeyBehind(absl::string_view prefix) {
  std::string key(prefix);
  while (!key.empty() && static_cast<uint8_t>(key.back()) == 0xFF) key.pop_back();
  if (!key.empty()) key.back() = static_cast<char>(static_cast<uint8_t>(key.back()) + 1);
  return key;
}

}  // namespace

absl::StatusOr<std::optional<StorageEntry>> Storage::LastWithPrefix(
    Table table, absl::string_view prefix) const {
  const std::unique_ptr<Cursor> cursor = NewCursor(table);
  std::string behind = KeyBehind(prefix);
  // With no key behind, longer than any key of ours.
  if (behind.empty()) behind.assign(prefix.size() + 1024, '\xFF');
  cursor->SeekForPrev(behind);
  if (cursor->Valid() && cursor->key() == behind) cursor->Prev();
  if (!cursor->Valid()) {
    if (absl::Status status = cursor->status(); !status.ok()) return status;
    return std::nullopt;
  }
  if (!absl::StartsWith(cursor->key(), prefix)) return std::nullopt;
  return StorageEntry{std::string(cursor->key()), std::string(cursor->value())};
}

}  // namespace records::eventstore
