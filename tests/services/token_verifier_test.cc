#include "services/auth/token_verifier.h"

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/auth/json_web_token.h"
#include "services/errors/errors.h"
#include "tests/seed.h"
#include "tests/services/temporary_folder.h"
#include "tests/services/token_factory.h"

namespace records::services {
namespace {

using testing::Compact;
using ::testing::ElementsAre;
using testing::GoodClaims;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KeySet;
using ::testing::Not;
using testing::TemporaryFolder;
using testing::TestKey;
using Json = nlohmann::json;

constexpr char kIssuer[] = "https://login.example";

// Making an RSA key takes long, so all tests share the keys.
const TestKey& EcKey() {
  static const TestKey* key = new TestKey(TestKey::Es256("ec-1"));
  return *key;
}
const TestKey& RsaKey() {
  static const TestKey* key = new TestKey(TestKey::Rs256("rsa-1"));
  return *key;
}

class TokenVerifierTest : public ::testing::Test {
 protected:
  TokenVerifierTest() { Open(16); }

  void Open(size_t cached_tokens_max) {
    keys_file_ = folder_.Write("keys.json", KeySet({EcKey().PublicKey(), RsaKey().PublicKey()}));
    TokenVerifierOptions options;
    options.issuers = {{kIssuer, keys_file_}};
    options.cached_tokens_max = cached_tokens_max;
    auto verifier = TokenVerifier::Create(options, clock_);
    ASSERT_TRUE(verifier.ok()) << verifier.status();
    verifier_ = *std::move(verifier);
  }

  Json Claims() const { return GoodClaims(kIssuer, clock_.Now()); }

  Json ClaimsWith(const std::string& name, const Json& value) const {
    Json claims = Claims();
    claims[name] = value;
    return claims;
  }

  // The reason of the refusal; "ACCEPTED" when there was none.
  std::string ReasonFor(const std::string& token) {
    const absl::StatusOr<Token> result = verifier_->Verify(token);
    if (result.ok()) return "ACCEPTED";
    EXPECT_EQ(result.status().code(), absl::StatusCode::kUnauthenticated);
    return ReasonOf(result.status());
  }

  std::string ReasonForClaims(const Json& claims) { return ReasonFor(EcKey().Sign(claims)); }

  TemporaryFolder folder_;
  eventstore::ManualClock clock_{absl::FromUnixSeconds(1800000000)};
  std::filesystem::path keys_file_;
  std::unique_ptr<TokenVerifier> verifier_;
};

TEST_F(TokenVerifierTest, ATokenOfEitherAlgorithmSaysWhoItsHolderIs) {
  for (const TestKey* key : {&EcKey(), &RsaKey()}) {
    const absl::StatusOr<Token> token = verifier_->Verify(key->Sign(Claims()));
    ASSERT_TRUE(token.ok()) << token.status();
    EXPECT_EQ(token->issuer, kIssuer);
    EXPECT_EQ(token->subject, "amy");
    EXPECT_THAT(token->roles, ElementsAre("contact-officer"));
    EXPECT_EQ(token->expires_at, clock_.Now() + absl::Seconds(600));
    EXPECT_FALSE(token->development);
    EXPECT_THAT(token->development_claims, IsEmpty());
  }
}

TEST_F(TokenVerifierTest, TheAudienceMayBeOneOfSeveral) {
  EXPECT_EQ(ReasonForClaims(ClaimsWith("aud", {"other", "records"})), "ACCEPTED");
}

TEST_F(TokenVerifierTest, RolesThatCannotBeOursAreLeftOut) {
  const auto token = verifier_->Verify(EcKey().Sign(
      ClaimsWith("roles", {"analyst", "Admin", "offline_access", "", std::string(65, 'a')})));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_THAT(token->roles, ElementsAre("analyst"));
}

TEST_F(TokenVerifierTest, ATokenWithoutRolesHasNone) {
  Json claims = Claims();
  claims.erase("roles");
  const auto token = verifier_->Verify(EcKey().Sign(claims));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_THAT(token->roles, IsEmpty());
}

TEST_F(TokenVerifierTest, NotBeforeIsOptional) {
  Json claims = Claims();
  claims.erase("nbf");
  EXPECT_EQ(ReasonForClaims(claims), "ACCEPTED");
}

TEST_F(TokenVerifierTest, ClocksMayDifferByTheSkewAndNoMore) {
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  EXPECT_EQ(ReasonForClaims(ClaimsWith("nbf", now + 30)), "ACCEPTED");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("nbf", now + 31)), "TOKEN_NOT_YET_VALID");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("iat", now + 31)), "TOKEN_NOT_YET_VALID");
  Json claims = ClaimsWith("iat", now - 600);
  claims["nbf"] = now - 600;
  claims["exp"] = now - 29;
  EXPECT_EQ(ReasonForClaims(claims), "ACCEPTED");
  claims["exp"] = now - 30;
  EXPECT_EQ(ReasonForClaims(claims), "TOKEN_EXPIRED");
}

