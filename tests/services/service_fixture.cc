#include "tests/services/service_fixture.h"

#include <grpcpp/generic/generic_stub.h>

#include <utility>

namespace records::services::testing {

TestServer::TestServer() {
  issuer = *DevelopmentIssuer::OpenOrCreate(folder.path(), clock, eventstore::SystemRandom());
  verifier = *TokenVerifier::Create({.issuers = {issuer->AsTokenIssuer()}}, clock);
  authenticator = std::make_unique<Authenticator>(*verifier, &limiter);
  grants_runner = *projections::Runner::Create(*log, grants_projection, grants_storage, {});
  timeline_runner = *projections::Runner::Create(*log, timeline_projection, timeline_storage, {});
  tracer = std::make_unique<Tracer>(*runtime);
  authoriser = std::make_unique<Authoriser>(*runtime, decisions, methods, grants_view,
                                            *authenticator, *tracer);
  commands = std::make_unique<CommandRunner>(*runtime);
  customers = std::make_unique<CustomerServiceImpl>(MakeBackend());
  contacts = std::make_unique<ContactServiceImpl>(MakeBackend());
  timeline_views = std::make_unique<WholeTimeline>([this] {
    return TimelineCopy{
        .kept = nullptr, .runner = timeline_runner.get(), .reader = timeline_reader};
  });
  gate = std::make_unique<LocalGate>(MakeBackend());
  timelines = std::make_unique<TimelineServiceImpl>(*runtime, *gate, *timeline_views);
  access = std::make_unique<AccessServiceImpl>(
      MakeBackend(), policy, std::vector<std::string>{kDevelopmentIssuerName},
      [this](eventstore::Position position, absl::Time deadline) {
        return grants_runner->WaitFor(position, deadline);
      });
  ledger = std::make_unique<LedgerServiceImpl>(MakeBackend());
  backup = std::make_unique<BackupServiceImpl>(MakeBackend(), backups);
  erasure_ledger = *eventstore::ErasureLedger::Open(
      erasure_files, "erasure.ledger", log->store_id(),
      *eventstore::Ed25519PrivateKey::Generate(eventstore::SystemRandom()), {});
  erasure_register = std::make_unique<ErasureRegister>(*runtime);
  ErasureWorkerOptions how;
  how.views.push_back({.name = "timeline",
                       .live =
                           [this] {
                             return ErasableCopy{.kept = nullptr,
                                                 .runner = timeline_runner.get(),
                                                 .storage = &timeline_storage};
                           },
                       .tables = {projections::ViewTable(0)},
                       .drop_others = nullptr});
  how.releases_ended = [this](const eventstore::SubjectId& subject) {
    return releases_ended == nullptr || releases_ended(subject);
  };
  erasure_worker =
      std::make_unique<ErasureWorker>(*runtime, *erasure_ledger, *erasure_register, std::move(how));
  erasures = std::make_unique<ErasureServiceImpl>(MakeBackend(), policy, *erasure_register,
                                                  *erasure_worker);
  operator_gate = std::make_unique<LocalOperatorGate>(MakeBackend());
  view_service = std::make_unique<ViewServiceImpl>(*operator_gate, executor, executor,
                                                   std::vector<ManagedView*>{});
  grants_runner->Start();
  timeline_runner->Start();
  Listen();
}

TestServer::~TestServer() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  ledger.reset();
  executor.Stop();
}

void TestServer::Listen() {
  auto credentials = MakeServerCredentials(
      {.address = "127.0.0.1:0"},
      std::make_shared<AuthenticationProcessor>(*authenticator, refusals, methods.ServicePaths()));
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", *credentials, &port_);
  builder.RegisterService(customers.get());
  builder.RegisterService(contacts.get());
  builder.RegisterService(timelines.get());
  builder.RegisterService(access.get());
  builder.RegisterService(ledger.get());
  builder.RegisterService(backup.get());
  builder.RegisterService(erasures.get());
  builder.RegisterService(view_service.get());
  server_ = builder.BuildAndStart();
  ASSERT_NE(server_, nullptr);
}

std::shared_ptr<grpc::Channel> TestServer::Channel(const grpc::ChannelArguments& how) const {
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                   grpc::InsecureChannelCredentials(), how);
}

