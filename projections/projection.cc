#include "projections/projection.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace records::projections {

using eventstore::Cursor;
using eventstore::StorageBatch;
using eventstore::Table;

const std::optional<std::string>* ViewBatch::Find(const RowKey& key) const {
  if (auto it = pending_.find(key); it != pending_.end()) return &it->second;
  if (auto it = kept_.find(key); it != kept_.end()) return &it->second;
  return nullptr;
}

absl::StatusOr<std::optional<std::string>> ViewBatch::Get(Table table,
                                                          absl::string_view key) const {
  if (const auto* own = Find({table.index, std::string(key)})) return *own;
  auto stored = storage_.Get(table, key);
  if (!stored.ok()) storage_error_.Update(stored.status());
  return stored;
}

void ViewBatch::Put(Table table, absl::string_view key, std::string value) {
  pending_.insert_or_assign({table.index, std::string(key)}, std::move(value));
}

void ViewBatch::Delete(Table table, absl::string_view key) {
  pending_.insert_or_assign({table.index, std::string(key)}, std::nullopt);
}

absl::Status ViewBatch::ScanPrefix(
    Table table, absl::string_view prefix,
    absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const {
  // Three sorted sources are walked side by side: storage, kept, pending. The later one wins.
  const auto inside = [&](const Rows& rows, Rows::const_iterator it) {
    return it != rows.end() && it->first.first == table.index &&
           absl::StartsWith(it->first.second, prefix);
  };
  auto kept = kept_.lower_bound({table.index, std::string(prefix)});
  auto pending = pending_.lower_bound({table.index, std::string(prefix)});
  const std::unique_ptr<Cursor> cursor = storage_.NewCursor(table);
  cursor->Seek(prefix);
  while (true) {
    std::optional<std::string> key;
    const auto consider = [&](absl::string_view candidate) {
      if (!key.has_value() || candidate < *key) key = std::string(candidate);
    };
    const bool has_stored = cursor->Valid() && absl::StartsWith(cursor->key(), prefix);
    if (has_stored) consider(cursor->key());
    if (inside(kept_, kept)) consider(kept->first.second);
    if (inside(pending_, pending)) consider(pending->first.second);
    if (!key.has_value()) break;
    std::optional<std::string> value;
    if (has_stored && cursor->key() == *key) {
      value = std::string(cursor->value());
      cursor->Next();
    }
    if (inside(kept_, kept) && kept->first.second == *key) value = (kept++)->second;
    if (inside(pending_, pending) && pending->first.second == *key) value = (pending++)->second;
    if (value.has_value() && !visit(*key, *value)) return absl::OkStatus();
  }
  storage_error_.Update(cursor->status());
  return cursor->status();
}

void ViewBatch::Keep() {
  while (!pending_.empty()) {
    auto row = pending_.extract(pending_.begin());
    kept_bytes_ += row.key().second.size() + (row.mapped().has_value() ? row.mapped()->size() : 0);
    auto result = kept_.insert(std::move(row));
    if (!result.inserted) result.position->second = std::move(result.node.mapped());
  }
}

void ViewBatch::Discard() { pending_.clear(); }

void ViewBatch::MoveKeptInto(StorageBatch& out) {
  for (auto& [key, value] : kept_) {
    if (value.has_value()) {
      out.Put(Table{key.first}, key.second, *std::move(value));
    } else {
      out.Delete(Table{key.first}, key.second);
    }
  }
  kept_.clear();
  kept_bytes_ = 0;
}

std::vector<std::string> StorageTables(const Projection& projection) {
  const std::string suffix = absl::StrCat("-v", projection.version());
  std::vector<std::string> names = {absl::StrCat("runner", suffix)};
  for (const std::string& table : projection.tables()) names.push_back(absl::StrCat(table, suffix));
  return names;
}

}  // namespace records::projections
