#include "services/auth/caller.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/auth/development_issuer.h"
#include "services/errors/errors.h"
#include "tests/services/temporary_folder.h"
#include "tests/services/token_factory.h"

namespace records::services {
namespace {

using ::testing::ElementsAre;
using testing::TemporaryFolder;

constexpr char kIssuer[] = "https://login.example";
constexpr char kLoopback[] = "ipv4:127.0.0.1:5000";
constexpr char kRemote[] = "ipv4:192.0.2.7:5000";

class CallerTest : public ::testing::Test {
 protected:
  CallerTest() {
    auto issuer =
        DevelopmentIssuer::OpenOrCreate(folder_.path(), clock_, eventstore::SystemRandom());
    development_ = *(*issuer)->Mint("dev", {"contact-officer"}, absl::Hours(1));
    const auto key = testing::TestKey::Es256("ec-1");
    good_ = key.Sign(testing::GoodClaims(kIssuer, clock_.Now()));
    TokenVerifierOptions options;
    options.issuers = {{kIssuer, folder_.Write("keys.json", testing::KeySet({key.PublicKey()}))},
                       (*issuer)->AsTokenIssuer()};
    verifier_ = *TokenVerifier::Create(options, clock_);
  }

  using Entries = std::vector<std::pair<std::string, std::string>>;

  absl::StatusOr<Caller> CallerFrom(const Entries& entries, absl::string_view peer = kLoopback) {
    CallMetadata metadata;
    for (const auto& [name, value] : entries) metadata.emplace(name, value);
    return Authenticator(*verifier_, nullptr).CallerFrom(metadata, peer);
  }

  std::string ReasonFor(const Entries& entries, absl::string_view peer = kLoopback) {
    const auto caller = CallerFrom(entries, peer);
    return caller.ok() ? "ACCEPTED" : ReasonOf(caller.status());
  }

  std::string Bearer() const { return "Bearer " + good_; }

