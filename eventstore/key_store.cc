#include "eventstore/key_store.h"

#include "eventstore/status_macros.h"

namespace records::eventstore {

uint64_t SubjectHoldings::key_count() const {
  uint64_t count = 0;
  for (const auto& [category, keys_of_it] : keys) count += keys_of_it;
  return count;
}

absl::StatusOr<LeasedKey> KeyStore::GetOrCreateKey(const KeyPurpose& purpose) {
  ASSIGN_OR_RETURN(std::vector<LeasedKey> keys, GetOrCreateKeys({purpose}));
  return std::move(keys.front());
}

}  // namespace records::eventstore
