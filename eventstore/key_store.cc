#include "eventstore/key_store.h"

#include <algorithm>

#include "eventstore/planted_bug.h"
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

KeyTag TagOf(const KeyId& key) {
  KeyTag tag;
  std::copy_n(key.bytes().begin(), tag.size(), tag.begin());
  return tag;
}

absl::StatusOr<std::optional<LeasedKey>> KeyStore::FindReferencedKey(
    const KeyReference& reference) {
  ASSIGN_OR_RETURN(std::optional<LeasedKey> key, FindKey(reference.purpose));
  if (!key.has_value() || reference.tag == KeyTag{} || reference.tag == TagOf(key->id)) return key;
  if (PLANTED_BUG("later-key-for-earlier")) return key;
  return std::nullopt;
}

}  // namespace records::eventstore
