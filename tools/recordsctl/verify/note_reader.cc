#include "tools/recordsctl/verify/note_reader.h"

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/verify/anchor_reader.h"
#include "tools/recordsctl/verify/hashes.h"
#include "tools/recordsctl/verify/tree_builder.h"

namespace records::tools::verify {
namespace {

constexpr absl::string_view kEd25519Type("\x01", 1);
constexpr size_t kKeyIdSize = 4;
constexpr size_t kHexKeyIdSize = 2 * kKeyIdSize;
constexpr size_t kPublicKeySize = 32;
// An em dash and a space.
constexpr absl::string_view kSignatureStart = "\xe2\x80\x94 ";

absl::Status Malformed(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::StatusOr<uint64_t> ParseSize(absl::string_view text) {
  uint64_t size = 0;
  if (!absl::SimpleAtoi(text, &size) || absl::StrCat(size) != text) {
    return Malformed("a size that is no number");
  }
  return size;
}

absl::StatusOr<Hash> ParseHash(absl::string_view text) {
  ASSIGN_OR_RETURN(const std::string bytes, DecodeBase64(text));
  if (bytes.size() != kHashSize) return Malformed("a root that is not 32 bytes");
  Hash hash;
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

absl::StatusOr<SignedCheckpoint::Signature> ParseSignature(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kSignatureStart)) return Malformed("a line is no signature");
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 2) return Malformed("a line is no signature");
  ASSIGN_OR_RETURN(std::string bytes, DecodeBase64(words[1]));
  if (bytes.size() <= kKeyIdSize) return Malformed("a signature is too short");
  return SignedCheckpoint::Signature{std::string(words[0]), std::move(bytes)};
}

// Reads "<name> <size> <root>".
absl::StatusOr<TreeHead> ParseHeadLine(absl::string_view line, absl::string_view name) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || words[0] != name) {
    return Malformed("its lines are not those of the trees, in their order");
  }
  TreeHead head;
  ASSIGN_OR_RETURN(head.size, ParseSize(words[1]));
  ASSIGN_OR_RETURN(head.root, ParseHash(words[2]));
  return head;
}

// Reads the line of the tree `index` of `count`.
absl::StatusOr<TreeHead> ParseTreeLine(absl::string_view line, size_t index, size_t count) {
  const Ledger ledger = index < count / 2 ? Ledger::kEvents : Ledger::kAccess;
  return ParseHeadLine(line, absl::StrCat(NameOf(ledger), "/", index % (count / 2)));
}

// Reads the last line, if it is that of the erasure ledger, and takes it off.
absl::Status TakeErasureLine(std::vector<absl::string_view>& lines, SignedCheckpoint* checkpoint) {
  if (lines.empty() || !absl::StartsWith(lines.back(), "erasures ")) return absl::OkStatus();
  ASSIGN_OR_RETURN(checkpoint->erasures, ParseHeadLine(lines.back(), "erasures"));
  lines.pop_back();
  if (checkpoint->erasures.size > 0) return absl::OkStatus();
  return Malformed("a line of an erasure ledger without records");
}

absl::Status ParseText(SignedCheckpoint* checkpoint) {
  std::vector<absl::string_view> lines = absl::StrSplit(checkpoint->text, '\n');
  lines.pop_back();
  RETURN_IF_ERROR(TakeErasureLine(lines, checkpoint));
  if (lines.size() < 5 || lines.size() > 3 + 2 * kPartitionsMax || lines.size() % 2 == 0) {
    return Malformed("it does not tell of the trees of a log");
  }
  checkpoint->origin = std::string(lines[0]);
  ASSIGN_OR_RETURN(checkpoint->size, ParseSize(lines[1]));
  ASSIGN_OR_RETURN(const Hash stated, ParseHash(lines[2]));
  TreeBuilder builder([](const TileName&, absl::string_view) {});
  uint64_t size = 0;
  const size_t count = lines.size() - 3;
  for (size_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const TreeHead head, ParseTreeLine(lines[3 + i], i, count));
    checkpoint->trees.push_back(head);
    builder.Add(LeafHash(lines[3 + i]));
    size += head.size;
  }
  if (size != checkpoint->size || builder.Root() != stated) {
    return Malformed("its size or root is not that of its trees");
  }
  return absl::OkStatus();
}

}  // namespace

