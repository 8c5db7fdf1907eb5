// Roles through the server, and who looked at what.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NewRequestId;
using testing::Who;

class AccessServiceTest : public testing::ServiceTest {
 protected:
  AccessServiceTest() { server_.Register(amy_, "R1"); }

  template <typename Response, typename Request>
  testing::Answer<Response> Change(const Who& who, const std::string& method,
                                   const std::string& subject, const std::string& role,
                                   const std::string& request_id = NewRequestId()) {
    Request request;
    request.set_request_id(request_id);
    request.set_subject(subject);
    request.set_role(role);
    return server_.Send<Response>(who, "AccessService/" + method, request);
  }
  testing::Answer<api::GrantRoleResponse> Grant(const Who& who, const std::string& subject,
                                                const std::string& role,
                                                const std::string& request_id = NewRequestId()) {
    return Change<api::GrantRoleResponse, api::GrantRoleRequest>(who, "GrantRole", subject, role,
                                                                 request_id);
  }
  testing::Answer<api::RevokeRoleResponse> Revoke(const Who& who, const std::string& subject,
                                                  const std::string& role) {
    return Change<api::RevokeRoleResponse, api::RevokeRoleRequest>(who, "RevokeRole", subject,
                                                                   role);
  }
  testing::Answer<api::ListAccessResponse> List(const std::string& customer, int page_size = 0,
                                                const std::string& page_token = "") {
    api::ListAccessRequest request;
    request.set_customer(customer);
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return server_.Send<api::ListAccessResponse>(auditor_, "AccessService/ListAccess", request);
  }

  const Who root_ = server_.Officer("root", {"system-administrator"}, "system-operation");
  const Who auditor_ = server_.Officer("olive", {"auditor"}, "audit");
};

// CR-3.1.2a
TEST_F(AccessServiceTest, AGrantAndARevocationCountForTheNextCall) {
  const Who ben{server_.Token("ben", {"contact-officer"})};
  EXPECT_EQ(server_.Timeline(ben, "R1").status.code(), absl::StatusCode::kPermissionDenied);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Grant(root_, "ben", "contact-officer").ok());
    EXPECT_TRUE(server_.Timeline(ben, "R1").ok());
    ASSERT_TRUE(Revoke(root_, "ben", "contact-officer").ok());
    EXPECT_EQ(server_.Timeline(ben, "R1").status.code(), absl::StatusCode::kPermissionDenied);
  }
}

// CR-3.1.2a
TEST_F(AccessServiceTest, ARoleCountsOnlyWhileTheTokenOffersItToo) {
  ASSERT_TRUE(Grant(root_, "ben", "contact-officer").ok());
  EXPECT_FALSE(server_.Timeline({server_.Token("ben", {})}, "R1").ok());
  EXPECT_FALSE(server_.Timeline({server_.Token("ben", {"asb-officer"})}, "R1").ok());
  EXPECT_TRUE(server_.Timeline({server_.Token("ben", {"contact-officer"})}, "R1").ok());
}

