#include "projections/timeline/timeline_keys.h"

#include <set>
#include <utility>

#include "eventstore/status_macros.h"

namespace records::projections {

using eventstore::KeyPurpose;
using eventstore::KeyReference;
using eventstore::OpenedEvent;
using eventstore::RootId;
using eventstore::SubjectId;
using records::log::v1::Event;

namespace {
constexpr absl::string_view kHeaderLabel = "timeline-header";
}  // namespace

absl::StatusOr<std::optional<std::string>> TimelineKeys::RealType(const Event& event) const {
  ASSIGN_OR_RETURN(const OpenedEvent opened, sealer_.Open(event, [](absl::string_view category) {
    return category == kTimelineFoldCategory;
  }));
  if (opened.type.empty()) return std::nullopt;
  return opened.type;
}

absl::Status TimelineKeys::RemoveCorrectedParts(const Event& correction, Event& original) const {
  keys_.Expect({&correction, &original});
  std::set<std::pair<SubjectId, uint32_t>> corrected;
  for (const auto& part : correction.sealed()) {
    ASSIGN_OR_RETURN(const KeyReference reference, keys_.OpenReference(part.key_reference()));
    const KeyPurpose& purpose = reference.purpose;
    if (purpose.category != 0) corrected.emplace(purpose.subject, purpose.category);
  }
  for (int i = original.sealed_size() - 1; i >= 0; --i) {
    ASSIGN_OR_RETURN(const KeyReference reference,
                     keys_.OpenReference(original.sealed(i).key_reference()));
    const KeyPurpose& purpose = reference.purpose;
    if (corrected.contains({purpose.subject, purpose.category})) {
      original.mutable_sealed()->DeleteSubrange(i, 1);
    }
  }
  return absl::OkStatus();
}

void TimelineKeys::Expect(absl::Span<const Event* const> events) const { keys_.Expect(events); }

absl::StatusOr<std::string> TimelineKeys::SealHeader(const RootId& root,
                                                     absl::string_view state) const {
  return keys_.SealToken(kHeaderLabel, root.bytes(), state);
}

absl::StatusOr<std::string> TimelineKeys::OpenHeader(const RootId& root,
                                                     absl::string_view sealed) const {
  auto state = keys_.OpenToken(kHeaderLabel, root.bytes(), sealed);
  if (absl::IsInvalidArgument(state.status())) {
    return absl::DataLossError("the header row of a timeline is damaged");
  }
  return state;
}

}  // namespace records::projections
