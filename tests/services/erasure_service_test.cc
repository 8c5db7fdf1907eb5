#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "records/api/v1/erasure_service.pb.h"
#include "services/customer/customers.h"
#include "services/errors/errors.h"
#include "tests/services/contact_examples.h"
#include "tests/services/service_fixture.h"

namespace records::services::testing {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ErasureServiceTest : public ServiceTest {
 protected:
  Answer<api::PlanErasureResponse> PlanFor(const Who& who, const std::string& reference) {
    api::PlanErasureRequest request;
    request.set_customer(reference);
    return server_.Send<api::PlanErasureResponse>(who, "ErasureService/PlanErasure", request);
  }
  Answer<api::EraseSubjectResponse> Decide(const Who& who, const std::string& token,
                                           const std::string& request_id = NewRequestId()) {
    api::EraseSubjectRequest request;
    request.set_request_id(request_id);
    request.set_plan_token(token);
    request.set_ground(ev::ERASURE_GROUND_CONSENT_WITHDRAWN);
    return server_.Send<api::EraseSubjectResponse>(who, "ErasureService/EraseSubject", request);
  }
  std::string Erase(const std::string& reference) {
    const auto decided = Decide(max_, PlanFor(max_, reference).reply.plan_token());
    EXPECT_TRUE(decided.ok()) << decided.status;
    const absl::Status done = server_.erasure_worker->RunPending();
    EXPECT_TRUE(done.ok()) << done;
    return decided.reply.erasure();
  }
  Answer<api::GetErasureResponse> Get(const Who& who, const std::string& erasure) {
    api::GetErasureRequest request;
    request.set_erasure(erasure);
    return server_.Send<api::GetErasureResponse>(who, "ErasureService/GetErasure", request);
  }
  Answer<api::ListErasuresResponse> List(const Who& who, bool unacknowledged = false) {
    api::ListErasuresRequest request;
    request.set_unacknowledged_only(unacknowledged);
    return server_.Send<api::ListErasuresResponse>(who, "ErasureService/ListErasures", request);
  }
  Answer<api::AcknowledgeErasureResponse> Acknowledge(const Who& who, const std::string& erasure,
                                                      bool objection = false) {
    api::AcknowledgeErasureRequest request;
    request.set_request_id(NewRequestId());
    request.set_erasure(erasure);
    request.set_objection(objection);
    return server_.Send<api::AcknowledgeErasureResponse>(who, "ErasureService/AcknowledgeErasure",
                                                         request);
  }
  // Rows of all tables of the timeline view under a root.
  size_t TimelineRows(const eventstore::RootId& root) {
    server_.CatchUp();
    size_t rows = 0;
    for (size_t table = 0; table < server_.timeline_projection.tables().size(); ++table) {
      const auto cursor = server_.timeline_storage.NewCursor(projections::ViewTable(table));
      for (cursor->Seek(root.bytes());
           cursor->Valid() && cursor->key().substr(0, 16) == root.bytes(); cursor->Next()) {
        ++rows;
      }
    }
    return rows;
  }