// CR-3.1.2a
TEST_F(AccessServiceTest, WhoMayNotGrantsNothing) {
  const auto own = Grant(root_, "root", "auditor");
  EXPECT_EQ(own.reason(), "OWN_ROLE");
  EXPECT_EQ(Revoke(root_, "root", "system-administrator").reason(), "OWN_ROLE");
  const auto unknown = Grant(root_, "ben", "superuser");
  EXPECT_EQ(unknown.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(unknown.status).fields.at(0).field, "role");
  const auto officer = Grant(amy_, "ben", "contact-officer");
  EXPECT_EQ(officer.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_FALSE(server_.Timeline({server_.Token("ben", {"contact-officer"})}, "R1").ok());
}

TEST_F(AccessServiceTest, ARepeatedGrantIsTheFirstOneAndWithOtherContentRefused) {
  const std::string id = NewRequestId();
  ASSERT_TRUE(Grant(root_, "ben", "contact-officer", id).ok());
  const size_t events = server_.AllEvents().size();
  const auto again = Grant(root_, "ben", "contact-officer", id);
  EXPECT_TRUE(again.ok()) << again.status;
  EXPECT_EQ(server_.AllEvents().size(), events);
  EXPECT_EQ(Grant(root_, "ben", "auditor", id).reason(), "REQUEST_ID_REUSED");
}

// CR-3.1.2a
TEST_F(AccessServiceTest, TheListSaysWhoLookedWhenAndWhatFor) {
  EXPECT_THAT(List("R1").reply.entries(), IsEmpty());
  server_.clock.Advance(absl::Minutes(1));
  const absl::Time read_at = server_.clock.Now();
  ASSERT_TRUE(server_.Timeline(amy_, "R1").ok());
  server_.clock.Advance(absl::Minutes(1));
  const auto list = List("R1");
  ASSERT_TRUE(list.ok()) << list.status;
  // The list before this one left a trace too, and this one has not read its own.
  ASSERT_EQ(list.reply.entries_size(), 2);
  const auto& read = list.reply.entries(0);
  EXPECT_EQ(read.reader(), "amy");
  EXPECT_EQ(read.at_us(), absl::ToUnixMicros(read_at));
  EXPECT_EQ(read.role(), "contact-officer");
  EXPECT_EQ(read.purpose(), "service-delivery");
  EXPECT_EQ(read.method(), "records.api.v1.TimelineService.GetTimeline");
  EXPECT_THAT(read.categories(), ElementsAre("identity", "tenancy"));
  EXPECT_GT(read.events_opened(), 0u);
  EXPECT_EQ(list.reply.entries(1).reader(), "olive");
  EXPECT_EQ(list.reply.entries(1).method(), "records.api.v1.AccessService.ListAccess");
}

// CR-3.1.2a
TEST_F(AccessServiceTest, EachReadLeavesOneTraceAndACommandNone) {
  const auto root = server_.Customer("R1").root;
  EXPECT_THAT(server_.TracesOf(root), IsEmpty()) << "registering reads nothing";
  ASSERT_TRUE(server_.Record(amy_, "R1", "called").ok());
  EXPECT_THAT(server_.TracesOf(root), IsEmpty());
  ASSERT_TRUE(server_.Timeline(amy_, "R1").ok());
  EXPECT_EQ(server_.TracesOf(root).size(), 1u);
  api::ListJointTenantsRequest tenants;
  tenants.set_customer("R1");
  ASSERT_TRUE(
      server_.Send<api::ListJointTenantsResponse>(amy_, "CustomerService/ListJointTenants", tenants)
          .ok());
  EXPECT_EQ(server_.TracesOf(root).size(), 2u);
  ASSERT_TRUE(List("R1").ok());
  EXPECT_EQ(server_.TracesOf(root).size(), 3u);
}

TEST_F(AccessServiceTest, TheListIsPagedAndItsTokenIsBound) {
  for (int i = 0; i < 5; ++i) {
    server_.clock.Advance(absl::Minutes(1));
    ASSERT_TRUE(server_.Timeline(amy_, "R1").ok());
  }
  std::vector<int64_t> times;
  std::string token;
  for (int pages = 0; pages < 3; ++pages) {
    const auto page = List("R1", 2, token);
    ASSERT_TRUE(page.ok()) << page.status;
    for (const auto& entry : page.reply.entries()) {
      if (entry.reader() == "amy") times.push_back(entry.at_us());
    }
    token = page.reply.next_page_token();
  }
  EXPECT_EQ(times.size(), 5u);
  EXPECT_TRUE(std::is_sorted(times.rbegin(), times.rend()));
  server_.Register(amy_, "R2", "Sam Poe", "T-2");
  const auto first = List("R1", 2);
  EXPECT_EQ(List("R2", 2, first.reply.next_page_token()).status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(List("R1", -1).status.code(), absl::StatusCode::kInvalidArgument);
}

// CR-3.1.2a
TEST_F(AccessServiceTest, ARefusalIsTracedOnWhoAskedAndNotOnWhomTheyAskedFor) {
  const Who ann = server_.Officer("ann", {"analyst"}, "equality-statistics");
  const auto root = server_.Customer("R1").root;
  EXPECT_FALSE(server_.Timeline(ann, "R1").ok());
  EXPECT_THAT(server_.TracesOf(root), IsEmpty());
  auto traces = server_.TracesOf(server_.StaffOf("ann").root);
  ASSERT_EQ(traces.size(), 1u);
  EXPECT_TRUE(traces[0].refused());
  EXPECT_EQ(traces[0].purpose(), "equality-statistics");
  EXPECT_EQ(traces[0].method(), "records.api.v1.TimelineService.GetTimeline");
  // Of somebody who may ask, what they asked for is kept, cut between characters.
  const std::string asked = std::string(63, 'x') + "é and more";
  EXPECT_FALSE(server_.Timeline(amy_, asked).ok());
  traces = server_.TracesOf(server_.StaffOf("amy").root);
  ASSERT_EQ(traces.size(), 1u);
  EXPECT_EQ(traces[0].asked_for(), std::string(63, 'x'));
  EXPECT_EQ(traces[0].reader(), server_.StaffOf("amy").subject.bytes());
}

}  // namespace
}  // namespace records::services
