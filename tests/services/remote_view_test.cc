// A view in a process of its own: the ledger decides, leases keys and leaves the traces; the view
// holds the same rows and gives the same answers, and can do no more than it must.

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/contact_examples.h"
#include "tests/services/remote_view.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
namespace api = records::api::v1;
using testing::Answer;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NewRequestId;
using ::testing::Not;
using ::testing::Pair;
using testing::RemoteTimeline;
using testing::ServicePort;
using testing::Shown;
using ::testing::UnorderedElementsAre;
using testing::Who;

class RemoteViewTest : public testing::ServiceTest {
 protected:
  RemoteViewTest() {
    server_.Register(amy_, "R1");
    EXPECT_TRUE(server_.Record(amy_, "R1", "boiler out").ok());
    EXPECT_TRUE(server_.Record(amy_, "R1", "boiler mended").ok());
  }

  // Both views stand at the head of the log.
  void CatchUp() {
    server_.CatchUp();
    view_.CatchUp();
  }

  // Registration, restricted facts that the header is made of, and a correction.
  void RecordOfAllKinds() {
    api::SetCommunicationNeedsRequest needs;
    needs.set_request_id(NewRequestId());
    needs.set_customer("R1");
    needs.mutable_needs()->add_access_needs("extra time to reach the door");
    ASSERT_TRUE(server_
                    .Send<api::SetCommunicationNeedsResponse>(
                        amy_, "CustomerService/SetCommunicationNeeds", needs)
                    .ok());
    api::SetContactSafetyRequest safety;
    safety.set_request_id(NewRequestId());
    safety.set_customer("R1");
    safety.mutable_safety()->set_safe_to_write(true);
    const auto set = server_.Send<api::SetContactSafetyResponse>(
        amy_, "CustomerService/SetContactSafety", safety);
    ASSERT_TRUE(set.ok()) << set.status;
    const std::string entry = ContactEntry("boiler out");
    api::CorrectContactRequest correct;
    correct.set_request_id(NewRequestId());
    correct.set_customer("R1");
    correct.set_contact_id(entry);
    *correct.mutable_contact() = testing::GoodContact();
    correct.mutable_contact()->set_summary("boiler was out for two days");
    correct.set_reason("the caller said so");
    const auto corrected =
        server_.Send<api::CorrectContactResponse>(amy_, "ContactService/CorrectContact", correct);
    ASSERT_TRUE(corrected.ok()) << corrected.status;
  }

  std::string ContactEntry(const std::string& summary) {
    server_.CatchUp();
    const auto timeline = server_.Timeline(amy_, "R1");
    for (const auto& entry : timeline.reply.entries()) {
      if (entry.contact().contact().summary() == summary) return entry.entry_id();
    }
    return "";
  }

  // All rows of a storage, table by table.
  static std::vector<std::pair<std::string, std::string>> Rows(const eventstore::Storage& storage,
                                                               size_t tables) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (size_t table = 0; table < tables; ++table) {
      const auto cursor = storage.NewCursor(eventstore::Table{table});
      for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
        rows.emplace_back(absl::StrCat(table, ":", cursor->key()), cursor->value());
      }
      EXPECT_TRUE(cursor->status().ok());
    }
    return rows;
  }

  std::vector<std::string> ReferencesUnder(
      const eventstore::RootId& root,
      eventstore::Ledger ledger = eventstore::Ledger::kEvents) const {
    std::vector<std::string> references;
    for (const auto& stored : server_.AllEvents(ledger)) {
      if (stored.event.stream().root() != root.bytes()) continue;
      for (const auto& part : stored.event.sealed()) references.push_back(part.key_reference());
    }
    return references;
  }

  ServicePort port_{server_};
  RemoteTimeline view_{server_, port_};
};

