#include "services/policy/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "services/policy/register.h"

namespace records::services {
namespace {

namespace policy = records::policy::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;
using Names = std::vector<std::string>;

// Decides on the register as it is shipped.
class DecideTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<policy::Register> reg = EmbeddedRegister();
    ASSERT_TRUE(reg.ok()) << reg.status();
    reg_ = *std::move(reg);
    absl::StatusOr<DecisionTable> table = DecisionTable::Create(reg_);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = std::make_unique<DecisionTable>(*std::move(table));
  }

  std::variant<Decision, RefusalReason> Ask(const Names& offered, const Names& granted,
                                            const std::string& view, policy::Action action,
                                            const std::string& purpose) const {
    policy::MethodAccess access;
    access.set_view(view);
    access.set_action(action);
    const absl::flat_hash_set<std::string> grants(granted.begin(), granted.end());
    return Decide({.offered = offered, .granted = grants, .access = access, .purpose = purpose},
                  *table_);
  }

  // What a role, offered and granted, opens; empty when refused.
  Names Opens(const std::string& role, const std::string& view, const std::string& purpose) const {
    const auto decided = Ask({role}, {role}, view, policy::ACTION_READ, purpose);
    const auto* decision = std::get_if<Decision>(&decided);
    return decision == nullptr ? Names() : decision->allowed.Names();
  }

  // Everything that a role opens in any view for any purpose.
  absl::flat_hash_set<std::string> OpensAnywhere(const std::string& role) const {
    absl::flat_hash_set<std::string> opened;
    for (const std::string& view : Views()) {
      for (const policy::Purpose& purpose : reg_.purposes()) {
        for (const std::string& category : Opens(role, view, purpose.id())) opened.insert(category);
      }
    }
    return opened;
  }

  bool May(const std::string& role, const std::string& view, policy::Action action,
           const std::string& purpose) const {
    return std::holds_alternative<Decision>(Ask({role}, {role}, view, action, purpose));
  }

  Names Views() const {
    return {"customer", "contact", "document", "import", "timeline", "role",
            "access",   "ledger",  "key",      "backup", "view",     "work"};
  }

  policy::Register reg_;
  std::unique_ptr<DecisionTable> table_;
};

// CR-3.1.2a, CR-1.1
TEST_F(DecideTest, AContactOfficerOpensWhatServingTheCustomerNeeds) {
  EXPECT_THAT(
      Opens("contact-officer", "timeline", "service-delivery"),
      UnorderedElementsAre("identity", "tenancy", "contact", "service-request", "vulnerability",
                           "communication-needs", "contact-safety", "confidential-address",
                           "third-party-authority", "document-index", "household"));
}

// CR-3.1.2b
TEST_F(DecideTest, AContactOfficerNeverOpensTheAsbFileNorWordForWordTexts) {
  const auto opened = OpensAnywhere("contact-officer");
  for (const char* closed : {"asb", "independent-living", "contact-verbatim", "access-trace"}) {
    EXPECT_FALSE(opened.contains(closed)) << closed;
  }
}

// CR-3.1.2b
TEST_F(DecideTest, TheAsbFileIsOpenToTheAsbOfficerAndForARightsRequestOnly) {
  for (const policy::Role& role : reg_.roles()) {
    for (const policy::Purpose& purpose : reg_.purposes()) {
      for (const std::string& view : Views()) {
        const auto opened = Opens(role.id(), view, purpose.id());
        const bool may =
            (role.id() == "asb-officer" && purpose.id() == "asb-casework" && view == "timeline") ||
            (role.id() == "asb-system" && purpose.id() == "asb-casework" && view == "work") ||
            (role.id() == "data-protection-officer" && purpose.id() == "rights-request" &&
             // The list of erasures opens nothing: it names nobody.
             (view == "timeline" || view == "customer" || view == "access" || view == "erasure" ||
              view == "erasure-notice" || view == "work"));
        EXPECT_EQ(std::count(opened.begin(), opened.end(), "asb") > 0, may)
            << role.id() << " " << view << " " << purpose.id();
      }
    }
  }
  EXPECT_THAT(Opens("asb-officer", "timeline", "asb-casework"),
              UnorderedElementsAre("asb", "identity", "contact-safety", "communication-needs"));
}

