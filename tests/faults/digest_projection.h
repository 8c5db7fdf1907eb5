#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/status_macros.h"
#include "projections/projection.h"

namespace records::faults {

// A view with one row for each root: the running hash of the stored bytes of its events, so that an
// event left out, repeated, changed or out of order shows.
class DigestProjection final : public projections::Projection {
 public:
  std::string name() const override { return "digests"; }
  uint32_t version() const override { return 1; }
  std::vector<std::string> tables() const override { return {"digests"}; }

  absl::Status Apply(const eventstore::StoredEvent& event,
                     projections::ViewBatch& batch) const override {
    const std::string& root = event.event.stream().root();
    ASSIGN_OR_RETURN(const auto row, batch.Get(projections::ViewTable(0), root));
    const eventstore::Digest digest = eventstore::Sha256({row.value_or(""), event.bytes});
    batch.Put(projections::ViewTable(0), root, std::string(eventstore::AsBytes(digest)));
    return absl::OkStatus();
  }
};

}  // namespace records::faults
