// The timeline through the server: what was recorded is shown to who may see it.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
namespace api = records::api::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NewRequestId;
using testing::Shown;
using testing::Who;

class TimelineServiceTest : public testing::ServiceTest {
 protected:
  TimelineServiceTest() { server_.Register(amy_, "R1"); }
};

// CR-3.1a, CR-1.1
TEST_F(TimelineServiceTest, WhatWasRecordedIsShownNewestFirstWithWhoRecordedIt) {
  server_.clock.Advance(absl::Seconds(1));
  ASSERT_TRUE(server_.Record(amy_, "R1", "first").ok());
  server_.clock.Advance(absl::Seconds(1));
  ASSERT_TRUE(server_.Record(amy_, "R1", "second").ok());
  const auto timeline = server_.Timeline(amy_, "R1");
  ASSERT_TRUE(timeline.ok()) << timeline.status;
  EXPECT_THAT(Shown(timeline.reply), ElementsAre("second", "first", "ENTRY_KIND_REGISTRATION"));
  EXPECT_EQ(timeline.reply.entries(0).recorded_by(), "amy");
  EXPECT_EQ(timeline.reply.entries(0).occurred_at_us(), absl::ToUnixMicros(server_.clock.Now()));
  EXPECT_EQ(timeline.reply.header().person().name(), "Pat Doe");
  EXPECT_EQ(timeline.reply.header().tenancy().contract_reference(), "T-1");
}

TEST_F(TimelineServiceTest, AQueryThatCarriesTheTokenOfACommandSeesItsEffect) {
  for (int i = 0; i < 20; ++i) {
    const std::string summary = absl::StrCat("contact ", i);
    server_.clock.Advance(absl::Seconds(1));
    const auto recorded = server_.Record(amy_, "R1", summary);
    ASSERT_TRUE(recorded.ok()) << recorded.status;
    const auto timeline = server_.Timeline(amy_, "R1", recorded.reply.token());
    ASSERT_TRUE(timeline.ok()) << timeline.status;
    ASSERT_EQ(Shown(timeline.reply).front(), summary);
  }
  // It is the writer's own.
  const Who ben = server_.Officer("ben", {"contact-officer"});
  const auto token = server_.Record(amy_, "R1", "another").reply.token();
  EXPECT_EQ(server_.Timeline(ben, "R1", token).status.code(), absl::StatusCode::kInvalidArgument);
}

// CR-1.1
// A view that does not go on holds up who asks it, and nobody else.
TEST_F(TimelineServiceTest, ManyWhoWaitForAViewThatStandsStillHoldUpNoCommand) {
  server_.CatchUp();
  std::atomic<bool> full = true;
  server_.timeline_storage.set_before_write(
      [&full] { return full ? absl::ResourceExhaustedError("no room") : absl::OkStatus(); });
  const std::string token = server_.Record(amy_, "R1", "boiler out").reply.token();
  constexpr int kWaiting = 64;  // more than the server has threads that may wait
  std::atomic<int> answered = 0;
  std::vector<std::thread> waiting;
  for (int i = 0; i < kWaiting; ++i) {
    waiting.emplace_back([&] {
      EXPECT_THAT(Shown(server_.Timeline(amy_, "R1", token).reply),
                  ::testing::Contains("boiler out"));
      ++answered;
    });
  }
  server_.Register(amy_, "R2", "Sam Roe", "T-2");
  EXPECT_EQ(answered, 0);
  full = false;
  for (std::thread& thread : waiting) thread.join();
}