// CR-3.1.2b, CR-3.3.5: on a stream only the roles that take it open anything.
TEST_F(DecideTest, EachWorkStreamIsOpenToOneRoleAndContactsToNone) {
  const std::map<std::string, std::pair<std::string, Names>> takers = {
      {"repairs.v1",
       {"repairs-system",
        {"service-request", "vulnerability", "communication-needs", "contact-safety"}}},
      {"asb.v1", {"asb-system", {"asb"}}},
      {"rights.v1", {"data-protection-officer", {}}},  // with every category
      {"contacts.v1", {"", {}}},
      {"no-such.v1", {"", {}}},
      {"", {"", {}}},
  };
  for (const auto& [stream, taker] : takers) {
    for (const policy::Role& role : reg_.roles()) {
      for (const policy::Purpose& purpose : reg_.purposes()) {
        const auto decided =
            Ask({role.id()}, {role.id()}, "work", policy::ACTION_READ, purpose.id());
        const auto* decision = std::get_if<Decision>(&decided);
        if (decision == nullptr) continue;
        const auto on_stream = OnWorkStream(*decision, stream);
        EXPECT_EQ(on_stream.has_value(), role.id() == taker.first) << stream << " " << role.id();
        if (!on_stream.has_value() || taker.second.empty()) continue;
        EXPECT_EQ(on_stream->role, role.id());
        EXPECT_THAT(on_stream->allowed.Names(), UnorderedElementsAreArray(taker.second));
      }
    }
  }
}

// CR-3.1.2b
TEST_F(DecideTest, OnAWorkStreamAnotherRoleOfTheCallerAddsNothing) {
  for (policy::Role& role : *reg_.mutable_roles()) {
    if (role.id() != "asb-officer") continue;
    policy::Permission* permission = role.add_permissions();
    permission->set_view("work");
    permission->set_action(policy::ACTION_READ);
    permission->add_purposes("asb-casework");
  }
  *table_ = *DecisionTable::Create(reg_);
  const Names roles = {"asb-officer", "asb-system"};
  const auto decided = Ask(roles, roles, "work", policy::ACTION_READ, "asb-casework");
  ASSERT_TRUE(std::holds_alternative<Decision>(decided));
  const auto& decision = std::get<Decision>(decided);
  EXPECT_TRUE(decision.allowed.contains("identity"));
  EXPECT_EQ(decision.role, "asb-officer");
  const auto on_stream = OnWorkStream(decision, "asb.v1");
  ASSERT_TRUE(on_stream.has_value());
  EXPECT_THAT(on_stream->allowed.Names(), ElementsAre("asb"));
  EXPECT_EQ(on_stream->role, "asb-system");
  EXPECT_FALSE(OnWorkStream(decision, "repairs.v1").has_value());
}

TEST_F(DecideTest, WhatOpensNothingIsOnNoWorkStream) {
  const auto decided = Ask({"contact-officer"}, {"contact-officer"}, "contact",
                           policy::ACTION_RECORD, "service-delivery");
  ASSERT_TRUE(std::holds_alternative<Decision>(decided));
  EXPECT_FALSE(OnWorkStream(std::get<Decision>(decided), "repairs.v1").has_value());
}

// CR-2.5a, CR-3.1.2a
TEST_F(DecideTest, AnAnalystOpensNothingAndDoesNothing) {
  EXPECT_THAT(OpensAnywhere("analyst"), IsEmpty());
  for (const std::string& view : Views()) {
    for (const policy::Purpose& purpose : reg_.purposes()) {
      for (const auto action :
           {policy::ACTION_READ, policy::ACTION_RECORD, policy::ACTION_ADMINISTER}) {
        EXPECT_FALSE(May("analyst", view, action, purpose.id())) << view << " " << purpose.id();
      }
    }
  }
}

// CR-3.1.2a, CR-3.1.2b
TEST_F(DecideTest, ASystemAdministratorAdministersAndOpensNothing) {
  EXPECT_THAT(OpensAnywhere("system-administrator"), IsEmpty());
  for (const char* view : {"role", "ledger", "key", "backup", "view"}) {
    EXPECT_TRUE(May("system-administrator", view, policy::ACTION_ADMINISTER, "system-operation"));
    for (const policy::Role& role : reg_.roles()) {
      if (role.id() == "system-administrator") continue;
      EXPECT_FALSE(May(role.id(), view, policy::ACTION_ADMINISTER, "system-operation"))
          << role.id() << " " << view;
    }
  }
}

// CR-3.3.5
TEST_F(DecideTest, TheRepairsSystemOpensRequestsAndWhatAVisitMustMindButNoContact) {
  const auto opened = OpensAnywhere("repairs-system");
  EXPECT_THAT(opened, UnorderedElementsAre("service-request", "vulnerability",
                                           "communication-needs", "contact-safety"));
}

