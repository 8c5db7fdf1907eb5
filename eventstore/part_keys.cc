#include "eventstore/part_keys.h"

#include <optional>

#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<PartKeys> FindPartKeys(const records::log::v1::Event& event, KeyStore& keys) {
  PartKeys found;
  for (const auto& part : event.sealed()) {
    ASSIGN_OR_RETURN(const KeyReference reference, keys.OpenReference(part.key_reference()));
    if (reference.purpose.category == 0) continue;
    if (keys.IsFenced(reference.purpose.subject)) {
      found.erased = true;
      continue;
    }
    ASSIGN_OR_RETURN(const std::optional<LeasedKey> key, keys.FindReferencedKey(reference));
    found.missing |= !key.has_value();
  }
  return found;
}

}  // namespace records::eventstore
