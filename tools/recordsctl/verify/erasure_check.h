#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/event_decoder.h"
#include "tools/recordsctl/verify/note_reader.h"
#include "tools/recordsctl/verify/partition_walk.h"
#include "tools/recordsctl/verify/report.h"

// The erasure ledger and the certificates of erasures, read by eventstore/FORMAT.md alone.
namespace records::tools::verify {

// Longest ledger that is read: some seven million records.
inline constexpr size_t kErasureLedgerBytesMax = size_t{1} << 30;

// A head of the erasure ledger, and who says so.
struct KnownErasures {
  std::string source;
  TreeHead head;
};

// A record of a ledger.
struct LedgerRecord {
  std::string subject;
  Hash hash{};
};

// The records of a ledger. kDataLoss, saying why: it is none, of another log or key, or was
// altered.
absl::StatusOr<std::vector<LedgerRecord>> ParseErasureLedger(absl::string_view bytes,
                                                             absl::string_view store,
                                                             absl::string_view public_key);

// What is wrong when the ledger is held against what a certificate says of it; empty: nothing.
std::string CompareWithRecord(const std::vector<LedgerRecord>& ledger,
                              const DecodedErasure& certificate);

// A ledger, and what it is held against.
struct ErasureLedgerCheck {
  std::string path;
  std::string store;
  std::string public_key;
  std::vector<KnownErasures> known;
  std::vector<CertificateRow> certificates;
};

// Adds what is wrong with the ledger and how many records it has.
void CheckErasureLedger(const ErasureLedgerCheck& check, Report& report);

// Adds a note of certificates that say they searched for none of the bytes destroyed.
void NoteUnsearchedErasures(Report& report);

// What a certificate proves.
struct Certificate {
  uint64_t partition = 0;
  uint64_t sequence = 0;
  std::string event;  // as stored
  std::string origin;
  uint64_t tree_size = 0;
  TreeHead erasures;  // by the checkpoint
  std::string key;    // as it stands in the file
};

// Verifies the text of a certificate: the signature of its checkpoint under `key`, the inclusion of
// its event in the tree that the checkpoint tells of, and that it is a certificate of an erasure.
// kInvalidArgument: not a certificate. kDataLoss: it proves nothing; the message says why.
absl::StatusOr<Certificate> VerifyCertificate(absl::string_view text, const VerifierKey& key);

// The key that a certificate names. kInvalidArgument.
absl::StatusOr<std::string> KeyOfCertificate(absl::string_view text);

}  // namespace records::tools::verify
