#pragma once

#include <cstdint>
#include <string>

#include "eventstore/crypto.h"

namespace records::eventstore {

// How far the erasure ledger had come: what log, key store, checkpoints and backups keep of it.
struct ErasureHead {
  uint64_t size = 0;
  Digest hash{};  // of the last record; zeros when there is none

  friend bool operator==(const ErasureHead&, const ErasureHead&) = default;
};

// A head that the ledger must have reached, and who says so ("log.anchor").
struct KnownErasureHead {
  std::string whose;
  ErasureHead head;
};

}  // namespace records::eventstore
