#include "services/auth/development_issuer.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/auth/json_web_token.h"
#include "services/errors/errors.h"
#include "tests/services/temporary_folder.h"

namespace records::services {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using testing::TemporaryFolder;

class DevelopmentIssuerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<DevelopmentIssuer>> OpenOrCreate() {
    return DevelopmentIssuer::OpenOrCreate(folder_.path(), clock_, eventstore::SystemRandom());
  }

  std::unique_ptr<TokenVerifier> Verifier(const DevelopmentIssuer& issuer) {
    TokenVerifierOptions options;
    options.issuers = {issuer.AsTokenIssuer()};
    auto verifier = TokenVerifier::Create(options, clock_);
    EXPECT_TRUE(verifier.ok()) << verifier.status();
    return *std::move(verifier);
  }

  std::filesystem::path KeyFile() const { return folder_.path() / kDevelopmentKeyFile; }

  static mode_t ModeOf(const std::filesystem::path& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  static std::string Content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryFolder folder_;
  eventstore::ManualClock clock_{absl::FromUnixSeconds(1800000000)};
};

TEST_F(DevelopmentIssuerTest, ATokenOfTheFirstStartIsAcceptedAndSaysThatItIsForDevelopment) {
  auto issuer = OpenOrCreate();
  ASSERT_TRUE(issuer.ok()) << issuer.status();
  const auto text = (*issuer)->Mint("amy", {"contact-officer", "analyst"}, absl::Hours(1),
                                    {{"grant", "contact-officer"}});
  ASSERT_TRUE(text.ok()) << text.status();
  const auto token = Verifier(**issuer)->Verify(*text);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->issuer, "records-development");
  EXPECT_EQ(token->subject, "amy");
  EXPECT_THAT(token->roles, ElementsAre("contact-officer", "analyst"));
  EXPECT_EQ(token->expires_at, clock_.Now() + absl::Hours(1));
  EXPECT_TRUE(token->development);
  EXPECT_THAT(token->development_claims, ElementsAre(Pair("grant", "contact-officer")));
}

TEST_F(DevelopmentIssuerTest, TheKeyStaysAcrossStarts) {
  const auto text = (*OpenOrCreate())->Mint("amy", {}, absl::Hours(1));
  const auto again = OpenOrCreate();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Verifier(**again)->Verify(*text).ok());
}

TEST_F(DevelopmentIssuerTest, TwoTokensAlikeDiffer) {
  const auto issuer = OpenOrCreate();
  EXPECT_NE(*(*issuer)->Mint("amy", {}, absl::Hours(1)),
            *(*issuer)->Mint("amy", {}, absl::Hours(1)));
}

TEST_F(DevelopmentIssuerTest, ThePrivateKeyIsForItsOwnerAloneAndNowhereElse) {
  ASSERT_TRUE(OpenOrCreate().ok());
  EXPECT_EQ(ModeOf(KeyFile()), 0600u);
  const auto key = ParseStrictObject(Content(KeyFile()));
  ASSERT_TRUE(key.ok());
  const std::string secret = StringMember(*key, "d");
  ASSERT_EQ(secret.size(), 43u);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    if (entry.path() == KeyFile()) continue;
    EXPECT_EQ(entry.path().filename(), kDevelopmentKeysFile);  // and no temporary file is left
    EXPECT_THAT(Content(entry.path()), Not(HasSubstr(secret)));
  }
}

TEST_F(DevelopmentIssuerTest, ManyThatStartAtOnceGetTheSameKey) {
  constexpr int kStarts = 8;
  std::vector<std::string> tokens(kStarts);
  std::vector<std::thread> threads;
  for (int i = 0; i < kStarts; ++i) {
    threads.emplace_back([this, i, &tokens] {
      const auto issuer = OpenOrCreate();
      ASSERT_TRUE(issuer.ok()) << issuer.status();
      tokens[i] = *(*issuer)->Mint("amy", {}, absl::Hours(1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto verifier = Verifier(**OpenOrCreate());
  for (const std::string& token : tokens) EXPECT_TRUE(verifier->Verify(token).ok());
}

TEST_F(DevelopmentIssuerTest, AMissingOrForeignPublicFileIsWrittenAgain) {
  const auto text = (*OpenOrCreate())->Mint("amy", {}, absl::Hours(1));
  folder_.Write(kDevelopmentKeysFile, "{}");
  const auto issuer = OpenOrCreate();
  ASSERT_TRUE(issuer.ok()) << issuer.status();
  EXPECT_TRUE(Verifier(**issuer)->Verify(*text).ok());
}

TEST_F(DevelopmentIssuerTest, OpeningDoesNotCreate) {
  const auto issuer = DevelopmentIssuer::Open(folder_.path(), clock_, eventstore::SystemRandom());
  EXPECT_EQ(issuer.status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(KeyFile()));
}

TEST_F(DevelopmentIssuerTest, AKeyThatOthersCanReadIsRefused) {
  ASSERT_TRUE(OpenOrCreate().ok());
  for (const mode_t mode : {0640, 0604, 0620, 0666}) {
    ASSERT_EQ(chmod(KeyFile().c_str(), mode), 0);
    EXPECT_EQ(OpenOrCreate().status().code(), absl::StatusCode::kFailedPrecondition) << mode;
  }
}

TEST_F(DevelopmentIssuerTest, ALinkToAKeyIsRefused) {
  ASSERT_TRUE(OpenOrCreate().ok());
  std::filesystem::rename(KeyFile(), folder_.path() / "elsewhere");
  std::filesystem::create_symlink(folder_.path() / "elsewhere", KeyFile());
  EXPECT_EQ(OpenOrCreate().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DevelopmentIssuerTest, ADamagedKeyIsRefusedAndNotReplaced) {
  ASSERT_TRUE(OpenOrCreate().ok());
  auto key = *ParseStrictObject(Content(KeyFile()));
  auto without_private = key;
  without_private.erase("d");
  auto foreign_private = key;
  foreign_private["d"] = EncodeBase64Url(std::string(32, '\x05'));
  for (const std::string& content :
       {std::string(), std::string("{"), without_private.dump(), foreign_private.dump()}) {
    std::ofstream(KeyFile()) << content;
    const absl::Status status = OpenOrCreate().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << content;
    EXPECT_EQ(Content(KeyFile()), content);
  }
}

TEST_F(DevelopmentIssuerTest, AFolderThatIsNotThereIsNamed) {
  const auto issuer =
      DevelopmentIssuer::OpenOrCreate(folder_.path() / "none", clock_, eventstore::SystemRandom());
  EXPECT_EQ(issuer.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(issuer.status().message()), HasSubstr("none"));
}

TEST_F(DevelopmentIssuerTest, WhatCannotBeATokenIsNotMinted) {
  const auto issuer = OpenOrCreate();
  for (const char* name : {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "roles"}) {
    EXPECT_EQ((*issuer)->Mint("amy", {}, absl::Hours(1), {{name, "x"}}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
  EXPECT_FALSE((*issuer)->Mint("", {}, absl::Hours(1)).ok());
  EXPECT_FALSE((*issuer)->Mint("amy", {}, absl::ZeroDuration()).ok());
}

}  // namespace
}  // namespace records::services
