#include "tools/bench/servers.h"

#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eventstore/clock.h"
#include "eventstore/random.h"
#include "eventstore/status_macros.h"
#include "nlohmann/json.hpp"
#include "records/api/v1/access_service.grpc.pb.h"
#include "records/api/v1/customer_service.grpc.pb.h"
#include "services/auth/development_issuer.h"
#include "services/errors/errors.h"
#include "tools/bench/http_get.h"
#include "tools/bench/requests.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;

// A first start on a long log folds it before it serves.
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr char kCaller[] = "bench";
constexpr char kRole[] = "contact-officer";

// Both servers say their port in a line of JSON.
absl::StatusOr<std::string> WaitForAddress(Process& process) {
  ASSIGN_OR_RETURN(const std::string line, process.WaitForOutput("\"port\":\"", kPatience));
  const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("port")) {
    return absl::UnavailableError("a server does not say its port");
  }
  return absl::StrCat("127.0.0.1:", parsed["port"].get<std::string>());
}

// Grants the role and makes a token for it, as `recordsctl token` does.
absl::StatusOr<std::string> MakeToken(const std::filesystem::path& data,
                                      const std::string& address) {
  ASSIGN_OR_RETURN(const auto issuer,
                   services::DevelopmentIssuer::Open(data, eventstore::SystemClock(),
                                                     eventstore::SystemRandom()));
  ASSIGN_OR_RETURN(const std::string administrator,
                   issuer->Mint("development-issuer", {"system-administrator"}, absl::Minutes(2)));
  std::random_device device;
  std::mt19937_64 random(device());
  api::GrantRoleRequest request;
  request.set_request_id(RandomUuid(random));
  request.set_subject(kCaller);
  request.set_role(kRole);
  api::GrantRoleResponse response;
  grpc::ClientContext context;
  internal::AddIdentity({absl::StrCat("Bearer ", administrator), "system-operation"}, context);
  const auto stub = api::AccessService::NewStub(MakeLocalChannel(address));
  RETURN_IF_ERROR(services::FromGrpcStatus(stub->GrantRole(&context, request, &response)));
  ASSIGN_OR_RETURN(const std::string token, issuer->Mint(kCaller, {kRole}, absl::Hours(12)));
  return absl::StrCat("Bearer ", token);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordsServer>> RecordsServer::Start(
    const Programs& programs, const std::filesystem::path& folder,
    const RecordsServerOptions& more) {
  auto server = std::make_unique<RecordsServer>();
  const auto data = folder / "data";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  std::filesystem::remove(folder / "recordsd.log", error);
  ASSIGN_OR_RETURN(server->metrics_port_, FindFreePort());
  std::vector<std::string> command = {programs.recordsd,
                                      "--data",
                                      data,
                                      "--listen",
                                      "127.0.0.1:0",
                                      "--metrics",
                                      absl::StrCat("127.0.0.1:", server->metrics_port_),
                                      "--calls-per-second",
                                      "1e9"};
  if (!more.kafka.empty()) {
    command.insert(command.end(), {"--kafka", more.kafka, "--kafka-prefix", more.kafka_prefix});
  }
  const absl::Time start = absl::Now();
  ASSIGN_OR_RETURN(server->process_, Process::Start(command, folder / "recordsd.log"));
  ASSIGN_OR_RETURN(server->address_, WaitForAddress(*server->process_));
  server->start_time_ = absl::Now() - start;
  ASSIGN_OR_RETURN(server->identity_.token, MakeToken(data, server->address_));
  return server;
}

absl::StatusOr<std::map<std::string, double>> RecordsServer::ReadMetrics() const {
  ASSIGN_OR_RETURN(const std::string text, HttpGet(metrics_port_, "/metrics"));
  std::map<std::string, double> values;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t space = line.rfind(' ');
    double value = 0;
    if (space == absl::string_view::npos || line[0] == '#') continue;
    if (absl::SimpleAtod(absl::StripAsciiWhitespace(line.substr(space)), &value)) {
      values[std::string(line.substr(0, space))] = value;
    }
  }
  if (values.empty()) return absl::UnavailableError("a server exports no metrics");
  return values;
}

absl::Status RecordsServer::RegisterCustomers(uint64_t count) const {
  std::atomic<uint64_t> next = 0;
  UnaryMethod<api::RegisterCustomerRequest, api::RegisterCustomerResponse> method;
  method.fill = [&next](std::mt19937_64& random, api::RegisterCustomerRequest& request) {
    request = MakeRegistration(random, next++);
  };
  method.connect = [](const std::shared_ptr<grpc::Channel>& channel) {
    return [stub = std::shared_ptr(api::CustomerService::NewStub(channel))](
               grpc::ClientContext* context, const api::RegisterCustomerRequest& request,
               grpc::CompletionQueue* queue) {
      return stub->AsyncRegisterCustomer(context, request, queue);
    };
  };
  LoadOptions options{.address = address(), .identity = identity_, .threads = 1};
  options.warm_up = absl::ZeroDuration();
  options.duration = absl::Minutes(30);
  options.calls = count;
  const LoadResult result = RunClosedLoop(options, method);
  if (result.errors == 0 && result.calls == count) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(result.calls, " of ", count, " customers registered: ", result.first_error));
}

absl::StatusOr<std::unique_ptr<EchoServer>> EchoServer::Start(const Programs& programs,
                                                              const std::filesystem::path& folder) {
  auto server = std::make_unique<EchoServer>();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  ASSIGN_OR_RETURN(server->process_,
                   Process::Start({programs.self, "echo-server"}, folder / "echo.log"));
  ASSIGN_OR_RETURN(server->address_, WaitForAddress(*server->process_));
  return server;
}

}  // namespace records::bench
