// Tokens of callers, keys of issuers and the metadata of calls.
//
// Input: mode, then for
//   0  a token as it comes
//   1  header and claims as chunks of JSON, signed by the right key when it can sign them
//   2  a JWK Set, against which a right token is verified
//   3  metadata: name and value as chunks; the value "{token}" stands for a right token
//   4  base64url

#include <map>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "eventstore/clock.h"
#include "services/auth/caller.h"
#include "services/auth/json_web_keys.h"
#include "services/auth/metadata_processor.h"
#include "services/auth/token_verifier.h"
#include "services/errors/errors.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/services/temporary_folder.h"
#include "tests/services/token_factory.h"

namespace records::fuzz {
namespace {

using services::testing::TestKey;

constexpr char kIssuer[] = "https://issuer.example";
// Everything that stands between a call and its handler.
struct World {
  World() {
    const auto file = folder.Write("keys.json", services::testing::KeySet({key.PublicKey()}));
    verifier = *services::TokenVerifier::Create({.issuers = {{kIssuer, file}}}, clock);
    right = key.Sign(services::testing::GoodClaims(kIssuer, clock.Now()));
    FUZZ_EXPECT(verifier->Verify(right).ok());
  }

  services::testing::TemporaryFolder folder;
  eventstore::ManualClock clock{absl::FromUnixSeconds(1'795'330'000)};
  TestKey key = TestKey::Es256("key-1");
  std::unique_ptr<services::TokenVerifier> verifier;
  std::string right;
};

World& TheWorld() {
  static World* const world = new World;
  return *world;
}

// A token that is in force says who, for how long and as what, in bounds.
void ExpectWhole(const services::Token& token) {
  FUZZ_EXPECT(token.issuer == kIssuer);
  FUZZ_EXPECT(services::IsTokenSubject(token.subject));
  FUZZ_EXPECT(token.expires_at + absl::Seconds(30) > TheWorld().clock.Now());
  FUZZ_EXPECT(token.development_claims.empty());
  for (const std::string& role : token.roles) FUZZ_EXPECT(!role.empty() && role.size() <= 64);
}

void ExpectRefused(const absl::Status& status, absl::string_view secret) {
  FUZZ_EXPECT(absl::IsUnauthenticated(status), status.ToString());
  FUZZ_EXPECT(!services::ReasonOf(status).empty(), status.ToString());
  // What has no space, as no token has: fuzzing finds the refusal's own words otherwise.
  for (const absl::string_view word : absl::StrSplit(secret, ' ')) {
    if (word.size() > 60) FUZZ_EXPECT(!absl::StrContains(status.ToString(), word));
  }
}

void Verify(const std::string& token) {
  const auto parsed = services::ParseToken(token);
  const auto verified = TheWorld().verifier->Verify(token);
  if (!verified.ok()) ExpectRefused(verified.status(), token);
  if (!parsed.ok()) FUZZ_EXPECT(!verified.ok());
  if (verified.ok()) ExpectWhole(*verified);
}

// One byte of a right token is changed: it is no longer one.
void VerifyChanged(Input& in) {
  std::string token = TheWorld().right;
  const size_t place = in.Number(2) % token.size();
  const char before = token[place];
  token[place] = static_cast<char>(in.Byte());
  const auto verified = TheWorld().verifier->Verify(token);
  FUZZ_EXPECT(verified.ok() == (token[place] == before));
}

void SignAndVerify(absl::string_view header, absl::string_view claims) {
  const auto parsed_header = services::ParseStrictObject(header);
  const auto parsed_claims = services::ParseStrictObject(claims);
  if (!parsed_claims.ok()) {
    return Verify(services::testing::Compact(header, claims, std::string(64, 's')));
  }
  // What the factory cannot sign, it is not asked to.
  bool signable = parsed_header.ok() && parsed_header->value("alg", nlohmann::json()) == "ES256";
  for (const auto& item : parsed_header.ok() ? *parsed_header : nlohmann::json::object()) {
    if (!item.is_string()) signable = false;
  }
  Verify(signable ? TheWorld().key.Sign(*parsed_header, *parsed_claims)
                  : TheWorld().key.Sign(*parsed_claims));
}

void ParseKeys(absl::string_view json) {
  const auto keys = services::JsonWebKeySet::Parse(json);
  if (!keys.ok()) {
    FUZZ_EXPECT(absl::IsInvalidArgument(keys.status()));
    return;
  }
  const auto parsed = services::ParseToken(TheWorld().right);
  const absl::Status verified = keys->VerifySignature(TheWorld().right, *parsed);
  FUZZ_EXPECT(verified.ok() || absl::IsUnauthenticated(verified), verified.ToString());
}

void ReadMetadata(Input& in) {
  static services::Authenticator authenticator(*TheWorld().verifier, nullptr);
  static services::RefusalLog refusals({}, TheWorld().clock, nullptr);
  static services::AuthenticationProcessor processor(authenticator, refusals);
  std::multimap<std::string, std::string> owned;
  const std::string peer(in.Chunk());
  while (!in.empty() && owned.size() < 40) {
    const std::string name(in.Chunk());
    owned.emplace(name, absl::StrReplaceAll(in.Chunk(), {{"{token}", TheWorld().right}}));
  }
  services::CallMetadata metadata;
  for (const auto& [name, value] : owned) metadata.emplace(name, value);
  const auto caller = authenticator.CallerFrom(metadata, peer);
  if (!caller.ok()) {
    FUZZ_EXPECT(
        absl::IsUnauthenticated(caller.status()) || absl::IsInvalidArgument(caller.status()),
        caller.status().ToString());
    FUZZ_EXPECT(!services::ReasonOf(caller.status()).empty());
    return;
  }
  FUZZ_EXPECT(owned.count("authorization") == 1 && owned.count("purpose") == 1);
  FUZZ_EXPECT(!caller->purpose.empty() && caller->purpose.size() <= 64);
  FUZZ_EXPECT(caller->purpose.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") ==
              std::string::npos);
  FUZZ_EXPECT(caller->break_glass_reason.size() <= 512);
}

void Base64(absl::string_view text) {
  const auto bytes = services::DecodeBase64Url(text);
  if (bytes.ok()) FUZZ_EXPECT(services::EncodeBase64Url(*bytes) == text);
  const std::string encoded = services::EncodeBase64Url(text);
  FUZZ_EXPECT(*services::DecodeBase64Url(encoded) == text);
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  switch (in.Byte() % 6) {
    case 0:
      return Verify(std::string(in.Rest()));
    case 1: {
      const absl::string_view header = in.Chunk();
      return SignAndVerify(header, in.Rest());
    }
    case 2:
      return ParseKeys(in.Rest());
    case 3:
      return ReadMetadata(in);
    case 4:
      return Base64(in.Rest());
    default:
      return VerifyChanged(in);
  }
}

void WriteSeeds(const SeedSink& sink) {
  const World& world = TheWorld();
  const std::string header = world.key.Header().dump();
  const std::string claims = services::testing::GoodClaims(kIssuer, world.clock.Now()).dump();
  sink("token", Byte(0) + services::testing::Compact(header, claims, std::string(64, 's')));
  sink("signed", Byte(1) + Chunk(header) + claims);
  sink("keys", Byte(2) + services::testing::KeySet({TestKey::Es256("key-1").PublicKey(),
                                                    TestKey::Rs256("key-2").PublicKey()}));
  sink("metadata", Byte(3) + Chunk("ipv4:127.0.0.1:5") + Chunk("authorization") +
                       Chunk("Bearer {token}") + Chunk("purpose") + Chunk("audit") +
                       Chunk("break-glass-reason") + Chunk("why"));
  sink("base64", Byte(4) + "_-8A");
  sink("changed", Byte(5) + std::string("\0\x20"
                                        "A",
                                        3));
}

}  // namespace records::fuzz