void TestServer::Prepare(grpc::ClientContext& context, const Who& who) {
  if (!who.token.empty()) context.AddMetadata("authorization", "Bearer " + who.token);
  if (!who.purpose.empty()) context.AddMetadata("purpose", who.purpose);
}

void TestServer::PrepareStream(grpc::ClientContext& context, const Who& who) {
  Prepare(context, who);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(250));
}

std::string TestServer::Token(const std::string& subject, const std::vector<std::string>& roles,
                              absl::Duration lifetime) const {
  return *issuer->Mint(subject, roles, lifetime);
}

Who TestServer::Officer(const std::string& subject, const std::vector<std::string>& roles,
                        std::string purpose) {
  const auto staff = StaffOf(subject);
  for (const std::string& role : roles) {
    const absl::Status folded =
        grants_runner->WaitFor(Grant(staff, role), absl::Now() + absl::Seconds(120));
    EXPECT_TRUE(folded.ok()) << folded;
  }
  return {Token(subject, roles), std::move(purpose)};
}

grpc::Status TestServer::SendBytes(grpc::ClientContext& context, const std::string& method,
                                   const std::string& request,
                                   const std::function<void(const std::string&)>& answered) const {
  grpc::GenericStub stub(Channel());
  grpc::Slice slice(request);
  const grpc::ByteBuffer bytes(&slice, 1);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, "/records.api.v1." + method, bytes, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  const auto patience = std::chrono::system_clock::now() + std::chrono::seconds(120);
  if (queue.AsyncNext(&tag, &ok, patience) == grpc::CompletionQueue::TIMEOUT) {
    context.TryCancel();
    queue.Next(&tag, &ok);
  }
  grpc::Slice whole;
  if (status.ok() && response.DumpToSingleSlice(&whole).ok()) {
    answered(std::string(reinterpret_cast<const char*>(whole.begin()), whole.size()));
  }
  return status;
}

std::string TestServer::Register(const Who& who, const std::string& reference,
                                 const std::string& name, const std::string& contract) {
  api::v1::RegisterCustomerRequest request;
  request.set_request_id(NewRequestId());
  *request.mutable_person() = GoodPerson(reference, name);
  *request.mutable_tenancy() = GoodTenancy(contract);
  auto answer =
      Send<api::v1::RegisterCustomerResponse>(who, "CustomerService/RegisterCustomer", request);
  EXPECT_TRUE(answer.ok()) << answer.status;
  return answer.reply.token();
}

Answer<api::v1::RecordContactResponse> TestServer::Record(const Who& who,
                                                          const std::string& reference,
                                                          const std::string& summary) {
  auto request = GoodRecordContact();
  request.set_request_id(NewRequestId());
  request.set_customer(reference);
  request.mutable_contact()->set_summary(summary);
  return Send<api::v1::RecordContactResponse>(who, "ContactService/RecordContact", request);
}

Answer<api::v1::GetTimelineResponse> TestServer::Timeline(const Who& who,
                                                          const std::string& reference,
                                                          const std::string& read_your_write) {
  if (read_your_write.empty()) CatchUp();
  api::v1::GetTimelineRequest request;
  request.set_customer(reference);
  request.set_read_your_write(read_your_write);
  return Send<api::v1::GetTimelineResponse>(who, "TimelineService/GetTimeline", request);
}

void TestServer::CatchUp() {
  for (uint32_t partition = 0; partition < log->partition_count(); ++partition) {
    const auto head = log->Head(eventstore::Ledger::kEvents, partition);
    if (head.sequence == 0) continue;
    const absl::Status folded = timeline_runner->WaitFor(head, absl::Now() + absl::Seconds(120));
    EXPECT_TRUE(folded.ok()) << folded;
  }
}

std::string BytesOf(const grpc::Status& status) {
  return absl::StrCat(status.error_code(), "|", status.error_message(), "|",
                      status.error_details());
}

std::string NewRequestId() {
  return eventstore::RequestId::Generate(eventstore::SystemRandom())->ToUuid();
}

std::vector<std::string> Shown(const api::v1::GetTimelineResponse& timeline) {
  std::vector<std::string> shown;
  for (const auto& entry : timeline.entries()) {
    shown.push_back(entry.has_contact() ? entry.contact().contact().summary()
                                        : api::v1::EntryKind_Name(entry.kind()));
  }
  return shown;
}

}  // namespace records::services::testing