// CR-2.3
TEST_F(DecideTest, WordForWordTextsAreForManagers) {
  for (const char* purpose : {"service-delivery", "tenancy-management", "complaint"}) {
    EXPECT_THAT(Opens("housing-manager", "timeline", purpose),
                testing::Contains("contact-verbatim"));
  }
}

// DP-F2, CR-3.5.1a
TEST_F(DecideTest, TheTrailIsReadForAuditAndRightsRequestsOnly) {
  EXPECT_THAT(Opens("auditor", "access", "audit"), ElementsAre("access-trace"));
  EXPECT_THAT(Opens("data-protection-officer", "access", "audit"), ElementsAre("access-trace"));
  EXPECT_THAT(OpensAnywhere("auditor"), UnorderedElementsAre("access-trace"));
  for (const char* role : {"contact-officer", "housing-manager", "asb-officer",
                           "system-administrator", "repairs-system"}) {
    EXPECT_FALSE(OpensAnywhere(role).contains("access-trace")) << role;
  }
}

// DP-E2
TEST_F(DecideTest, ARightsRequestOpensEveryCategoryThatAnybodyMayRead) {
  const Names opened = Opens("data-protection-officer", "timeline", "rights-request");
  for (const policy::Category& category : reg_.categories()) {
    EXPECT_EQ(std::count(opened.begin(), opened.end(), category.id()) == 1,
              !category.readers().empty())
        << category.id();
  }
}

TEST_F(DecideTest, FoldPartsAndDigestsAreOpenToNobody) {
  for (const policy::Role& role : reg_.roles()) {
    EXPECT_FALSE(OpensAnywhere(role.id()).contains("timeline-fold")) << role.id();
    EXPECT_FALSE(OpensAnywhere(role.id()).contains("request-digest")) << role.id();
  }
}

TEST_F(DecideTest, OnlyContactOfficersAndHousingManagersImport) {
  for (const policy::Role& role : reg_.roles()) {
    for (const policy::Purpose& purpose : reg_.purposes()) {
      EXPECT_EQ(May(role.id(), "import", policy::ACTION_RECORD, purpose.id()),
                (role.id() == "contact-officer" && purpose.id() == "service-delivery") ||
                    (role.id() == "housing-manager" && purpose.id() == "tenancy-management"))
          << role.id() << " " << purpose.id();
    }
  }
}

TEST_F(DecideTest, TwoRolesOpenWhatEitherOpensAndEachCategoryNamesTheRoleThatAllowsIt) {
  const Names roles = {"housing-manager", "contact-officer"};
  const auto decided = Ask(roles, roles, "timeline", policy::ACTION_READ, "service-delivery");
  ASSERT_TRUE(std::holds_alternative<Decision>(decided));
  const auto& decision = std::get<Decision>(decided);
  EXPECT_EQ(decision.role, "contact-officer");
  ASSERT_NE(decision.allowed.RoleFor("contact"), nullptr);
  EXPECT_EQ(*decision.allowed.RoleFor("contact"), "contact-officer");
  ASSERT_NE(decision.allowed.RoleFor("contact-verbatim"), nullptr);
  EXPECT_EQ(*decision.allowed.RoleFor("contact-verbatim"), "housing-manager");
  EXPECT_EQ(decision.allowed.RoleFor("asb"), nullptr);
  EXPECT_EQ(decision.allowed.RoleFor("no-such-category"), nullptr);
}

TEST_F(DecideTest, ARoleOfAnotherPurposeAddsNothing) {
  const Names roles = {"contact-officer", "asb-officer"};
  const auto decided = Ask(roles, roles, "timeline", policy::ACTION_READ, "service-delivery");
  ASSERT_TRUE(std::holds_alternative<Decision>(decided));
  EXPECT_FALSE(std::get<Decision>(decided).allowed.contains("asb"));
}

TEST_F(DecideTest, RecordingOpensNothing) {
  const auto decided = Ask({"contact-officer"}, {"contact-officer"}, "contact",
                           policy::ACTION_RECORD, "service-delivery");
  ASSERT_TRUE(std::holds_alternative<Decision>(decided));
  EXPECT_TRUE(std::get<Decision>(decided).allowed.empty());
  EXPECT_EQ(std::get<Decision>(decided).role, "contact-officer");
}

