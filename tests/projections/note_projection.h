#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/random.h"
#include "eventstore/storage.h"
#include "projections/projection.h"

namespace records::projections {

// A small view for tests: one row for each root, with the types of its events in order, so that an
// event left out, repeated or out of order shows. "bad" cannot be folded until `mended`; nothing
// can be while `unavailable`.
class NoteProjection final : public Projection {
 public:
  std::string name() const override { return "notes"; }
  uint32_t version() const override { return 1; }
  std::vector<std::string> tables() const override { return {"notes"}; }

  // "end" ends its root.
  bool EndsRoot(const eventstore::StoredEvent& event) const override {
    return event.event.type() == "end";
  }

  absl::Status Apply(const eventstore::StoredEvent& event, ViewBatch& batch) const override {
    if (unavailable) return absl::UnavailableError("not now");
    const std::string& root = event.event.stream().root();
    if (EndsRoot(event)) {
      batch.Delete(ViewTable(0), root);
      return absl::OkStatus();
    }
    auto row = batch.Get(ViewTable(0), root);
    if (!row.ok()) return row.status();
    // Written before the fold is refused: nothing of it may stay.
    batch.Put(ViewTable(0), root,
              absl::StrCat(row->value_or(""), event.event.type(), event.position.sequence, ";"));
    if (event.event.type() == "bad" && !mended) return absl::InvalidArgumentError("bad event");
    return absl::OkStatus();
  }

  std::atomic<bool> mended = false;
  std::atomic<bool> unavailable = false;
};

inline constexpr size_t kNoteTables = 2;

inline records::log::v1::Event NoteEvent(const eventstore::RootId& root, std::string type) {
  records::log::v1::Event event;
  event.set_id(eventstore::EventId::Generate(eventstore::SystemRandom())->bytes().data(), 16);
  event.mutable_stream()->set_collection("notes");
  event.mutable_stream()->set_root(root.bytes().data(), 16);
  event.set_type(std::move(type));
  return event;
}

// Root number `number`, in the given partition of 16.
inline eventstore::RootId TestRoot(uint8_t partition, uint8_t number) {
  eventstore::IdBytes bytes{};
  bytes[7] = partition;
  bytes[15] = number;
  bytes[8] = 0x80;
  return eventstore::RootId(bytes);
}

// All rows of a storage, table by table.
inline std::vector<std::string> AllRows(const eventstore::Storage& storage, size_t tables) {
  std::vector<std::string> rows;
  for (size_t i = 0; i < tables; ++i) {
    const auto cursor = storage.NewCursor(eventstore::Table{i});
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      rows.push_back(absl::StrCat(i, "|", cursor->key(), "=", cursor->value()));
    }
  }
  return rows;
}

}  // namespace records::projections
