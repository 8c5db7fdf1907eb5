// Contacts, documents and mixed messages through the server.

#include <string>
#include <vector>

#include "absl/strings/match.h"
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

class ContactServiceTest : public testing::ServiceTest {
 protected:
  ContactServiceTest() { server_.Register(amy_, "R1"); }

  template <typename Response, typename Request>
  testing::Answer<Response> Command(const std::string& method, Request request) {
    request.set_request_id(NewRequestId());
    return server_.Send<Response>(amy_, "ContactService/" + method, request);
  }
  testing::Answer<api::SplitMessageResponse> Split(const api::SplitMessageRequest& request) {
    return Command<api::SplitMessageResponse>("SplitMessage", request);
  }
  api::CorrectContactRequest CorrectionOf(const std::string& contact_id,
                                          const std::string& customer = "R1") {
    api::CorrectContactRequest request;
    request.set_customer(customer);
    request.set_contact_id(contact_id);
    *request.mutable_contact() = testing::GoodContact();
    request.mutable_contact()->set_summary("corrected");
    request.set_reason("misheard");
    return request;
  }
  std::vector<std::string> ShownTo(const Who& who) {
    const auto timeline = server_.Timeline(who, "R1");
    EXPECT_TRUE(timeline.ok()) << timeline.status;
    return Shown(timeline.reply);
  }
  // Everything stored: what a copy of the disk would hold.
  bool AnythingStoredContains(const std::string& text) {
    for (auto ledger : {eventstore::Ledger::kEvents, eventstore::Ledger::kAccess}) {
      for (const auto& stored : server_.AllEvents(ledger)) {
        if (absl::StrContains(stored.bytes, text)) return true;
      }
    }
    return false;
  }

  const Who manager_ = server_.Officer("mary", {"housing-manager"}, "complaint");
  const Who asb_officer_ = server_.Officer("abe", {"asb-officer"}, "asb-casework");
  const Who repairs_ = server_.Officer("repairs", {"repairs-system"});
};

// CR-3.2.2, CR-2.2
TEST_F(ContactServiceTest, AllThatWasSaidOfAContactIsShownAndNothingOfItStoredInTheClear) {
  auto request = testing::GoodRecordContact();
  auto& contact = *request.mutable_contact();
  contact.set_no_further_action(false);
  contact.add_actions()->set_description("engineer booked");
  contact.set_summary("canary-7261 no heating");
  *request.mutable_service_request() = testing::GoodRepair();
  const auto recorded = Command<api::RecordContactResponse>("RecordContact", request);
  ASSERT_TRUE(recorded.ok()) << recorded.status;
  const auto timeline = server_.Timeline(amy_, "R1");
  EXPECT_THAT(Shown(timeline.reply),
              ElementsAre("ENTRY_KIND_SERVICE_REQUEST", "canary-7261 no heating",
                          "ENTRY_KIND_REGISTRATION"));
  contact.mutable_actions(0)->set_owner("amy");
  EXPECT_EQ(timeline.reply.entries(1).contact().contact().SerializeAsString(),
            contact.SerializeAsString());
  EXPECT_EQ(timeline.reply.entries(1).entry_id(), recorded.reply.contact_id());
  // Long enough not to stand in some ciphertext by chance; two bytes do, once in twenty runs.
  for (const char* text : {"canary", "engineer", "Pat Doe", "boiler"}) {
    EXPECT_FALSE(AnythingStoredContains(text)) << text;
  }
}

// CR-2.3
TEST_F(ContactServiceTest, WordsAreForManagersAndTheSummaryForOfficers) {
  auto request = testing::GoodRecordContact();
  request.mutable_verbatim()->set_text("I said it twice");
  request.mutable_verbatim()->set_reason(ev::VERBATIM_REASON_COMPLAINT);
  ASSERT_TRUE(Command<api::RecordContactResponse>("RecordContact", request).ok());
  EXPECT_FALSE(server_.Timeline(amy_, "R1").reply.entries(0).contact().has_verbatim());
  EXPECT_EQ(server_.Timeline(manager_, "R1").reply.entries(0).contact().verbatim().text(),
            "I said it twice");
}