TEST_F(DecideTest, ADecisionOutlivesTheMoveOfItsTable) {
  const auto decided = Ask({"contact-officer"}, {"contact-officer"}, "timeline",
                           policy::ACTION_READ, "service-delivery");
  const DecisionTable moved = std::move(*table_);
  EXPECT_TRUE(std::get<Decision>(decided).allowed.contains("contact"));
}

// One call and why it is refused.
struct Refused {
  const char* what;
  Names offered;
  Names granted;
  const char* view;
  policy::Action action;
  const char* purpose;
  RefusalReason reason;
};

// CR-3.1.2a, DP-C2
TEST_F(DecideTest, WhatIsNotWrittenIsRefused) {
  const Names officer = {"contact-officer"};
  const Names nobody = {};
  const auto read = policy::ACTION_READ;
  const std::vector<Refused> table = {
      {"offered, not granted", officer, nobody, "timeline", read, "service-delivery",
       RefusalReason::kNoRoleCounts},
      {"granted, not offered", nobody, officer, "timeline", read, "service-delivery",
       RefusalReason::kNoRoleCounts},
      {"offered one, granted another",
       officer,
       {"housing-manager"},
       "timeline",
       read,
       "service-delivery",
       RefusalReason::kNoRoleCounts},
      {"unknown role",
       {"king"},
       {"king"},
       "timeline",
       read,
       "service-delivery",
       RefusalReason::kNoRoleCounts},
      {"unknown purpose", officer, officer, "timeline", read, "curiosity",
       RefusalReason::kPurposeUnknown},
      {"no purpose", officer, officer, "timeline", read, "", RefusalReason::kPurposeUnknown},
      {"purpose in other letters", officer, officer, "timeline", read, "Service-Delivery",
       RefusalReason::kPurposeUnknown},
      {"another's purpose", officer, officer, "timeline", read, "asb-casework",
       RefusalReason::kNotPermitted},
      {"another's view", officer, officer, "access", read, "service-delivery",
       RefusalReason::kNotPermitted},
      {"another action", officer, officer, "timeline", policy::ACTION_RECORD, "service-delivery",
       RefusalReason::kNotPermitted},
      {"no action", officer, officer, "timeline", policy::ACTION_UNSPECIFIED, "service-delivery",
       RefusalReason::kNotPermitted},
      {"unknown action", officer, officer, "timeline", static_cast<policy::Action>(99),
       "service-delivery", RefusalReason::kNotPermitted},
      {"unknown view", officer, officer, "diary", read, "service-delivery",
       RefusalReason::kNotPermitted},
      {"no view", officer, officer, "", read, "service-delivery", RefusalReason::kNotPermitted},
  };
  for (const Refused& row : table) {
    const auto decided = Ask(row.offered, row.granted, row.view, row.action, row.purpose);
    ASSERT_TRUE(std::holds_alternative<RefusalReason>(decided)) << row.what;
    EXPECT_EQ(std::get<RefusalReason>(decided), row.reason) << row.what;
  }
}

TEST_F(DecideTest, APermissionWithoutACategoryToReadIsRefused) {
  for (policy::Category& category : *reg_.mutable_categories()) category.clear_readers();
  absl::StatusOr<DecisionTable> table = DecisionTable::Create(reg_);
  ASSERT_TRUE(table.ok()) << table.status();
  *table_ = *std::move(table);
  const auto decided = Ask({"contact-officer"}, {"contact-officer"}, "timeline",
                           policy::ACTION_READ, "service-delivery");
  ASSERT_TRUE(std::holds_alternative<RefusalReason>(decided));
  EXPECT_EQ(std::get<RefusalReason>(decided), RefusalReason::kNothingReadable);
}

TEST_F(DecideTest, ARelationThatNothingProvesCountsAsAbsent) {
  for (policy::Category& category : *reg_.mutable_categories()) {
    for (policy::Reader& reader : *category.mutable_readers()) {
      reader.set_relation(category.id() == "contact" ? policy::RELATION_ASSIGNED
                                                     : policy::RELATION_ANYBODY);
    }
  }
  absl::StatusOr<DecisionTable> table = DecisionTable::Create(reg_);
  ASSERT_TRUE(table.ok()) << table.status();
  *table_ = *std::move(table);
  const Names opened = Opens("contact-officer", "timeline", "service-delivery");
  EXPECT_THAT(opened, testing::Contains("identity"));
  EXPECT_THAT(opened, testing::Not(testing::Contains("contact")));
}

TEST_F(DecideTest, AFaultyRegisterGivesNoTable) {
  reg_.mutable_categories(0)->clear_retention();
  EXPECT_EQ(DecisionTable::Create(reg_).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace records::services
