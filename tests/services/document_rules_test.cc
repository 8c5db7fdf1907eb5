#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/contact/contact_rules.h"
#include "services/errors/errors.h"
#include "tests/services/contact_examples.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using testing::GoodDocument;
using testing::GoodRepair;

std::vector<std::string> WrongRequest(const api::v1::ServiceRequestInput& input) {
  FieldChecker check;
  CheckServiceRequest("request", input, check);
  std::vector<std::string> fields;
  for (const auto& field : DetailsOf(check.Finish()).fields) fields.push_back(field.field);
  return fields;
}

TEST(ServiceRequestRulesTest, HazardsAreOfRepairsAndOfTheList) {
  EXPECT_TRUE(WrongRequest(GoodRepair()).empty());
  auto general = GoodRepair();
  general.mutable_request()->set_kind(ev::SERVICE_REQUEST_KIND_GENERAL);
  EXPECT_EQ(WrongRequest(general), std::vector<std::string>{"request.request.hazards"});
  general.mutable_request()->clear_hazards();
  EXPECT_TRUE(WrongRequest(general).empty());
  auto unknown = GoodRepair();
  unknown.mutable_request()->set_hazards(0, static_cast<ev::Hazard>(99));
  EXPECT_EQ(WrongRequest(unknown), std::vector<std::string>{"request.request.hazards[0]"});
  auto nothing = GoodRepair();
  nothing.mutable_request()->set_kind(ev::SERVICE_REQUEST_KIND_UNSPECIFIED);
  nothing.mutable_request()->clear_description();
  EXPECT_EQ(WrongRequest(nothing),
            (std::vector<std::string>{"request.request.kind", "request.request.description",
                                      "request.request.hazards"}));
}

TEST(ServiceRequestRulesTest, TenVulnerabilitiesAtMost) {
  auto input = GoodRepair();
  while (input.vulnerabilities_size() < 10) input.add_vulnerabilities(std::string(100, 'v'));
  EXPECT_TRUE(WrongRequest(input).empty());
  input.add_vulnerabilities("one more");
  EXPECT_EQ(WrongRequest(input), std::vector<std::string>{"request.vulnerabilities"});
}

std::vector<std::string> WrongDocument(const std::function<void(ev::DocumentIndexEntry&)>& change) {
  ev::DocumentIndexEntry entry = GoodDocument();
  change(entry);
  FieldChecker check;
  CheckDocument("entry", entry, check);
  std::vector<std::string> fields;
  for (const auto& field : DetailsOf(check.Finish()).fields) fields.push_back(field.field);
  return fields;
}

// CR-INDEX, CR-3.3.4a
TEST(DocumentRulesTest, ADocumentWithoutSystemMatterMediumDirectionOrClassIsRefused) {
  EXPECT_TRUE(WrongDocument([](auto&) {}).empty());
  EXPECT_EQ(WrongDocument([](auto& entry) { entry.Clear(); }),
            (std::vector<std::string>{"entry.content_sha256", "entry.medium", "entry.direction",
                                      "entry.system", "entry.matter", "entry.sensitivity"}));
}

// CR-3.3.4b
TEST(DocumentRulesTest, TheHashOfTheContentIsThirtyTwoBytes) {
  for (size_t size : {0u, 31u, 33u}) {
    EXPECT_EQ(WrongDocument([&](auto& entry) { entry.set_content_sha256(std::string(size, 'h')); }),
              std::vector<std::string>{"entry.content_sha256"});
  }
}

// CR-3.3.4b
TEST(DocumentRulesTest, SpecialCategoryDocumentsAreNeverOfTheOrdinaryRecord) {
  const auto special = [](ev::DocumentSystem system) {
    return WrongDocument([system](auto& entry) {
      entry.set_system(system);
      entry.set_sensitivity(ev::SENSITIVITY_SPECIAL);
    });
  };
  EXPECT_EQ(special(ev::DOCUMENT_SYSTEM_CRM), std::vector<std::string>{"entry.sensitivity"});
  EXPECT_TRUE(special(ev::DOCUMENT_SYSTEM_ASB).empty());
  EXPECT_TRUE(special(ev::DOCUMENT_SYSTEM_INDEPENDENT_LIVING).empty());
}

// CR-INDEX, DP-I1
TEST(DocumentRulesTest, PaperSaysWhereItIsLockedAway) {
  const auto paper = [](const std::string& location) {
    return WrongDocument([&](auto& entry) {
      entry.set_medium(ev::DOCUMENT_MEDIUM_PAPER);
      entry.set_paper_location(location);
    });
  };
  EXPECT_TRUE(paper("cabinet 4").empty());
  EXPECT_EQ(paper(""), std::vector<std::string>{"entry.paper_location"});
}

// CR-3.3.1c, CR-INDEX
TEST(DocumentRulesTest, AGeneratedLetterNamesItsSystem) {
  const auto letter = [](const std::string& system) {
    return WrongDocument([&](auto& entry) {
      entry.set_medium(ev::DOCUMENT_MEDIUM_GENERATED_LETTER);
      entry.set_generated_by(system);
    });
  };
  EXPECT_TRUE(letter("rent accounts").empty());
  EXPECT_EQ(letter(""), std::vector<std::string>{"entry.generated_by"});
}

// CR-3.3.6
TEST(DocumentRulesTest, ABestFitSaysWhoChoseItAndWhy) {
  const auto fit = [](const std::string& who, const std::string& why) {
    return WrongDocument([&](auto& entry) {
      entry.mutable_best_fit()->set_chosen_by(who);
      entry.mutable_best_fit()->set_reason(why);
    });
  };
  EXPECT_TRUE(fit("Amy, contact centre", "one sentence names both").empty());
  EXPECT_EQ(fit("", ""),
            (std::vector<std::string>{"entry.best_fit.chosen_by", "entry.best_fit.reason"}));
}

}  // namespace
}  // namespace records::services
