#include "services/erasure/certificate.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/signed_note.h"
#include "eventstore/status_macros.h"

namespace records::services {

absl::StatusOr<std::string> CertificateText(eventstore::EventLog& log,
                                            eventstore::Position position) {
  ASSIGN_OR_RETURN(const auto stored, log.ReadAt(eventstore::Ledger::kEvents, position));
  ASSIGN_OR_RETURN(const std::string note, log.SignedCheckpoint());
  ASSIGN_OR_RETURN(const auto verifier, eventstore::NoteVerifier::Parse(log.VerifierKey()));
  ASSIGN_OR_RETURN(const auto opened, eventstore::OpenNote(note, {verifier}));
  ASSIGN_OR_RETURN(const auto checkpoint, eventstore::ParseCheckpoint(opened.text));
  ASSIGN_OR_RETURN(const auto trees, eventstore::TreesOf(checkpoint, log.store_id()));
  if (position.partition >= trees.size()) return absl::InternalError("no such partition");
  const uint64_t size = trees[position.partition].size;
  ASSIGN_OR_RETURN(const auto proof,
                   log.ProveInclusion(eventstore::Ledger::kEvents, position, size));
  std::string text =
      absl::StrCat("records erasure certificate v1\n", "position events/", position.partition, " ",
                   position.sequence, "\n", "event ", eventstore::Base64Encode(stored.bytes), "\n");
  for (const auto& hash : proof) {
    absl::StrAppend(&text, "proof ", eventstore::Base64Encode(eventstore::AsBytes(hash)), "\n");
  }
  absl::StrAppend(&text, "key ", log.VerifierKey(), "\n\n", note);
  return text;
}

}  // namespace records::services