TEST_F(TokenVerifierTest, SeveralIssuersHaveTheirOwnKeys) {
  const TestKey other = TestKey::Es256("ec-1");  // the same key id at another issuer
  TokenVerifierOptions options;
  options.issuers = {
      {kIssuer, keys_file_},
      {"https://other.example", folder_.Write("other.json", KeySet({other.PublicKey()}))}};
  auto verifier = TokenVerifier::Create(options, clock_);
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  verifier_ = *std::move(verifier);
  const Json claims = GoodClaims("https://other.example", clock_.Now());
  EXPECT_EQ(ReasonFor(other.Sign(claims)), "ACCEPTED");
  EXPECT_EQ(ReasonFor(EcKey().Sign(claims)), "TOKEN_SIGNATURE_INVALID");
  EXPECT_EQ(ReasonFor(other.Sign(Claims())), "TOKEN_SIGNATURE_INVALID");
}

// --- the cache ---

TEST_F(TokenVerifierTest, ACachedTokenIsRefusedOnceItHasExpired) {
  const std::string token = EcKey().Sign(Claims());
  EXPECT_EQ(ReasonFor(token), "ACCEPTED");
  EXPECT_EQ(verifier_->cached_tokens(), 1u);
  clock_.Advance(absl::Seconds(600 + 29));
  EXPECT_EQ(ReasonFor(token), "ACCEPTED");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(ReasonFor(token), "TOKEN_EXPIRED");
  EXPECT_EQ(verifier_->cached_tokens(), 0u);
}

TEST_F(TokenVerifierTest, ACachedTokenIsServedWithoutItsKeyUntilTheKeysAreRead) {
  const std::string token = EcKey().Sign(Claims());
  EXPECT_EQ(ReasonFor(token), "ACCEPTED");
  folder_.Write("keys.json", KeySet({RsaKey().PublicKey()}));
  EXPECT_EQ(ReasonFor(token), "ACCEPTED");
  ASSERT_TRUE(verifier_->Reload().ok());
  EXPECT_EQ(verifier_->cached_tokens(), 0u);
  EXPECT_EQ(ReasonFor(token), "TOKEN_KEY_UNKNOWN");
}

TEST_F(TokenVerifierTest, ANewKeyIsTakenAfterReload) {
  const TestKey fresh = TestKey::Es256("ec-2");
  EXPECT_EQ(ReasonFor(fresh.Sign(Claims())), "TOKEN_KEY_UNKNOWN");
  folder_.Write("keys.json", KeySet({EcKey().PublicKey(), fresh.PublicKey()}));
  ASSERT_TRUE(verifier_->Reload().ok());
  EXPECT_EQ(ReasonFor(fresh.Sign(Claims())), "ACCEPTED");
  EXPECT_EQ(ReasonFor(EcKey().Sign(Claims())), "ACCEPTED");
}

TEST_F(TokenVerifierTest, ReloadingUnchangedKeysKeepsTheCache) {
  EXPECT_EQ(ReasonForClaims(Claims()), "ACCEPTED");
  ASSERT_TRUE(verifier_->Reload().ok());
  EXPECT_EQ(verifier_->cached_tokens(), 1u);
}

