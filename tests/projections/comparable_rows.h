#pragma once

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/storage.h"
#include "projections/view_rows.h"

namespace records::projections {

// All rows of a view, table by table; of a checkpoint position and tree root, not how the log that
// it was folded from goes on. When its files were rewritten last is its own affair.
inline std::vector<std::string> ComparableRows(const eventstore::Storage& storage, size_t tables) {
  std::vector<std::string> rows;
  for (size_t i = 0; i < tables; ++i) {
    const auto cursor = storage.NewCursor(eventstore::Table{i});
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      if (i == 0 && cursor->key() == kRewrittenKey) continue;
      std::string value(cursor->value());
      if (auto checkpoint = DecodeCheckpoint(cursor->key(), value); i == 0 && checkpoint.ok()) {
        checkpoint->resume.clear();
        value = EncodeCheckpoint(*checkpoint);
      }
      rows.push_back(absl::StrCat(i, "|", absl::BytesToHexString(cursor->key()), "=",
                                  absl::BytesToHexString(value)));
    }
  }
  return rows;
}

}  // namespace records::projections
