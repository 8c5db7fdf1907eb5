#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eventstore/ids.h"
#include "eventstore/key_store.h"
#include "eventstore/sealing.h"
#include "records/log/v1/event.pb.h"

namespace records::projections {

// Category of the fold part that restricted events carry for this view.
inline constexpr absl::string_view kTimelineFoldCategory = "timeline-fold";

// What the timeline may ask of the keys beside the sealer, and no more.
//
// Thread-safe. Must not outlive sealer and key store.
class TimelineKeys {
 public:
  TimelineKeys(const eventstore::Sealer& sealer, eventstore::KeyStore& keys)
      : sealer_(sealer), keys_(keys) {}

  // The real type of a restricted event, from its fold part; nullopt when it carries none for this
  // view or its key was erased. kDataLoss: damaged. kUnavailable: the key store does not answer.
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> RealType(
      const records::log::v1::Event& event) const;

  // Removes from `original` the sealed parts that `correction` holds a new value of: those of the
  // same data subject and category. Opens no part, only the references that say whose and what they
  // are.
  [[nodiscard]] absl::Status RemoveCorrectedParts(const records::log::v1::Event& correction,
                                                  records::log::v1::Event& original) const;

  // The parts of these events are about to be opened: their keys may be asked for together.
  void Expect(absl::Span<const records::log::v1::Event* const> events) const;

  // Seals what was learned from fold parts, for the row of `root`. The same gives the same bytes,
  // so that a rebuilt view is equal to the live one.
  [[nodiscard]] absl::StatusOr<std::string> SealHeader(const eventstore::RootId& root,
                                                       absl::string_view state) const;
  // kDataLoss: not what SealHeader() returned for this root.
  [[nodiscard]] absl::StatusOr<std::string> OpenHeader(const eventstore::RootId& root,
                                                       absl::string_view sealed) const;

 private:
  const eventstore::Sealer& sealer_;
  eventstore::KeyStore& keys_;
};

}  // namespace records::projections