VerifierKey MakeVerifierKey(absl::string_view name, absl::string_view public_key) {
  const Hash hash = Sha256({name, "\n", kEd25519Type, public_key});
  return {std::string(name), std::string(public_key),
          std::string(AsView(hash).substr(0, kKeyIdSize))};
}

absl::StatusOr<VerifierKey> ParseVerifierKey(absl::string_view text) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(absl::StripAsciiWhitespace(text), absl::MaxSplits('+', 2));
  if (parts.size() != 3 || parts[0].empty() || parts[1].size() != kHexKeyIdSize) {
    return Malformed("not the key of a verifier, <name>+<key id>+<key>");
  }
  ASSIGN_OR_RETURN(const std::string bytes, DecodeBase64(parts[2]));
  if (bytes.size() != 1 + kPublicKeySize || bytes.substr(0, 1) != kEd25519Type) {
    return Malformed("not an Ed25519 key of a verifier");
  }
  VerifierKey key = MakeVerifierKey(parts[0], absl::string_view(bytes).substr(1));
  if (absl::BytesToHexString(key.id) != absl::AsciiStrToLower(parts[1])) {
    return Malformed("the key of the verifier and its key id do not belong together");
  }
  return key;
}

absl::StatusOr<VerifierKey> ReadSigningKey(const std::string& data_dir, absl::string_view name) {
  ASSIGN_OR_RETURN(std::string seed, ReadFile(data_dir + "/checkpoint.key", kHashSize));
  const absl::StatusOr<std::string> public_key = PublicKeyOf(seed);
  explicit_bzero(seed.data(), seed.size());
  if (!public_key.ok()) return absl::DataLossError("holds no key");
  return MakeVerifierKey(name, *public_key);
}

absl::StatusOr<SignedCheckpoint> ParseNote(absl::string_view note) {
  const size_t split = note.rfind("\n\n");
  if (split == absl::string_view::npos || note.back() != '\n') {
    return Malformed("it is no signed note");
  }
  SignedCheckpoint checkpoint{.text = std::string(note.substr(0, split + 1))};
  std::vector<absl::string_view> lines = absl::StrSplit(note.substr(split + 2), '\n');
  lines.pop_back();
  for (const absl::string_view line : lines) {
    ASSIGN_OR_RETURN(SignedCheckpoint::Signature signature, ParseSignature(line));
    checkpoint.signatures.push_back(std::move(signature));
  }
  if (checkpoint.signatures.empty()) return Malformed("it has no signature");
  return checkpoint;
}

absl::StatusOr<SignedCheckpoint> ParseCheckpoint(absl::string_view note) {
  ASSIGN_OR_RETURN(SignedCheckpoint checkpoint, ParseNote(note));
  RETURN_IF_ERROR(ParseText(&checkpoint));
  return checkpoint;
}

SignatureState CheckSignature(const SignedCheckpoint& checkpoint, const VerifierKey& key) {
  SignatureState state = SignatureState::kOfAnotherKey;
  for (const SignedCheckpoint::Signature& signature : checkpoint.signatures) {
    const absl::string_view bytes = signature.bytes;
    if (signature.name != key.name || bytes.substr(0, kKeyIdSize) != key.id) continue;
    if (!IsSignedBy(key.public_key, checkpoint.text, bytes.substr(kKeyIdSize))) {
      return SignatureState::kForged;
    }
    state = SignatureState::kValid;
  }
  return state;
}

}  // namespace records::tools::verify