TEST_F(TokenVerifierTest, ABrokenKeysFileIsReportedAndTheKeysStay) {
  folder_.Write("keys.json", "{");
  EXPECT_EQ(verifier_->Reload().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonForClaims(Claims()), "ACCEPTED");
  std::filesystem::remove(keys_file_);
  EXPECT_EQ(verifier_->Reload().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonForClaims(Claims()), "ACCEPTED");
}

TEST_F(TokenVerifierTest, TheCacheIsBoundedAndForgetsTheLeastRecentlyUsed) {
  Open(2);
  std::vector<std::string> tokens;
  for (const char* subject : {"a", "b", "c"}) {
    tokens.push_back(EcKey().Sign(ClaimsWith("sub", subject)));
  }
  EXPECT_EQ(ReasonFor(tokens[0]), "ACCEPTED");
  EXPECT_EQ(ReasonFor(tokens[1]), "ACCEPTED");
  EXPECT_EQ(ReasonFor(tokens[0]), "ACCEPTED");
  EXPECT_EQ(ReasonFor(tokens[2]), "ACCEPTED");
  EXPECT_EQ(verifier_->cached_tokens(), 2u);
}

TEST(TokenCacheTest, WhatWasVerifiedBeforeAClearIsNotInsertedAfterIt) {
  TokenCache cache(4);
  const uint64_t generation = cache.generation();
  cache.Clear();
  cache.Insert(generation, DigestOf("token"), Token{});
  EXPECT_FALSE(cache.Find(DigestOf("token")).has_value());
  cache.Insert(cache.generation(), DigestOf("token"), Token{});
  EXPECT_TRUE(cache.Find(DigestOf("token")).has_value());
}

TEST(TokenCacheTest, TheLeastRecentlyUsedTokenGoesFirst) {
  TokenCache cache(2);
  cache.Insert(0, DigestOf("a"), Token{});
  cache.Insert(0, DigestOf("b"), Token{});
  EXPECT_TRUE(cache.Find(DigestOf("a")).has_value());
  cache.Insert(0, DigestOf("c"), Token{});
  EXPECT_TRUE(cache.Find(DigestOf("a")).has_value());
  EXPECT_FALSE(cache.Find(DigestOf("b")).has_value());
  EXPECT_TRUE(cache.Find(DigestOf("c")).has_value());
}

// Once Reload() has returned, no thread gets the token of a key that is gone, whatever it was
// doing.
TEST_F(TokenVerifierTest, NoThreadKeepsATokenAliveAcrossARotation) {
  const std::string token = EcKey().Sign(Claims());
  const std::string with_key = KeySet({EcKey().PublicKey()});
  const std::string without_key = KeySet({RsaKey().PublicKey()});
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) (void)verifier_->Verify(token);
    });
  }
  for (int round = 0; round < 50; ++round) {
    folder_.Write("keys.json", without_key);
    EXPECT_TRUE(verifier_->Reload().ok());
    EXPECT_EQ(ReasonFor(token), "TOKEN_KEY_UNKNOWN");
    folder_.Write("keys.json", with_key);
    EXPECT_TRUE(verifier_->Reload().ok());
    EXPECT_EQ(ReasonFor(token), "ACCEPTED");
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

// --- refusals ---

TEST_F(TokenVerifierTest, NoTokenIsRefused) { EXPECT_EQ(ReasonFor(""), "TOKEN_MISSING"); }

TEST_F(TokenVerifierTest, AnExpiredTokenIsRefused) {
  const std::string token = EcKey().Sign(Claims());
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(ReasonFor(token), "TOKEN_EXPIRED");
  EXPECT_EQ(verifier_->cached_tokens(), 0u);
}

TEST_F(TokenVerifierTest, AnotherAudienceIsRefused) {
  for (const Json& audience : {Json("other"), Json::array({"a", "b"}), Json::array(), Json(7),
                               Json("records "), Json::array({1, nullptr})}) {
    EXPECT_EQ(ReasonForClaims(ClaimsWith("aud", audience)), "TOKEN_AUDIENCE_WRONG") << audience;
  }
  Json claims = Claims();
  claims.erase("aud");
  EXPECT_EQ(ReasonForClaims(claims), "TOKEN_AUDIENCE_WRONG");
}

TEST_F(TokenVerifierTest, AnUnknownIssuerIsRefused) {
  EXPECT_EQ(ReasonForClaims(ClaimsWith("iss", "https://evil.example")), "TOKEN_ISSUER_UNKNOWN");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("iss", absl::StrCat(kIssuer, "/"))), "TOKEN_ISSUER_UNKNOWN");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("iss", 7)), "TOKEN_MALFORMED");
}

