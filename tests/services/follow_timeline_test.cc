// The timeline live.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "records/api/v1/timeline_service.grpc.pb.h"
#include "services/timeline/timeline_follow.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using testing::NewRequestId;
using testing::Who;

// One open follow. Messages are read one at a time; heartbeats are passed over.
class Follow {
 public:
  Follow(const testing::TestServer& server, const Who& who, const std::string& reference,
         const std::string& resume_token = "", const grpc::ChannelArguments& how = {})
      : stub_(api::TimelineService::NewStub(server.Channel(how))) {
    testing::TestServer::PrepareStream(context_, who);
    api::FollowTimelineRequest request;
    request.set_customer(reference);
    request.set_resume_token(resume_token);
    reader_ = stub_->FollowTimeline(&context_, request);
  }
  ~Follow() {
    context_.TryCancel();
    api::FollowTimelineResponse message;
    while (!over_ && reader_->Read(&message)) {
    }
    if (!over_) reader_->Finish();
  }

  // The next message that is an entry or says that all was sent; its resume token is kept.
  api::FollowTimelineResponse Next() {
    api::FollowTimelineResponse message;
    while (reader_->Read(&message)) {
      resume_token = message.resume_token();
      if (message.has_entry() || message.caught_up()) return message;
    }
    return {};
  }
  // The summary of the next contact.
  std::string NextSummary() { return Next().entry().contact().contact().summary(); }
  // Reads to the end.
  absl::Status End() {
    api::FollowTimelineResponse message;
    while (reader_->Read(&message)) {
    }
    over_ = true;
    return FromGrpcStatus(reader_->Finish());
  }
  void Cancel() { context_.TryCancel(); }

  std::string resume_token;

 private:
  std::unique_ptr<api::TimelineService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<api::FollowTimelineResponse>> reader_;
  bool over_ = false;
};

class FollowTimelineTest : public testing::ServiceTest {
 protected:
  FollowTimelineTest() {
    server_.Register(amy_, "R1");
    EXPECT_TRUE(server_.Record(amy_, "R1", "before").ok());
    server_.CatchUp();
  }
};

TEST_F(FollowTimelineTest, WhatIsRecordedFromNowOnArrivesInOrderAndNothingFromBefore) {
  Follow follow(server_, amy_, "R1");
  EXPECT_TRUE(follow.Next().caught_up());
  for (int i = 0; i < 40; ++i) {
    const std::string summary = absl::StrCat("contact ", i);
    ASSERT_TRUE(server_.Record(amy_, "R1", summary).ok());
    ASSERT_EQ(follow.NextSummary(), summary);
  }
}

// Heartbeats and this message carry the token of the same place: that of what was delivered.
TEST_F(FollowTimelineTest, ATokenWithoutAnEntryIsNotBeyondWhatWasDelivered) {
  std::string token;
  {
    Follow follow(server_, amy_, "R1");
    EXPECT_TRUE(follow.Next().caught_up());
    token = follow.resume_token;
  }
  ASSERT_TRUE(server_.Record(amy_, "R1", "next").ok());
  Follow resumed(server_, amy_, "R1", token);
  EXPECT_EQ(resumed.NextSummary(), "next");
}

TEST_F(FollowTimelineTest, AResumeTokenGoesOnAfterItsMessageWithoutGapOrRepetition) {
  std::string token;
  {
    Follow follow(server_, amy_, "R1");
    EXPECT_TRUE(follow.Next().caught_up());
    ASSERT_TRUE(server_.Record(amy_, "R1", "first").ok());
    EXPECT_EQ(follow.NextSummary(), "first");
    token = follow.resume_token;
  }
  for (const char* summary : {"second", "third"}) {
    ASSERT_TRUE(server_.Record(amy_, "R1", summary).ok());
  }
  Follow resumed(server_, amy_, "R1", token);
  EXPECT_EQ(resumed.NextSummary(), "second");
  EXPECT_EQ(resumed.NextSummary(), "third");
  EXPECT_TRUE(resumed.Next().caught_up());
  // It is of this caller and this customer.
  server_.Register(amy_, "R2", "Sam Poe", "T-2");
  const Who ben = server_.Officer("ben", {"contact-officer"});
  EXPECT_EQ(Follow(server_, ben, "R1", token).End().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Follow(server_, amy_, "R2", token).End().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Follow(server_, amy_, "R1", "x").End().code(), absl::StatusCode::kInvalidArgument);
}

