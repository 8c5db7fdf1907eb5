// The processor, the credentials and the handler's view of the caller, on a real server.

#include <sys/stat.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/auth/caller.h"
#include "services/auth/development_issuer.h"
#include "services/auth/metadata_processor.h"
#include "services/auth/server_credentials.h"
#include "services/errors/errors.h"
#include "tests/services/generic_server.h"
#include "tests/services/temporary_folder.h"
#include "tests/services/test_certificate.h"
#include "tests/services/token_factory.h"

namespace records::services {
namespace {

using ::testing::HasSubstr;
using testing::Metadata;
using ::testing::Pair;
using testing::Reply;
using testing::TestCertificate;

constexpr char kIssuer[] = "https://login.example";
constexpr char kMethod[] = "/records.api.v1.ContactService/RecordContact";

class AuthenticationTest : public ::testing::Test {
 protected:
  AuthenticationTest() {
    auto issuer =
        DevelopmentIssuer::OpenOrCreate(folder_.path(), clock_, eventstore::SystemRandom());
    issuer_ = *std::move(issuer);
    TokenVerifierOptions options;
    options.issuers = {{kIssuer, folder_.Write("keys.json", testing::KeySet({key_.PublicKey()}))},
                       issuer_->AsTokenIssuer()};
    verifier_ = *TokenVerifier::Create(options, clock_);
    authenticator_ = std::make_unique<Authenticator>(*verifier_, &limiter_);
    grpc::EnableDefaultHealthCheckService(true);
  }
  ~AuthenticationTest() override {
    if (server_ != nullptr) server_->Shutdown();
  }

  // Listens on a free port of 127.0.0.1 with the files of `options`.
  void Start(ListenOptions options = {}) {
    options.address = "127.0.0.1:0";
    auto credentials = MakeServerCredentials(
        options, std::make_shared<AuthenticationProcessor>(*authenticator_, refusals_));
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(options.address, *credentials, &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  std::shared_ptr<grpc::Channel> Channel(
      const std::shared_ptr<grpc::ChannelCredentials>& credentials) const {
    return grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_), credentials);
  }
  std::shared_ptr<grpc::Channel> Channel() const {
    return Channel(grpc::InsecureChannelCredentials());
  }

  static Metadata With(const std::string& token) {
    return {{"authorization", "Bearer " + token}, {"purpose", "service-delivery"}};
  }
  std::string TokenOf(const std::string& subject) const {
    nlohmann::json claims = testing::GoodClaims(kIssuer, clock_.Now());
    claims["sub"] = subject;
    return key_.Sign(claims);
  }
  std::string DevelopmentToken() const { return *issuer_->Mint("dev", {}, absl::Hours(1)); }

  void ExpectRefused(const Metadata& metadata, const std::string& reason) {
    const Reply reply = testing::Call(Channel(), kMethod, metadata);
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ReasonOf(FromGrpcStatus(reply.status)), reason);
  }

  testing::TemporaryFolder folder_;
  eventstore::ManualClock clock_{absl::FromUnixSeconds(1800000000)};
  const testing::TestKey key_ = testing::TestKey::Es256("ec-1");
  std::unique_ptr<DevelopmentIssuer> issuer_;
  std::unique_ptr<TokenVerifier> verifier_;
  RateLimiter limiter_{{.requests_per_second = 1, .burst_requests = 500}, clock_};
  RefusalLog refusals_{{}, clock_, nullptr};
  std::unique_ptr<Authenticator> authenticator_;
  testing::GenericService service_{[this](const grpc::ServerContextBase& context) {
    const auto caller = authenticator_->Admit(context);
    return caller.ok() ? absl::StrCat(caller->subject, " for ", caller->purpose)
                       : ReasonOf(caller.status());
  }};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(AuthenticationTest, AHandlerKnowsWhoCallsAndWhatFor) {
  Start();
  const Reply reply = testing::Call(Channel(), kMethod, With(TokenOf("amy")));
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.text, "amy for service-delivery");
}

TEST_F(AuthenticationTest, ADevelopmentTokenIsTakenOverLoopback) {
  Start();
  EXPECT_EQ(testing::Call(Channel(), kMethod, With(DevelopmentToken())).text,
            "dev for service-delivery");
}

TEST_F(AuthenticationTest, HealthNeedsNoToken) {
  Start();
  const Reply reply = testing::Call(Channel(), "/grpc.health.v1.Health/Check", {});
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.text, "\x08\x01");  // HealthCheckResponse{status: SERVING}
}

