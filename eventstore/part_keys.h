#pragma once

#include "absl/status/statusor.h"
#include "eventstore/key_store.h"
#include "records/log/v1/event.pb.h"

namespace records::eventstore {

// Whether a key store has the keys of an event's sealed parts; dummies need none.
struct PartKeys {
  bool erased = false;  // a part is of a data subject who is erased
  bool missing =
      false;  // the key of another one is not there: it ended, or was never in this store
};

// kDataLoss: a part names no key of this store's. Others: those of the store.
[[nodiscard]] absl::StatusOr<PartKeys> FindPartKeys(const records::log::v1::Event& event,
                                                    KeyStore& keys);

}  // namespace records::eventstore
