// Operators on views: how they stand, a rebuild beside the live copy under load, going back; beside
// the log, and as a view in a process of its own has it, let in by the ledger.

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "projections/view.h"
#include "records/api/v1/view_service.grpc.pb.h"
#include "services/customer/local_gate.h"
#include "services/views/local_operator_gate.h"
#include "services/views/managed_view.h"
#include "services/views/view_service.h"
#include "tests/services/remote_view.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using testing::Who;

// A rebuild that ends when it is given up, and not before.
class EndlessView final : public ManagedView {
 public:
  std::string name() const override { return "endless"; }
  api::View Describe() const override { return {}; }
  absl::Status Rebuild(absl::Time, const SwitchTold& told) override {
    while (told({})) std::this_thread::yield();
    given_up.Notify();
    return absl::CancelledError("given up");
  }
  absl::Status Undo(absl::Time, const SwitchTold&) override { return absl::OkStatus(); }

  absl::Notification given_up;
};

// The timeline in files, its service and that of operators, on a port of their own.
class ViewHost {
 public:
  ViewHost(testing::TestServer& ledger, OperatorGate& gate) : ledger_(ledger) {
    view = *projections::View::Open(*ledger.log, ledger.timeline_projection,
                                    {.folder = (folder.path() / "timeline").string(),
                                     .open_storage = projections::RocksViewStorage(
                                         size_t{8} << 20, projections::ViewLayout::kByRoot)});
    managed = std::make_unique<WholeManagedView>("timeline", *view);
    operators = std::make_unique<ViewServiceImpl>(
        gate, executor, bulk_executor, std::vector<ManagedView*>{managed.get(), &endless});
    auto credentials = MakeServerCredentials(
        {.address = "127.0.0.1:0"},
        std::make_shared<AuthenticationProcessor>(*ledger.authenticator, ledger.refusals));
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
    builder.RegisterService(&timelines_);
    builder.RegisterService(operators.get());
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
    channel_ =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    timeline_stub_ = api::TimelineService::NewStub(channel_);
  }
  ~ViewHost() {
    ledger_.authoriser->streams().EndAll();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    executor.Stop();
    bulk_executor.Stop();
  }

  testing::Answer<api::ListViewsResponse> List(const Who& who) {
    testing::Answer<api::ListViewsResponse> answer;
    grpc::ClientContext context;
    testing::TestServer::PrepareStream(context, who);
    answer.raw = Operators()->ListViews(&context, {}, &answer.reply);
    answer.status = FromGrpcStatus(answer.raw);
    return answer;
  }
  // How the timeline stands.
  api::ViewShare Share(const Who& who) {
    const auto list = List(who);
    EXPECT_TRUE(list.ok()) << list.status;
    return list.reply.views_size() == 2 ? list.reply.views(0).shares(0) : api::ViewShare();
  }
  absl::Status Rebuild(const Who& who, const std::string& name = "timeline",
                       const std::function<void(grpc::ClientContext&)>& told = nullptr) {
    api::RebuildViewRequest request;
    request.set_view(name);
    grpc::ClientContext context;
    testing::TestServer::PrepareStream(context, who);
    return ReadAll<api::RebuildViewResponse>(*Operators()->RebuildView(&context, request), context,
                                             told);
  }
  absl::Status Undo(const Who& who) {
    api::UndoRebuildRequest request;
    request.set_view("timeline");
    grpc::ClientContext context;
    testing::TestServer::PrepareStream(context, who);
    return ReadAll<api::UndoRebuildResponse>(*Operators()->UndoRebuild(&context, request), context,
                                             nullptr);
  }
  testing::Answer<api::GetTimelineResponse> Timeline(const Who& who, const std::string& reference,
                                                     const std::string& token = "") {
    api::GetTimelineRequest request;
    request.set_customer(reference);
    request.set_read_your_write(token);
    testing::Answer<api::GetTimelineResponse> answer;
    grpc::ClientContext context;
    testing::TestServer::PrepareStream(context, who);
    answer.raw =
        api::TimelineService::NewStub(channel_)->GetTimeline(&context, request, &answer.reply);
    answer.status = FromGrpcStatus(answer.raw);
    return answer;
  }
  std::unique_ptr<grpc::ClientReader<api::FollowTimelineResponse>> Follow(
      grpc::ClientContext& context, const std::string& reference) {
    api::FollowTimelineRequest request;
    request.set_customer(reference);
    return timeline_stub_->FollowTimeline(&context, request);
  }