// DP-B4, CR-3.1a
TEST_F(RemoteViewTest, ItHoldsTheSameRowsAndGivesTheSameAnswersAsTheViewBesideTheLog) {
  RecordOfAllKinds();
  CatchUp();
  const size_t tables = projections::StorageTables(view_.projection).size();
  EXPECT_EQ(Rows(view_.storage, tables), Rows(server_.timeline_storage, tables));
  const auto here = server_.Timeline(amy_, "R1");
  const auto there = view_.Timeline(amy_, "R1");
  ASSERT_TRUE(there.ok()) << there.status;
  EXPECT_EQ(there.reply.SerializeAsString(), here.reply.SerializeAsString());
  EXPECT_TRUE(there.reply.header().safety().safe_to_write());
  EXPECT_THAT(Shown(there.reply), Contains("boiler was out for two days"));
}

TEST_F(RemoteViewTest, PagesAndWriteTokensOfTheLedgerAreItsOwn) {
  const auto written = server_.Record(amy_, "R1", "a third");
  api::GetTimelineRequest request;
  request.set_customer("R1");
  request.set_page_size(2);
  request.set_read_your_write(written.reply.token());
  const auto first = view_.Timeline(amy_, request);
  ASSERT_TRUE(first.ok()) << first.status;
  EXPECT_EQ(Shown(first.reply).front(), "a third");
  request.clear_read_your_write();
  request.set_page_token(first.reply.next_page_token());
  const auto second = view_.Timeline(amy_, request);
  ASSERT_TRUE(second.ok()) << second.status;
  EXPECT_EQ(Shown(second.reply).back(), "ENTRY_KIND_REGISTRATION");
  // Bound to who got it.
  const Who ben = server_.Officer("ben", {"contact-officer"});
  EXPECT_EQ(view_.Timeline(ben, request).status.code(), absl::StatusCode::kInvalidArgument);
}

// What a page takes is asked for together: a call of each kind, and those of its header.
TEST_F(RemoteViewTest, AColdPageOfFiftyTakesAHandfulOfCalls) {
  RecordOfAllKinds();
  const Who ben = server_.Officer("ben", {"contact-officer"});
  for (int i = 0; i < 55; ++i) {
    ASSERT_TRUE(server_.Record(i % 2 == 0 ? amy_ : ben, "R1", absl::StrCat("call ", i)).ok());
  }
  CatchUp();
  const auto here = server_.Timeline(amy_, "R1");
  server_.clock.Advance(eventstore::kReleasedKeyLease);  // all that the fold had leased
  port_.calls.Take();
  const auto there = view_.Timeline(amy_, "R1");
  ASSERT_TRUE(there.ok()) << there.status;
  EXPECT_EQ(there.reply.SerializeAsString(), here.reply.SerializeAsString());
  ASSERT_EQ(there.reply.entries_size(), 50);
  EXPECT_THAT(port_.calls.Take(),
              UnorderedElementsAre(Pair("Resolve", 1), Pair("TraceRead", 1), Pair("NameStaff", 1),
                                   // Entries; person and tenancy; what else the header shows.
                                   Pair("ReleaseKeys", 3),
                                   // The second opens the row of the header.
                                   Pair("ExchangeTokens", 2)));
  // Now it is warm.
  ASSERT_TRUE(view_.Timeline(amy_, "R1").ok());
  EXPECT_THAT(port_.calls.Take(), UnorderedElementsAre(Pair("Resolve", 1), Pair("TraceRead", 1),
                                                       Pair("ExchangeTokens", 1)));
}

// DP-B4, CR-3.5.1a
TEST_F(RemoteViewTest, EachReadLeavesItsTraceInTheLedgerBeforeItIsAnswered) {
  CatchUp();
  const auto root = server_.Customer("R1").root;
  const auto here = server_.Timeline(amy_, "R1");
  const auto by_ledger = server_.TracesOf(root);
  ASSERT_TRUE(view_.Timeline(amy_, "R1").ok());
  const auto traces = server_.TracesOf(root);
  ASSERT_EQ(traces.size(), by_ledger.size() + 1);
  // Who, what for, by which method and role, and what was opened: as if it had been read there.
  EXPECT_EQ(traces.back().SerializeAsString(), by_ledger.back().SerializeAsString());
}