  const Who max_ = server_.Officer("max", {"housing-manager"}, "tenancy-management");
  const Who dora_ = server_.Officer("dora", {"data-protection-officer"}, "rights-request");
};

// Two views elsewhere may hold keys of both: the second does not wait behind the first.
TEST_F(ErasureServiceTest, WhoIsDecidedWhileAnotherWaitsForLeasesIsFencedAtOnce) {
  server_.Register(amy_, "R1");
  server_.Register(amy_, "R2", "Sam Roe", "T-2");
  const auto first = server_.Customer("R1").subject;
  const auto second = server_.Customer("R2").subject;
  std::atomic<bool> first_ended = false, second_ended = false;
  server_.releases_ended = [&](const eventstore::SubjectId& subject) {
    return subject == first ? first_ended.load() : second_ended.load();
  };
  const auto decide = [&](const char* reference) {
    const auto decided = Decide(max_, PlanFor(max_, reference).reply.plan_token());
    EXPECT_TRUE(decided.ok()) << decided.status;
    return decided.reply.erasure();
  };
  const auto state = [&](const std::string& erasure) {
    return Get(max_, erasure).reply.erasure().state();
  };
  const absl::Time patience = absl::Now() + absl::Seconds(60);
  const auto fenced = [&](const eventstore::SubjectId& subject) {
    while (!server_.keys.IsFenced(subject) && absl::Now() < patience) std::this_thread::yield();
    return server_.keys.IsFenced(subject);
  };
  const std::string one = decide("R1");
  absl::Status done;
  std::thread worker([&] { done = server_.erasure_worker->RunPending(); });
  EXPECT_TRUE(fenced(first));
  const std::string two = decide("R2");
  EXPECT_TRUE(fenced(second));
  // Each goes on when its own leases have ended, and not before.
  EXPECT_NE(state(one), api::ERASURE_STATE_CERTIFIED);
  EXPECT_GT(server_.keys.HoldingsOf(second)->key_count(), 0u);
  second_ended = true;
  while (state(two) != api::ERASURE_STATE_CERTIFIED && absl::Now() < patience) {
    std::this_thread::yield();
  }
  EXPECT_EQ(state(two), api::ERASURE_STATE_CERTIFIED);
  EXPECT_NE(state(one), api::ERASURE_STATE_CERTIFIED);
  EXPECT_GT(server_.keys.HoldingsOf(first)->key_count(), 0u);
  first_ended = true;
  worker.join();
  EXPECT_TRUE(done.ok()) << done;
  EXPECT_EQ(state(one), api::ERASURE_STATE_CERTIFIED);
}

// DP-C4, DP-E4, C8
TEST_F(ErasureServiceTest, AnErasedCustomerIsAsWhoNeverWas) {
  server_.Register(amy_, "R1");
  server_.Register(amy_, "R2", "Sam Roe", "T-2");
  ASSERT_TRUE(server_.Record(amy_, "R1", "boiler out").ok());
  ASSERT_TRUE(server_.Record(amy_, "R2", "tap drips").ok());
  const auto entry = server_.Customer("R1");
  EXPECT_GT(TimelineRows(entry.root), 0u);
  const std::string erasure = Erase("R1");

  const auto erased = server_.Timeline(amy_, "R1");
  const auto absent = server_.Timeline(amy_, "R-never");
  EXPECT_EQ(erased.raw.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(erased.raw.error_message(), absent.raw.error_message());
  EXPECT_EQ(erased.raw.error_details(), absent.raw.error_details());
  EXPECT_EQ(PlanFor(max_, "R1").raw.error_details(), absent.raw.error_details());
  EXPECT_EQ(TimelineRows(entry.root), 0u);
  EXPECT_FALSE((*server_.keys.Resolve(kOrganisation, kCustomerReferences, "R1")).has_value());
  EXPECT_FALSE((*server_.keys.ReferenceOf(entry.subject)).has_value());
  EXPECT_EQ(server_.keys.HoldingsOf(entry.subject)->key_count(), 0u);
  for (const auto& stored : server_.AllEvents()) {
    if (stored.event.stream().root() == entry.root.bytes()) {
      EXPECT_THAT(server_.Open(stored).categories, IsEmpty());
    }
  }
  EXPECT_THAT(Shown(server_.Timeline(amy_, "R2").reply), ::testing::Contains("tap drips"));

  const auto got = Get(max_, erasure);
  EXPECT_EQ(got.reply.erasure().state(), api::ERASURE_STATE_CERTIFIED);
  EXPECT_GT(got.reply.erasure().keys_destroyed(), 0u);
  EXPECT_THAT(got.reply.certificate(), HasSubstr("records erasure certificate v1\n"));
  EXPECT_THAT(got.reply.certificate(), HasSubstr("\nerasures 1 "));
}

// C8: from the fence to the destruction nobody is told that somebody is being erased.
TEST_F(ErasureServiceTest, WhileAnErasureIsStuckWritersAreNotToldOfIt) {
  server_.Register(amy_, "R1");
  ASSERT_TRUE(server_.Record(amy_, "R1", "boiler out").ok());
  ASSERT_TRUE(server_.keys.Fence(server_.Customer("R1").subject).ok());
  const auto recorded = server_.Record(amy_, "R1", "late");
  const auto absent = server_.Record(amy_, "R-never", "late");
  EXPECT_EQ(recorded.raw.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(recorded.raw.error_details(), absent.raw.error_details());
  api::RegisterCustomerRequest request;
  request.set_request_id(NewRequestId());
  *request.mutable_person() = GoodPerson("R1");
  *request.mutable_tenancy() = GoodTenancy();
  const auto registered = server_.Send<api::RegisterCustomerResponse>(
      amy_, "CustomerService/RegisterCustomer", request);
  EXPECT_EQ(registered.reason(), "SERVER_BUSY");
}

TEST_F(ErasureServiceTest, TheSameReferenceIsANewCustomerAfterwards) {
  server_.Register(amy_, "R1");
  ASSERT_TRUE(server_.Record(amy_, "R1", "the old one").ok());
  const auto before = server_.Customer("R1");
  Erase("R1");
  server_.Register(amy_, "R1", "Kim New");
  ASSERT_TRUE(server_.Record(amy_, "R1", "the new one").ok());
  server_.CatchUp();
  EXPECT_NE(server_.Customer("R1").subject, before.subject);
  EXPECT_NE(server_.Customer("R1").root, before.root);
  const auto shown = Shown(server_.Timeline(amy_, "R1").reply);
  EXPECT_THAT(shown, ::testing::Contains("the new one"));
  EXPECT_THAT(shown, Not(::testing::Contains("the old one")));
}

// Promise 2, and design section 5: nothing can be confirmed by guessing the content.
TEST_F(ErasureServiceTest, ARetryOfWhatWasErasedGetsItsPositionAndErasedWhateverItSays) {
  server_.Register(amy_, "R1");
  auto request = GoodRecordContact();
  request.set_request_id(NewRequestId());
  request.set_customer("R1");
  const std::string method = "ContactService/RecordContact";
  ASSERT_TRUE(server_.Send<api::RecordContactResponse>(amy_, method, request).ok());
  Erase("R1");
  const auto retry = server_.Send<api::RecordContactResponse>(amy_, method, request);
  EXPECT_EQ(retry.reason(), "ERASED");
  EXPECT_FALSE(DetailsOf(retry.status).metadata.at("token").empty());
  request.mutable_contact()->set_summary("a guess");
  const auto guess = server_.Send<api::RecordContactResponse>(amy_, method, request);
  EXPECT_EQ(guess.raw.error_message(), retry.raw.error_message());
  EXPECT_EQ(guess.raw.error_details(), retry.raw.error_details());
}

TEST_F(ErasureServiceTest, APlanChangesNothingAndTellsOnlyCategoriesThatTheManagerMayRead) {
  server_.Register(amy_, "R1");
  server_.Timeline(amy_, "R1");
  const auto plan = PlanFor(max_, "R1");
  ASSERT_TRUE(plan.ok()) << plan.status;
  EXPECT_GT(plan.reply.categories_size(), 0);
  EXPECT_EQ(plan.reply.directory_rows(), 2u);
  EXPECT_GT(plan.reply.stays_size(), 3);
  for (const auto& held : plan.reply.categories()) {
    EXPECT_NE(held.category(), "access-trace");  // of Amy, who looked
  }
  EXPECT_FALSE(server_.keys.IsFenced(server_.Customer("R1").subject));
  const auto traces = server_.TracesOf(server_.Customer("R1").root);
  ASSERT_FALSE(traces.empty());
  EXPECT_THAT(traces.back().method(), HasSubstr("PlanErasure"));
}

TEST_F(ErasureServiceTest, ADecisionIsForWhatWasSeenAndForWhoSawIt) {
  server_.Register(amy_, "R1");
  const std::string token = PlanFor(max_, "R1").reply.plan_token();
  const Who moe = server_.Officer("moe", {"housing-manager"}, "tenancy-management");
  EXPECT_EQ(Decide(moe, token).reason(), "FIELD_INVALID");
  ASSERT_TRUE(server_.Record(amy_, "R1", "just now").ok());
  EXPECT_EQ(Decide(max_, token).reason(), "PLAN_CHANGED");
  EXPECT_FALSE(server_.keys.IsFenced(server_.Customer("R1").subject));
}

TEST_F(ErasureServiceTest, ARetryOfTheDecisionIsTheSameErasureAndASecondOneIsRefused) {
  server_.Register(amy_, "R1");
  const std::string token = PlanFor(max_, "R1").reply.plan_token();
  const std::string id = NewRequestId();
  const auto first = Decide(max_, token, id);
  ASSERT_TRUE(first.ok()) << first.status;
  EXPECT_EQ(Decide(max_, token).reason(), "ALREADY_DECIDED");
  ASSERT_TRUE(server_.erasure_worker->RunPending().ok());
  const auto again = Decide(max_, token, id);
  ASSERT_TRUE(again.ok()) << again.status;
  EXPECT_EQ(again.reply.erasure(), first.reply.erasure());
  EXPECT_EQ(server_.erasure_register->Entries().size(), 1u);
}

// C59
TEST_F(ErasureServiceTest, TheManagerDecidesAndTheOfficerIsToldAndMayObject) {
  server_.Register(amy_, "R1");
  EXPECT_EQ(PlanFor(amy_, "R1").raw.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  // The officer advises, and so sees the plan, and decides nothing.
  const auto plan = PlanFor(dora_, "R1");
  ASSERT_TRUE(plan.ok()) << plan.status;
  EXPECT_EQ(Decide(dora_, plan.reply.plan_token()).raw.error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  const std::string erasure = Erase("R1");
  EXPECT_EQ(List(max_).raw.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Acknowledge(max_, erasure).raw.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  const auto told = List(dora_, true);
  ASSERT_EQ(told.reply.erasures_size(), 1);
  EXPECT_EQ(told.reply.erasures(0).decided_by(), "max");
  EXPECT_EQ(told.reply.erasures(0).ground(), ev::ERASURE_GROUND_CONSENT_WITHDRAWN);
  ASSERT_TRUE(Acknowledge(dora_, erasure, true).ok());
  EXPECT_EQ(List(dora_, true).reply.erasures_size(), 0);
  EXPECT_TRUE(List(dora_).reply.erasures(0).objection());
  EXPECT_EQ(Acknowledge(dora_, erasure).reason(), "ALREADY_ACKNOWLEDGED");
}

// CR-3.1.2a, DP-B4: who was erased, when and why is told to nobody without a trace.
TEST_F(ErasureServiceTest, WhoReadsOfErasuresLeavesATraceWithThemselves) {
  server_.Register(amy_, "R1");
  const std::string erasure = Erase("R1");
  const auto dora = server_.StaffOf("dora").root;
  ASSERT_THAT(server_.TracesOf(dora), IsEmpty());
  ASSERT_TRUE(List(dora_).ok());
  ASSERT_TRUE(Get(dora_, erasure).ok());
  const auto traces = server_.TracesOf(dora);
  ASSERT_EQ(traces.size(), 2u);
  EXPECT_EQ(traces[0].method(), "records.api.v1.ErasureService.ListErasures");
  EXPECT_EQ(traces[0].events_opened(), 1u);
  EXPECT_EQ(traces[1].method(), "records.api.v1.ErasureService.GetErasure");
}

TEST_F(ErasureServiceTest, AJointTenantStaysWhole) {
  server_.Register(amy_, "R1", "Pat Doe", "T-7");
  server_.Register(amy_, "R2", "Sam Doe", "T-7");
  Erase("R1");
  api::ListJointTenantsRequest request;
  request.set_customer("R2");
  const auto tenants = server_.Send<api::ListJointTenantsResponse>(
      amy_, "CustomerService/ListJointTenants", request);
  ASSERT_TRUE(tenants.ok()) << tenants.status;
  EXPECT_EQ(tenants.reply.joint_tenants_size(), 0);
  EXPECT_TRUE(server_.Timeline(amy_, "R2").ok());
}

// Promise 5: after it nothing leads from the person to what stays clear.
TEST_F(ErasureServiceTest, NoEventOfTheErasureNamesThePerson) {
  server_.Register(amy_, "R1-CANARY", "Pat Canary");
  Erase("R1-CANARY");
  for (const auto ledger : {eventstore::Ledger::kEvents, eventstore::Ledger::kAccess}) {
    for (const auto& stored : server_.AllEvents(ledger)) {
      EXPECT_THAT(stored.bytes, Not(HasSubstr("CANARY")));
      EXPECT_THAT(stored.bytes, Not(HasSubstr("Canary")));
    }
  }
  EXPECT_THAT(server_.erasure_files.Get("erasure.ledger"), Not(HasSubstr("CANARY")));
}

// DP-E4: the ledger is what a restored backup must do again.
TEST_F(ErasureServiceTest, WhatOnlyTheLedgerKnowsIsDecidedAgainAndCertified) {
  server_.Register(amy_, "R1");
  const auto entry = server_.Customer("R1");
  ASSERT_TRUE(server_.erasure_ledger->Append(entry.subject, entry.root, server_.clock.Now()).ok());
  ASSERT_TRUE(server_.erasure_worker->RunPending().ok());
  const auto entries = server_.erasure_register->Entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].ground, ev::ERASURE_GROUND_REPLAYED);
  EXPECT_TRUE(entries[0].certified.has_value());
  EXPECT_EQ(server_.erasure_ledger->head().size, 1u);
  EXPECT_EQ(TimelineRows(entry.root), 0u);
  EXPECT_EQ(server_.Timeline(amy_, "R1").raw.error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace records::services::testing
