#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "records/api/v1/erasure_service.pb.h"
#include "records/api/v1/ledger_service.grpc.pb.h"
#include "tests/services/service_fixture.h"

namespace records::services::testing {

// One open follow of a work stream.
class WorkFollower {
 public:
  WorkFollower(const TestServer& server, const Who& who, const std::string& stream,
               const std::string& resume_token = "", bool stop_at_head = false)
      : stub_(api::v1::LedgerService::NewStub(server.Channel())) {
    TestServer::PrepareStream(context_, who);
    api::v1::FollowWorkRequest request;
    request.set_stream(stream);
    request.set_resume_token(resume_token);
    request.set_stop_at_head(stop_at_head);
    reader_ = stub_->FollowWork(&context_, request);
  }
  ~WorkFollower() {
    context_.TryCancel();
    if (!over_) End().IgnoreError();
  }

  // The next message; its resume token is kept. Empty: the stream is over.
  api::v1::FollowWorkResponse NextMessage() {
    api::v1::FollowWorkResponse message;
    if (!reader_->Read(&message)) return {};
    resume_token = message.resume_token();
    return message;
  }
  // The next record.
  api::v1::WorkRecord Next() {
    while (true) {
      const auto message = NextMessage();
      if (message.has_record() || message.resume_token().empty()) return message.record();
    }
  }
  // All records up to the head.
  std::vector<api::v1::WorkRecord> ToHead() {
    std::vector<api::v1::WorkRecord> records;
    while (true) {
      auto message = NextMessage();
      if (!message.has_record()) {
        EXPECT_TRUE(message.caught_up());
        return records;
      }
      records.push_back(std::move(*message.mutable_record()));
    }
  }
  // Reads to the end.
  grpc::Status Finish() {
    api::v1::FollowWorkResponse message;
    while (reader_->Read(&message)) {
    }
    over_ = true;
    return reader_->Finish();
  }
  absl::Status End() { return FromGrpcStatus(Finish()); }

  std::string resume_token;

 private:
  std::unique_ptr<api::v1::LedgerService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<api::v1::FollowWorkResponse>> reader_;
  bool over_ = false;
};

// What tests of the work streams begin with.
class WorkTest : public ServiceTest {
 protected:
  // A message of a customer that holds a request for a repair and nothing else of interest.
  void RaiseRepair(const std::string& customer, const std::string& description = "no hot water") {
    auto request = GoodSplit();
    request.clear_asb_report();
    request.mutable_service_requests(0)->mutable_request()->set_description(description);
    Split(customer, request);
  }
  // One that holds a report of anti-social behaviour besides.
  void RaiseReport(const std::string& customer, bool anonymous = false) {
    auto request = GoodSplit();
    request.set_anonymous(anonymous);
    if (anonymous) request.clear_advice();
    Split(customer, request);
  }
  // Decides the erasure of a customer, and does no more of it.
  void Decide(const std::string& customer) {
    api::v1::PlanErasureRequest plan;
    plan.set_customer(customer);
    const auto planned =
        server_.Send<api::v1::PlanErasureResponse>(max_, "ErasureService/PlanErasure", plan);
    api::v1::EraseSubjectRequest erase;
    erase.set_request_id(NewRequestId());
    erase.set_plan_token(planned.reply.plan_token());
    erase.set_ground(events::v1::ERASURE_GROUND_CONSENT_WITHDRAWN);
    const auto decided =
        server_.Send<api::v1::EraseSubjectResponse>(max_, "ErasureService/EraseSubject", erase);
    EXPECT_TRUE(decided.ok()) << decided.status;
  }
  // Erases a customer, to the certificate.
  void Erase(const std::string& customer) {
    Decide(customer);
    const absl::Status done = server_.erasure_worker->RunPending();
    EXPECT_TRUE(done.ok()) << done;
  }

  std::vector<api::v1::WorkRecord> RecordsOf(const Who& who, const std::string& stream) {
    return WorkFollower(server_, who, stream, "", true).ToHead();
  }
  std::vector<std::string> ReferencesOf(const Who& who, const std::string& stream) {
    std::vector<std::string> references;
    for (const auto& record : RecordsOf(who, stream)) references.push_back(record.reference());
    return references;
  }
  Answer<api::v1::UnsealResponse> Unseal(const Who& who, const std::string& stream,
                                         const std::vector<std::string>& references) const {
    api::v1::UnsealRequest request;
    request.set_stream(stream);
    for (const std::string& reference : references) request.add_references(reference);
    return server_.Send<api::v1::UnsealResponse>(who, "LedgerService/Unseal", request);
  }

  const Who max_ = server_.Officer("max", {"housing-manager"}, "tenancy-management");
  const Who repairs_ = server_.Officer("repairs", {"repairs-system"});
  const Who asb_ = server_.Officer("asb", {"asb-system"}, "asb-casework");
  const Who dora_ = server_.Officer("dora", {"data-protection-officer"}, "rights-request");

 private:
  void Split(const std::string& customer, api::v1::SplitMessageRequest request) {
    request.set_request_id(NewRequestId());
    request.set_customer(customer);
    const auto answer =
        server_.Send<api::v1::SplitMessageResponse>(amy_, "ContactService/SplitMessage", request);
    EXPECT_TRUE(answer.ok()) << answer.status;
  }
};

// Whether each record but the first of a partition of the log follows one that came before, each
// once.
inline void ExpectWholeChain(const std::vector<api::v1::WorkRecord>& records, uint32_t partitions) {
  std::set<std::string> heads;  // ids that no record has named yet
  uint32_t firsts = 0;
  for (const auto& record : records) {
    EXPECT_TRUE(record.previous().empty() || heads.erase(record.previous()) == 1)
        << "something before " << record.id() << " is missing";
    EXPECT_TRUE(heads.insert(record.id()).second) << record.id() << " came twice";
    if (record.previous().empty()) ++firsts;
  }
  EXPECT_LE(firsts, partitions) << "more beginnings than partitions";
}

}  // namespace records::services::testing
