#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "projections/grants/grants_projection.h"
#include "projections/grants/grants_view.h"
#include "projections/runner.h"
#include "projections/timeline/timeline_projection.h"
#include "projections/timeline/timeline_reader.h"
#include "records/api/v1/access_service.pb.h"
#include "records/api/v1/timeline_service.pb.h"
#include "services/access/access_service.h"
#include "services/auth/development_issuer.h"
#include "services/auth/metadata_processor.h"
#include "services/auth/server_credentials.h"
#include "services/backup/backup_service.h"
#include "services/contact/contact_service.h"
#include "services/customer/customer_service.h"
#include "services/customer/local_gate.h"
#include "services/erasure/erasure_service.h"
#include "services/ledger/ledger_service.h"
#include "services/policy/method_table.h"
#include "services/timeline/timeline_service.h"
#include "services/views/local_operator_gate.h"
#include "services/views/view_service.h"
#include "tests/services/contact_examples.h"
#include "tests/services/temporary_folder.h"
#include "tests/services/test_store.h"

namespace records::services::testing {

// Who calls, and what for.
struct Who {
  std::string token;
  std::string purpose = "service-delivery";
};

template <typename Response>
struct Answer {
  grpc::Status raw;     // as it came over the wire
  absl::Status status;  // the same, with its details
  Response reply;

  bool ok() const { return raw.ok(); }
  std::string reason() const { return ReasonOf(status); }
};

// All services as the server assembles them, on a port of loopback, over a store in memory.
class TestServer : public TestStore {
 public:
  TestServer();
  ~TestServer();

  // A token with `roles`, each of them granted too, and waits until the grants count.
  Who Officer(const std::string& subject, const std::vector<std::string>& roles,
              std::string purpose = "service-delivery");
  // A token alone: nothing is granted.
  std::string Token(const std::string& subject, const std::vector<std::string>& roles,
                    absl::Duration lifetime = absl::Hours(1)) const;
  // A member of staff of the development issuer.
  eventstore::DirectoryEntry StaffOf(const std::string& subject) {
    return Staff(kDevelopmentIssuerName, subject);
  }

  std::shared_ptr<grpc::Channel> Channel(const grpc::ChannelArguments& how = {}) const;
  // Puts token and purpose into a call. No deadline: the log would judge it by its own clock, which
  // stands still.
  static void Prepare(grpc::ClientContext& context, const Who& who);
  // As Prepare(), for a stream, which no log judges: it ends after 250 s of the machine.
  static void PrepareStream(grpc::ClientContext& context, const Who& who);

  // Calls "ContactService/RecordContact" and waits at most two minutes.
  template <typename Response, typename Request>
  Answer<Response> Send(const Who& who, const std::string& method, const Request& request) const {
    grpc::ClientContext context;
    Prepare(context, who);
    Answer<Response> answer;
    answer.raw = SendBytes(
        context, method, request.SerializeAsString(),
        [&answer](const std::string& bytes) { EXPECT_TRUE(answer.reply.ParseFromString(bytes)); });
    answer.status = FromGrpcStatus(answer.raw);
    return answer;
  }

  // What most tests begin with.
  std::string Register(const Who& who, const std::string& reference,
                       const std::string& name = "Pat Doe", const std::string& contract = "T-1");
  Answer<api::v1::RecordContactResponse> Record(const Who& who, const std::string& reference,
                                                const std::string& summary);
  Answer<api::v1::GetTimelineResponse> Timeline(const Who& who, const std::string& reference,
                                                const std::string& read_your_write = "");

  // Waits until the timeline view has folded all that stands in the log.
  void CatchUp();

  Backend MakeBackend() { return {*runtime, *authoriser, *commands, *tracer}; }

  TemporaryFolder folder;
  std::unique_ptr<DevelopmentIssuer> issuer;
  std::unique_ptr<TokenVerifier> verifier;
  RateLimiter limiter{{.requests_per_second = 1e6, .burst_requests = 1e6}, clock};
  RefusalLog refusals{{}, clock, nullptr};
  std::unique_ptr<Authenticator> authenticator;
  const DecisionTable decisions = *DecisionTable::Create(policy);
  const MethodTable methods = *MethodTable::Create(ApiFiles());

  projections::GrantsProjection grants_projection;
  eventstore::MemoryStorage grants_storage{projections::StorageTables(grants_projection).size()};
  std::unique_ptr<projections::Runner> grants_runner;
  const projections::GrantsView grants_view{grants_storage};
  projections::TimelineKeys timeline_keys{sealer, keys};
  projections::TimelineProjection timeline_projection{timeline_keys};
  eventstore::MemoryStorage timeline_storage{
      projections::StorageTables(timeline_projection).size()};
  std::unique_ptr<projections::Runner> timeline_runner;
  const projections::TimelineReader timeline_reader{timeline_storage, sealer, timeline_keys};

  std::unique_ptr<Tracer> tracer;
  std::unique_ptr<Authoriser> authoriser;
  std::unique_ptr<CommandRunner> commands;
  std::unique_ptr<CustomerServiceImpl> customers;
  std::unique_ptr<ContactServiceImpl> contacts;
  std::unique_ptr<ReadGate> gate;
  std::unique_ptr<TimelineViews> timeline_views;
  std::unique_ptr<TimelineServiceImpl> timelines;
  std::unique_ptr<AccessServiceImpl> access;
  std::unique_ptr<LedgerServiceImpl> ledger;
  // Over a log and keys in memory, which have no files: what comes before the copying is real.
  eventstore::Backups backups{*log,
                              keys,
                              {.data_dir = folder.path(),
                               .log_folder = (folder.path() / "backup-log").string(),
                               .keys_folder = (folder.path() / "backup-keys").string()}};
  std::unique_ptr<BackupServiceImpl> backup;
  eventstore::MemoryAnchorFiles erasure_files;
  std::unique_ptr<eventstore::ErasureLedger> erasure_ledger;
  std::unique_ptr<ErasureRegister> erasure_register;
  // What other processes hold of a fenced subject; null: nothing.
  std::function<bool(const eventstore::SubjectId&)> releases_ended;
  // Not started: a test carries erasures through with RunPending().
  std::unique_ptr<ErasureWorker> erasure_worker;
  std::unique_ptr<ErasureServiceImpl> erasures;
  std::unique_ptr<OperatorGate> operator_gate;
  std::unique_ptr<ViewServiceImpl> view_service;  // of no view: there are none in files here

 private:
  grpc::Status SendBytes(grpc::ClientContext& context, const std::string& method,
                         const std::string& request,
                         const std::function<void(const std::string&)>& answered) const;
  void Listen();

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Everything of a refusal that a caller sees.
std::string BytesOf(const grpc::Status& status);

// A fresh request id.
std::string NewRequestId();

// The entries of a timeline: of contacts the summary, of others the kind.
std::vector<std::string> Shown(const api::v1::GetTimelineResponse& timeline);

class ServiceTest : public ::testing::Test {
 protected:
  TestServer server_;
  const Who amy_ = server_.Officer("amy", {"contact-officer"});
};

}  // namespace records::services::testing
