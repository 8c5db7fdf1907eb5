#pragma once

#include <cstdint>

#include "eventstore/crypto.h"

namespace records::eventstore {

// How far the erasure ledger had come: what log, key store, checkpoints and backups keep of it.
struct ErasureHead {
  uint64_t size = 0;
  Digest hash{};  // of the last record; zeros when there is none

  friend bool operator==(const ErasureHead&, const ErasureHead&) = default;
};

}  // namespace records::eventstore
