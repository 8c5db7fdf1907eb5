#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eventstore/ids.h"
#include "eventstore/log.h"
#include "projections/projection.h"
#include "projections/timeline/timeline_keys.h"

namespace records::projections {

// Folds the events under customers' roots into timelines. Parts are kept sealed, as they came; of
// restricted events it opens the fold part alone. A correction takes the place of the value it
// corrects (CR-2.4c): the corrected part is in no row any more.
//
// Thread-safe. Must not outlive `keys`.
class TimelineProjection final : public Projection {
 public:
  explicit TimelineProjection(const TimelineKeys& keys) : keys_(keys) {}

  std::string name() const override { return "timeline"; }
  uint32_t version() const override { return 1; }
  std::vector<std::string> tables() const override;

  // kFailedPrecondition: a correction of no contact of this root. kDataLoss: a fold part or a row
  // is damaged. kUnavailable: the key store does not answer.
  bool EndsRoot(const eventstore::StoredEvent& event) const override;
  [[nodiscard]] absl::Status Apply(const eventstore::StoredEvent& event,
                                   ViewBatch& batch) const override;

 private:
  struct Place;

  absl::Status AddEntry(const eventstore::StoredEvent& event, const Place& at,
                        ViewBatch& batch) const;
  absl::Status AddCorrection(const eventstore::StoredEvent& event, const Place& at,
                             ViewBatch& batch) const;
  // Deletes every row of a root that was fenced for erasure.
  static absl::Status Erase(const eventstore::RootId& root, ViewBatch& batch);
  absl::Status UpdateHeader(const eventstore::StoredEvent& event, const Place& at,
                            ViewBatch& batch) const;

  const TimelineKeys& keys_;
};

}  // namespace records::projections