TEST_F(TokenVerifierTest, AlgorithmNoneIsRefusedInAnySpelling) {
  for (const char* name : {"none", "None", "NONE", "nOnE", ""}) {
    const Json header = {{"alg", name}, {"kid", "ec-1"}};
    EXPECT_EQ(ReasonFor(Compact(header.dump(), Claims().dump(), "")), "TOKEN_ALGORITHM_REFUSED");
    EXPECT_EQ(ReasonFor(Compact(header.dump(), Claims().dump(), "signature")),
              "TOKEN_ALGORITHM_REFUSED");
  }
}

TEST_F(TokenVerifierTest, EveryOtherAlgorithmIsRefusedBeforeAnyCryptography) {
  for (const Json& name :
       {Json("HS256"), Json("HS512"), Json("RS384"), Json("PS256"), Json("ES384"), Json("EdDSA"),
        Json("es256"), Json("ES256 "), Json(), Json(256), Json::array({"ES256"})}) {
    const Json header = {{"alg", name}, {"kid", "ec-1"}};
    EXPECT_EQ(ReasonFor(Compact(header.dump(), Claims().dump(), "x")), "TOKEN_ALGORITHM_REFUSED");
  }
}

TEST_F(TokenVerifierTest, HmacWithThePublicKeyAsSecretIsRefused) {
  for (const std::string algorithm : {"HS256", "RS256"}) {
    const Json header = {{"alg", algorithm}, {"kid", "rsa-1"}};
    const std::string unsigned_part = Compact(header.dump(), Claims().dump(), "");
    const absl::string_view message(unsigned_part.data(), unsigned_part.size() - 1);
    for (const std::string& secret :
         {RsaKey().PublicKey().dump(), RsaKey().PublicKey()["n"].get<std::string>()}) {
      const std::string signature = testing::HmacSha256(secret, message);
      EXPECT_EQ(ReasonFor(Compact(header.dump(), Claims().dump(), signature)),
                algorithm == "HS256" ? "TOKEN_ALGORITHM_REFUSED" : "TOKEN_SIGNATURE_INVALID");
    }
  }
}

TEST_F(TokenVerifierTest, AnUnknownKeyIsRefused) {
  EXPECT_EQ(ReasonFor(TestKey::Es256("ec-9").Sign(Claims())), "TOKEN_KEY_UNKNOWN");
}

TEST_F(TokenVerifierTest, ASignatureOfAnotherKeyWithAKnownIdIsRefused) {
  EXPECT_EQ(ReasonFor(TestKey::Es256("ec-1").Sign(Claims())), "TOKEN_SIGNATURE_INVALID");
}

TEST_F(TokenVerifierTest, AKeyOfTheOtherAlgorithmIsRefused) {
  Json header = EcKey().Header();
  header["kid"] = "rsa-1";
  EXPECT_EQ(ReasonFor(EcKey().Sign(header, Claims())), "TOKEN_ALGORITHM_REFUSED");
}

TEST_F(TokenVerifierTest, ClaimsOfOneTokenUnderTheSignatureOfAnotherAreRefused) {
  const std::vector<std::string> mine = absl::StrSplit(EcKey().Sign(Claims()), '.');
  const std::vector<std::string> theirs =
      absl::StrSplit(EcKey().Sign(ClaimsWith("sub", "director")), '.');
  EXPECT_EQ(ReasonFor(absl::StrCat(mine[0], ".", theirs[1], ".", mine[2])),
            "TOKEN_SIGNATURE_INVALID");
  EXPECT_EQ(ReasonFor(absl::StrCat(mine[0], ".", mine[1], ".")), "TOKEN_SIGNATURE_INVALID");
  // A signature of zeros passed several verifiers once (CVE-2022-21449).
  EXPECT_EQ(
      ReasonFor(absl::StrCat(mine[0], ".", mine[1], ".", EncodeBase64Url(std::string(64, '\0')))),
      "TOKEN_SIGNATURE_INVALID");
}

