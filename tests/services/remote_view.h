#pragma once

#include <grpcpp/grpcpp.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/ledger/view_backing.h"
#include "services/policy/view_policy.h"
#include "services/remote/remote_gate.h"
#include "services/remote/remote_keys.h"
#include "tests/services/service_fixture.h"
#include "tests/services/test_certificate.h"

namespace records::services::testing {

// Writes a certificate and its key below `folder`, and returns how a service shows them; the
// authority is to be set.
inline ListenOptions WriteCertificate(const std::filesystem::path& folder, const std::string& name,
                                      const TestCertificate& made) {
  const ListenOptions files{.address = "127.0.0.1:0",
                            .tls_certificate_file = folder / (name + ".pem"),
                            .tls_private_key_file = folder / (name + ".key")};
  std::ofstream(files.tls_certificate_file) << made.certificate;
  std::ofstream(files.tls_private_key_file) << made.private_key;
  std::filesystem::permissions(files.tls_private_key_file, std::filesystem::perms::owner_read);
  return files;
}

// How often each method was called, by its name.
class CallCounter final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    const std::string path = info->method();  // /package.Service/Method
    absl::MutexLock lock(&counts_.mutex);
    ++counts_.by_method[path.substr(path.rfind('/') + 1)];
    return new Passing();
  }

  struct Counts {
    absl::Mutex mutex;
    std::map<std::string, int> by_method ABSL_GUARDED_BY(mutex);

    // What was counted since the last time.
    std::map<std::string, int> Take() {
      absl::MutexLock lock(&mutex);
      return std::exchange(by_method, {});
    }
  };
  explicit CallCounter(Counts& counts) : counts_(counts) {}

 private:
  class Passing final : public grpc::experimental::Interceptor {
   public:
    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
      methods->Proceed();
    }
  };
  Counts& counts_;
};

// The port for views of a TestServer.
class ServicePort {
 public:
  explicit ServicePort(TestServer& ledger)
      : backing(ledger.MakeBackend(), ledger.policy, ledger.methods, steady), ledger_(ledger) {
    server_files_ = WriteCertificate(ledger.folder.path(), "ledger", MakeTestCertificate("ledger"));
    view_files = Certificate("view", "urn:records:view:timeline");
    server_files_.tls_client_ca_file = view_files.tls_certificate_file;
    auto credentials = MakeServicePortCredentials(
        server_files_,
        std::make_shared<ServiceProcessor>(ledger.methods.ServicePaths(), ledger.refusals));
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
    builder.RegisterService(&service_);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> counters;
    counters.push_back(std::make_unique<CallCounter>(calls));
    builder.experimental().SetInterceptorCreators(std::move(counters));
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
    address = absl::StrCat("127.0.0.1:", port);
  }
  ~ServicePort() { server_->Shutdown(std::chrono::system_clock::now()); }

  // Files of a service with this URI, that believes the ledger.
  ListenOptions Certificate(const std::string& name, const std::string& uri) {
    ListenOptions files = WriteCertificate(ledger_.folder.path(), name,
                                           MakeTestCertificate(name, "DNS:view,URI:" + uri));
    files.tls_client_ca_file = server_files_.tls_certificate_file;
    return files;
  }

  std::unique_ptr<LedgerClient> Connect(const ListenOptions& files) const {
    auto credentials = MakeServiceChannelCredentials(files);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return std::make_unique<LedgerClient>(address, *credentials);
  }

  eventstore::ManualClock steady{absl::UnixEpoch()};
  ViewBacking backing;
  CallCounter::Counts calls;
  ListenOptions view_files;
  std::string address;

 private:
  TestServer& ledger_;
  ListenOptions server_files_;
  LedgerServiceImpl service_{ledger_.MakeBackend(), &backing};
  std::unique_ptr<grpc::Server> server_;
};

// The timeline as in a process of its own, but for Kafka: it follows the log itself, and knows of
// the rest what the ledger tells it over its port for services.
class RemoteTimeline {
 public:
  RemoteTimeline(TestServer& ledger, const ServicePort& port)
      : client(port.Connect(port.view_files)), ledger_(ledger), keys(*client, ledger.clock) {
    runner = *projections::Runner::Create(*ledger.log, projection, storage, {});
    runner->Start();
    auto credentials = MakeServerCredentials(
        {.address = "127.0.0.1:0"},
        std::make_shared<AuthenticationProcessor>(*ledger.authenticator, ledger.refusals));
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    grpc::ServerBuilder builder;
    int listening = 0;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &listening);
    builder.RegisterService(&service);
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
    channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", listening),
                                  grpc::InsecureChannelCredentials());
  }
  ~RemoteTimeline() {
    gate.streams().EndAll();
    server_->Shutdown(std::chrono::system_clock::now());
    executor.Stop();
  }

  void CatchUp() const {
    for (uint32_t partition = 0; partition < ledger_.log->partition_count(); ++partition) {
      const auto head = ledger_.log->Head(eventstore::Ledger::kEvents, partition);
      const absl::Status folded = runner->WaitFor(head, absl::Now() + absl::Seconds(120));
      EXPECT_TRUE(folded.ok()) << folded;
    }
  }

  // As TestServer::Timeline(), here.
  Answer<api::v1::GetTimelineResponse> Timeline(const Who& who,
                                                const api::v1::GetTimelineRequest& request) const {
    grpc::ClientContext context;
    TestServer::PrepareStream(context, who);
    Answer<api::v1::GetTimelineResponse> answer;
    answer.raw =
        api::v1::TimelineService::NewStub(channel)->GetTimeline(&context, request, &answer.reply);
    answer.status = FromGrpcStatus(answer.raw);
    return answer;
  }
  Answer<api::v1::GetTimelineResponse> Timeline(const Who& who,
                                                const std::string& reference) const {
    api::v1::GetTimelineRequest request;
    request.set_customer(reference);
    return Timeline(who, request);
  }

  std::unique_ptr<LedgerClient> client;

 private:
  TestServer& ledger_;

 public:
  RemoteKeys keys;
  Executor executor{4};
  eventstore::Sealer sealer{keys, ledger_.categories, eventstore::SystemRandom()};
  projections::TimelineKeys timeline_keys{sealer, keys};
  projections::TimelineProjection projection{timeline_keys};
  eventstore::MemoryStorage storage{projections::StorageTables(projection).size()};
  std::unique_ptr<projections::Runner> runner;
  projections::TimelineReader reader{storage, sealer, timeline_keys};
  ReadRuntime runtime{*ledger_.log, keys, ledger_.clock, executor, kOrganisation};
  RemoteGate gate{
      *client,       *ledger_.authenticator,        ledger_.decisions, ledger_.methods, executor,
      ledger_.clock, RegisterDigest(ledger_.policy)};

  // Made when it is first asked for, as the runner is there by then.
  class Views final : public TimelineViews {
   public:
    explicit Views(RemoteTimeline& timeline) : timeline_(timeline) {}
    absl::StatusOr<TimelineCopy> Find(uint32_t) override {
      return TimelineCopy{nullptr, timeline_.runner.get(), timeline_.reader};
    }

   private:
    RemoteTimeline& timeline_;
  };
  Views views{*this};
  TimelineServiceImpl service{runtime, gate, views};
  std::shared_ptr<grpc::Channel> channel;

 private:
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace records::services::testing
