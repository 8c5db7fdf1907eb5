#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"

namespace records::eventstore {

// An event of which a key is not in the key store. Nothing of what is in it.
struct UnopenedEvent {
  Position position;
  std::string collection;  // of its stream
};

// How many of them are named; the rest are counted.
inline constexpr size_t kUnopenedNamedMax = 10'000;

// What of a log's tail a key store opens.
struct TailKeys {
  uint64_t erased = 0;    // events with parts of data subjects who are erased
  uint64_t unopened = 0;  // events with parts, of others, whose keys are not there
  std::vector<UnopenedEvent> named;
};

// Adds an event to `found`. Errors: those of the store; kDataLoss: a part names no key of it.
[[nodiscard]] absl::Status CountKeys(const StoredEvent& event, KeyStore& keys, TailKeys& found);

}  // namespace records::eventstore