// The library alone accepts a byte more: random changes found it.
TEST_F(TokenVerifierTest, ASignatureOfAnotherSizeIsRefused) {
  for (const TestKey* key : {&EcKey(), &RsaKey()}) {
    const std::vector<std::string> parts = absl::StrSplit(key->Sign(Claims()), '.');
    const std::string signature = *DecodeBase64Url(parts[2]);
    for (const std::string& changed :
         {signature + '\0', signature + "a", signature + "ab", '\0' + signature,
          signature.substr(1), signature.substr(0, signature.size() - 1), std::string()}) {
      EXPECT_EQ(ReasonFor(absl::StrCat(parts[0], ".", parts[1], ".", EncodeBase64Url(changed))),
                "TOKEN_SIGNATURE_INVALID");
    }
  }
}

TEST_F(TokenVerifierTest, AHeaderThatBringsItsOwnKeyOrExtensionsIsRefused) {
  const TestKey forged = TestKey::Es256("ec-1");
  const std::vector<std::pair<const char*, Json>> members = {
      {"jwk", forged.PublicKey()},          {"jku", "https://evil.example/keys"},
      {"x5u", "https://evil.example/cert"}, {"x5c", Json::array({"MII"})},
      {"crit", Json::array({"exp"})},       {"b64", Json::array({false})}};
  for (const auto& [name, value] : members) {
    Json header = EcKey().Header();
    header[name] = value;
    EXPECT_EQ(ReasonFor(EcKey().Sign(header, Claims())), "TOKEN_MALFORMED") << name;
    EXPECT_EQ(ReasonFor(forged.Sign(header, Claims())), "TOKEN_MALFORMED") << name;
  }
}

TEST_F(TokenVerifierTest, ATokenThatIsNotYetValidIsRefused) {
  const int64_t later = absl::ToUnixSeconds(clock_.Now()) + 300;
  EXPECT_EQ(ReasonForClaims(ClaimsWith("nbf", later)), "TOKEN_NOT_YET_VALID");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("iat", later)), "TOKEN_NOT_YET_VALID");
}

TEST_F(TokenVerifierTest, TimesThatAreMissingOrNotSaneAreRefused) {
  for (const char* name : {"exp", "iat"}) {
    Json claims = Claims();
    claims.erase(name);
    EXPECT_EQ(ReasonForClaims(claims), "TOKEN_MALFORMED") << name;
  }
  for (const Json& value : {Json("1800000000"), Json(-1), Json(1e300), Json(), Json(true)}) {
    for (const char* name : {"exp", "iat", "nbf"}) {
      EXPECT_EQ(ReasonForClaims(ClaimsWith(name, value)), "TOKEN_MALFORMED") << name << value;
    }
  }
}

TEST_F(TokenVerifierTest, ATokenThatLivesTooLongIsRefused) {
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  EXPECT_EQ(ReasonForClaims(ClaimsWith("exp", now + 86400)), "ACCEPTED");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("exp", now + 86401)), "TOKEN_MALFORMED");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("exp", now)), "TOKEN_MALFORMED");
}

TEST_F(TokenVerifierTest, ASubjectIsRequiredAndOfASafeAlphabet) {
  EXPECT_EQ(ReasonForClaims(ClaimsWith("sub", std::string(256, 'a'))), "ACCEPTED");
  EXPECT_EQ(ReasonForClaims(ClaimsWith("sub", "auth0|5f.-_@x:+=~")), "ACCEPTED");
  for (const Json& value : {Json(""), Json(std::string(257, 'a')), Json("a b"), Json("a/b"),
                            Json("a\nb"), Json("\xC3\xA9"), Json(7), Json()}) {
    EXPECT_EQ(ReasonForClaims(ClaimsWith("sub", value)), "TOKEN_MALFORMED") << value;
  }
}