TEST_F(RemoteViewTest, WithoutATraceThereIsNoAnswer) {
  CatchUp();
  server_.log->set_hook([](eventstore::Append append, eventstore::AppendCallback done,
                           const testing::InterceptedLog::Pass& pass) {
    if (append.ledger == eventstore::Ledger::kAccess) {
      return done(absl::UnavailableError("no room"));
    }
    pass(std::move(append), std::move(done));
  });
  const auto answer = view_.Timeline(amy_, "R1");
  EXPECT_FALSE(answer.ok());
  EXPECT_EQ(answer.reply.ByteSizeLong(), 0u);
}

// DP-B4
TEST_F(RemoteViewTest, AbsentForbiddenAndRevokedAreTheSameBytes) {
  CatchUp();
  const auto absent = view_.Timeline(amy_, "R-nobody");
  EXPECT_EQ(absent.status.code(), absl::StatusCode::kPermissionDenied);
  const Who auditor = server_.Officer("aud", {"auditor"}, "audit");
  const auto forbidden = view_.Timeline(auditor, "R1");
  const auto here = server_.Timeline(amy_, "R-nobody");
  for (const auto* refused : {&forbidden, &here}) {
    EXPECT_EQ(refused->raw.error_code(), absent.raw.error_code());
    EXPECT_EQ(refused->raw.error_message(), absent.raw.error_message());
    EXPECT_EQ(refused->raw.error_details(), absent.raw.error_details());
  }
  // Each was traced with who asked.
  EXPECT_EQ(server_.TracesOf(server_.StaffOf("amy").root).back().asked_for(), "R-nobody");
  EXPECT_EQ(server_.TracesOf(server_.StaffOf("aud").root).back().asked_for(), "R1");
}