  TemporaryFolder folder_;
  eventstore::ManualClock clock_{absl::FromUnixSeconds(1800000000)};
  std::unique_ptr<TokenVerifier> verifier_;
  std::string good_;
  std::string development_;
};

TEST_F(CallerTest, TheCallerIsWhatTokenAndMetadataSay) {
  const auto caller = CallerFrom({{"authorization", Bearer()},
                                  {"purpose", "service-delivery"},
                                  {"break-glass-reason", "fire in the building"}},
                                 kRemote);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->issuer, kIssuer);
  EXPECT_EQ(caller->subject, "amy");
  EXPECT_THAT(caller->token_roles, ElementsAre("contact-officer"));
  EXPECT_EQ(caller->ends_at, clock_.Now() + absl::Seconds(630));
  EXPECT_EQ(caller->purpose, "service-delivery");
  EXPECT_EQ(caller->break_glass_reason, "fire in the building");
  EXPECT_FALSE(caller->peer_is_loopback);
  EXPECT_FALSE(caller->development);
  EXPECT_EQ(caller->key(), "https://login.example\namy");
}

TEST_F(CallerTest, TheSchemeMayBeOfAnyCase) {
  EXPECT_EQ(ReasonFor({{"authorization", "bearer " + good_}, {"purpose", "audit"}}), "ACCEPTED");
}

TEST_F(CallerTest, LoopbackIsTold) {
  for (const char* peer : {"ipv4:127.0.0.1:1", "ipv4:127.9.9.9:1", "ipv6:[::1]:1",
                           "ipv6:%5B::1%5D:1", "unix:/run/x", "inproc:0"}) {
    EXPECT_TRUE(IsLoopbackPeer(peer)) << peer;
  }
  for (const char* peer : {"", "ipv4:128.0.0.1:1", "ipv4:1.127.0.0:1", "ipv6:[::2]:1",
                           "ipv6:[::1:2]:1", "ipv6:[2001:db8::1]:1", "127.0.0.1:1"}) {
    EXPECT_FALSE(IsLoopbackPeer(peer)) << peer;
  }
}

TEST_F(CallerTest, ADevelopmentTokenCountsOnLoopbackOnly) {
  const Entries entries = {{"authorization", "Bearer " + development_}, {"purpose", "audit"}};
  const auto caller = CallerFrom(entries);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_TRUE(caller->development);
  EXPECT_TRUE(caller->peer_is_loopback);
  EXPECT_EQ(ReasonFor(entries, kRemote), "TOKEN_DEVELOPMENT_REFUSED");
  EXPECT_EQ(ReasonFor(entries, ""), "TOKEN_DEVELOPMENT_REFUSED");
}

TEST_F(CallerTest, AuthorizationMustBeOneBearerToken) {
  const std::pair<std::string, std::string> purpose = {"purpose", "audit"};
  EXPECT_EQ(ReasonFor({purpose}), "TOKEN_MISSING");
  EXPECT_EQ(ReasonFor({purpose, {"authorization", Bearer()}, {"authorization", Bearer()}}),
            "TOKEN_MISSING");
  for (const std::string value : {"", "Bearer", "Bearer ", "Basic YTpi", "Bearer"}) {
    EXPECT_EQ(ReasonFor({purpose, {"authorization", value}}), "TOKEN_MISSING") << value;
  }
  EXPECT_EQ(ReasonFor({purpose, {"authorization", good_}}), "TOKEN_MISSING");
  EXPECT_EQ(ReasonFor({purpose, {"authorization", "Bearer  " + good_}}), "TOKEN_MALFORMED");
}

TEST_F(CallerTest, ThePurposeMustBeOneName) {
  const std::pair<std::string, std::string> token = {"authorization", Bearer()};
  EXPECT_EQ(ReasonFor({token}), "PURPOSE_MISSING");
  EXPECT_EQ(ReasonFor({token, {"purpose", "audit"}, {"purpose", "audit"}}), "PURPOSE_INVALID");
  EXPECT_EQ(ReasonFor({token, {"purpose", std::string(64, 'a')}}), "ACCEPTED");
  for (const std::string value : {"", "Audit", "a b", "audit,complaint", "audit1", "a_b"}) {
    EXPECT_EQ(ReasonFor({token, {"purpose", value}}), "PURPOSE_INVALID") << value;
  }
  EXPECT_EQ(ReasonFor({token, {"purpose", std::string(65, 'a')}}), "PURPOSE_INVALID");
}

TEST_F(CallerTest, ABreakGlassReasonMustBeOneText) {
  const Entries base = {{"authorization", Bearer()}, {"purpose", "audit"}};
  const auto reason_for = [&](std::vector<std::string> values) {
    Entries entries = base;
    for (const std::string& value : values) entries.emplace_back("break-glass-reason", value);
    return ReasonFor(entries);
  };
  EXPECT_EQ(reason_for({std::string(512, 'x')}), "ACCEPTED");
  EXPECT_EQ(reason_for({std::string(513, 'x')}), "BREAK_GLASS_REASON_INVALID");
  EXPECT_EQ(reason_for({""}), "BREAK_GLASS_REASON_INVALID");
  EXPECT_EQ(reason_for({"a", "b"}), "BREAK_GLASS_REASON_INVALID");
}

TEST_F(CallerTest, ATokenThatExpiresBetweenProcessorAndHandlerIsRefused) {
  const Entries entries = {{"authorization", Bearer()}, {"purpose", "audit"}};
  EXPECT_EQ(ReasonFor(entries), "ACCEPTED");
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(ReasonFor(entries), "TOKEN_EXPIRED");
}

// One rule for both: the last moment of a call is that of a stream.
TEST_F(CallerTest, AStreamEndsWhenACallIsRefused) {
  const Entries entries = {{"authorization", Bearer()}, {"purpose", "audit"}};
  const auto caller = CallerFrom(entries);
  ASSERT_TRUE(caller.ok()) << caller.status();
  clock_.Advance(caller->ends_at - clock_.Now() - absl::Microseconds(1));
  EXPECT_EQ(ReasonFor(entries), "ACCEPTED");
  clock_.Advance(absl::Microseconds(1));
  EXPECT_EQ(ReasonFor(entries), "TOKEN_EXPIRED");
}

}  // namespace
}  // namespace records::services
