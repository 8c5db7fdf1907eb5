#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eventstore/crypto.h"
#include "eventstore/merkle.h"

// Signed checkpoints of a log: text that any tool for transparency logs can verify.
// Formats: C2SP signed-note v1.0.0 (Ed25519, signature type 0x01) and C2SP tlog-checkpoint v1.0.0.

namespace records::eventstore {

// Our own limits on what is read (signed-note asks for 16 signatures at least).
inline constexpr size_t kMaxNoteSize = size_t{1} << 20;
inline constexpr size_t kMaxNoteSignatures = 100;

// A public key that signs notes, under the name by which it is known.
//
// A value type.
class NoteVerifier {
 public:
  // kInvalidArgument: `name` is empty, is not UTF-8 or has a space, a control character or '+', or
  // `public_key` is not 32 bytes.
  static absl::StatusOr<NoteVerifier> Create(absl::string_view name, absl::string_view public_key);

  // Reads "<name>+<key id>+<key>". kInvalidArgument: anything that Format() does not return.
  static absl::StatusOr<NoteVerifier> Parse(absl::string_view text);

  // Returns the text form of the key, to be handed to those who verify.
  std::string Format() const;

  const std::string& name() const { return name_; }
  const std::string& public_key() const { return public_key_; }

  // The first four bytes of SHA-256(name || 0x0A || 0x01 || public key), big-endian.
  uint32_t key_id() const { return key_id_; }

 private:
  NoteVerifier(absl::string_view name, absl::string_view public_key);

  std::string name_;
  std::string public_key_;
  uint32_t key_id_;
};

// A private key that signs notes.
//
// Thread-safe. Owns the key.
class NoteSigner {
 public:
  // kInvalidArgument: `name` is no key name, see NoteVerifier::Create().
  static absl::StatusOr<NoteSigner> Create(absl::string_view name, Ed25519PrivateKey key);

  // What verifies the signatures of this key.
  const NoteVerifier& verifier() const { return verifier_; }

  // Returns `text` as a note with one signature.
  // kInvalidArgument: `text` does not end in a newline, is not UTF-8, has a control character other
  // than newline, or is too long to be read back.
  absl::StatusOr<std::string> Sign(absl::string_view text) const;

 private:
  NoteSigner(NoteVerifier verifier, Ed25519PrivateKey key)
      : verifier_(std::move(verifier)), key_(std::move(key)) {}

  NoteVerifier verifier_;
  Ed25519PrivateKey key_;
};

struct OpenedNote {
  std::string text;
  // The keys among the known ones whose signatures were verified, by their place in `known`,
  // without repetition.
  std::vector<size_t> verified_by;
};

// Verifies a note against `known` keys and returns its text. Signatures of other keys are ignored.
// kInvalidArgument: not a note. kDataLoss: the signature of a known key is not valid.
// kUnauthenticated: no known key has signed.
absl::StatusOr<OpenedNote> OpenNote(absl::string_view note, absl::Span<const NoteVerifier> known);

// What a log says about itself: how many leaves, and their root.
struct Checkpoint {
  // Names the log.
  std::string origin;
  uint64_t size = 0;
  Hash root{};
  // Further lines, not empty.
  std::vector<std::string> extensions;

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// Returns the text of a checkpoint, to be signed.
// kInvalidArgument: a line that is empty, has a control character or is not UTF-8, or a size that
// is no tree's.
absl::StatusOr<std::string> FormatCheckpoint(const Checkpoint& checkpoint);

// Reads the text of an opened note. kInvalidArgument: anything that FormatCheckpoint() does not
// return.
absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view text);

}  // namespace records::eventstore