TEST_F(RemoteViewTest, AReferenceThatIsNoneIsRefusedAndTracedToo) {
  CatchUp();
  // Cut for the trace in the middle of a character.
  const auto answer = view_.Timeline(amy_, std::string(255, 'R') + "\xC3\xA9\xC3\xA9");
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(server_.TracesOf(server_.StaffOf("amy").root).back().asked_for(), HasSubstr("RRRR"));
  EXPECT_EQ(view_.Timeline(amy_, "").status.code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(RemoteViewTest, ATokenThatTheLedgerDoesNotTakeOpensNothing) {
  const Who nobody{"not.a.token", "service-delivery"};
  EXPECT_EQ(view_.Timeline(nobody, "R1").status.code(), absl::StatusCode::kUnauthenticated);
  // A role that the token offers and nobody granted.
  const Who eve{server_.Token("eve", {"contact-officer"}), "service-delivery"};
  EXPECT_EQ(view_.Timeline(eve, "R1").status.code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(RemoteViewTest, WithoutTheLedgerNothingIsAnsweredAndNothingIsParked) {
  CatchUp();
  auto away = port_.view_files;
  const auto credentials = *MakeServiceChannelCredentials(away);
  LedgerClient nobody("127.0.0.1:1", credentials);
  RemoteKeys keys(nobody, server_.clock);
  const std::string reference = ReferencesUnder(server_.Customer("R1").root).front();
  EXPECT_EQ(keys.OpenReference(reference).status().code(), absl::StatusCode::kUnavailable);
  RemoteGate gate(nobody, *server_.authenticator, server_.decisions, server_.methods,
                  view_.executor, server_.clock, RegisterDigest(server_.policy));
  absl::Notification told;
  gate.Refuse({}, [&](absl::Status status) {
    EXPECT_EQ(ReasonOf(status), "LEDGER_AWAY");
    told.Notify();
  });
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(absl::Seconds(120)));
  EXPECT_THAT(view_.runner->ParkedRoots(), IsEmpty());
}

// Need to know holds by key: who has the certificate of a view gets what that view may show.
TEST_F(RemoteViewTest, OnlyKeysOfWhatTheViewMayShowAreReleased) {
  CatchUp();
  api::ReleaseKeysRequest request;
  // Who read the record: not for who reads the record.
  ASSERT_TRUE(view_.Timeline(amy_, "R1").ok());
  for (const std::string& reference :
       ReferencesUnder(server_.Customer("R1").root, eventstore::Ledger::kAccess)) {
    request.add_references(reference);
  }
  ASSERT_GT(request.references_size(), 0);
  const auto traces = view_.client->ReleaseKeys(request);
  ASSERT_TRUE(traces.ok()) << traces.status();
  for (const api::ReleasedKey& released : traces->keys()) {
    EXPECT_EQ(released.category(), 0u);
    EXPECT_THAT(released.key(), IsEmpty());
    EXPECT_THAT(released.subject(), IsEmpty());
  }
  request.clear_references();
  for (const std::string& reference : ReferencesUnder(server_.Customer("R1").root)) {
    request.add_references(reference);
  }
  request.add_references(std::string(76, 'x'));
  const auto customer = view_.client->ReleaseKeys(request);
  ASSERT_TRUE(customer.ok()) << customer.status();
  int keys = 0;
  for (const api::ReleasedKey& released : customer->keys()) keys += released.key().size() == 32;
  EXPECT_GT(keys, 0);
  EXPECT_TRUE(customer->keys().rbegin()->damaged());
  // Nor who they are, as the ledger knows them.
  EXPECT_THAT(customer->SerializeAsString(),
              Not(HasSubstr(std::string(server_.Customer("R1").subject.bytes()))));
}

TEST_F(RemoteViewTest, TokensOfTheLogItselfAreNotOpenedForAView) {
  api::ExchangeTokensRequest request;
  api::TokenExchange& token = *request.add_tokens();
  token.set_label("view-ticket");
  token.set_binding("timeline");
  token.set_data("anything");
  EXPECT_EQ(view_.client->ExchangeTokens(request).status().code(),
            absl::StatusCode::kPermissionDenied);
  // Customers are nobody's colleagues.
  api::NameStaffRequest names;
  names.add_subjects(std::string(server_.Customer("R1").subject.bytes()));
  names.add_subjects(std::string(server_.StaffOf("amy").subject.bytes()));
  const auto named = view_.client->NameStaff(names);
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->names(0), "");
  EXPECT_THAT(named->names(1), HasSubstr("amy"));
}

TEST_F(RemoteViewTest, WhoShowsNoCertificateOfAViewIsRefused) {
  api::IntroduceViewRequest request;
  request.set_register_digest(RegisterDigest(server_.policy));
  EXPECT_TRUE(view_.client->IntroduceView(request).ok());
  // Of another authority.
  const auto stranger = port_.Connect(port_.Certificate("stranger", "urn:records:view:timeline"));
  EXPECT_EQ(stranger->IntroduceView(request).status().code(), absl::StatusCode::kUnavailable);
  // On the port that everybody reaches, with the token of an administrator.
  const Who root = server_.Officer("root", {"system-administrator"}, "system-operation");
  const auto outside =
      server_.Send<api::IntroduceViewResponse>(root, "LedgerService/IntroduceView", request);
  EXPECT_EQ(outside.status.code(), absl::StatusCode::kPermissionDenied);
  // Another register.
  request.set_register_digest("another");
  EXPECT_EQ(ReasonOf(view_.client->IntroduceView(request).status()), "REGISTER_DIFFERS");
}

TEST_F(RemoteViewTest, AViewAsksAboutItsOwnQuestionsOnly) {
  api::ResolveRequest request;
  request.set_authorization("Bearer " + amy_.token);
  request.set_purpose("service-delivery");
  request.set_over_loopback(true);
  request.set_customer("R1");
  request.set_register_digest(RegisterDigest(server_.policy));
  request.set_method("records.api.v1.TimelineService.GetTimeline");
  const auto resolved = view_.client->Resolve(request);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->root(), server_.Customer("R1").root.bytes());
  request.set_method("records.api.v1.ContactService.RecordContact");
  EXPECT_EQ(view_.client->Resolve(request).status().code(), absl::StatusCode::kPermissionDenied);
  request.set_method("records.api.v1.AccessService.ListAccess");
  EXPECT_EQ(view_.client->Resolve(request).status().code(), absl::StatusCode::kPermissionDenied);
  // A token of the development issuer counts over loopback, and the view says whether it was.
  request.set_method("records.api.v1.TimelineService.GetTimeline");
  request.set_over_loopback(false);
  EXPECT_EQ(view_.client->Resolve(request).status().code(), absl::StatusCode::kUnauthenticated);
}

// DP-C4, C8
TEST_F(RemoteViewTest, AfterTheFenceNoKeyIsReleasedAndTheErasureWaitsForWhatWas) {
  CatchUp();
  ASSERT_TRUE(view_.Timeline(amy_, "R1").ok());
  const auto customer = server_.Customer("R1");
  const auto pass = [this](absl::Duration time) {
    server_.clock.Advance(time);
    port_.steady.Advance(time);
  };
  pass(eventstore::kReleasedKeyLease);  // what was before the server started
  ASSERT_TRUE(view_.Timeline(amy_, "R1").ok());
  ASSERT_TRUE(server_.keys.Fence(customer.subject).ok());
  EXPECT_FALSE(port_.backing.ReleasesEnded(customer.subject));
  api::ReleaseKeysRequest request;
  for (const std::string& reference : ReferencesUnder(customer.root)) {
    request.add_references(reference);
  }
  const auto released = view_.client->ReleaseKeys(request);
  ASSERT_TRUE(released.ok()) << released.status();
  for (const api::ReleasedKey& key : released->keys()) EXPECT_THAT(key.key(), IsEmpty());
  EXPECT_EQ(view_.Timeline(amy_, "R1").status.code(), absl::StatusCode::kPermissionDenied);
  // A ledger's clock that somebody sets forward ends no lease of others.
  server_.clock.Advance(absl::Hours(1));
  EXPECT_FALSE(port_.backing.ReleasesEnded(customer.subject));
  pass(2 * eventstore::kReleasedKeyLease);
  EXPECT_TRUE(port_.backing.ReleasesEnded(customer.subject));
}

// DP-C4, C8
TEST_F(RemoteViewTest, AKeyIsGoneFromTheViewWhenItsLeaseHasEnded) {
  CatchUp();
  ASSERT_TRUE(view_.Timeline(amy_, "R1").ok());
  EXPECT_GT(view_.keys.leased(), 0u);
  server_.clock.Advance(eventstore::kReleasedKeyLease);
  const absl::Time patience = absl::Now() + absl::Seconds(120);
  while (view_.keys.leased() > 0 && absl::Now() < patience) std::this_thread::yield();
  EXPECT_EQ(view_.keys.leased(), 0u);
  // And leased again when it is asked for.
  EXPECT_TRUE(view_.Timeline(amy_, "R1").ok());
}

// Also where another role of theirs still admits the reader: it admits them to less.
TEST_F(RemoteViewTest, AFollowEndsWhenARoleThatItReadUnderIsRevoked) {
  const Who both = server_.Officer("amy", {"contact-officer", "repairs-system"});
  CatchUp();
  grpc::ClientContext context;
  testing::TestServer::PrepareStream(context, both);
  api::FollowTimelineRequest request;
  request.set_customer("R1");
  const auto stub = api::TimelineService::NewStub(view_.channel);
  const auto reader = stub->FollowTimeline(&context, request);
  api::FollowTimelineResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_TRUE(message.caught_up());
  ASSERT_TRUE(server_.Record(amy_, "R1", "while following").ok());
  while (!message.has_entry()) ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.entry().contact().contact().summary(), "while following");
  const Who root = server_.Officer("root", {"system-administrator"}, "system-operation");
  api::RevokeRoleRequest revoke;
  revoke.set_request_id(NewRequestId());
  revoke.set_subject("amy");
  revoke.set_role("contact-officer");
  ASSERT_TRUE(server_.Send<api::RevokeRoleResponse>(root, "AccessService/RevokeRole", revoke).ok());
  while (reader->Read(&message)) EXPECT_FALSE(message.has_entry());
  EXPECT_EQ(FromGrpcStatus(reader->Finish()).code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace records::services
