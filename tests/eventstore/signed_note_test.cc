#include "eventstore/signed_note.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "eventstore/internal/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;

// The example of C2SP signed-note.
const char kExampleKey[] = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const char kExampleNote[] =
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    "\n";

const char kOrigin[] = "records.test.example/log";
const char kRoot8[] = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
const char kRoot3[] = "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77";

// The key of RFC 8032 section 7.1 test 1.
NoteSigner TestSigner() {
  return *NoteSigner::Create(
      kOrigin, *Ed25519PrivateKey::FromSeed(SecretBytes::CopyOf(absl::HexStringToBytes(
                   "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))));
}

NoteSigner SignerOf(absl::string_view name, uint64_t seed) {
  SeededRandom random(seed);
  return *NoteSigner::Create(name, *Ed25519PrivateKey::Generate(random));
}

Checkpoint CheckpointOf(uint64_t size, absl::string_view root_hex) {
  Checkpoint checkpoint{kOrigin, size, {}, {}};
  const std::string root = absl::HexStringToBytes(root_hex);
  std::copy(root.begin(), root.end(), checkpoint.root.begin());
  return checkpoint;
}

// The signature line of a one-signature note.
std::string SignatureLine(const std::string& note) { return note.substr(note.rfind("\n\n") + 2); }

TEST(SignedNoteTest, ExampleOfTheStandardOpens) {
  const NoteVerifier verifier = *NoteVerifier::Parse(kExampleKey);
  EXPECT_EQ(verifier.name(), "example.com/foo");
  EXPECT_EQ(verifier.key_id(), 0x530d903au);
  EXPECT_EQ(verifier.Format(), kExampleKey);
  const OpenedNote opened = *OpenNote(kExampleNote, {verifier});
  EXPECT_EQ(opened.text, "This is an example message.\n");
  EXPECT_THAT(opened.verified_by, ElementsAre(0));
}

TEST(SignedNoteTest, CheckpointsOfTheTestKeyMatch) {
  const NoteSigner signer = TestSigner();
  EXPECT_EQ(signer.verifier().key_id(), 0xd132eb04u);
  EXPECT_EQ(*signer.Sign(*FormatCheckpoint(CheckpointOf(8, kRoot8))),
            "records.test.example/log\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n"
            "— records.test.example/log 0TLrBO4N6f8yar2utjj9A8ZNR7lkayvjv8v0C7My2CJqLn84a1Twvf"
            "ON6ez+L7NNYRae7uVrOnUQdQ+bCtq1q9Iu1wI=\n");
  EXPECT_EQ(SignatureLine(*signer.Sign(*FormatCheckpoint(CheckpointOf(3, kRoot3)))),
            "— records.test.example/log 0TLrBJh8wn5KDpKKO75hrAppMeYczRiO0wCapipHrXtWzJobkowp6mor"
            "A3JwyZ5eK2ahAMCBwcU21S4tPyl9LQtoRg4=\n");
}

TEST(SignedNoteTest, TextMayHoldEmptyLines) {
  const NoteSigner signer = TestSigner();
  for (const char* text : {"\n", "a\n\nb\n", "a\n\n", "— no signature\n", "ed è subito sera.\n"}) {
    const absl::StatusOr<OpenedNote> opened = OpenNote(*signer.Sign(text), {signer.verifier()});
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->text, text);
  }
}

TEST(SignedNoteTest, UnknownSignaturesAreIgnored) {
  const NoteSigner known = TestSigner();
  const NoteSigner unknown = SignerOf("witness.example/ключ", 1);
  const NoteSigner same_name = SignerOf(kOrigin, 2);
  const std::string text = "text\n";
  const std::string note =
      absl::StrCat(*unknown.Sign(text), SignatureLine(*known.Sign(text)),
                   SignatureLine(*same_name.Sign("other text\n")), "— x.example AAAAAAA=\n");
  const OpenedNote opened = *OpenNote(note, {known.verifier()});
  EXPECT_EQ(opened.text, text);
  EXPECT_THAT(opened.verified_by, ElementsAre(0));
  EXPECT_EQ(OpenNote(note, {}).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST(SignedNoteTest, ASignatureUnderAnotherNameIsNotOurs) {
  const NoteSigner signer = TestSigner();
  const std::string note = *signer.Sign("text\n");
  EXPECT_EQ(
      OpenNote(absl::StrReplaceAll(note, {{kOrigin, "other.example/log"}}), {signer.verifier()})
          .status()
          .code(),
      absl::StatusCode::kUnauthenticated);
}

TEST(SignedNoteTest, EachKnownSignerIsNamedOnce) {
  const NoteSigner first = SignerOf("first.example", 1);
  const NoteSigner second = SignerOf("second.example", 2);
  const std::string note =
      absl::StrCat(*second.Sign("text\n"), SignatureLine(*first.Sign("text\n")),
                   SignatureLine(*second.Sign("text\n")));
  EXPECT_THAT(OpenNote(note, {first.verifier(), second.verifier()})->verified_by,
              ElementsAre(1, 0));
}

TEST(SignedNoteTest, AKnownKeyThatFailsRejectsTheWholeNote) {
  const NoteSigner first = SignerOf("first.example", 1);
  const NoteSigner second = SignerOf("second.example", 2);
  const std::string note =
      absl::StrCat(*first.Sign("text\n"), SignatureLine(*second.Sign("another\n")));
  EXPECT_TRUE(OpenNote(note, {first.verifier()}).ok());
  EXPECT_EQ(OpenNote(note, {first.verifier(), second.verifier()}).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(SignedNoteTest, ChangedTextIsRefused) {
  const NoteSigner signer = TestSigner();
  const std::string note = *signer.Sign(*FormatCheckpoint(CheckpointOf(8, kRoot8)));
  EXPECT_EQ(OpenNote(absl::StrReplaceAll(note, {{"\n8\n", "\n9\n"}}), {signer.verifier()})
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
  EXPECT_FALSE(OpenNote("x" + note, {signer.verifier()}).ok());
}

TEST(SignedNoteTest, MalformedNotesAreRefused) {
  const NoteVerifier verifier = *NoteVerifier::Parse(kExampleKey);
  const std::string good = kExampleNote;
  for (const std::string& note : {
           std::string(),
           std::string("text\n"),
           std::string("text\n\n"),
           std::string("text\n\n\n"),
           good.substr(0, good.size() - 1),
           good + "\n",
           good + "x\n",
           absl::StrReplaceAll(good, {{"— ", "- "}}),
           absl::StrReplaceAll(good, {{"— ", "—"}}),
           absl::StrReplaceAll(good, {{"foo ", "foo  "}}),
           absl::StrReplaceAll(good, {{"foo ", "foo+ "}}),
           absl::StrReplaceAll(good, {{"aQM=", "aQM"}}),
           absl::StrReplaceAll(good, {{"aQM=", "aQM= "}}),
           absl::StrReplaceAll(good, {{"\n", "\r\n"}}),
           absl::StrReplaceAll(good, {{"example message", "example\tmessage"}}),
           absl::StrReplaceAll(good, {{"example message", "example\xff message"}}),
           good + "— short.example AAAAAA==\n",
           good + "—  AAAAAAAA\n",
           std::string(kMaxNoteSize, 'x') + good,
       }) {
    EXPECT_EQ(OpenNote(note, {verifier}).status().code(), absl::StatusCode::kInvalidArgument)
        << note.substr(0, 200);
  }
}

TEST(SignedNoteTest, TheNumberOfSignaturesIsLimited) {
  const NoteVerifier verifier = *NoteVerifier::Parse(kExampleKey);
  std::string note = kExampleNote;
  for (size_t i = 1; i < kMaxNoteSignatures; ++i) note += "— x.example AAAAAAA=\n";
  EXPECT_TRUE(OpenNote(note, {verifier}).ok());
  EXPECT_FALSE(OpenNote(note + "— x.example AAAAAAA=\n", {verifier}).ok());
}

TEST(SignedNoteTest, TextsThatAreNoNotesAreNotSigned) {
  const NoteSigner signer = TestSigner();
  for (const std::string& text :
       {std::string(), std::string("no newline"), std::string("a\tb\n"), std::string("\xc3\x28\n"),
        std::string(kMaxNoteSize, 'x') + "\n"}) {
    EXPECT_EQ(signer.Sign(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(SignedNoteTest, MalformedKeysAreRefused) {
  const std::string key = kExampleKey;
  for (const std::string& text :
       {std::string(), std::string("+"), std::string("++"), key + "x", key.substr(1),
        key.substr(0, key.size() - 4), absl::StrReplaceAll(key, {{"530d903a", "530D903A"}}),
        absl::StrReplaceAll(key, {{"530d903a", "530d903b"}}),
        absl::StrReplaceAll(key, {{"+Aeky", "+Auky"}}),
        absl::StrReplaceAll(key, {{".com", " com"}}),
        absl::StrReplaceAll(key, {{".com", "+com"}})}) {
    EXPECT_EQ(NoteVerifier::Parse(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
  const std::string bytes(32, 'k');
  for (const char* name : {"", "a b", "a+b", "a\nb", "a\u00a0b", "a\u3000b", "a\xff"}) {
    EXPECT_FALSE(NoteVerifier::Create(name, bytes).ok()) << name;
  }
  EXPECT_FALSE(NoteVerifier::Create("name", bytes.substr(1)).ok());
}

TEST(CheckpointTest, ReadsBackWithAndWithoutExtensions) {
  Checkpoint checkpoint = CheckpointOf(8, kRoot8);
  EXPECT_EQ(*ParseCheckpoint(*FormatCheckpoint(checkpoint)), checkpoint);
  checkpoint.extensions = {"erasure-ledger 7", "x"};
  EXPECT_EQ(*ParseCheckpoint(*FormatCheckpoint(checkpoint)), checkpoint);
  checkpoint = CheckpointOf(0, kRoot8);
  EXPECT_EQ(*ParseCheckpoint(*FormatCheckpoint(checkpoint)), checkpoint);
}

TEST(CheckpointTest, MalformedTextsAreRefused) {
  const std::string good = *FormatCheckpoint(CheckpointOf(8, kRoot8));
  ASSERT_TRUE(ParseCheckpoint(good).ok());
  for (const std::string& text :
       {std::string(), std::string("\n"), good.substr(0, good.size() - 1), good + "\n",
        good + "extension", "\n" + good, absl::StrReplaceAll(good, {{"\n8\n", "\n08\n"}}),
        absl::StrReplaceAll(good, {{"\n8\n", "\n-8\n"}}),
        absl::StrReplaceAll(good, {{"\n8\n", "\n+8\n"}}),
        absl::StrReplaceAll(good, {{"\n8\n", "\n 8\n"}}),
        absl::StrReplaceAll(good, {{"\n8\n", "\n\n"}}),
        absl::StrReplaceAll(good, {{"\n8\n", "\n8x\n"}}),
        absl::StrReplaceAll(good, {{"\n8\n", "\n18446744073709551616\n"}}),
        absl::StrReplaceAll(good, {{"\n8\n", "\n18446744073709551615\n"}}),
        absl::StrReplaceAll(good, {{"Qyg=", "Qyg"}}), absl::StrReplaceAll(good, {{"Qyg=", ""}}),
        absl::StrReplaceAll(good, {{"\n8", "\r\n8"}})}) {
    EXPECT_EQ(ParseCheckpoint(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CheckpointTest, ChecksWhatItFormats) {
  Checkpoint checkpoint = CheckpointOf(8, kRoot8);
  checkpoint.extensions = {""};
  EXPECT_FALSE(FormatCheckpoint(checkpoint).ok());
  checkpoint.extensions = {"a\nb"};
  EXPECT_FALSE(FormatCheckpoint(checkpoint).ok());
  checkpoint = CheckpointOf(kMaxTreeSize + 1, kRoot8);
  EXPECT_FALSE(FormatCheckpoint(checkpoint).ok());
  checkpoint = CheckpointOf(8, kRoot8);
  checkpoint.origin = "";
  EXPECT_FALSE(FormatCheckpoint(checkpoint).ok());
}

std::string Mutated(std::string text, std::mt19937_64& generator) {
  const std::string alphabet = "\n +=-09aZ\t\xe2\x80\x94\xff";
  for (uint64_t change = 1 + generator() % 3; change > 0; --change) {
    const size_t place = generator() % text.size();
    const char character = alphabet[generator() % alphabet.size()];
    switch (generator() % 4) {
      case 0:
        text[place] = character;
        break;
      case 1:
        text.insert(place, 1, character);
        break;
      case 2:
        text.erase(place, 1 + generator() % 4);
        break;
      default:
        text.insert(place, text.substr(generator() % text.size(), generator() % 40));
        break;
    }
    if (text.empty()) text = "\n";
  }
  return text;
}

// Whatever is done to a note, it never opens with another text; what parses, formats back.
TEST(SignedNoteTest, NoMutationOpensWithAnotherText) {
  std::mt19937_64 generator(SeedOfRun());
  const NoteSigner signer = TestSigner();
  const std::string text = *FormatCheckpoint(CheckpointOf(8, kRoot8));
  const std::string note = *signer.Sign(text);
  const std::string key = signer.verifier().Format();
  for (int i = 0; i < 20'000; ++i) {
    const absl::StatusOr<OpenedNote> opened =
        OpenNote(Mutated(note, generator), {signer.verifier()});
    if (opened.ok()) {
      ASSERT_EQ(opened->text, text);
    }
    const std::string mutated_text = Mutated(text, generator);
    const absl::StatusOr<Checkpoint> checkpoint = ParseCheckpoint(mutated_text);
    if (checkpoint.ok()) {
      ASSERT_EQ(*FormatCheckpoint(*checkpoint), mutated_text);
    }
    const std::string mutated_key = Mutated(key, generator);
    const absl::StatusOr<NoteVerifier> verifier = NoteVerifier::Parse(mutated_key);
    if (verifier.ok()) {
      ASSERT_EQ(verifier->Format(), mutated_key);
    }
  }
}

TEST(Utf8Test, OnlyWellFormedTextIsAccepted) {
  for (const char* text :
       {"", "plain", "é", "€", "\xf0\x9f\x8f\xa0", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(internal::IsUtf8(text)) << text;
  }
  for (const char* text :
       {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xe2\x82"}) {
    EXPECT_FALSE(internal::IsUtf8(text)) << absl::CHexEscape(text);
  }
  EXPECT_TRUE(internal::IsUtf8WithoutSpaces("a\u180e\u200bb"));
  EXPECT_FALSE(internal::IsUtf8WithoutSpaces("a\u2003b"));
}

}  // namespace
}  // namespace records::eventstore
