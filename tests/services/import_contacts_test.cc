// Moving off another system: rows in, acknowledgements out, in order.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "records/api/v1/contact_service.grpc.pb.h"
#include "services/contact/import_reactor.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
namespace api = records::api::v1;
using testing::NewRequestId;
using testing::Shown;
using testing::Who;

class Import {
 public:
  Import(const testing::TestServer& server, const Who& who)
      : stub_(api::ContactService::NewStub(server.Channel())) {
    testing::TestServer::PrepareStream(context_, who);
    stream_ = stub_->ImportContacts(&context_);
  }
  bool Write(const api::ImportContactsRequest& row) { return stream_->Write(row); }
  api::ImportContactsResponse Read() {
    api::ImportContactsResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  // Says that nothing more comes, reads what is left, and returns how the call ended.
  absl::Status Finish(std::vector<api::ImportContactsResponse>* rest = nullptr) {
    stream_->WritesDone();
    api::ImportContactsResponse response;
    while (stream_->Read(&response)) {
      if (rest != nullptr) rest->push_back(response);
    }
    return FromGrpcStatus(stream_->Finish());
  }
  // The client is gone without a word.
  void Vanish() {
    context_.TryCancel();
    api::ImportContactsResponse response;
    while (stream_->Read(&response)) {
    }
    stream_->Finish();
  }

 private:
  std::unique_ptr<api::ContactService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<api::ImportContactsRequest, api::ImportContactsResponse>>
      stream_;
};

class ImportContactsTest : public testing::ServiceTest {
 protected:
  static api::ImportContactsRequest Row(uint64_t line, const std::string& reference) {
    api::ImportContactsRequest row;
    row.set_request_id(NewRequestId());
    row.set_line(line);
    *row.mutable_customer()->mutable_person() = testing::GoodPerson(reference);
    *row.mutable_customer()->mutable_tenancy() =
        testing::GoodTenancy(absl::StrCat("T-", reference));
    *row.mutable_contact() = testing::GoodContact();
    row.mutable_contact()->set_summary(absl::StrCat("line ", line));
    return row;
  }
  static std::vector<api::ImportContactsRequest> Rows(int count, int customers) {
    std::vector<api::ImportContactsRequest> rows;
    for (int i = 0; i < count; ++i) rows.push_back(Row(i + 1, absl::StrCat("R", i % customers)));
    return rows;
  }
  // Sends all rows and returns the acknowledgements.
  std::vector<api::ImportContactsResponse> ImportAll(
      const std::vector<api::ImportContactsRequest>& rows) {
    Import import(server_, amy_);
    std::vector<api::ImportContactsResponse> acknowledged;
    absl::Status end;
    std::thread writer([&] {
      for (const auto& row : rows) EXPECT_TRUE(import.Write(row));
    });
    for (size_t i = 0; i < rows.size(); ++i) acknowledged.push_back(import.Read());
    writer.join();
    end = import.Finish();
    EXPECT_TRUE(end.ok()) << end;
    return acknowledged;
  }
  size_t ContactsOf(const std::string& reference) {
    size_t contacts = 0;
    for (const auto& stored : server_.AllEvents()) {
      contacts += stored.event.stream().root() == server_.Customer(reference).root.bytes() &&
                  stored.event.type() == ev::ContactRecorded::descriptor()->full_name();
    }
    return contacts;
  }
};

// CR-3.1a
TEST_F(ImportContactsTest, RowsAreAcknowledgedInOrderAndCustomersRegisteredOnce) {
  const auto rows = Rows(600, 7);
  const auto acknowledged = ImportAll(rows);
  ASSERT_EQ(acknowledged.size(), rows.size());
  int registered = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(acknowledged[i].code(), 0) << acknowledged[i].ShortDebugString();
    EXPECT_EQ(acknowledged[i].line(), rows[i].line());
    EXPECT_EQ(acknowledged[i].request_id(), rows[i].request_id());
    EXPECT_FALSE(acknowledged[i].seen_before());
    registered += acknowledged[i].customer_registered();
  }
  EXPECT_EQ(registered, 7);
  size_t contacts = 0;
  for (int i = 0; i < 7; ++i) contacts += ContactsOf(absl::StrCat("R", i));
  EXPECT_EQ(contacts, rows.size());
  const auto timeline = server_.Timeline(amy_, "R0");
  EXPECT_TRUE(timeline.ok());
  EXPECT_EQ(timeline.reply.header().person().reference(), "R0");
}