TEST_F(TimelineServiceTest, FiltersByTimeChannelAndKindHoldForTheirBounds) {
  const auto at = [this](int hours) { return server_.clock.Now() - absl::Hours(hours); };
  const auto record = [&](int hours, ev::Channel channel, const std::string& summary) {
    auto request = testing::GoodRecordContact();
    request.set_request_id(NewRequestId());
    request.set_occurred_at_us(absl::ToUnixMicros(at(hours)));
    request.mutable_contact()->set_channel(channel);
    request.mutable_contact()->set_summary(summary);
    ASSERT_TRUE(
        server_.Send<api::RecordContactResponse>(amy_, "ContactService/RecordContact", request)
            .ok());
  };
  record(3, ev::CHANNEL_PHONE, "three hours ago");
  record(2, ev::CHANNEL_EMAIL, "two hours ago");
  record(1, ev::CHANNEL_PHONE, "one hour ago");
  server_.CatchUp();
  const auto shown = [&](auto change) {
    api::GetTimelineRequest request;
    request.set_customer("R1");
    change(request);
    const auto answer =
        server_.Send<api::GetTimelineResponse>(amy_, "TimelineService/GetTimeline", request);
    EXPECT_TRUE(answer.ok()) << answer.status;
    return Shown(answer.reply);
  };
  EXPECT_THAT(shown([](auto& r) { r.set_channel(ev::CHANNEL_EMAIL); }),
              ElementsAre("two hours ago"));
  EXPECT_THAT(shown([](auto& r) { r.add_kinds(api::ENTRY_KIND_REGISTRATION); }),
              ElementsAre("ENTRY_KIND_REGISTRATION"));
  EXPECT_THAT(shown([](auto& r) { r.add_kinds(api::ENTRY_KIND_CONTACT); }),
              ElementsAre("one hour ago", "two hours ago", "three hours ago"));
  // From is included, until is not.
  EXPECT_THAT(shown([&](auto& r) {
                r.set_from_us(absl::ToUnixMicros(at(3)));
                r.set_until_us(absl::ToUnixMicros(at(1)));
              }),
              ElementsAre("two hours ago", "three hours ago"));
  EXPECT_THAT(shown([&](auto& r) {
                r.set_from_us(absl::ToUnixMicros(at(3)) + 1);
                r.set_until_us(absl::ToUnixMicros(at(1)) + 1);
              }),
              ElementsAre("one hour ago", "two hours ago"));
}

class TimelinePagesTest : public TimelineServiceTest {
 protected:
  TimelinePagesTest() {
    for (int i = 0; i < 4; ++i) {
      server_.clock.Advance(absl::Seconds(1));
      EXPECT_TRUE(server_.Record(amy_, "R1", absl::StrCat("contact ", i)).ok());
    }
    server_.CatchUp();
  }
  static api::GetTimelineRequest Request(int page_size, const std::string& page_token = "") {
    api::GetTimelineRequest request;
    request.set_customer("R1");
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return request;
  }
  testing::Answer<api::GetTimelineResponse> Get(const api::GetTimelineRequest& request) {
    return Get(amy_, request);
  }
  testing::Answer<api::GetTimelineResponse> Get(const Who& who,
                                                const api::GetTimelineRequest& request) {
    return server_.Send<api::GetTimelineResponse>(who, "TimelineService/GetTimeline", request);
  }
};

