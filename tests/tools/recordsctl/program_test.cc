// Drives the real recordsctl against a server that answers what each test tells it to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "eventstore/clock.h"
#include "eventstore/random.h"
#include "services/auth/development_issuer.h"
#include "services/errors/errors.h"
#include "tests/tools/recordsctl/fake_server.h"
#include "tests/tools/recordsctl/program.h"
#include "tools/recordsctl/exit_codes.h"

namespace records::tools {
namespace {

namespace events = records::events::v1;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ProgramTest : public testing::Test {
 protected:
  // Flags that every call needs, then `arguments`.
  std::vector<std::string> With(std::vector<std::string> arguments) const {
    std::vector<std::string> all = {"--server",  server_.address(), "--token-file",
                                    token_file_, "--purpose",       "service-delivery"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }

  TestFolder folder_;
  FakeServer server_;
  std::string token_file_ = folder_.Write("token", "the.token.itself\n");
};

const std::vector<std::string> kRecord = {
    "contact",   "record",         "--customer",  "R1",
    "--channel", "phone",          "--direction", "inbound",
    "--subject", "heating",        "--summary",   "boiler out, two children at home",
    "--action",  "engineer booked"};

TEST_F(ProgramTest, AContactIsRecordedFromFlags) {
  Program program(With(kRecord));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_THAT(program.out(), HasSubstr("contact-1"));
  const auto requests = server_.Requests<api::RecordContactRequest>();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].customer(), "R1");
  EXPECT_EQ(requests[0].contact().summary(), "boiler out, two children at home");
  EXPECT_THAT(requests[0].request_id(), SizeIs(36));
  EXPECT_EQ(server_.Metadata("authorization"), "Bearer the.token.itself");
  EXPECT_EQ(server_.Metadata("purpose"), "service-delivery");
}

TEST_F(ProgramTest, ACustomerIsRegisteredFromFlags) {
  Program program(With({"customer", "register", "--reference", "R1", "--name", "Pat Doe", "--born",
                        "1980-01-31", "--tenure", "rent", "--contract", "T-1"}));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  const auto requests = server_.Requests<api::RegisterCustomerRequest>();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].person().date_of_birth().year(), 1980);
  EXPECT_EQ(requests[0].tenancy().tenure(), events::TENURE_RENT);
}

TEST_F(ProgramTest, ARequestComesAsJsonFromStandardInput) {
  Program program(
      With({"contact", "split", "--input", "-"}),
      R"({"customer": "R1", "asbReport": {"description": "noise"}, "anonymous": true})");
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  const auto requests = server_.Requests<api::SplitMessageRequest>();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_TRUE(requests[0].anonymous());
  EXPECT_THAT(requests[0].request_id(), SizeIs(36));
}

TEST_F(ProgramTest, JsonIsOneDocumentForEachReplyWithEveryField) {
  api::GetTimelineResponse first;
  first.add_entries()->set_entry_id("e1");
  first.set_next_page_token("next");
  api::GetTimelineResponse second;
  server_.pages = {first, second};
  Program program(With({"--json", "timeline", "show", "--customer", "R1", "--all"}));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  const std::string out = program.out();
  const size_t end = out.find('\n');
  const auto page = nlohmann::json::parse(out.substr(0, end));
  EXPECT_EQ(page["entries"][0]["entryId"], "e1");
  EXPECT_EQ(page["entries"][0]["recordedBy"], "");
  EXPECT_EQ(nlohmann::json::parse(out.substr(end))["entries"].size(), 0u);
  EXPECT_EQ(server_.Requests<api::GetTimelineRequest>()[1].page_token(), "next");
}

TEST_F(ProgramTest, ATimelineIsShownSoThatItCannotDriveTheTerminal) {
  api::GetTimelineResponse page;
  page.mutable_header()->mutable_person()->set_name("Pat \x1b[31mDoe");
  auto& contact = *page.add_entries()->mutable_contact()->mutable_contact();
  contact.set_channel(events::CHANNEL_PHONE);
  contact.set_summary("boiler out\x1b]0;x\x07 two\xc2\x9b");
  server_.pages = {page};
  Program program(With({"timeline", "show", "--customer", "R1"}));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_THAT(program.out(), HasSubstr("Pat \\x1b[31mDoe"));
  EXPECT_THAT(program.out(), HasSubstr("boiler out\\x1b]0;x\\x07 two\\x9b"));
  EXPECT_THAT(program.out(), Not(HasSubstr("\x1b")));
  // Nothing is known of the safety of contact: said as a warning, never left out.
  EXPECT_THAT(program.out(), HasSubstr("leave no messages"));
}