  testing::TemporaryFolder folder;
  Executor executor{4};
  Executor bulk_executor{2};
  std::unique_ptr<projections::View> view;
  std::unique_ptr<ManagedView> managed;
  EndlessView endless;
  std::unique_ptr<ViewServiceImpl> operators;

 private:
  std::unique_ptr<api::ViewService::Stub> Operators() const {
    return api::ViewService::NewStub(channel_);
  }
  template <typename Message>
  static absl::Status ReadAll(grpc::ClientReader<Message>& stream, grpc::ClientContext& context,
                              const std::function<void(grpc::ClientContext&)>& told) {
    Message message;
    bool done = false;
    while (stream.Read(&message)) {
      EXPECT_FALSE(done);
      done = message.has_done();
      if (!done && told) told(context);
    }
    const absl::Status status = FromGrpcStatus(stream.Finish());
    EXPECT_EQ(done, status.ok()) << status;
    return status;
  }

  testing::TestServer& ledger_;
  LocalGate gate_{ledger_.MakeBackend()};
  WholeTimeline views_{[this] {
    const auto copy = view->live();
    return TimelineCopy{.kept = copy,
                        .runner = copy->runner.get(),
                        .reader = projections::TimelineReader(*copy->storage, ledger_.sealer,
                                                              ledger_.timeline_keys)};
  }};
  TimelineServiceImpl timelines_{*ledger_.runtime, gate_, views_};
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<api::TimelineService::Stub> timeline_stub_;
};

class ViewServiceTest : public testing::ServiceTest {
 protected:
  ViewServiceTest() { server_.Register(amy_, "R1"); }

  LocalOperatorGate gate_{server_.MakeBackend()};
  ViewHost host_{server_, gate_};
  const Who root_ = server_.Officer("root", {"system-administrator"}, "system-operation");
};

// One writes, and each write is read back; one reads on. Both until they are told.
class Load {
 public:
  Load(testing::TestServer& server, ViewHost& host, const Who& who)
      : writer_([&server, &host, who, this] {
          for (int i = 0; !done_; ++i) {
            const auto wrote = server.Record(who, "R1", absl::StrCat("call ", i));
            if (!wrote.ok()) return Wrong(wrote.status.ToString());
            written_ = i + 1;
            const auto read = host.Timeline(who, "R1", wrote.reply.token());
            if (!read.ok()) return Wrong(read.status.ToString());
            const auto shown = testing::Shown(read.reply);
            if (shown.empty() || shown[0] != absl::StrCat("call ", i)) Wrong("not one's own write");
          }
        }),
        reader_([&host, who, this] {
          std::string newest;
          while (!done_) {
            const auto read = host.Timeline(who, "R1");
            if (!read.ok()) return Wrong(read.status.ToString());
            const auto shown = testing::Shown(read.reply);
            // What was seen once is seen again.
            const auto last = std::find(shown.begin(), shown.end(), newest);
            if (!newest.empty() && last == shown.end() && shown.size() < 50) Wrong("went back");
            newest = shown.empty() ? "" : shown[0];
            ++reads_;
          }
        }) {}
  void End() {
    done_ = true;
    writer_.join();
    reader_.join();
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(wrong_.empty()) << wrong_;
    EXPECT_GT(reads_, 0);
  }
  void AwaitWrites(int more) const {
    const int until = written_ + more;
    while (written_ < until && !done_) std::this_thread::yield();
  }

 private:
  void Wrong(const std::string& what) {
    absl::MutexLock lock(&mutex_);
    wrong_ = what;
    done_ = true;
  }

  std::atomic<bool> done_ = false;
  std::atomic<int> written_ = 0;
  std::atomic<int> reads_ = 0;
  absl::Mutex mutex_;
  std::string wrong_;
  std::thread writer_;
  std::thread reader_;
};