// CR-2.4c
TEST_F(FollowTimelineTest, ACorrectionArrivesAsTheEntryWithItsNewValue) {
  const auto recorded = server_.Record(amy_, "R1", "misheard");
  server_.CatchUp();
  Follow follow(server_, amy_, "R1");
  EXPECT_TRUE(follow.Next().caught_up());
  api::CorrectContactRequest request;
  request.set_request_id(NewRequestId());
  request.set_customer("R1");
  request.set_contact_id(recorded.reply.contact_id());
  *request.mutable_contact() = testing::GoodContact();
  request.mutable_contact()->set_summary("corrected");
  request.set_reason("misheard");
  ASSERT_TRUE(
      server_.Send<api::CorrectContactResponse>(amy_, "ContactService/CorrectContact", request)
          .ok());
  const auto message = follow.Next();
  EXPECT_EQ(message.entry().contact().contact().summary(), "corrected");
  EXPECT_TRUE(message.entry().corrected());
}

// CR-3.1.2a
TEST_F(FollowTimelineTest, PartsThatTheCallerMayNotOpenDoNotArrive) {
  Follow follow(server_, amy_, "R1");
  Follow repairs(server_, server_.Officer("repairs", {"repairs-system"}), "R1");
  EXPECT_TRUE(follow.Next().caught_up());
  EXPECT_TRUE(repairs.Next().caught_up());
  auto request = testing::GoodSplit();
  request.set_request_id(NewRequestId());
  ASSERT_TRUE(
      server_.Send<api::SplitMessageResponse>(amy_, "ContactService/SplitMessage", request).ok());
  ASSERT_TRUE(server_.Record(amy_, "R1", "afterwards").ok());
  EXPECT_EQ(follow.NextSummary(), request.contact().summary());
  EXPECT_EQ(follow.Next().entry().kind(), api::ENTRY_KIND_SERVICE_REQUEST);
  EXPECT_EQ(follow.Next().entry().kind(), api::ENTRY_KIND_ADVICE);
  EXPECT_EQ(follow.NextSummary(), "afterwards") << "and no link to the report";
  EXPECT_EQ(repairs.Next().entry().kind(), api::ENTRY_KIND_SERVICE_REQUEST);
}

// CR-3.1.2a
TEST_F(FollowTimelineTest, WhatArrivesWasTraced) {
  const auto root = server_.Customer("R1").root;
  Follow follow(server_, amy_, "R1");
  EXPECT_TRUE(follow.Next().caught_up());
  EXPECT_TRUE(server_.TracesOf(root).empty());
  ASSERT_TRUE(server_.Record(amy_, "R1", "called").ok());
  EXPECT_EQ(follow.NextSummary(), "called");
  const auto traces = server_.TracesOf(root);
  ASSERT_EQ(traces.size(), 1u);
  EXPECT_EQ(traces[0].method(), "records.api.v1.TimelineService.FollowTimeline");
  EXPECT_EQ(traces[0].events_opened(), 1u);
}

