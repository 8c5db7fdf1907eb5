#include "eventstore/signed_note.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/internal/utf8.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr char kEd25519Type = '\x01';
constexpr size_t kKeyIdSize = 4;
// An em dash and a space.
constexpr absl::string_view kSignatureStart = "\xe2\x80\x94 ";

// The key id in the first bytes of a digest or a signature.
uint32_t LeadingKeyId(absl::string_view bytes) { return internal::TakeBigEndian<uint32_t>(bytes); }

uint32_t KeyId(absl::string_view name, absl::string_view public_key) {
  const Digest digest = Sha256({name, "\n", absl::string_view(&kEd25519Type, 1), public_key});
  return LeadingKeyId(AsBytes(digest));
}

bool IsKeyName(absl::string_view name) {
  return !name.empty() && !absl::StrContains(name, '+') && internal::IsUtf8WithoutSpaces(name);
}

// UTF-8 without control characters; newlines are allowed.
bool IsNoteText(absl::string_view text) {
  return internal::IsUtf8(text) && std::none_of(text.begin(), text.end(), [](char byte) {
           return static_cast<uint8_t>(byte) < 0x20 && byte != '\n';
         });
}

bool IsLine(absl::string_view line) {
  return !line.empty() && !absl::StrContains(line, '\n') && IsNoteText(line);
}

absl::Status NotANote() { return absl::InvalidArgumentError("not a signed note"); }
absl::Status NotACheckpoint() { return absl::InvalidArgumentError("not the text of a checkpoint"); }
absl::Status NotAKey() { return absl::InvalidArgumentError("not the key of a verifier of notes"); }

struct Signature {
  absl::string_view name;
  uint32_t key_id;
  std::string bytes;
};

// Reads one signature line, without its newline.
absl::StatusOr<Signature> ParseSignature(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kSignatureStart)) return NotANote();
  const std::pair<absl::string_view, absl::string_view> fields =
      absl::StrSplit(line, absl::MaxSplits(' ', 1));
  if (!IsKeyName(fields.first)) return NotANote();
  const absl::StatusOr<std::string> decoded = Base64Decode(fields.second);
  if (!decoded.ok() || decoded->size() <= kKeyIdSize) return NotANote();
  return Signature{fields.first, LeadingKeyId(*decoded), decoded->substr(kKeyIdSize)};
}

// Returns the place in `known` of the key that the signature names.
std::optional<size_t> FindKey(const Signature& signature, absl::Span<const NoteVerifier> known) {
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i].name() == signature.name && known[i].key_id() == signature.key_id) return i;
  }
  return std::nullopt;
}

struct SplitNote {
  absl::string_view text;
  std::vector<absl::string_view> signature_lines;
};

// Splits at the last empty line.
absl::StatusOr<SplitNote> Split(absl::string_view note) {
  if (note.size() > kMaxNoteSize || !IsNoteText(note)) return NotANote();
  const size_t end = note.rfind("\n\n");
  if (end == absl::string_view::npos) return NotANote();
  SplitNote split{note.substr(0, end + 1), {}};
  absl::string_view signatures = note.substr(end + 2);
  if (!absl::ConsumeSuffix(&signatures, "\n")) return NotANote();
  split.signature_lines = absl::StrSplit(signatures, '\n');
  if (split.signature_lines.size() > kMaxNoteSignatures) return NotANote();
  return split;
}

absl::StatusOr<uint64_t> ParseTreeSize(absl::string_view digits) {
  uint64_t size = 0;
  // SimpleAtoi also takes spaces, a sign and leading zeros.
  if (!absl::SimpleAtoi(digits, &size) || absl::StrCat(size) != digits || size > kMaxTreeSize) {
    return NotACheckpoint();
  }
  return size;
}

}  // namespace

NoteVerifier::NoteVerifier(absl::string_view name, absl::string_view public_key)
    : name_(name), public_key_(public_key), key_id_(KeyId(name, public_key)) {}

absl::StatusOr<NoteVerifier> NoteVerifier::Create(absl::string_view name,
                                                  absl::string_view public_key) {
  if (!IsKeyName(name) || public_key.size() != kEd25519KeySize) return NotAKey();
  return NoteVerifier(name, public_key);
}