// CR-NEVER-PAYMENT-DATA, RC-6, CR-3.1b, CR-2.3
TEST_F(ContactServiceTest, OfWhatIsRefusedNothingIsStored) {
  const auto root = server_.Customer("R1").root;
  const size_t before = server_.AllEvents().size();
  auto card = testing::GoodRecordContact();
  card.mutable_contact()->set_summary("paid with 4111 1111 1111 1111 12/27");
  EXPECT_EQ(Command<api::RecordContactResponse>("RecordContact", card).reason(), "CARD_NUMBER");
  auto mailing = testing::GoodRecordContact();
  mailing.set_mass_mailing(true);
  EXPECT_EQ(Command<api::RecordContactResponse>("RecordContact", mailing).reason(), "MASS_MAILING");
  auto verbatim = testing::GoodRecordContact();
  verbatim.mutable_verbatim()->set_text("word for word");
  EXPECT_EQ(Command<api::RecordContactResponse>("RecordContact", verbatim).reason(),
            "VERBATIM_REASON_MISSING");
  EXPECT_EQ(server_.AllEvents().size(), before);
  EXPECT_EQ(server_.BytesUnder(root).size(), 1u);
}

// CR-1.5.4a, CR-NEVER-APPLICANT
TEST_F(ContactServiceTest, AnApplicantHasAStreamOfTheirOwnAndNoCustomerRecord) {
  auto request = testing::GoodRecordContact();
  request.clear_customer();
  request.set_applicant("A1");
  ASSERT_TRUE(Command<api::RecordContactResponse>("RecordContact", request).ok());
  EXPECT_THAT(ShownTo(amy_), ElementsAre("ENTRY_KIND_REGISTRATION"));
  EXPECT_EQ(server_.Timeline(amy_, "A1").status.code(), absl::StatusCode::kPermissionDenied);
  const auto stored = server_.AllEvents();
  const auto applicant = std::find_if(stored.begin(), stored.end(), [](const auto& event) {
    return event.event.stream().collection() == kApplicants;
  });
  ASSERT_NE(applicant, stored.end());
  EXPECT_NE(applicant->event.stream().root(), server_.Customer("R1").root.bytes());
  // Sealed as a customer's contact is, and of one root when they come again.
  ASSERT_TRUE(Command<api::RecordContactResponse>("RecordContact", request).ok());
  EXPECT_EQ(
      server_.BytesUnder(*eventstore::RootId::FromBytes(applicant->event.stream().root())).size(),
      2u);
}

// CR-NEVER-UNKNOWN-PERSON
TEST_F(ContactServiceTest, AContactWithSomebodyUnknownIsUnderNobody) {
  auto request = testing::GoodRecordContact();
  request.clear_customer();
  ASSERT_TRUE(Command<api::RecordContactResponse>("RecordContact", request).ok());
  ASSERT_TRUE(Command<api::RecordContactResponse>("RecordContact", request).ok());
  EXPECT_THAT(ShownTo(amy_), ElementsAre("ENTRY_KIND_REGISTRATION"));
  std::set<std::string> roots;
  for (const auto& stored : server_.AllEvents()) {
    if (stored.event.stream().collection() != kUnlinked) continue;
    roots.insert(stored.event.stream().root());
  }
  EXPECT_EQ(roots.size(), 2u) << "two contacts are not known to be of one person";
}