// CR-3.1.2a
TEST_F(FollowTimelineTest, ItEndsWhenTheRoleIsRevoked) {
  Follow follow(server_, amy_, "R1");
  EXPECT_TRUE(follow.Next().caught_up());
  const Who root = server_.Officer("root", {"system-administrator"}, "system-operation");
  api::RevokeRoleRequest revoke;
  revoke.set_request_id(NewRequestId());
  revoke.set_subject("amy");
  revoke.set_role("contact-officer");
  ASSERT_TRUE(server_.Send<api::RevokeRoleResponse>(root, "AccessService/RevokeRole", revoke).ok());
  const Who ben = server_.Officer("ben", {"contact-officer"});
  ASSERT_TRUE(server_.Record(ben, "R1", "not for amy any more").ok());
  EXPECT_EQ(follow.Next().entry().contact().contact().summary(), "");
  EXPECT_EQ(follow.End().code(), absl::StatusCode::kPermissionDenied);
}

// DP-C4, design section 5: nothing opened is held or sent once the person is being erased.
TEST_F(FollowTimelineTest, WhoIsBeingErasedIsRefusedAndWhatWaitedForASlowReaderIsDropped) {
  // A window of about 16 such contacts, so that most wait in the server.
  grpc::ChannelArguments small_window;
  small_window.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  small_window.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 * 1024);
  Follow slow(server_, amy_, "R1", "", small_window);
  EXPECT_TRUE(slow.Next().caught_up());
  Follow quick(server_, amy_, "R1");
  EXPECT_TRUE(quick.Next().caught_up());
  constexpr int kContacts = 120;
  const std::string filling(3'900, 'x');
  for (int i = 0; i < kContacts; ++i) {
    ASSERT_TRUE(server_.Record(amy_, "R1", filling).ok());
    ASSERT_EQ(quick.NextSummary(), filling);
  }
  ASSERT_TRUE(server_.keys.Fence(server_.Customer("R1").subject).ok());
  const absl::Status end = quick.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(end, server_.Timeline(amy_, "R-never").status);
  const absl::Time patience = absl::Now() + absl::Seconds(120);
  while (server_.authoriser->streams().size() > 0 && absl::Now() < patience) {
    std::this_thread::yield();
  }
  // Only what gRPC had in its windows comes: the queue of 64 and the rest are gone.
  int received = 0;
  while (slow.NextSummary() == filling) ++received;
  EXPECT_LT(received, kContacts - static_cast<int>(FollowReactor::kQueueMax));
  EXPECT_EQ(slow.End().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FollowTimelineTest, ItEndsWhenTheTokenExpiresAlsoWhenNothingIsRecorded) {
  Follow follow(server_, amy_, "R1");
  EXPECT_TRUE(follow.Next().caught_up());
  server_.clock.Advance(absl::Hours(2));
  const absl::Status end = follow.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(end), "TOKEN_EXPIRED");
}

TEST_F(FollowTimelineTest, ASlowReaderLosesNothingAndHoldsUpNobody) {
  Follow slow(server_, amy_, "R1");
  EXPECT_TRUE(slow.Next().caught_up());
  Follow quick(server_, amy_, "R1");
  EXPECT_TRUE(quick.Next().caught_up());
  // More than the queue of a stream and gRPC's window hold: 300 times 4,000 characters.
  constexpr int kContacts = 300;
  const std::string filling(3'900, 'x');
  std::thread writer([&] {
    for (int i = 0; i < kContacts; ++i) {
      EXPECT_TRUE(server_.Record(amy_, "R1", absl::StrCat(i, " ", filling)).ok());
    }
  });
  const auto expect_all = [&](Follow& follow) {
    for (int i = 0; i < kContacts; ++i) {
      ASSERT_EQ(follow.NextSummary(), absl::StrCat(i, " ", filling));
    }
  };
  expect_all(quick);
  writer.join();
  expect_all(slow);
}

TEST_F(FollowTimelineTest, ManyThatComeAndGoLeaveTheServerWorking) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        Follow follow(server_, amy_, "R1");
        if (i % 2 == 0) {
          follow.Cancel();
        } else {
          const auto message = follow.Next();
          EXPECT_TRUE(message.caught_up() || message.has_entry());
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(server_.Record(amy_, "R1", "called").ok());
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(server_.Timeline(amy_, "R1").ok());
}

}  // namespace
}  // namespace records::services