TEST_F(TokenVerifierTest, RolesOfAnotherShapeAreRefused) {
  const Json too_many(std::vector<std::string>(65, "analyst"));
  for (const Json& value : {Json("analyst"), Json({{"a", 1}}), Json::array({1}), too_many}) {
    EXPECT_EQ(ReasonForClaims(ClaimsWith("roles", value)), "TOKEN_MALFORMED");
  }
}

TEST_F(TokenVerifierTest, ATokenOverTheSizeLimitIsRefusedUnread) {
  const std::string good = EcKey().Sign(Claims());
  EXPECT_EQ(ReasonFor(std::string(kTokenBytesMax + 1, 'a')), "TOKEN_MALFORMED");
  EXPECT_EQ(ReasonFor(EcKey().Sign(ClaimsWith("pad", std::string(kTokenBytesMax, 'x')))),
            "TOKEN_MALFORMED");
  // The longest that fits is read.
  Json claims = Claims();
  std::string longest;
  for (size_t pad = 5000; longest.size() < kTokenBytesMax - 4; ++pad) {
    claims["pad"] = std::string(pad, 'x');
    longest = EcKey().Sign(claims);
  }
  ASSERT_LE(longest.size(), kTokenBytesMax);
  EXPECT_EQ(ReasonFor(longest), "ACCEPTED");
}

TEST_F(TokenVerifierTest, WhatIsNotThreePartsOfStrictJsonIsRefused) {
  const std::string header = EcKey().Header().dump();
  const std::string claims = Claims().dump();
  const std::string twice = R"({"alg":"none","alg":"ES256","kid":"ec-1"})";
  for (const std::string& token :
       {std::string("."), std::string(".."), std::string("..."), std::string("a.b"),
        std::string("a.b.c.d"), Compact("[]", claims, "x"), Compact(header, "null", "x"),
        Compact(header, "[1]", "x"), Compact(twice, claims, "x"),
        Compact(header, R"({"iss":"a","iss":"b"})", "x"), Compact(header, "{\"a\":\"\xFF\"}", "x"),
        Compact(header, std::string(4000, '['), "x"), Compact(header, claims, "x") + "=",
        EcKey().Sign(Claims()) + ".", " " + EcKey().Sign(Claims()), EcKey().Sign(Claims()) + "\n",
        EcKey().Sign(Claims()) + "."}) {
    EXPECT_EQ(ReasonFor(token), "TOKEN_MALFORMED") << token;
  }
  Json deep = 1;
  for (int i = 0; i < 9; ++i) deep = Json{{"a", deep}};
  EXPECT_EQ(ReasonForClaims(ClaimsWith("deep", deep)), "TOKEN_MALFORMED");
}

TEST_F(TokenVerifierTest, AHeaderWithoutAKeyIdOrOfAnotherTypeIsRefused) {
  Json header = EcKey().Header();
  header.erase("kid");
  EXPECT_EQ(ReasonFor(EcKey().Sign(header, Claims())), "TOKEN_MALFORMED");
  header = EcKey().Header();
  header["typ"] = "secevent+jwt";
  EXPECT_EQ(ReasonFor(EcKey().Sign(header, Claims())), "TOKEN_MALFORMED");
}

TEST_F(TokenVerifierTest, NoRefusalHoldsAnythingOfTheToken) {
  const std::string canary = "canary-7d2e";
  Json claims = ClaimsWith("sub", canary + " space");
  claims["iss"] = canary;
  EXPECT_THAT(verifier_->Verify(EcKey().Sign(claims)).status().ToString(), Not(HasSubstr(canary)));
  claims["iss"] = kIssuer;
  EXPECT_THAT(verifier_->Verify(EcKey().Sign(claims)).status().ToString(), Not(HasSubstr(canary)));
  EXPECT_THAT(verifier_->Verify(canary).status().ToString(), Not(HasSubstr(canary)));
}