TEST_F(ViewServiceTest, ARebuildUnderLoadAnswersAlikeBeforeWhileAndAfterAndIsUndoneOnce) {
  Load load(server_, host_, amy_);
  load.AwaitWrites(5);
  api::ViewShare share = host_.Share(root_);
  EXPECT_EQ(share.state(), api::VIEW_STATE_ANSWERS);
  EXPECT_EQ(share.copy(), 1u);
  EXPECT_EQ(share.version(), server_.timeline_projection.version());
  EXPECT_EQ(share.partitions_size(), static_cast<int>(server_.log->partition_count()));
  EXPECT_FALSE(share.can_undo());
  absl::Status status = host_.Rebuild(root_);
  ASSERT_TRUE(status.ok()) << status;
  load.AwaitWrites(5);
  share = host_.Share(root_);
  EXPECT_EQ(share.copy(), 2u);
  EXPECT_TRUE(share.can_undo());
  EXPECT_EQ(share.previous_copy(), 1u);
  EXPECT_GT(share.comparison().rows(), 0u);
  EXPECT_EQ(share.comparison().different(), 0u);
  EXPECT_EQ(share.comparison().problem(), "");
  status = host_.Undo(root_);
  ASSERT_TRUE(status.ok()) << status;
  load.AwaitWrites(5);
  EXPECT_EQ(host_.Share(root_).copy(), 1u);
  EXPECT_EQ(host_.Share(root_).comparison().different(), 0u);
  load.End();
  // All that was written is in both copies, and as in the view that was never switched.
  server_.CatchUp();
  const auto expected = testing::Shown(server_.Timeline(amy_, "R1").reply);
  EXPECT_THAT(testing::Shown(host_.Timeline(amy_, "R1").reply), ElementsAreArray(expected));
  ASSERT_TRUE(host_.Undo(root_).ok());
  EXPECT_EQ(host_.Share(root_).copy(), 2u);
  EXPECT_THAT(testing::Shown(host_.Timeline(amy_, "R1").reply), ElementsAreArray(expected));
}

TEST_F(ViewServiceTest, AFollowEndsWithTheCopyAndCanBeTakenUpInTheNext) {
  ASSERT_TRUE(server_.Record(amy_, "R1", "boiler out").ok());
  grpc::ClientContext context;
  testing::TestServer::PrepareStream(context, amy_);
  const auto stream = host_.Follow(context, "R1");
  api::FollowTimelineResponse message;
  ASSERT_TRUE(stream->Read(&message));
  ASSERT_TRUE(host_.Rebuild(root_).ok());
  while (stream->Read(&message)) {
  }
  EXPECT_EQ(ReasonOf(FromGrpcStatus(stream->Finish())), "VIEW_MOVED");
  // The copy before is free again.
  EXPECT_TRUE(host_.Undo(root_).ok());
}

// DP-B4
TEST_F(ViewServiceTest, WhoLooksRebuildsAndGoesBackLeavesATrace) {
  const size_t before = server_.AllEvents(eventstore::Ledger::kAccess).size();
  ASSERT_TRUE(host_.List(root_).ok());
  ASSERT_TRUE(host_.Rebuild(root_).ok());
  ASSERT_TRUE(host_.Undo(root_).ok());
  EXPECT_EQ(server_.AllEvents(eventstore::Ledger::kAccess).size(), before + 3);
}

// Error paths.

