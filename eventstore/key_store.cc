#include "eventstore/key_store.h"

#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<LeasedKey> KeyStore::GetOrCreateKey(const KeyPurpose& purpose) {
  ASSIGN_OR_RETURN(std::vector<LeasedKey> keys, GetOrCreateKeys({purpose}));
  return std::move(keys.front());
}

}  // namespace records::eventstore