// CR-2.4c
TEST_F(ContactServiceTest, ACorrectedContactShowsTheNewValueAtOnceAndTheOldOneToNobody) {
  const auto recorded = server_.Record(amy_, "R1", "misheard");
  server_.clock.Advance(absl::Hours(1));
  const auto corrected = Command<api::CorrectContactResponse>(
      "CorrectContact", CorrectionOf(recorded.reply.contact_id()));
  ASSERT_TRUE(corrected.ok()) << corrected.status;
  const auto timeline = server_.Timeline(amy_, "R1", corrected.reply.token());
  EXPECT_THAT(Shown(timeline.reply), ElementsAre("corrected", "ENTRY_KIND_REGISTRATION"));
  EXPECT_TRUE(timeline.reply.entries(0).corrected());
  EXPECT_EQ(timeline.reply.entries(0).entry_id(), recorded.reply.contact_id());
  for (const Who& who : {amy_, manager_, asb_officer_}) {
    const auto shown = server_.Timeline(who, "R1");
    EXPECT_FALSE(absl::StrContains(shown.reply.DebugString(), "misheard")) << "C55";
  }
  // A correction of the correction goes by the same id.
  auto again = CorrectionOf(timeline.reply.entries(0).entry_id());
  again.mutable_contact()->set_summary("corrected twice");
  ASSERT_TRUE(Command<api::CorrectContactResponse>("CorrectContact", again).ok());
  EXPECT_THAT(ShownTo(amy_), ElementsAre("corrected twice", "ENTRY_KIND_REGISTRATION"));
}

TEST_F(ContactServiceTest, OnlyAContactOfThatCustomerCanBeCorrected) {
  server_.Register(amy_, "R2", "Sam Poe", "T-2");
  const auto of_other = server_.Record(amy_, "R2", "called").reply.contact_id();
  const auto timeline = server_.Timeline(amy_, "R1");
  const std::string registration = timeline.reply.entries(0).entry_id();
  for (const std::string& id : {of_other, registration, std::string("rubbish"), std::string()}) {
    const auto refused = Command<api::CorrectContactResponse>("CorrectContact", CorrectionOf(id));
    EXPECT_EQ(refused.status.code(), absl::StatusCode::kInvalidArgument) << refused.status;
    EXPECT_EQ(DetailsOf(refused.status).fields.at(0).field, "contact_id");
  }
}

// CR-3.2.1g, CR-NEVER-WALKABOUT
TEST_F(ContactServiceTest, AWalkaboutIsCorrectedOnlyWhereItsRequestStandsBesideIt) {
  auto request = testing::GoodRecordContact();
  request.mutable_contact()->set_channel(ev::CHANNEL_WALKABOUT);
  *request.mutable_service_request() = testing::GoodRepair();
  const auto walkabout = Command<api::RecordContactResponse>("RecordContact", request);
  auto correction = CorrectionOf(walkabout.reply.contact_id());
  correction.mutable_contact()->set_channel(ev::CHANNEL_WALKABOUT);
  EXPECT_TRUE(Command<api::CorrectContactResponse>("CorrectContact", correction).ok());
  correction.set_contact_id(server_.Record(amy_, "R1", "called").reply.contact_id());
  EXPECT_EQ(Command<api::CorrectContactResponse>("CorrectContact", correction).reason(),
            "WALKABOUT_WITHOUT_REQUEST");
}

