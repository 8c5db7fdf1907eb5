#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/format.h"

// Signed checkpoints: c2sp.org/signed-note and c2sp.org/tlog-checkpoint as FORMAT.md uses them.
namespace records::tools::verify {

// A public key and the name that it signs under: "<name>+<key id>+<key>".
struct VerifierKey {
  std::string name;
  std::string public_key;  // 32 bytes
  std::string id;          // 4 bytes
};

// kInvalidArgument: not the text of such a key.
absl::StatusOr<VerifierKey> ParseVerifierKey(absl::string_view text);
// The key of that name, from its bytes.
VerifierKey MakeVerifierKey(absl::string_view name, absl::string_view public_key);

// The public half of `checkpoint.key` in a data folder, under that name. kDataLoss: the file holds
// no key. Other errors: it cannot be read.
absl::StatusOr<VerifierKey> ReadSigningKey(const std::string& data_dir, absl::string_view name);

// How far a tree had come, and its root there.
struct TreeHead {
  uint64_t size = 0;
  Hash root{};
  friend bool operator==(const TreeHead&, const TreeHead&) = default;
};

struct SignedCheckpoint {
  struct Signature {
    std::string name;
    std::string bytes;  // key id, then the signature
  };
  std::string text;  // what is signed
  std::string origin;
  uint64_t size = 0;
  std::vector<TreeHead> trees;  // events 0 .. N-1, then access 0 .. N-1
  TreeHead erasures;            // of the erasure ledger; size 0: it had no records
  std::vector<Signature> signatures;
};

// Text and signatures of a signed note of whatever kind, and nothing more. kInvalidArgument: not
// one.
absl::StatusOr<SignedCheckpoint> ParseNote(absl::string_view note);

// kInvalidArgument, saying why: not a checkpoint as FORMAT.md describes it. Signatures are not
// verified.
absl::StatusOr<SignedCheckpoint> ParseCheckpoint(absl::string_view note);

enum class SignatureState { kValid, kForged, kOfAnotherKey };
SignatureState CheckSignature(const SignedCheckpoint& checkpoint, const VerifierKey& key);

}  // namespace records::tools::verify