TEST_F(ProgramTest, TheIdOfAnEntryIsShownInOnePieceWhereItIsWanted) {
  api::GetTimelineResponse page;
  const std::string id(60, 'x');
  page.add_entries()->set_entry_id(id);
  server_.pages = {page, page};
  Program with(With({"timeline", "show", "--customer", "R1", "--ids"}));
  ASSERT_EQ(with.Wait(), kExitOk) << with.err();
  EXPECT_THAT(with.out(), HasSubstr("\n  id " + id + "\n"));
  Program without(With({"timeline", "show", "--customer", "R1"}));
  ASSERT_EQ(without.Wait(), kExitOk) << without.err();
  EXPECT_THAT(without.out(), Not(HasSubstr("xxx")));
}

TEST_F(ProgramTest, AFollowResumesAfterALostConnectionAndEndsOnInterrupt) {
  std::atomic<int> calls = 0;
  server_.follow = [&](grpc::ServerContext* context, const api::FollowTimelineRequest&,
                       grpc::ServerWriter<api::FollowTimelineResponse>* writer) {
    const int call = ++calls;
    api::FollowTimelineResponse message;
    message.set_resume_token("after-" + std::to_string(call));
    message.mutable_entry()->mutable_contact()->mutable_contact()->set_summary(
        "entry-" + std::to_string(call));
    writer->Write(message);
    if (call == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
    while (!context->IsCancelled()) {
      absl::SleepFor(absl::Milliseconds(5));  // lint: allow(sleep) a context gives no signal here
    }
    return grpc::Status::CANCELLED;
  };
  Program program(With({"timeline", "follow", "--customer", "R1"}));
  ASSERT_TRUE(program.WaitForOutput("entry-2")) << program.err();
  EXPECT_THAT(program.err(), HasSubstr("connection lost"));
  EXPECT_THAT(program.err(), HasSubstr("connected again"));
  const auto requests = server_.Requests<api::FollowTimelineRequest>();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].resume_token(), "");
  EXPECT_EQ(requests[1].resume_token(), "after-1");
  const absl::Time start = absl::Now();
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
}

TEST_F(ProgramTest, ATokenIsMadeOnceIssuerAndServerAreThere) {
  Program program({"token", "--data", folder_.path(), "--role", "contact-officer,auditor", "--name",
                   "amy", "--server", server_.address()});
  ASSERT_TRUE(program.WaitForError("waiting for the development issuer's key"));
  const auto issuer = services::DevelopmentIssuer::OpenOrCreate(
      folder_.path(), eventstore::SystemClock(), eventstore::SystemRandom());
  ASSERT_TRUE(issuer.ok());
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  const auto grants = server_.Requests<api::GrantRoleRequest>();
  ASSERT_THAT(grants, SizeIs(2));
  EXPECT_EQ(grants[0].subject(), "amy");
  EXPECT_EQ(grants[0].role(), "contact-officer");
  EXPECT_EQ(grants[1].role(), "auditor");
  auto verifier = services::TokenVerifier::Create({.issuers = {(*issuer)->AsTokenIssuer()}},
                                                  eventstore::SystemClock());
  ASSERT_TRUE(verifier.ok());
  // Only the token, and one line feed.
  const std::string out = program.out();
  const auto token = (*verifier)->Verify(out.substr(0, out.size() - 1));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->subject, "amy");
  EXPECT_THAT(token->roles, testing::ElementsAre("contact-officer", "auditor"));
  // The grants themselves were asked for by the issuer, for the system's operation.
  const auto asked = (*verifier)->Verify(server_.Metadata("authorization").substr(7));
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(asked->subject, "development-issuer");
  EXPECT_EQ(server_.Metadata("purpose"), "system-operation");
}