// CR-3.1.2a
TEST_F(ViewServiceTest, OnlyASystemAdministratorTouchesViews) {
  const Who auditor = server_.Officer("olive", {"auditor"}, "audit");
  for (const Who& who : {amy_, auditor}) {
    EXPECT_EQ(host_.List(who).status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(host_.Rebuild(who).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(host_.Rebuild(who, "no-such-view").code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(host_.Undo(who).code(), absl::StatusCode::kPermissionDenied);
  }
  EXPECT_EQ(host_.Share(root_).copy(), 1u);
}

TEST_F(ViewServiceTest, ErrorsSayWhatToDo) {
  const absl::Status unknown = host_.Rebuild(root_, "no-such-view");
  EXPECT_EQ(ReasonOf(unknown), "VIEW_UNKNOWN");
  EXPECT_THAT(unknown.message(), HasSubstr("timeline"));
  const absl::Status nothing = host_.Undo(root_);
  EXPECT_EQ(ReasonOf(nothing), "VIEW_NOTHING_TO_UNDO");
  EXPECT_THAT(nothing.message(), HasSubstr("Rebuild the view"));
  absl::Status second;
  absl::Status undone;
  const auto rebuilt = host_.view->Rebuild(absl::InfiniteFuture(), [&](const auto&) {
    if (second.ok()) second = host_.Rebuild(root_);
    if (undone.ok()) undone = host_.Undo(root_);
    return true;
  });
  EXPECT_TRUE(rebuilt.ok()) << rebuilt;
  EXPECT_EQ(ReasonOf(second), "VIEW_REBUILD_RUNNING");
  EXPECT_EQ(ReasonOf(undone), "VIEW_REBUILD_RUNNING");
}

TEST_F(ViewServiceTest, ACallThatIsCancelledLeavesTheViewAsItWas) {
  const absl::Status cancelled =
      host_.Rebuild(root_, "endless", [](grpc::ClientContext& context) { context.TryCancel(); });
  EXPECT_TRUE(absl::IsCancelled(cancelled)) << cancelled;
  host_.endless.given_up.WaitForNotification();
}

TEST_F(ViewServiceTest, WhoLosesTheRightMeanwhileIsNotServedOn) {
  api::RevokeRoleRequest revoke;
  revoke.set_request_id(testing::NewRequestId());
  revoke.set_issuer(kDevelopmentIssuerName);
  revoke.set_subject("root");
  revoke.set_role("system-administrator");
  const Who other = server_.Officer("other", {"system-administrator"}, "system-operation");
  const absl::Status ended = host_.Rebuild(root_, "endless", [&](grpc::ClientContext&) {
    if (revoke.role().empty()) return;
    const auto revoked =
        server_.Send<api::RevokeRoleResponse>(other, "AccessService/RevokeRole", revoke);
    EXPECT_TRUE(revoked.ok()) << revoked.status;
    revoke.clear_role();
  });
  EXPECT_TRUE(absl::IsPermissionDenied(ended)) << ended;
  host_.endless.given_up.WaitForNotification();
}

// The view in a process of its own: its operators are let in by the ledger.
class RemoteViewServiceTest : public testing::ServiceTest {
 protected:
  RemoteViewServiceTest() { server_.Register(amy_, "R1"); }

  testing::ServicePort port_{server_};
  std::unique_ptr<LedgerClient> client_ = port_.Connect(port_.view_files);
  Executor executor_{4};
  RemoteGate gate_{
      *client_,      *server_.authenticator,        server_.decisions, server_.methods, executor_,
      server_.clock, RegisterDigest(server_.policy)};
  ViewHost host_{server_, gate_};
  const Who root_ = server_.Officer("root", {"system-administrator"}, "system-operation");
};

TEST_F(RemoteViewServiceTest, TheLedgerLetsAnAdministratorInAndKeepsTheTrace) {
  const size_t before = server_.AllEvents(eventstore::Ledger::kAccess).size();
  ASSERT_TRUE(host_.List(root_).ok());
  ASSERT_TRUE(host_.Rebuild(root_).ok());
  ASSERT_TRUE(host_.Undo(root_).ok());
  EXPECT_EQ(host_.view->GetStatus().live.number, 1u);
  EXPECT_EQ(server_.AllEvents(eventstore::Ledger::kAccess).size(), before + 3);
}

// CR-3.1.2a
TEST_F(RemoteViewServiceTest, WhoHasNoRightIsRefusedWithTheSameBytesAndTraced) {
  const size_t before = server_.AllEvents(eventstore::Ledger::kAccess).size();
  const auto refused = host_.List(amy_);
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(testing::BytesOf(refused.raw), testing::BytesOf(ToGrpcStatus(PermissionDenied())));
  EXPECT_EQ(host_.Rebuild(amy_).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(server_.AllEvents(eventstore::Ledger::kAccess).size(), before + 2);
  EXPECT_EQ(host_.view->GetStatus().live.number, 1u);
}

TEST_F(RemoteViewServiceTest, AViewLetsNobodyInToWhatIsTheLedgersOwn) {
  api::AdmitOperatorRequest request;
  request.set_authorization("Bearer " + root_.token);
  request.set_purpose("system-operation");
  request.set_over_loopback(true);
  request.set_register_digest(RegisterDigest(server_.policy));
  for (const char* method :
       {"records.api.v1.LedgerService.RotateMasterKey", "records.api.v1.BackupService.CreateBackup",
        "records.api.v1.TimelineService.GetTimeline", "no.such.Method", ""}) {
    request.set_method(method);
    EXPECT_TRUE(absl::IsPermissionDenied(client_->AdmitOperator(request))) << method;
  }
  request.set_method("records.api.v1.ViewService.ListViews");
  EXPECT_TRUE(client_->AdmitOperator(request).ok());
  request.set_register_digest("another");
  EXPECT_EQ(ReasonOf(client_->AdmitOperator(request)), "LEDGER_AWAY");
}

}  // namespace
}  // namespace records::services
