#pragma once

#include <cstdint>
#include <map>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eventstore/erasure_ledger.h"
#include "eventstore/key_store.h"

namespace records::eventstore {

// What a replay found in a key store.
struct ErasureReplay {
  uint64_t subjects = 0;  // of whom there was something, or who were not fenced
  uint64_t keys = 0;      // destroyed
  // The bytes destroyed: once they are out of the store nobody else can tell what to search for.
  std::map<SubjectId, DestroyedSubject> destroyed;
};

// Destroys again what the ledger says was destroyed: fences each subject, deletes its keys and
// directory rows, and rewrites the files when there was any. For each start, and for a key store
// that was restored from a backup. Does nothing when nothing came back. Errors: those of the store.
[[nodiscard]] absl::StatusOr<ErasureReplay> ReplayErasures(absl::Span<const ErasureRecord> records,
                                                           KeyStore& keys);

}  // namespace records::eventstore