TEST_F(TimelinePagesTest, PagesFollowEachOtherWithoutGapAndEndAtTheLast) {
  for (int size : {1, 2, 3, 5, 100}) {
    std::vector<std::string> all;
    std::string token;
    do {
      const auto page = Get(Request(size, token));
      ASSERT_TRUE(page.ok()) << page.status;
      EXPECT_LE(page.reply.entries_size(), size);
      EXPECT_GT(page.reply.entries_size(), 0) << "no empty last page";
      EXPECT_EQ(page.reply.has_header(), token.empty()) << "the header is on the first page";
      for (const std::string& entry : Shown(page.reply)) all.push_back(entry);
      token = page.reply.next_page_token();
    } while (!token.empty());
    EXPECT_THAT(all, ElementsAre("contact 3", "contact 2", "contact 1", "contact 0",
                                 "ENTRY_KIND_REGISTRATION"));
  }
  EXPECT_EQ(Get(Request(-1)).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TimelinePagesTest, APageTokenOpensTheSameQuestionOfTheSameCallerAndNoOther) {
  const std::string token = Get(Request(2)).reply.next_page_token();
  ASSERT_FALSE(token.empty());
  EXPECT_TRUE(Get(Request(2, token)).ok());
  const auto refused = [&](const Who& who, const api::GetTimelineRequest& request) {
    const auto answer = Get(who, request);
    EXPECT_EQ(answer.status.code(), absl::StatusCode::kInvalidArgument) << answer.status;
    EXPECT_EQ(DetailsOf(answer.status).fields.at(0).field, "page_token");
  };
  refused(amy_, Request(3, token));
  auto filtered = Request(2, token);
  filtered.set_channel(ev::CHANNEL_PHONE);
  refused(amy_, filtered);
  server_.Register(amy_, "R2", "Sam Poe", "T-2");
  auto of_other_customer = Request(2, token);
  of_other_customer.set_customer("R2");
  refused(amy_, of_other_customer);
  refused(server_.Officer("ben", {"contact-officer"}), Request(2, token));
  refused(amy_, Request(2, token + "x"));
  refused(amy_, Request(2, "rubbish"));
}

// CR-3.1.2a
TEST_F(TimelineServiceTest, TheTraceIsDurableBeforeTheAnswerLeaves) {
  server_.CatchUp();
  absl::Mutex mutex;
  std::vector<std::function<void()>> held;
  server_.log->set_hook([&](eventstore::Append append, eventstore::AppendCallback done,
                            const testing::InterceptedLog::Pass& pass) {
    ASSERT_EQ(append.ledger, eventstore::Ledger::kAccess);
    auto go_on = [shared =
                      std::make_shared<std::pair<eventstore::Append, eventstore::AppendCallback>>(
                          std::move(append), std::move(done)),
                  pass] { pass(std::move(shared->first), std::move(shared->second)); };
    absl::MutexLock lock(&mutex);
    held.push_back(std::move(go_on));
  });
  auto stub = api::TimelineService::NewStub(server_.Channel());
  grpc::ClientContext context;
  testing::TestServer::Prepare(context, amy_);
  api::GetTimelineRequest request;
  request.set_customer("R1");
  grpc::CompletionQueue queue;
  auto call = stub->AsyncGetTimeline(&context, request, &queue);
  api::GetTimelineResponse reply;
  grpc::Status status;
  call->Finish(&reply, &status, nullptr);
  {
    absl::MutexLock lock(&mutex);
    const auto is_held = [&held] { return held.size() == 1; };
    ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&is_held), absl::Seconds(120)));
  }
  void* tag = nullptr;
  bool ok = false;
  const auto soon = std::chrono::system_clock::now() + std::chrono::milliseconds(200);
  ASSERT_EQ(queue.AsyncNext(&tag, &ok, soon), grpc::CompletionQueue::TIMEOUT);
  server_.log->set_hook(nullptr);
  held[0]();
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(reply.has_header());
}

// CR-3.1.2a
TEST_F(TimelineServiceTest, WithoutATraceThereIsNoAnswer) {
  const Who auditor = server_.Officer("olive", {"auditor"}, "audit");
  server_.CatchUp();
  server_.log->set_hook([](eventstore::Append append, eventstore::AppendCallback done,
                           const testing::InterceptedLog::Pass& pass) {
    if (append.ledger != eventstore::Ledger::kAccess) {
      return pass(std::move(append), std::move(done));
    }
    done(absl::UnavailableError("the log takes no writes"));
  });
  const auto timeline = server_.Timeline(amy_, "R1");
  EXPECT_EQ(timeline.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(timeline.reply.ByteSizeLong(), 0u);
  api::ListAccessRequest list;
  list.set_customer("R1");
  EXPECT_FALSE(
      server_.Send<api::ListAccessResponse>(auditor, "AccessService/ListAccess", list).ok());
  api::ListJointTenantsRequest tenants;
  tenants.set_customer("R1");
  EXPECT_FALSE(
      server_.Send<api::ListJointTenantsResponse>(amy_, "CustomerService/ListJointTenants", tenants)
          .ok());
  // Not even a refusal.
  EXPECT_EQ(server_.Timeline(amy_, "R-nobody").status.code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace records::services
