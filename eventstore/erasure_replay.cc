#include "eventstore/erasure_replay.h"

#include <utility>

#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<ErasureReplay> ReplayErasures(absl::Span<const ErasureRecord> records,
                                             KeyStore& keys) {
  ErasureReplay replay;
  for (const ErasureRecord& record : records) {
    ASSIGN_OR_RETURN(const SubjectHoldings found, keys.HoldingsOf(record.subject));
    const bool fenced = keys.IsFenced(record.subject);
    if (fenced && found.key_count() == 0 && found.directory_rows == 0) continue;
    ++replay.subjects;
    if (!fenced) RETURN_IF_ERROR(keys.Fence(record.subject));
    ASSIGN_OR_RETURN(DestroyedSubject destroyed, keys.DestroySubject(record.subject));
    replay.keys += destroyed.holdings.key_count();
    replay.destroyed.insert_or_assign(record.subject, std::move(destroyed));
  }
  if (replay.subjects > 0) RETURN_IF_ERROR(keys.CompactDestroyed());
  return replay;
}

}  // namespace records::eventstore
