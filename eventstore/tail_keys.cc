#include "eventstore/tail_keys.h"

#include "absl/strings/str_cat.h"
#include "eventstore/part_keys.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::Status CountKeys(const StoredEvent& event, KeyStore& keys, TailKeys& found) {
  const absl::StatusOr<PartKeys> parts = FindPartKeys(event.event, keys);
  if (absl::IsDataLoss(parts.status())) {
    return absl::DataLossError(absl::StrCat("partition ", event.position.partition, ", sequence ",
                                            event.position.sequence,
                                            ": a key of it is damaged, or "
                                            "none of the key store's: ",
                                            parts.status().message()));
  }
  RETURN_IF_ERROR(parts.status());
  found.erased += parts->erased ? 1 : 0;
  if (!parts->missing) return absl::OkStatus();
  ++found.unopened;
  if (found.named.size() < kUnopenedNamedMax) {
    found.named.push_back({event.position, event.event.stream().collection()});
  }
  return absl::OkStatus();
}

}  // namespace records::eventstore