TEST_F(AuthenticationTest, ReflectionNeedsNoTokenButNothingBesideItIsOpen) {
  Start();
  const auto channel = Channel();
  const char* open = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_TRUE(testing::Call(channel, open, {}).status.ok());
  EXPECT_EQ(service_.handled(), 1);
  for (const char* closed : {"/grpc.reflection.v1alpha.ServerReflection/Other",
                             "/grpc.health.v1.Health/Check/x", "/grpc.health.v1.HealthX/Check",
                             "/x/grpc.health.v1.Health/Check", "/grpc.health.v1.health/Check"}) {
    EXPECT_EQ(testing::Call(channel, closed, {}).status.error_code(),
              grpc::StatusCode::UNAUTHENTICATED)
        << closed;
  }
  EXPECT_EQ(service_.handled(), 1);
}

// The AuthContext belongs to the connection: a caller kept there would answer for the next one.
TEST_F(AuthenticationTest, CallersThatShareAConnectionAreNeverMistakenForOneAnother) {
  Start();
  const auto channel = Channel();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i, &channel] {
      const std::string subject = absl::StrCat("caller-", i);
      const Metadata metadata = With(TokenOf(subject));
      for (int call = 0; call < 50; ++call) {
        EXPECT_EQ(testing::Call(channel, kMethod, metadata).text,
                  subject + " for service-delivery");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(testing::Call(channel, kMethod, {}).status.error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(AuthenticationTest, ACallerThatIsTooFastIsToldAndOthersAreNotSlowed) {
  Start();
  const auto channel = Channel();
  const Metadata amy = With(TokenOf("amy"));
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(testing::Call(channel, kMethod, amy).text, "amy for service-delivery");
  }
  EXPECT_EQ(testing::Call(channel, kMethod, amy).text, "CALLER_RATE_EXCEEDED");
  EXPECT_EQ(testing::Call(channel, kMethod, With(TokenOf("bob"))).text, "bob for service-delivery");
}

TEST_F(AuthenticationTest, NoHandlerRunsForACallThatIsRefused) {
  Start();
  const std::string good = TokenOf("amy");
  const std::vector<std::string> parts = absl::StrSplit(good, '.');
  nlohmann::json wrong_audience = testing::GoodClaims(kIssuer, clock_.Now());
  wrong_audience["aud"] = "other";
  const std::string none = R"({"alg":"none","kid":"ec-1"})";
  ExpectRefused({}, "TOKEN_MISSING");
  ExpectRefused({{"purpose", "audit"}}, "TOKEN_MISSING");
  ExpectRefused({{"authorization", "Basic YTpi"}}, "TOKEN_MISSING");
  ExpectRefused({{"authorization", "Bearer " + good}, {"authorization", "Bearer " + good}},
                "TOKEN_MISSING");
  ExpectRefused(With("nonsense"), "TOKEN_MALFORMED");
  ExpectRefused(With(key_.Sign(wrong_audience)), "TOKEN_AUDIENCE_WRONG");
  ExpectRefused(With(testing::Compact(none, testing::GoodClaims(kIssuer, clock_.Now()).dump(), "")),
                "TOKEN_ALGORITHM_REFUSED");
  ExpectRefused(
      With(testing::TestKey::Es256("ec-9").Sign(testing::GoodClaims(kIssuer, clock_.Now()))),
      "TOKEN_KEY_UNKNOWN");
  ExpectRefused(
      With(testing::TestKey::Es256("ec-1").Sign(testing::GoodClaims(kIssuer, clock_.Now()))),
      "TOKEN_SIGNATURE_INVALID");
  clock_.Advance(absl::Hours(1));
  ExpectRefused(With(good), "TOKEN_EXPIRED");
  EXPECT_EQ(service_.handled(), 0);
  EXPECT_THAT(refusals_.counts(), ::testing::Contains(Pair("TOKEN_MISSING", 4)));
}

TEST_F(AuthenticationTest, ARefusalSaysWhatIsWrongAndWhatToDo) {
  Start();
  const Reply reply = testing::Call(Channel(), kMethod, {});
  EXPECT_THAT(reply.status.error_message(), HasSubstr("TOKEN_MISSING: "));
  EXPECT_THAT(reply.status.error_message(), HasSubstr("authorization: Bearer"));
}

// --- TLS ---

class TlsTest : public AuthenticationTest {
 protected:
  ListenOptions Files(bool with_client_authority) const {
    ListenOptions options;
    options.tls_certificate_file = folder_.Write("server.crt", server_certificate_.certificate);
    options.tls_private_key_file = folder_.Write("server.key", server_certificate_.private_key);
    chmod(options.tls_private_key_file.c_str(), 0600);
    if (with_client_authority) {
      options.tls_client_ca_file = folder_.Write("client.crt", client_certificate_.certificate);
    }
    return options;
  }

  std::shared_ptr<grpc::Channel> TlsChannel(const TestCertificate* client) const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = server_certificate_.certificate;
    if (client != nullptr) {
      options.pem_cert_chain = client->certificate;
      options.pem_private_key = client->private_key;
    }
    return Channel(grpc::SslCredentials(options));
  }

  const TestCertificate server_certificate_ = testing::MakeTestCertificate("server");
  const TestCertificate client_certificate_ = testing::MakeTestCertificate("crm");
};

TEST_F(TlsTest, ATokenIsTakenOverTlsAndACallWithoutIsRefused) {
  Start(Files(false));
  const auto channel = TlsChannel(nullptr);
  EXPECT_EQ(testing::Call(channel, kMethod, With(TokenOf("amy"))).text, "amy for service-delivery");
  const int handled = service_.handled();
  EXPECT_EQ(testing::Call(channel, kMethod, {}).status.error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(service_.handled(), handled);
}

TEST_F(TlsTest, ADevelopmentTokenIsRefusedOverTls) {
  Start(Files(false));
  const Reply reply = testing::Call(TlsChannel(nullptr), kMethod, With(DevelopmentToken()));
  EXPECT_EQ(ReasonOf(FromGrpcStatus(reply.status)), "TOKEN_DEVELOPMENT_REFUSED");
  EXPECT_EQ(service_.handled(), 0);
}

TEST_F(TlsTest, AClientWithoutTheDemandedCertificateCannotConnect) {
  Start(Files(true));
  EXPECT_EQ(testing::Call(TlsChannel(&client_certificate_), kMethod, With(TokenOf("amy"))).text,
            "amy for service-delivery");
  const int handled = service_.handled();
  EXPECT_FALSE(testing::Call(TlsChannel(nullptr), kMethod, With(TokenOf("amy"))).status.ok());
  const TestCertificate foreign = testing::MakeTestCertificate("crm");
  EXPECT_FALSE(testing::Call(TlsChannel(&foreign), kMethod, With(TokenOf("amy"))).status.ok());
  EXPECT_EQ(service_.handled(), handled);
}

TEST_F(TlsTest, FilesThatCannotServeAreRefusedWithTheirCause) {
  const auto code = [this](const ListenOptions& options) {
    return MakeServerCredentials(
               options, std::make_shared<AuthenticationProcessor>(*authenticator_, refusals_))
        .status()
        .code();
  };
  ListenOptions options = Files(false);
  options.address = "0.0.0.0:7400";
  EXPECT_EQ(code(options), absl::StatusCode::kOk);
  chmod(options.tls_private_key_file.c_str(), 0644);
  EXPECT_EQ(code(options), absl::StatusCode::kFailedPrecondition);
  options = Files(false);
  options.tls_private_key_file.clear();
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = Files(false);
  options.tls_certificate_file = folder_.path() / "none";
  EXPECT_EQ(code(options), absl::StatusCode::kNotFound);
  options = Files(false);
  options.tls_certificate_file = folder_.Write("bad.crt", "nonsense");
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = Files(true);
  options.tls_certificate_file = options.tls_client_ca_file;  // not the key's certificate
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = Files(false);
  options.tls_client_ca_file = folder_.Write("bad.crt", "nonsense");
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  ListenOptions only_authority;
  only_authority.tls_client_ca_file = Files(true).tls_client_ca_file;
  EXPECT_EQ(code(only_authority), absl::StatusCode::kInvalidArgument);
}

TEST_F(AuthenticationTest, OffLoopbackWithoutTlsTheServerDoesNotListen) {
  for (const char* address : {"0.0.0.0:7400", "192.0.2.1:7400", "[::]:7400", "[2001:db8::1]:1",
                              "records.example:7400", "127.0.0.1.example:7400", "1270.0.0.1:1"}) {
    const auto credentials = MakeServerCredentials({.address = address}, nullptr);
    EXPECT_EQ(credentials.status().code(), absl::StatusCode::kFailedPrecondition) << address;
    EXPECT_THAT(std::string(credentials.status().message()), HasSubstr("TLS"));
  }
  for (const char* address : {"", "127.0.0.1", "127.0.0.1:", ":7400", "127.0.0.1:70000",
                              "[::1:7400", "::1:7400", "127.0.0.1:x"}) {
    EXPECT_EQ(MakeServerCredentials({.address = address}, nullptr).status().code(),
              absl::StatusCode::kInvalidArgument)
        << address;
  }
  for (const char* address : {"127.0.0.1:0", "127.1.2.3:7400", "[::1]:7400", "localhost:7400"}) {
    EXPECT_TRUE(IsLoopbackAddress(address)) << address;
  }
}

}  // namespace
}  // namespace records::services
