#include "eventstore/crypto.h"

#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace records::eventstore {
namespace {

using ::absl::BytesToHexString;
using ::absl::HexStringToBytes;

SecretBytes SecretFromHex(absl::string_view hex) {
  return SecretBytes::CopyOf(HexStringToBytes(hex));
}

Aead AeadFromHex(absl::string_view hex) { return *Aead::Create(SecretFromHex(hex)); }

const char kSealKey[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";

TEST(SecretBytesTest, MovingLeavesTheSourceEmpty) {
  SecretBytes first = SecretBytes::CopyOf("secret");
  SecretBytes second = std::move(first);
  EXPECT_EQ(second.view(), "secret");
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  first = std::move(second);
  EXPECT_EQ(first.view(), "secret");
}

TEST(SecretBytesTest, TakingWipesTheSource) {
  std::string source = "secret bytes that are longer than any small string";
  const char* storage = source.data();
  const SecretBytes secret = SecretBytes::TakeFrom(source);
  EXPECT_EQ(secret.size(), 50u);
  EXPECT_TRUE(source.empty());
  EXPECT_EQ(std::string(storage, 50).find_first_not_of('\0'), std::string::npos);
}

TEST(SecretBytesTest, ComparesByContent) {
  EXPECT_TRUE(SecretBytes::CopyOf("abc").ConstantTimeEquals(SecretBytes::CopyOf("abc")));
  EXPECT_FALSE(SecretBytes::CopyOf("abc").ConstantTimeEquals(SecretBytes::CopyOf("abd")));
  EXPECT_FALSE(SecretBytes::CopyOf("abc").ConstantTimeEquals(SecretBytes::CopyOf("ab")));
  EXPECT_TRUE(SecretBytes().ConstantTimeEquals(SecretBytes()));
}

TEST(SecretBytesTest, GeneratedSecretsDiffer) {
  SeededRandom random(1);
  const SecretBytes first = *SecretBytes::Generate(random, 32);
  const SecretBytes second = *SecretBytes::Generate(random, 32);
  EXPECT_EQ(first.size(), 32u);
  EXPECT_FALSE(first.ConstantTimeEquals(second));
}

// FIPS 180-4 examples.
TEST(Sha256Test, MatchesTheStandard) {
  EXPECT_EQ(BytesToHexString(AsBytes(Sha256(""))),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(BytesToHexString(AsBytes(Sha256("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(
      BytesToHexString(AsBytes(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256Test, PartsAndStreamEqualTheWhole) {
  EXPECT_EQ(Sha256({"a", "", "bc"}), Sha256("abc"));
  Sha256Stream stream;
  stream.Update("ab");
  EXPECT_EQ(Sha256("unrelated"), Sha256("unrelated"));
  stream.Update("c");
  EXPECT_EQ(stream.Finish(), Sha256("abc"));
  stream.Update("again");
  EXPECT_EQ(stream.Finish(), Sha256("again"));
  EXPECT_EQ(stream.Finish(), Sha256(""));
}

struct HmacCase {
  std::string key;
  std::string message;
  std::string expected;
};

// RFC 4231 sections 4.2 to 4.8 (case 5 is about truncation).
TEST(HmacTest, MatchesRfc4231) {
  const HmacCase cases[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {HexStringToBytes("0102030405060708090a0b0c0d0e0f10111213141516171819"),
       std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. "
       "The key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const HmacCase& test : cases) {
    const Digest digest = HmacSha256(SecretBytes::CopyOf(test.key), test.message);
    EXPECT_EQ(BytesToHexString(AsBytes(digest)), test.expected);
  }
}

TEST(HmacTest, EmptyKeyIsAKeyOfItsOwn) {
  const Digest empty = HmacSha256(SecretBytes(), "");
  EXPECT_EQ(BytesToHexString(AsBytes(empty)),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  HmacSha256(SecretBytes::CopyOf("before"), "x");
  EXPECT_EQ(HmacSha256(SecretBytes(), ""), empty);
}

TEST(HmacTest, MovingABytesBetweenPartsChangesTheResult) {
  const SecretBytes key = SecretBytes::CopyOf("key");
  EXPECT_EQ(HmacSha256OfParts(key, {"ab", "c"}), HmacSha256OfParts(key, {"ab", "c"}));
  EXPECT_NE(HmacSha256OfParts(key, {"ab", "c"}), HmacSha256OfParts(key, {"a", "bc"}));
  EXPECT_NE(HmacSha256OfParts(key, {"ab", "c"}), HmacSha256OfParts(key, {"c", "ab"}));
  EXPECT_NE(HmacSha256OfParts(key, {"abc"}), HmacSha256OfParts(key, {"abc", ""}));
  EXPECT_NE(HmacSha256OfParts(key, {"abc"}), HmacSha256(key, "abc"));
}

// RFC 5869 appendix A.1 to A.3.
TEST(HkdfTest, MatchesRfc5869) {
  const SecretBytes secret = SecretBytes::CopyOf(std::string(22, '\x0b'));
  EXPECT_EQ(BytesToHexString(HkdfSha256(secret, HexStringToBytes("000102030405060708090a0b0c"),
                                        HexStringToBytes("f0f1f2f3f4f5f6f7f8f9"), 42)
                                 ->view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
            "34007208d5b887185865");
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  EXPECT_EQ(BytesToHexString(HkdfSha256(SecretBytes::CopyOf(bytes.substr(0, 80)),
                                        bytes.substr(0x60, 80), bytes.substr(0xb0, 80), 82)
                                 ->view()),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87");
  EXPECT_EQ(BytesToHexString(HkdfSha256(secret, "", "", 42)->view()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
            "9d201395faa4b61a96c8");
}

TEST(HkdfTest, SizesOutsideTheStandardAreRefused) {
  const SecretBytes secret = SecretBytes::CopyOf("secret");
  EXPECT_TRUE(HkdfSha256(secret, "", "", 8160).ok());
  EXPECT_FALSE(HkdfSha256(secret, "", "", 8161).ok());
  EXPECT_FALSE(HkdfSha256(secret, "", "", 0).ok());
  EXPECT_FALSE(HkdfSha256(SecretBytes(), "", "", 32).ok());
}

// McGrew and Viega, The Galois/Counter Mode of Operation, appendix B: test cases 13, 14, 15 and 16.
TEST(AeadTest, MatchesTheVectorsOfGcm) {
  const std::string zero_nonce(12, '\0');
  const Aead zero = AeadFromHex(std::string(64, '0'));
  EXPECT_EQ(BytesToHexString(*zero.Seal(zero_nonce, "", "")), "530f8afbc74536b9a963b4f1c4cb738b");
  EXPECT_EQ(BytesToHexString(*zero.Seal(zero_nonce, std::string(16, '\0'), "")),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  const Aead aead = AeadFromHex(kSealKey);
  const std::string nonce = HexStringToBytes("cafebabefacedbaddecaf888");
  const std::string plaintext = HexStringToBytes(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255");
  const std::string ciphertext =
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
  EXPECT_EQ(BytesToHexString(*aead.Seal(nonce, plaintext, "")),
            ciphertext + "b094dac5d93471bdec1a502270e3cc6c");
  const std::string associated = HexStringToBytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  EXPECT_EQ(BytesToHexString(*aead.Seal(nonce, plaintext.substr(0, 60), associated)),
            ciphertext.substr(0, 120) + "76fc6ece0f4e1768cddf8853bb2d551b");
}

TEST(AeadTest, OpeningGivesBackWhatWasSealed) {
  const Aead aead = AeadFromHex(kSealKey);
  const std::string nonce(12, 'n');
  for (const std::string& message : {std::string(), std::string("x"), std::string(100000, 'y')}) {
    const std::string sealed = *aead.Seal(nonce, message, "place");
    EXPECT_EQ(sealed.size(), message.size() + kAeadTagSize);
    EXPECT_EQ(*aead.Open(nonce, sealed, "place"), message);
    EXPECT_EQ(aead.OpenSecret(nonce, sealed, "place")->view(), message);
  }
}

TEST(AeadTest, AnythingOtherThanWhatWasSealedIsRefused) {
  const Aead aead = AeadFromHex(kSealKey);
  const std::string nonce(12, 'n');
  const std::string sealed = *aead.Seal(nonce, "message", "place");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(aead.Open(nonce, changed, "place").status().code(), absl::StatusCode::kDataLoss);
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_EQ(aead.Open(nonce, sealed.substr(0, size), "place").status().code(),
              absl::StatusCode::kDataLoss);
  }
  const Aead other = AeadFromHex(std::string(64, '1'));
  EXPECT_FALSE(other.Open(nonce, sealed, "place").ok());
  EXPECT_FALSE(aead.Open(std::string(12, 'm'), sealed, "place").ok());
  EXPECT_FALSE(aead.Open(nonce, sealed, "elsewhere").ok());
  EXPECT_FALSE(aead.Open(nonce, sealed, "").ok());
  EXPECT_FALSE(aead.OpenSecret(nonce, sealed, "elsewhere").ok());
  EXPECT_EQ(*aead.Open(nonce, sealed, "place"), "message");
}

TEST(AeadTest, WrongSizesOfKeyAndNonceAreRefused) {
  EXPECT_FALSE(Aead::Create(SecretBytes(31)).ok());
  EXPECT_FALSE(Aead::Create(SecretBytes()).ok());
  const Aead aead = AeadFromHex(kSealKey);
  EXPECT_EQ(aead.Seal(std::string(11, 'n'), "m", "").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(aead.Open(std::string(13, 'n'), std::string(20, 'c'), "").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(AeadTest, ManyThreadsAndKeysAtOnceDoNotDisturbEachOther) {
  std::vector<Aead> aeads;
  for (char i = 0; i < 4; ++i) {
    aeads.push_back(*Aead::Create(SecretBytes::CopyOf(std::string(32, i))));
  }
  std::vector<int> failures(4, 0);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&aeads, &failures, thread] {
      for (int i = 0; i < 2000; ++i) {
        const Aead& aead = aeads[static_cast<size_t>(thread + i) % aeads.size()];
        const std::string nonce(12, static_cast<char>(i));
        const std::string message = absl::StrCat("message ", thread, " ", i);
        const std::string sealed = *aead.Seal(nonce, message, "place");
        const absl::StatusOr<std::string> opened = aead.Open(nonce, sealed, "place");
        if (!opened.ok() || *opened != message) ++failures[static_cast<size_t>(thread)];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, std::vector<int>(4, 0));
}

TEST(DeterministicAeadTest, SameMessageGivesSameBytesAndOpens) {
  const DeterministicAead aead = *DeterministicAead::Create(SecretFromHex(kSealKey));
  const std::string sealed = *aead.Seal("token", "caller");
  EXPECT_EQ(sealed, *aead.Seal("token", "caller"));
  EXPECT_EQ(*aead.Open(sealed, "caller"), "token");
  EXPECT_NE(sealed, *aead.Seal("token", "another"));
  EXPECT_NE(sealed, *aead.Seal("tokem", "caller"));
}

TEST(DeterministicAeadTest, AnythingElseIsRefused) {
  const DeterministicAead aead = *DeterministicAead::Create(SecretFromHex(kSealKey));
  const std::string sealed = *aead.Seal("token", "caller");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(aead.Open(changed, "caller").status().code(), absl::StatusCode::kDataLoss);
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(aead.Open(sealed.substr(0, size), "caller").ok());
  }
  EXPECT_FALSE(aead.Open(sealed, "another").ok());
  EXPECT_FALSE(aead.Open(sealed, "").ok());
  EXPECT_FALSE(
      DeterministicAead::Create(SecretFromHex(std::string(64, '1')))->Open(sealed, "caller").ok());
  EXPECT_FALSE(DeterministicAead::Create(SecretBytes(16)).ok());
}

TEST(DeterministicAeadTest, TheNonceDependsOnMessageAndAssociatedData) {
  const DeterministicAead aead = *DeterministicAead::Create(SecretFromHex(kSealKey));
  const std::string nonce = aead.Seal("token", "caller")->substr(0, kAeadNonceSize);
  EXPECT_NE(aead.Seal("tokem", "caller")->substr(0, kAeadNonceSize), nonce);
  EXPECT_NE(aead.Seal("token", "another")->substr(0, kAeadNonceSize), nonce);
  EXPECT_NE(aead.Seal("oken", "callert")->substr(0, kAeadNonceSize), nonce);
}

// Sealed under the right subkey, but with a nonce that the message does not give.
TEST(DeterministicAeadTest, AnotherNonceIsRefused) {
  const SecretBytes key = SecretFromHex(kSealKey);
  const DeterministicAead aead = *DeterministicAead::Create(key);
  const Aead subkey =
      *Aead::Create(*HkdfSha256(key, "", "records deterministic cipher v1", kAeadKeySize));
  const std::string right = aead.Seal("token", "caller")->substr(0, kAeadNonceSize);
  const std::string wrong(kAeadNonceSize, 'n');
  EXPECT_TRUE(aead.Open(right + *subkey.Seal(right, "token", "caller"), "caller").ok());
  EXPECT_EQ(aead.Open(wrong + *subkey.Seal(wrong, "token", "caller"), "caller").status().code(),
            absl::StatusCode::kDataLoss);
}

// RFC 8032 section 7.1, tests 1 and 2.
TEST(Ed25519Test, MatchesRfc8032) {
  const Ed25519PrivateKey first = *Ed25519PrivateKey::FromSeed(
      SecretFromHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  EXPECT_EQ(BytesToHexString(first.public_key()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(BytesToHexString(*first.Sign("")),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
  const Ed25519PrivateKey second = *Ed25519PrivateKey::FromSeed(
      SecretFromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  EXPECT_EQ(BytesToHexString(*second.Sign("\x72")),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(Ed25519Test, OnlyTheSignatureOfThatMessageAndKeyVerifies) {
  SeededRandom random(3);
  const Ed25519PrivateKey key = *Ed25519PrivateKey::Generate(random);
  const Ed25519PrivateKey other = *Ed25519PrivateKey::Generate(random);
  const std::string signature = *key.Sign("message");
  EXPECT_TRUE(Ed25519Verify(key.public_key(), "message", signature).ok());
  EXPECT_EQ(Ed25519Verify(key.public_key(), "massage", signature).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_FALSE(Ed25519Verify(other.public_key(), "message", signature).ok());
  EXPECT_FALSE(Ed25519Verify(key.public_key(), "message", signature.substr(1)).ok());
  EXPECT_FALSE(Ed25519Verify(key.public_key(), "message", signature + "x").ok());
  EXPECT_FALSE(Ed25519Verify(key.public_key(), "message", "").ok());
  EXPECT_EQ(Ed25519Verify("short", "message", signature).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Ed25519PrivateKey::FromSeed(SecretBytes(31)).ok());
}

// RFC 4648 section 10.
TEST(Base64Test, MatchesRfc4648) {
  const std::pair<std::string, std::string> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"},
                                                       {"\xfb\xff", "+/8="}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(Base64Encode(bytes), text);
    EXPECT_EQ(*Base64Decode(text), bytes);
  }
}

TEST(Base64Test, EveryOtherSpellingIsRefused) {
  for (const char* text :
       {"Zg", "Zg=", "Zh==", "Z g==", "Zg==\n", "-_8=", "Zg===", "=", "Zm9", "****"}) {
    EXPECT_EQ(Base64Decode(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace records::eventstore
