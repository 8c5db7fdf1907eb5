#include "tools/recordsctl/client.h"

#include <grpcpp/security/credentials.h>
#include <sys/stat.h>

#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"

namespace records::tools {
namespace {

constexpr size_t kTokenBytesMax = 8192;  // what fits gRPC's default limit on metadata
constexpr size_t kCertificateBytesMax = 1 << 20;
constexpr int kReceiveBytesMax = 16 << 20;  // a page of 200 of the longest entries

constexpr char kPurposes[] =
    "service-delivery, tenancy-management, asb-casework, conduct-panel, staff-safety, complaint, "
    "rights-request, equality-statistics, audit, system-operation";

absl::Status CheckServer(absl::string_view server) {
  const size_t colon = server.rfind(':');
  uint32_t port = 0;
  const bool has_port = colon != absl::string_view::npos && colon > 0 &&
                        absl::SimpleAtoi(server.substr(colon + 1), &port);
  if (has_port && port >= 1 && port <= 65535) return absl::OkStatus();
  return absl::InvalidArgumentError("--server must be host:port, such as 127.0.0.1:7400");
}

absl::StatusOr<std::string> ReadTokenFile(Session& session) {
  const std::string& path = session.options.token_file;
  if (path.empty()) {
    return absl::InvalidArgumentError(
        "no token: give --token-file FILE (`recordsctl token` makes one for trying things out)");
  }
  struct stat info {};
  if (path != "-" && stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
      (info.st_mode & 077) != 0) {
    session.err << "recordsctl: warning: others can read the token in " << path
                << "; chmod 600 ends that\n";
  }
  auto content = ReadInput(path, kTokenBytesMax);
  if (!content.ok()) return absl::InvalidArgumentError(content.status().message());
  const std::string token(absl::StripAsciiWhitespace(*content));
  for (const char c : token) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError(absl::StrCat(path, " holds no token"));
    }
  }
  if (token.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " is empty"));
  return token;
}

absl::Status CheckPurpose(absl::string_view purpose) {
  if (purpose.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no purpose: say with --purpose what for, one of ", kPurposes));
  }
  for (const char c : purpose) {
    if (!absl::ascii_islower(static_cast<unsigned char>(c)) && c != '-') {
      return absl::InvalidArgumentError(absl::StrCat("--purpose is one of ", kPurposes));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool IsLoopback(absl::string_view server) {
  const absl::string_view host = server.substr(0, server.rfind(':'));
  if (host == "localhost" || host == "[::1]") return true;
  // 127.0.0.0/8 as four numbers: a name such as 127.example.org is not this machine.
  for (const char c : host) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) && c != '.') return false;
  }
  return absl::StartsWith(host, "127.");
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const GlobalOptions& options) {
  RETURN_IF_ERROR(CheckServer(options.server));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kReceiveBytesMax);
  // A server that has just started must be found soon, and one that died must be noticed.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (IsLoopback(options.server)) {
    credentials = grpc::experimental::LocalCredentials(LOCAL_TCP);
  } else {
    grpc::SslCredentialsOptions tls;
    if (!options.certificate_authority_file.empty()) {
      auto roots = ReadInput(options.certificate_authority_file, kCertificateBytesMax);
      if (!roots.ok()) return absl::InvalidArgumentError(roots.status().message());
      tls.pem_root_certs = *std::move(roots);
    }
    credentials = grpc::SslCredentials(tls);
  }
  return grpc::CreateCustomChannel(options.server, credentials, arguments);
}

absl::StatusOr<Client> Client::Create(Session& session) {
  ASSIGN_OR_RETURN(std::string token, ReadTokenFile(session));
  RETURN_IF_ERROR(CheckPurpose(session.options.purpose));
  ASSIGN_OR_RETURN(auto channel, MakeChannel(session.options));
  return Client(std::move(channel), std::move(token), session.options.purpose,
                session.options.timeout());
}

Client::Client(std::shared_ptr<grpc::Channel> channel, std::string token, std::string purpose,
               absl::Duration timeout)
    : channel_(std::move(channel)),
      token_(std::move(token)),
      purpose_(std::move(purpose)),
      timeout_(timeout) {}

std::unique_ptr<grpc::ClientContext> Client::NewContext(bool endless) const {
  auto context = std::make_unique<grpc::ClientContext>();
  // As metadata, not as call credentials: gRPC refuses those on local credentials, which count as
  // insecure although nothing leaves the machine.
  context->AddMetadata("authorization", absl::StrCat("Bearer ", token_));
  context->AddMetadata("purpose", purpose_);
  if (!endless) context->set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  return context;
}

}  // namespace records::tools