absl::StatusOr<NoteVerifier> NoteVerifier::Parse(absl::string_view text) {
  // The key may hold a '+' itself.
  const std::vector<absl::string_view> fields = absl::StrSplit(text, absl::MaxSplits('+', 2));
  if (fields.size() != 3) return NotAKey();
  const absl::StatusOr<std::string> key = Base64Decode(fields[2]);
  if (!key.ok() || key->empty() || key->front() != kEd25519Type) return NotAKey();
  ASSIGN_OR_RETURN(NoteVerifier verifier, Create(fields[0], absl::string_view(*key).substr(1)));
  if (verifier.Format() != text) return NotAKey();
  return verifier;
}

std::string NoteVerifier::Format() const {
  return absl::StrCat(name_, "+", absl::Hex(key_id_, absl::kZeroPad8), "+",
                      Base64Encode(absl::StrCat(absl::string_view(&kEd25519Type, 1), public_key_)));
}

absl::StatusOr<NoteSigner> NoteSigner::Create(absl::string_view name, Ed25519PrivateKey key) {
  ASSIGN_OR_RETURN(NoteVerifier verifier, NoteVerifier::Create(name, key.public_key()));
  return NoteSigner(std::move(verifier), std::move(key));
}

absl::StatusOr<std::string> NoteSigner::Sign(absl::string_view text) const {
  if (!absl::EndsWith(text, "\n") || !IsNoteText(text)) {
    return absl::InvalidArgumentError("the text of a note is lines of UTF-8");
  }
  ASSIGN_OR_RETURN(const std::string signature, key_.Sign(text));
  std::string signature_field;
  internal::AppendBigEndian(signature_field, verifier_.key_id());
  signature_field += signature;
  std::string note = absl::StrCat(text, "\n", kSignatureStart, verifier_.name(), " ",
                                  Base64Encode(signature_field), "\n");
  if (note.size() > kMaxNoteSize) return absl::InvalidArgumentError("too long for a note");
  return note;
}

absl::StatusOr<OpenedNote> OpenNote(absl::string_view note, absl::Span<const NoteVerifier> known) {
  ASSIGN_OR_RETURN(const SplitNote split, Split(note));
  OpenedNote opened{std::string(split.text), {}};
  for (const absl::string_view line : split.signature_lines) {
    ASSIGN_OR_RETURN(const Signature signature, ParseSignature(line));
    const std::optional<size_t> key = FindKey(signature, known);
    if (!key.has_value()) continue;
    RETURN_IF_ERROR(Ed25519Verify(known[*key].public_key(), split.text, signature.bytes));
    if (std::count(opened.verified_by.begin(), opened.verified_by.end(), *key) == 0) {
      opened.verified_by.push_back(*key);
    }
  }
  if (opened.verified_by.empty()) {
    return absl::UnauthenticatedError("no known key has signed the note");
  }
  return opened;
}

absl::StatusOr<std::string> FormatCheckpoint(const Checkpoint& checkpoint) {
  if (!IsLine(checkpoint.origin) || checkpoint.size > kMaxTreeSize ||
      !std::all_of(checkpoint.extensions.begin(), checkpoint.extensions.end(), IsLine)) {
    return absl::InvalidArgumentError("not a checkpoint: empty or broken line, or size too large");
  }
  std::string text = absl::StrCat(checkpoint.origin, "\n", checkpoint.size, "\n",
                                  Base64Encode(AsBytes(checkpoint.root)), "\n");
  for (const std::string& extension : checkpoint.extensions) {
    absl::StrAppend(&text, extension, "\n");
  }
  return text;
}

absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, "\n")) return NotACheckpoint();
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() < 3 || !std::all_of(lines.begin(), lines.end(), IsLine)) return NotACheckpoint();
  Checkpoint checkpoint;
  checkpoint.origin = std::string(lines[0]);
  ASSIGN_OR_RETURN(checkpoint.size, ParseTreeSize(lines[1]));
  const absl::StatusOr<std::string> root = Base64Decode(lines[2]);
  if (!root.ok() || root->size() != kDigestSize) return NotACheckpoint();
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  for (size_t i = 3; i < lines.size(); ++i) checkpoint.extensions.emplace_back(lines[i]);
  return checkpoint;
}

}  // namespace records::eventstore
