#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/note_reader.h"
#include "tools/recordsctl/verify/report.h"

// The erasure ledger and the certificates of erasures, read by eventstore/FORMAT.md alone.
namespace records::tools::verify {

// A head of the erasure ledger, and who says so.
struct KnownErasures {
  std::string source;
  TreeHead head;
};

// The hashes of the records of a ledger. kDataLoss, saying why: it is none, of another log or key,
// or was altered.
absl::StatusOr<std::vector<Hash>> ParseErasureLedger(absl::string_view bytes,
                                                     absl::string_view store,
                                                     absl::string_view public_key);

// Holds the ledger in `path` against `known`; adds what is wrong and how many records there are.
void CheckErasureLedger(const std::string& path, absl::string_view store,
                        absl::string_view public_key, const std::vector<KnownErasures>& known,
                        Report& report);

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