TEST_F(ProgramTest, TheLogIsTailedAndTheReadersOfARecordListed) {
  Program tail(With({"--json", "log", "tail", "--last", "3"}));
  ASSERT_EQ(tail.Wait(), kExitOk) << tail.err();
  EXPECT_EQ(nlohmann::json::parse(tail.out())["sequence"], "7");
  EXPECT_TRUE(server_.Requests<api::TailLogRequest>()[0].stop_at_head());
  Program access(With({"access", "list", "--customer", "R1"}));
  ASSERT_EQ(access.Wait(), kExitOk) << access.err();
  EXPECT_THAT(access.out(), HasSubstr("amy"));
}

api::FollowWorkResponse WorkMessage(const std::string& id) {
  api::FollowWorkResponse message;
  message.mutable_record()->set_id(id);
  message.mutable_record()->set_subject("subject-of-" + id);
  message.mutable_record()->set_type("records.events.v1.Restricted");
  message.mutable_record()->set_reference("reference-of-" + id);
  message.set_resume_token("after-" + id);
  return message;
}

TEST_F(ProgramTest, WorkIsFollowedToTheHeadAndTheTokenThatGoesOnIsSaid) {
  server_.work = {WorkMessage("one"), WorkMessage("two\x1b[31m")};
  Program program(With(
      {"work", "follow", "--stream", "repairs.v1", "--stop-at-head", "--resume-token", "before"}));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_THAT(program.out(), HasSubstr("subject-of-one"));
  EXPECT_THAT(program.out(), HasSubstr("two\\x1b[31m"));
  EXPECT_THAT(program.out(), Not(HasSubstr("reference-of")));
  EXPECT_THAT(program.err(), HasSubstr("--resume-token 'after-two"));
  const auto requests = server_.Requests<api::FollowWorkRequest>();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].stream(), "repairs.v1");
  EXPECT_EQ(requests[0].resume_token(), "before");
  EXPECT_TRUE(requests[0].stop_at_head());
  EXPECT_THAT(server_.Requests<api::UnsealRequest>(), IsEmpty());
}