TEST_F(ImportContactsTest, RowsSeenBeforeAreAcknowledgedAsSuchAndWrittenOnce) {
  auto rows = Rows(50, 3);
  ImportAll(rows);
  const size_t events = server_.AllEvents().size();
  // The same rows again, at other places of the file.
  for (auto& row : rows) row.set_line(row.line() + 1000);
  for (const auto& row : ImportAll(rows)) {
    EXPECT_EQ(row.code(), 0);
    EXPECT_TRUE(row.seen_before());
    EXPECT_FALSE(row.customer_registered());
  }
  EXPECT_EQ(server_.AllEvents().size(), events);
}

TEST_F(ImportContactsTest, OfACustomerWhoIsThereTheReferenceIsEnough) {
  server_.Register(amy_, "R1");
  auto row = Row(1, "R1");
  row.mutable_customer()->clear_tenancy();
  row.mutable_customer()->mutable_person()->clear_name();
  row.mutable_customer()->mutable_person()->clear_date_of_birth();
  const auto acknowledged = ImportAll({row});
  EXPECT_EQ(acknowledged[0].code(), 0) << acknowledged[0].ShortDebugString();
  EXPECT_EQ(server_.Timeline(amy_, "R1").reply.header().person().name(), "Pat Doe");
}

// CR-2.3, CR-1.5.1, CR-NEVER-PAYMENT-DATA
TEST_F(ImportContactsTest, ARefusedRowSaysWhyAndTheOthersGoOn) {
  auto no_customer_called_nothing = Row(1, "");
  auto no_contract = Row(2, "R2");
  no_contract.mutable_customer()->clear_tenancy();
  auto card = Row(3, "R3");
  card.mutable_contact()->set_summary("4111 1111 1111 1111");
  auto walkabout = Row(4, "R4");
  walkabout.mutable_contact()->set_channel(ev::CHANNEL_WALKABOUT);
  auto no_id = Row(5, "R5");
  no_id.set_request_id("5");
  auto future = Row(6, "R6");
  future.set_occurred_at_us(absl::ToUnixMicros(server_.clock.Now() + absl::Hours(1)));
  auto empty = api::ImportContactsRequest();
  empty.set_line(7);
  auto both = Row(8, "R8");
  *both.mutable_asb_report() = testing::GoodReport();
  const auto acknowledged = ImportAll({no_customer_called_nothing, no_contract, card, walkabout,
                                       no_id, future, empty, both, Row(9, "R9")});
  const std::vector<std::string> reasons = {"FIELD_INVALID",
                                            "FIELD_INVALID",
                                            "CARD_NUMBER",
                                            "WALKABOUT_WITHOUT_REQUEST",
                                            "FIELD_INVALID",
                                            "FIELD_INVALID",
                                            "FIELD_INVALID",
                                            "FIELD_INVALID",
                                            ""};
  for (size_t i = 0; i < reasons.size(); ++i) {
    EXPECT_EQ(acknowledged[i].line(), i + 1);
    EXPECT_EQ(acknowledged[i].reason(), reasons[i]) << acknowledged[i].ShortDebugString();
    EXPECT_EQ(acknowledged[i].code() == 0, reasons[i].empty());
    EXPECT_EQ(acknowledged[i].message().empty(), reasons[i].empty());
  }
  for (const char* reference : {"R2", "R3", "R4", "R8"}) {
    EXPECT_FALSE(server_.Timeline(amy_, reference).ok()) << reference;
  }
}