// CR-3.3.5, CR-2.4b, CR-NEVER-SENSITIVE-HALF
TEST_F(ContactServiceTest, AMixedMessageIsSplitAndEachRoleSeesItsPart) {
  const auto split = Split(testing::GoodSplit());
  ASSERT_TRUE(split.ok()) << split.status;
  EXPECT_TRUE(split.reply.asb_report());
  EXPECT_EQ(split.reply.service_requests(), 1u);
  EXPECT_THAT(ShownTo(amy_),
              ElementsAre("ENTRY_KIND_ADVICE", "ENTRY_KIND_SERVICE_REQUEST",
                          "boiler out, two children at home", "ENTRY_KIND_REGISTRATION"));
  EXPECT_THAT(ShownTo(repairs_), ElementsAre("ENTRY_KIND_SERVICE_REQUEST"));
  EXPECT_THAT(ShownTo(asb_officer_),
              ElementsAre("ENTRY_KIND_ASB_REPORT", "ENTRY_KIND_REGISTRATION"));
  for (const Who& who : {amy_, manager_, repairs_}) {
    const std::string shown = server_.Timeline(who, "R1").reply.DebugString();
    EXPECT_FALSE(absl::StrContains(shown, "shouting"));
    EXPECT_FALSE(absl::StrContains(shown, "noise"));
    EXPECT_FALSE(absl::StrContains(shown, "ASB"));
  }
  // Stored apart: the report's root is not the customer's.
  size_t reports = 0;
  for (const auto& stored : server_.AllEvents()) {
    if (stored.event.stream().collection() != kCases) continue;
    ++reports;
    EXPECT_NE(stored.event.stream().root(), server_.Customer("R1").root.bytes());
    EXPECT_EQ(stored.event.type(), "records.events.v1.Restricted");
  }
  EXPECT_EQ(reports, 1u);
}

// CR-3.1.3, CR-3.1.4b, CR-NEVER-ANONYMOUS-CONCERN
TEST_F(ContactServiceTest, AfterAnAnonymousReportTheReportersRecordIsByteForByteWhatItWas) {
  const auto root = server_.Customer("R1").root;
  auto request = testing::GoodSplit();
  request.clear_contact();
  request.clear_service_requests();
  request.clear_advice();
  request.set_anonymous(true);
  request.mutable_best_fit()->set_chosen_by("Amy");
  request.mutable_best_fit()->set_reason("all of it is the report");
  const auto before = server_.BytesUnder(root);
  const auto shown_before = server_.Timeline(asb_officer_, "R1").reply.SerializeAsString();
  const auto split = Split(request);
  ASSERT_TRUE(split.ok()) << split.status;
  EXPECT_EQ(server_.BytesUnder(root), before);
  EXPECT_EQ(server_.Timeline(asb_officer_, "R1").reply.SerializeAsString(), shown_before);
  // Two traces of the two reads above, and none of the report.
  EXPECT_EQ(server_.TracesOf(root).size(), 2u);
  for (const auto& stored : server_.AllEvents()) {
    if (stored.event.stream().collection() != kCases) continue;
    const auto opened = server_.Open(stored);
    const auto& reported = dynamic_cast<const ev::AsbReported&>(*opened.message);
    EXPECT_TRUE(reported.anonymous());
    EXPECT_TRUE(reported.reporter().empty());
    EXPECT_EQ(stored.event.time_precision(), records::log::v1::TIME_PRECISION_DAY);
  }
}

// CR-3.1.3, CR-3.1.4b
TEST_F(ContactServiceTest, BesideAnAnonymousReportTheRestTellsNothingOfIt) {
  auto anonymous = testing::GoodSplit();
  anonymous.clear_advice();
  anonymous.set_anonymous(true);
  ASSERT_TRUE(Split(anonymous).ok());
  // Nothing for who works on reports.
  EXPECT_THAT(ShownTo(asb_officer_), ElementsAre("ENTRY_KIND_REGISTRATION"));
  EXPECT_THAT(ShownTo(amy_),
              ElementsAre("ENTRY_KIND_SERVICE_REQUEST", "boiler out, two children at home",
                          "ENTRY_KIND_REGISTRATION"));
  // In the log it looks like any contact with a service request, down to the size of each part.
  server_.Register(amy_, "R2", "Pat Doe", "T-2");
  auto plain = testing::GoodRecordContact();
  plain.set_customer("R2");
  *plain.mutable_contact() = anonymous.contact();
  *plain.mutable_service_request() = anonymous.service_requests(0);
  ASSERT_TRUE(Command<api::RecordContactResponse>("RecordContact", plain).ok());
  const auto shape = [this](const std::string& reference) {
    std::vector<std::string> lines;
    for (const auto& stored : server_.AllEvents()) {
      const auto& event = stored.event;
      if (event.stream().root() != server_.Customer(reference).root.bytes()) continue;
      lines.push_back(absl::StrCat(event.type(), " ", event.stream().sub_stream(), " ",
                                   event.append().index(), "/", event.append().count()));
      for (const auto& part : event.sealed()) {
        absl::StrAppend(&lines.back(), " ", part.ciphertext().size());
      }
    }
    return lines;
  };
  EXPECT_EQ(shape("R1"), shape("R2"));
}

