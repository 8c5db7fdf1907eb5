#include "eventstore/tail_keys.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::Status CountKeys(const StoredEvent& event, KeyStore& keys, TailKeys& found) {
  bool is_erased = false;
  bool is_unopened = false;
  for (const auto& part : event.event.sealed()) {
    const auto reference = keys.OpenReference(part.key_reference());
    if (absl::IsDataLoss(reference.status())) {
      return absl::DataLossError(absl::StrCat(
          "partition ", event.position.partition, ", sequence ", event.position.sequence,
          " names a key that is none of the key store's: it is of another log"));
    }
    RETURN_IF_ERROR(reference.status());
    if (reference->purpose.category == 0) continue;  // a dummy
    if (keys.IsFenced(reference->purpose.subject)) {
      is_erased = true;
      continue;
    }
    ASSIGN_OR_RETURN(const std::optional<LeasedKey> key, keys.FindReferencedKey(*reference));
    is_unopened |= !key.has_value();
  }
  found.erased += is_erased ? 1 : 0;
  if (!is_unopened) return absl::OkStatus();
  ++found.unopened;
  if (found.named.size() < kUnopenedNamedMax) {
    found.named.push_back({event.position, event.event.stream().collection()});
  }
  return absl::OkStatus();
}

}  // namespace records::eventstore
