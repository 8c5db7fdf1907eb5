// Work streams without a broker, and the tail of the log.

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ledger/log_follows.h"
#include "services/runtime/entry_id.h"
#include "tests/services/work_fixture.h"

namespace records::services::testing {
namespace {

namespace api = records::api::v1;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FollowWorkTest : public WorkTest {
 protected:
  FollowWorkTest() {
    for (int i = 1; i <= 4; ++i) {
      server_.Register(amy_, absl::StrCat("R", i), "Pat Doe", absl::StrCat("T-", i));
    }
  }
  const uint32_t partitions_ = server_.log->partition_count();

  absl::Status EndWith(const Who& who, const std::string& stream, const std::string& token) {
    return WorkFollower(server_, who, stream, token, true).End();
  }
};

// CR-3.3.5, CR-3.1.2b
TEST_F(FollowWorkTest, EachSystemGetsItsOwnWorkAndNothingOfTheOthers) {
  RaiseReport("R1");
  RaiseRepair("R2");
  const auto repairs = RecordsOf(repairs_, "repairs.v1");
  const auto reports = RecordsOf(asb_, "asb.v1");
  ASSERT_THAT(repairs, SizeIs(2));
  ASSERT_THAT(reports, SizeIs(1));
  ExpectWholeChain(repairs, partitions_);
  std::set<std::string> seen;
  for (const auto& record : {repairs[0], repairs[1], reports[0]}) {
    for (const auto& text : {record.id(), record.subject(), record.reference()}) {
      EXPECT_TRUE(seen.insert(text).second) << text;
    }
    EXPECT_EQ(record.time_us() % absl::ToInt64Microseconds(absl::Hours(24)), 0);
    EXPECT_FALSE(record.erased());
  }
  EXPECT_EQ(repairs[0].type(), "records.events.v1.ServiceRequestRaised");
  EXPECT_EQ(reports[0].type(), "records.events.v1.Restricted");
}

TEST_F(FollowWorkTest, WhatIsRecordedFromNowOnArrivesLive) {
  RaiseRepair("R1");
  WorkFollower follow(server_, repairs_, "repairs.v1");
  EXPECT_THAT(follow.ToHead(), SizeIs(1));
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    RaiseRepair("R2");
    ids.insert(follow.Next().id());
  }
  EXPECT_THAT(ids, SizeIs(20));
}

TEST_F(FollowWorkTest, AFollowThatIsResumedAgainAndAgainHasNoGapAndNoRepetitionWhileOthersWrite) {
  constexpr int kRepairs = 80;
  std::thread writer([this] {
    for (int i = 0; i < kRepairs; ++i) RaiseRepair(absl::StrCat("R", 1 + i % 4));
  });
  std::vector<api::WorkRecord> records;
  std::string token;
  while (records.size() < kRepairs) {
    WorkFollower follow(server_, repairs_, "repairs.v1", token);
    for (int i = 0; i < 7 && records.size() < kRepairs; ++i) records.push_back(follow.Next());
    token = follow.resume_token;
  }
  writer.join();
  ExpectWholeChain(records, partitions_);
  WorkFollower rest(server_, repairs_, "repairs.v1", token, true);
  EXPECT_THAT(rest.ToHead(), IsEmpty());
  const auto whole = RecordsOf(repairs_, "repairs.v1");
  ASSERT_THAT(whole, SizeIs(kRepairs));
  std::set<std::string> ids;
  for (const auto& record : records) ids.insert(record.id());
  for (const auto& record : whole) EXPECT_EQ(ids.count(record.id()), 1u);
}

// DP-E4, C59
TEST_F(FollowWorkTest, AnErasureArrivesUnderTheNameThatTheSubjectHad) {
  RaiseRepair("R1");
  WorkFollower follow(server_, repairs_, "repairs.v1");
  const auto before = follow.Next();
  Erase("R1");
  const auto erased = follow.Next();
  EXPECT_TRUE(erased.erased());
  EXPECT_EQ(erased.subject(), before.subject());
  EXPECT_EQ(erased.type(), "records.log.v1.Erased");
}

// CR-3.1.2a
TEST_F(FollowWorkTest, ItEndsWhenTheRoleThatTakesTheStreamIsRevoked) {
  WorkFollower follow(server_, repairs_, "repairs.v1");
  EXPECT_TRUE(follow.NextMessage().caught_up());
  const Who root = server_.Officer("root", {"system-administrator"}, "system-operation");
  api::RevokeRoleRequest revoke;
  revoke.set_request_id(NewRequestId());
  revoke.set_subject("repairs");
  revoke.set_role("repairs-system");
  ASSERT_TRUE(server_.Send<api::RevokeRoleResponse>(root, "AccessService/RevokeRole", revoke).ok());
  RaiseRepair("R1");
  EXPECT_EQ(follow.Next().id(), "");
  EXPECT_EQ(follow.End().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FollowWorkTest, ItEndsWhenTheTokenExpires) {
  WorkFollower follow(server_, repairs_, "repairs.v1");
  EXPECT_TRUE(follow.NextMessage().caught_up());
  server_.clock.Advance(absl::Hours(2));
  EXPECT_EQ(ReasonOf(follow.End()), "TOKEN_EXPIRED");
}

// CR-3.1.2a
TEST_F(FollowWorkTest, AResumeTokenIsOfOneCallerAndStreamAndNoOtherIsTaken) {
  RaiseReport("R1");
  WorkFollower follow(server_, repairs_, "repairs.v1");
  follow.ToHead();
  const std::string token = follow.resume_token;
  EXPECT_TRUE(EndWith(repairs_, "repairs.v1", token).ok());
  const Who other = server_.Officer("other", {"repairs-system"});
  EXPECT_EQ(EndWith(other, "repairs.v1", token).code(), absl::StatusCode::kInvalidArgument);
  std::string flipped = token;
  flipped[flipped.size() / 2] ^= 1;
  for (const std::string& forged :
       {flipped, token + token, std::string("x"), token.substr(1), std::string(100'000, 'A')}) {
    const absl::Status refused = EndWith(repairs_, "repairs.v1", forged);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << forged.substr(0, 100);
    EXPECT_EQ(ReasonOf(refused), "FIELD_INVALID");
  }
  // The same system, with two roles.
  Who both = server_.Officer("repairs", {"asb-system"}, "asb-casework");
  EXPECT_EQ(EndWith(both, "asb.v1", token).code(), absl::StatusCode::kInvalidArgument);
}

// A log that was restored to an earlier state has not come as far as what it gave out.
TEST_F(FollowWorkTest, ATokenThatIsBeyondTheLogOrOfAnotherIsRefusedAndNeverMoved) {
  RaiseRepair("R1");
  const std::string name = absl::StrCat(kDevelopmentIssuerName, "\n", "repairs");
  const auto token = [&](absl::string_view store, uint64_t beyond, uint64_t last) {
    std::string bytes = absl::StrCat(store, EncodePosition({0, 1}));
    for (uint32_t p = 0; p < server_.log->partition_count(); ++p) {
      const uint64_t head = server_.log->Head(eventstore::Ledger::kEvents, p).sequence;
      absl::StrAppend(&bytes, EncodePosition({p, head + beyond}), EncodePosition({p, last}));
    }
    return *server_.keys.SealToken("follow-work",
                                   absl::StrCat(name.size(), ":", name, "repairs.v1"), bytes);
  };
  const auto store = server_.log->store_id();
  EXPECT_TRUE(EndWith(repairs_, "repairs.v1", token(store.bytes(), 0, 0)).ok());
  for (const std::string& wrong : {token(store.bytes(), 1, 0), token(store.bytes(), 0, 1'000'000),
                                   token(std::string(16, 'x'), 0, 0), token("", 0, 0)}) {
    EXPECT_EQ(EndWith(repairs_, "repairs.v1", wrong).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(FollowWorkTest, ASignOfLifeHasATokenAndDoesNotTellWhetherAnythingWasRecorded) {
  WorkFollower follow(server_, repairs_, "repairs.v1");
  const auto first = follow.NextMessage();
  EXPECT_TRUE(first.caught_up());
  server_.clock.Advance(LogFollows::kSignOfLifeEvery);
  const auto second = follow.NextMessage();
  ASSERT_TRUE(server_.Record(amy_, "R1", "nothing to repair").ok());
  server_.clock.Advance(LogFollows::kSignOfLifeEvery);
  const auto third = follow.NextMessage();
  for (const auto& message : {second, third}) {
    EXPECT_FALSE(message.has_record());
    EXPECT_FALSE(message.caught_up());
    EXPECT_EQ(message.resume_token().size(), first.resume_token().size());
  }
  EXPECT_NE(first.resume_token(), second.resume_token());
  EXPECT_NE(second.resume_token(), third.resume_token());
}

TEST_F(FollowWorkTest, ASlowReaderLosesNothingAndHoldsUpNobody) {
  // More than the queue of a follow and the window of gRPC hold.
  constexpr int kRepairs = 250;
  WorkFollower slow(server_, asb_, "asb.v1");
  WorkFollower quick(server_, repairs_, "repairs.v1");
  EXPECT_TRUE(quick.NextMessage().caught_up());
  for (int i = 0; i < kRepairs; ++i) RaiseReport("R1");
  std::vector<api::WorkRecord> records;
  for (int i = 0; i < kRepairs; ++i) records.push_back(quick.Next());
  ExpectWholeChain(records, partitions_);
  records.clear();
  for (int i = 0; i < kRepairs; ++i) records.push_back(slow.Next());
  ExpectWholeChain(records, partitions_);
}

TEST_F(FollowWorkTest, OneCallerCannotTakeAllFollows) {
  std::vector<std::unique_ptr<WorkFollower>> follows;
  for (int i = 0; i < 4; ++i) {
    follows.push_back(std::make_unique<WorkFollower>(server_, repairs_, "repairs.v1"));
    EXPECT_TRUE(follows.back()->NextMessage().caught_up());
  }
  const absl::Status refused = WorkFollower(server_, repairs_, "repairs.v1").End();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "FOLLOWS_TOO_MANY");
  EXPECT_TRUE(WorkFollower(server_, asb_, "asb.v1").NextMessage().caught_up());
  follows.clear();
  absl::Status again;
  do {
    again = WorkFollower(server_, repairs_, "repairs.v1", "", true).End();
  } while (absl::IsResourceExhausted(again));
  EXPECT_TRUE(again.ok()) << again;
}

// DP-B4
TEST_F(FollowWorkTest, TheCallLeavesATraceWithTheCaller) {
  RecordsOf(repairs_, "repairs.v1");
  const auto traces = server_.TracesOf(server_.StaffOf("repairs").root);
  ASSERT_THAT(traces, SizeIs(1));
  EXPECT_EQ(traces[0].method(), "records.api.v1.LedgerService.FollowWork");
  EXPECT_EQ(traces[0].role(), "repairs-system");
  EXPECT_FALSE(traces[0].refused());
}

// CR-3.1.2b
TEST_F(FollowWorkTest, ATailOfTheLogShowsEnvelopesUpToTheHeadAndNothingSealed) {
  RaiseReport("R1");
  const Who root = server_.Officer("root", {"system-administrator"}, "system-operation");
  const auto stub = api::LedgerService::NewStub(server_.Channel());
  grpc::ClientContext context;
  TestServer::PrepareStream(context, root);
  api::TailLogRequest request;
  request.set_last(1000);
  request.set_stop_at_head(true);
  const auto reader = stub->TailLog(&context, request);
  api::TailLogResponse message;
  std::vector<std::string> types;
  bool caught_up = false;
  while (reader->Read(&message)) {
    EXPECT_FALSE(caught_up);
    caught_up = message.caught_up();
    if (!caught_up) types.push_back(message.type());
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(caught_up);
  EXPECT_EQ(types.size(), server_.AllEvents().size());
  EXPECT_THAT(types, Each(::testing::Not("records.events.v1.AsbReported")));
}

}  // namespace
}  // namespace records::services::testing