// CR-3.3.6
TEST_F(ContactServiceTest, AWholeMessageByBestFitIsInTheSensitiveFileWithWhoAndWhy) {
  auto request = testing::GoodSplit();
  request.clear_contact();
  request.clear_service_requests();
  request.mutable_best_fit()->set_chosen_by("Amy");
  request.mutable_best_fit()->set_reason("one sentence holds both");
  ASSERT_TRUE(Split(request).ok());
  EXPECT_THAT(ShownTo(amy_), ElementsAre("ENTRY_KIND_ADVICE", "ENTRY_KIND_REGISTRATION"));
  EXPECT_THAT(ShownTo(asb_officer_),
              ElementsAre("ENTRY_KIND_ASB_REPORT", "ENTRY_KIND_REGISTRATION"));
}

// CR-3.3.4a, CR-3.3.4b, CR-INDEX
TEST_F(ContactServiceTest, ADocumentIsIndexedToItsSystemAndItsHashComesBackAsGiven) {
  api::IndexDocumentRequest request;
  request.set_customer("R1");
  *request.mutable_entry() = testing::GoodDocument();
  request.mutable_entry()->set_medium(ev::DOCUMENT_MEDIUM_PAPER);
  request.mutable_entry()->set_paper_location("cabinet 4, drawer 2");
  ASSERT_TRUE(Command<api::IndexDocumentResponse>("IndexDocument", request).ok());
  const auto timeline = server_.Timeline(amy_, "R1");
  ASSERT_THAT(Shown(timeline.reply), ElementsAre("ENTRY_KIND_DOCUMENT", "ENTRY_KIND_REGISTRATION"));
  EXPECT_EQ(timeline.reply.entries(0).document().entry().SerializeAsString(),
            request.entry().SerializeAsString());
  // Sensitive systems: nothing on the customer's own record.
  for (auto system : {ev::DOCUMENT_SYSTEM_ASB, ev::DOCUMENT_SYSTEM_INDEPENDENT_LIVING}) {
    request.mutable_entry()->set_system(system);
    request.mutable_entry()->set_sensitivity(ev::SENSITIVITY_SPECIAL);
    ASSERT_TRUE(Command<api::IndexDocumentResponse>("IndexDocument", request).ok());
  }
  EXPECT_EQ(server_.BytesUnder(server_.Customer("R1").root).size(), 2u);
}

// CR-3.3.1b, CR-3.3.4a
TEST_F(ContactServiceTest, ADocumentWithoutRetentionClassOrSystemIsRefused) {
  api::IndexDocumentRequest request;
  request.set_customer("R1");
  const auto field = [&](auto change) {
    *request.mutable_entry() = testing::GoodDocument();
    change(*request.mutable_entry());
    const auto answer = Command<api::IndexDocumentResponse>("IndexDocument", request);
    EXPECT_EQ(answer.status.code(), absl::StatusCode::kInvalidArgument);
    return DetailsOf(answer.status).fields.at(0).field;
  };
  EXPECT_EQ(field([](auto& entry) { entry.clear_retention_class(); }), "entry.retention_class");
  EXPECT_EQ(field([](auto& entry) { entry.set_retention_class("for ever"); }),
            "entry.retention_class");
  EXPECT_EQ(field([](auto& entry) { entry.clear_system(); }), "entry.system");
}

}  // namespace
}  // namespace records::services
