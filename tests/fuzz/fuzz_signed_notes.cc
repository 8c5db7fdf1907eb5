// Signed checkpoints and keys of verifiers: the product's reader and the verifier's own.
//
// Input: mode, then for
//   0  a note
//   1  the text of a note, which is signed with the right key
//   2  the text of a verifier's key

#include <string>
#include <vector>

#include "eventstore/checkpoint_signer.h"
#include "eventstore/signed_note.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/recordsctl/verify/note_reader.h"

namespace records::fuzz {
namespace {

using eventstore::NoteSigner;
using eventstore::NoteVerifier;
using eventstore::StoreId;
namespace verify = tools::verify;

const StoreId& Store() {
  static const StoreId store = *StoreId::FromBytes(std::string(16, '\x5a'));
  return store;
}

const NoteSigner& Signer() {
  static const NoteSigner* const signer = [] {
    auto key = eventstore::Ed25519PrivateKey::FromSeed(
        eventstore::SecretBytes::CopyOf(std::string(32, 'k')));
    return new NoteSigner(
        *NoteSigner::Create(eventstore::CheckpointOrigin(Store()), *std::move(key)));
  }();
  return *signer;
}

// The trees, when the product takes the note as a checkpoint of this log.
absl::StatusOr<std::vector<eventstore::TreeHead>> Ours(absl::string_view note) {
  const auto opened = eventstore::OpenNote(note, {&Signer().verifier(), 1});
  if (!opened.ok()) return opened.status();
  const auto checkpoint = eventstore::ParseCheckpoint(opened->text);
  if (!checkpoint.ok()) return checkpoint.status();
  FUZZ_EXPECT(*eventstore::FormatCheckpoint(*checkpoint) == opened->text);
  return eventstore::TreesOf(*checkpoint, Store());
}

absl::StatusOr<std::vector<verify::TreeHead>> Theirs(absl::string_view note) {
  const auto checkpoint = verify::ParseCheckpoint(note);
  if (!checkpoint.ok()) return checkpoint.status();
  const auto key = verify::MakeVerifierKey(eventstore::CheckpointOrigin(Store()),
                                           Signer().verifier().public_key());
  if (verify::CheckSignature(*checkpoint, key) != verify::SignatureState::kValid ||
      checkpoint->origin != key.name) {
    return absl::DataLossError("not signed by the log");
  }
  return checkpoint->trees;
}

void ReadNote(absl::string_view note) {
  const auto ours = Ours(note);
  const auto theirs = Theirs(note);
  FUZZ_EXPECT(ours.ok() == theirs.ok(), ours.status().ToString(), " / ",
              theirs.status().ToString());
  if (!ours.ok()) return;
  FUZZ_EXPECT(ours->size() == theirs->size());
  for (size_t i = 0; i < ours->size(); ++i) {
    FUZZ_EXPECT((*ours)[i].size == (*theirs)[i].size && (*ours)[i].root == (*theirs)[i].root);
  }
}

void ReadKey(absl::string_view text) {
  const auto ours = NoteVerifier::Parse(text);
  const auto theirs = verify::ParseVerifierKey(text);
  if (ours.ok()) {
    FUZZ_EXPECT(ours->Format() == text);
    FUZZ_EXPECT(theirs.ok(), theirs.status().ToString());
    FUZZ_EXPECT(theirs->name == ours->name() && theirs->public_key == ours->public_key());
  }
}

std::string GoodText() {
  std::vector<eventstore::TreeHead> trees(8);
  trees[2] = {.size = 600, .root = eventstore::HashLeaf("two")};
  trees[5] = {.size = 3, .root = eventstore::HashLeaf("five")};
  return *eventstore::FormatCheckpoint(eventstore::MakeCheckpoint(Store(), trees));
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  switch (in.Byte() % 3) {
    case 0:
      return ReadNote(in.Rest());
    case 1: {
      const auto note = Signer().Sign(in.Rest());
      if (note.ok()) ReadNote(*note);
      return;
    }
    default:
      return ReadKey(in.Rest());
  }
}

void WriteSeeds(const SeedSink& sink) {
  sink("note", Byte(0) + *Signer().Sign(GoodText()));
  sink("text", Byte(1) + GoodText());
  sink("key", Byte(2) + Signer().verifier().Format());
}

}  // namespace records::fuzz