TEST_F(ProgramTest, WorkIsOpenedManyAtOnceUpToTheHeadAndAgainWhereTheAnswerWasCut) {
  api::FollowWorkResponse caught_up;
  caught_up.set_caught_up(true);
  caught_up.set_resume_token("at the head");
  server_.work = {WorkMessage("one"), WorkMessage("two"), caught_up, WorkMessage("three")};
  events::ServiceRequestRaised raised;
  raised.mutable_request()->set_description("no hot water \x1b[31m");
  api::UnsealResponse opened;
  opened.add_results()->set_state(api::UNSEAL_STATE_OPENED);
  opened.mutable_results(0)->mutable_opened()->set_type("records.events.v1.ServiceRequestRaised");
  opened.mutable_results(0)->mutable_opened()->mutable_event()->PackFrom(raised);
  api::UnsealResponse erased;
  erased.add_results()->set_state(api::UNSEAL_STATE_ERASED);
  api::UnsealResponse closed;
  closed.add_results()->set_state(api::UNSEAL_STATE_NOT_READABLE);
  server_.unsealed = {opened, erased, closed};
  Program program(With({"work", "follow", "--stream", "repairs.v1", "--open"}));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_THAT(program.out(), HasSubstr("ServiceRequestRaised"));
  EXPECT_THAT(program.out(), HasSubstr("no hot water"));
  EXPECT_THAT(program.out(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(program.out(), HasSubstr("erased"));
  EXPECT_THAT(program.out(), HasSubstr("not readable"));
  const auto requests = server_.Requests<api::UnsealRequest>();
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_EQ(requests[0].stream(), "repairs.v1");
  EXPECT_EQ(requests[0].references_size(), 2);
  EXPECT_EQ(requests[1].references(0), "reference-of-two");
  EXPECT_EQ(requests[2].references(0), "reference-of-three");
}

TEST_F(ProgramTest, WhatCouldNotBeOpenedIsBehindTheTokenThatIsSaid) {
  server_.work = {WorkMessage("one"), WorkMessage("two")};  // not caught up: opened by nobody yet
  Program waits(With({"work", "follow", "--stream", "repairs.v1", "--open"}));
  ASSERT_EQ(waits.Wait(), kExitOk) << waits.err();
  EXPECT_THAT(waits.err(), Not(HasSubstr("--resume-token")));
}

TEST_F(ProgramTest, WorkThatIsRefusedOrOfNoStreamIsExplained) {
  Program no_stream(With({"work", "follow"}));
  EXPECT_EQ(no_stream.Wait(), kExitUsage);
  EXPECT_THAT(no_stream.err(), HasSubstr("--stream"));
  server_.status = services::ToGrpcStatus(services::PermissionDenied());
  Program refused(With({"work", "follow", "--stream", "asb.v1"}));
  EXPECT_EQ(refused.Wait(), kExitRefused);
  EXPECT_THAT(refused.err(), HasSubstr("follow the work"));
}

// Refusals.

TEST_F(ProgramTest, ARefusalOfTheServerIsExplainedOnStandardError) {
  server_.status = services::ToGrpcStatus(services::Refusal(
      absl::StatusCode::kFailedPrecondition, "MASS_MAILING", "Meant for all customers."));
  Program program(With(kRecord));
  EXPECT_EQ(program.Wait(), kExitRefused);
  EXPECT_THAT(program.out(), IsEmpty());
  EXPECT_THAT(program.err(), HasSubstr("MASS_MAILING"));
  EXPECT_THAT(program.err(), HasSubstr("Meant for all customers."));
}

TEST_F(ProgramTest, AServerThatIsNotThereIsToldWithTheRequestIdForARetry) {
  std::vector<std::string> arguments = With(kRecord);
  arguments[1] = "127.0.0.1:1";
  Program program(arguments);
  EXPECT_EQ(program.Wait(), kExitUnreachable);
  EXPECT_THAT(program.err(), HasSubstr("request id: "));
}

TEST_F(ProgramTest, WrongUsageSendsNothing) {
  const std::vector<std::vector<std::string>> wrong = {
      {"contact", "record"},
      {"contact", "recrod"},
      {"contact", "record", "--chanel", "phone"},
      {"contact", "record", "--input", "-", "--customer", "R1"},
      {"contact", "split"},
      {"timeline", "follow", "--customer", "R1", "--input", "-"},
      {"key", "rotate"},
      {"key", "rotate", "--input", "-"},
      {"customer", "safety", "--customer", "R1", "--call", "yes", "--voicemail", "no"},
      {"--timeout", "0", "timeline", "show", "--customer", "R1"},
      {"--purpose", "no such\nthing", "timeline", "show", "--customer", "R1"}};
  for (const auto& arguments : wrong) {
    Program program(With(arguments), "{}");
    EXPECT_EQ(program.Wait(), kExitUsage) << testing::PrintToString(arguments);
    EXPECT_THAT(program.out(), IsEmpty());
    EXPECT_THAT(program.err(), HasSubstr("what to do: "));
  }
  EXPECT_EQ(server_.Metadata("authorization"), "");
}

TEST_F(ProgramTest, InputThatDoesNotParseIsRefusedWithoutRepeatingIt) {
  Program program(With({"contact", "record", "--input", "-"}), R"({"customer": "secret-ref",)");
  EXPECT_EQ(program.Wait(), kExitUsage);
  EXPECT_THAT(program.err(), Not(HasSubstr("secret-ref")));
}

TEST_F(ProgramTest, ATokenThatOthersCanReadIsWarnedOf) {
  ASSERT_EQ(chmod(token_file_.c_str(), 0644), 0);
  Program program(With(kRecord));
  EXPECT_EQ(program.Wait(), kExitOk);
  EXPECT_THAT(program.err(), HasSubstr("others can read the token"));
}

TEST_F(ProgramTest, RotationGoesOnOnlyWhenConfirmed) {
  Program program(With({"key", "rotate", "--confirm"}));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_THAT(server_.Requests<api::RotateMasterKeyRequest>(), SizeIs(1));
}

}  // namespace
}  // namespace records::tools