// A token changed anywhere is never accepted. What counts as changed is the text: base64url is read
// strictly, so there is no second spelling of a token.
TEST_F(TokenVerifierTest, ATokenWithRandomChangesIsNeverAccepted) {
  std::mt19937 random(SeedOfRun());
  const std::string alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n";
  const std::string good[] = {EcKey().Sign(Claims()), RsaKey().Sign(Claims())};
  for (int i = 0; i < 5000; ++i) {
    const std::string& original = good[random() % 2];
    std::string token = original;
    for (uint32_t change = 0; change <= random() % 3; ++change) {
      const size_t at = random() % token.size();
      switch (random() % 4) {
        case 0:
          token[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          token.erase(at, 1 + random() % 5);
          break;
        case 2:
          token.insert(at, 1, static_cast<char>(random() % 256));
          break;
        default:
          std::swap(token[at], token[random() % token.size()]);
          break;
      }
      if (token.empty()) break;
    }
    if (token != original) {
      ASSERT_NE(ReasonFor(token), "ACCEPTED") << token;
    }
  }
}

// --- keys ---

class KeySetTest : public ::testing::Test {
 protected:
  static bool Parses(const std::string& text) { return JsonWebKeySet::Parse(text).ok(); }
};

TEST_F(KeySetTest, KeysForOtherUsesAreLeftOut) {
  Json encryption = TestKey::Es256("ec-2").PublicKey();
  encryption["use"] = "enc";
  Json other_algorithm = RsaKey().PublicKey();
  other_algorithm["alg"] = "RS512";
  Json without_id = TestKey::Es256("ec-3").PublicKey();
  without_id.erase("kid");
  const Json edwards = {{"kty", "OKP"}, {"crv", "Ed25519"}, {"kid", "ed"}, {"x", "abc"}};
  EXPECT_TRUE(Parses(KeySet({EcKey().PublicKey(), encryption, other_algorithm, edwards})));
  EXPECT_FALSE(Parses(KeySet({encryption, other_algorithm, without_id, edwards})));
}

TEST_F(KeySetTest, PrivateAndSymmetricKeysAreRefused) {
  EXPECT_FALSE(Parses(KeySet({EcKey().PrivateKey()})));
  EXPECT_FALSE(Parses(KeySet({EcKey().PublicKey(), RsaKey().PrivateKey()})));
  EXPECT_FALSE(
      Parses(KeySet({EcKey().PublicKey(), Json{{"kty", "oct"}, {"k", "AAAA"}, {"kid", "s"}}})));
}

TEST_F(KeySetTest, AKeyIdThatIsThereTwiceIsRefused) {
  EXPECT_FALSE(Parses(KeySet({EcKey().PublicKey(), TestKey::Es256("ec-1").PublicKey()})));
}

TEST_F(KeySetTest, AnRsaKeyOfLessThan2048BitsIsRefused) {
  EXPECT_FALSE(Parses(KeySet({TestKey::Rs256("weak", 1024).PublicKey()})));
}

TEST_F(KeySetTest, APointThatIsNotOnTheCurveIsRefused) {
  Json key = EcKey().PublicKey();
  key["y"] = key["x"];
  EXPECT_FALSE(Parses(KeySet({key})));
  key["y"] = "";
  EXPECT_FALSE(Parses(KeySet({key})));
}

TEST_F(KeySetTest, WhatIsNoKeySetIsRefused) {
  for (const char* text : {"", "{", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})",
                           R"({"keys":[1]})", R"({"keys":[],"keys":[]})",
                           R"({"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":1,"y":2}]})"}) {
    EXPECT_FALSE(Parses(text)) << text;
  }
}

TEST(TokenVerifierCreateTest, BadOptionsAreRefused) {
  const TemporaryFolder folder;
  eventstore::ManualClock clock(absl::UnixEpoch());
  const auto file = folder.Write("keys.json", KeySet({EcKey().PublicKey()}));
  const auto code = [&](TokenVerifierOptions options) {
    return TokenVerifier::Create(std::move(options), clock).status().code();
  };
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.issuers = {{"", file}}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.issuers = {{"a", file}, {"a", file}}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.issuers = {{"a", file}}, .audience = ""}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.issuers = {{"a", file}}, .cached_tokens_max = 0}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.issuers = {{"a", folder.path() / "none"}}}), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace records::services