// CR-NEVER-UNKNOWN-PERSON, CR-NEVER-SENSITIVE-HALF
TEST_F(ImportContactsTest, ARowWithoutACustomerIsUnderNobodyAndAReportInItsOwnFile) {
  auto unlinked = Row(1, "R1");
  unlinked.clear_customer();
  auto report = Row(2, "R1");
  report.clear_customer();
  report.clear_contact();
  *report.mutable_asb_report() = testing::GoodReport();
  for (const auto& row : ImportAll({unlinked, report})) {
    EXPECT_EQ(row.code(), 0) << row.ShortDebugString();
    EXPECT_FALSE(row.customer_registered());
  }
  std::vector<std::string> collections;
  for (const auto& stored : server_.AllEvents()) {
    const std::string& collection = stored.event.stream().collection();
    if (collection != kStaff) collections.push_back(collection);
  }
  EXPECT_THAT(collections, ::testing::UnorderedElementsAre(kUnlinked, kCases));
}

TEST_F(ImportContactsTest, AClientThatVanishesLosesNothingAndTheImportIsGoneOnWith) {
  const auto rows = Rows(200, 5);
  for (int cut : {1, 60, 199}) {
    Import import(server_, amy_);
    for (int i = 0; i < cut; ++i) EXPECT_TRUE(import.Write(rows[i]));
    const auto first = import.Read();
    EXPECT_EQ(first.line(), 1u);
    import.Vanish();
    // What was acknowledged is durable.
    EXPECT_GE(ContactsOf("R0"), 1u);
  }
  const auto acknowledged = ImportAll(rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(acknowledged[i].code(), 0) << acknowledged[i].ShortDebugString();
  }
  EXPECT_TRUE(acknowledged[0].seen_before());
  size_t contacts = 0;
  for (int i = 0; i < 5; ++i) contacts += ContactsOf(absl::StrCat("R", i));
  EXPECT_EQ(contacts, rows.size()) << "each row once";
}

TEST_F(ImportContactsTest, NoMoreRowsThanTheWindowAreUnderWay) {
  server_.Register(amy_, "R1");
  absl::Mutex mutex;
  std::vector<std::function<void()>> held;
  bool hold = true;
  server_.log->set_hook([&](eventstore::Append append, eventstore::AppendCallback done,
                            const testing::InterceptedLog::Pass& pass) {
    auto shared = std::make_shared<std::pair<eventstore::Append, eventstore::AppendCallback>>(
        std::move(append), std::move(done));
    {
      absl::MutexLock lock(&mutex);
      if (hold) {
        held.push_back(
            [shared, pass] { pass(std::move(shared->first), std::move(shared->second)); });
        return;
      }
    }
    pass(std::move(shared->first), std::move(shared->second));
  });
  constexpr size_t kRows = ImportReactor::kWindow + 100;
  Import import(server_, amy_);
  std::thread writer([&] {
    for (size_t i = 0; i < kRows; ++i) EXPECT_TRUE(import.Write(Row(i + 1, "R1")));
  });
  {
    absl::MutexLock lock(&mutex);
    const auto full = [&held] { return held.size() >= ImportReactor::kWindow; };
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&full), absl::Seconds(120)));
    const auto beyond = [&held] { return held.size() > ImportReactor::kWindow; };
    EXPECT_FALSE(mutex.AwaitWithTimeout(absl::Condition(&beyond), absl::Milliseconds(200)));
    hold = false;
  }
  for (auto& go_on : held) go_on();
  for (size_t i = 0; i < kRows; ++i) ASSERT_EQ(import.Read().line(), i + 1);
  writer.join();
  EXPECT_TRUE(import.Finish().ok());
}

// CR-3.1.2a
TEST_F(ImportContactsTest, ARevokedRoleEndsTheImport) {
  Import import(server_, amy_);
  ASSERT_TRUE(import.Write(Row(1, "R1")));
  EXPECT_EQ(import.Read().code(), 0);
  const Who root = server_.Officer("root", {"system-administrator"}, "system-operation");
  api::RevokeRoleRequest revoke;
  revoke.set_request_id(NewRequestId());
  revoke.set_subject("amy");
  revoke.set_role("contact-officer");
  ASSERT_TRUE(server_.Send<api::RevokeRoleResponse>(root, "AccessService/RevokeRole", revoke).ok());
  import.Write(Row(2, "R2"));
  std::vector<api::ImportContactsResponse> rest;
  EXPECT_EQ(import.Finish(&rest).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace records::services
