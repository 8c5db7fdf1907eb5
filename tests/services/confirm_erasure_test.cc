// Systems that take work streams confirm that they dropped who was erased.

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/work_fixture.h"

namespace records::services::testing {
namespace {

namespace api = records::api::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ConfirmErasureTest : public WorkTest {
 protected:
  ConfirmErasureTest() { server_.Register(amy_, "R1"); }

  // The value of the Erased record on a stream.
  std::string ErasedReference(const Who& who, const std::string& stream) {
    for (const auto& record : RecordsOf(who, stream)) {
      if (record.erased()) return record.reference();
    }
    ADD_FAILURE() << "no Erased record on " << stream;
    return "";
  }
  Answer<api::ConfirmErasureResponse> Confirm(const Who& who, const std::string& stream,
                                              const std::string& reference,
                                              const std::string& id = NewRequestId()) const {
    api::ConfirmErasureRequest request;
    request.set_request_id(id);
    request.set_stream(stream);
    request.set_reference(reference);
    return server_.Send<api::ConfirmErasureResponse>(who, "ErasureService/ConfirmErasure", request);
  }
  // The newest, as the data protection officer has it.
  api::Erasure Newest() const {
    const auto answer = server_.Send<api::ListErasuresResponse>(
        dora_, "ErasureService/ListErasures", api::ListErasuresRequest());
    EXPECT_TRUE(answer.ok()) << answer.status;
    return answer.reply.erasures_size() > 0 ? answer.reply.erasures(0) : api::Erasure();
  }
  static std::vector<std::string> ConfirmedStreams(const api::Erasure& erasure) {
    std::vector<std::string> streams;
    for (const auto& one : erasure.confirmations()) streams.push_back(one.stream());
    return streams;
  }
};

// DP-C4; UK GDPR Art. 19
TEST_F(ConfirmErasureTest, AnErasureNamesWhoDroppedThePersonAndWhoIsWaitedFor) {
  RaiseRepair("R1");
  Erase("R1");
  EXPECT_THAT(ConfirmedStreams(Newest()), IsEmpty());
  EXPECT_THAT(Newest().awaited_streams(), ElementsAre("asb.v1", "repairs.v1", "rights.v1"));
  const auto confirmed = Confirm(repairs_, "repairs.v1", ErasedReference(repairs_, "repairs.v1"));
  ASSERT_TRUE(confirmed.ok()) << confirmed.status;
  ASSERT_TRUE(Confirm(asb_, "asb.v1", ErasedReference(asb_, "asb.v1")).ok());
  const api::Erasure erasure = Newest();
  EXPECT_THAT(ConfirmedStreams(erasure), ElementsAre("repairs.v1", "asb.v1"));
  EXPECT_THAT(erasure.awaited_streams(), ElementsAre("rights.v1"));
  EXPECT_EQ(erasure.confirmations(0).confirmed_by(), "repairs");
  EXPECT_GE(erasure.confirmations(0).confirmed_at_us(), erasure.decided_at_us());
}

// Until then more may be recorded about the subject, and reach the one who confirmed.
TEST_F(ConfirmErasureTest, NobodyConfirmsBeforeTheSubjectIsFenced) {
  Decide("R1");
  const std::string reference = ErasedReference(repairs_, "repairs.v1");
  const std::string id = NewRequestId();
  const auto early = Confirm(repairs_, "repairs.v1", reference, id);
  EXPECT_EQ(early.reason(), "ERASURE_BEGINS");
  EXPECT_TRUE(absl::IsUnavailable(early.status)) << early.status;
  EXPECT_TRUE(DetailsOf(early.status).retry_after.has_value());
  EXPECT_THAT(ConfirmedStreams(Newest()), IsEmpty());
  ASSERT_TRUE(server_.erasure_worker->RunPending().ok());
  EXPECT_TRUE(Confirm(repairs_, "repairs.v1", reference, id).ok());
}

TEST_F(ConfirmErasureTest, EachErasureIsConfirmedByItself) {
  server_.Register(amy_, "R2", "Sam Roe", "T-2");
  Erase("R1");
  const std::string first = ErasedReference(repairs_, "repairs.v1");
  Erase("R2");
  ASSERT_TRUE(Confirm(repairs_, "repairs.v1", first).ok());
  EXPECT_THAT(ConfirmedStreams(Newest()), IsEmpty());
}

TEST_F(ConfirmErasureTest, ARetryIsTheSameConfirmationAndASecondOneIsRefused) {
  Erase("R1");
  const std::string reference = ErasedReference(repairs_, "repairs.v1");
  const std::string id = NewRequestId();
  ASSERT_TRUE(Confirm(repairs_, "repairs.v1", reference, id).ok());
  ASSERT_TRUE(Confirm(repairs_, "repairs.v1", reference, id).ok());
  EXPECT_EQ(Confirm(repairs_, "repairs.v1", reference).reason(), "ALREADY_CONFIRMED");
  EXPECT_THAT(ConfirmedStreams(Newest()), ElementsAre("repairs.v1"));
  // Another system that takes the same stream speaks for itself.
  const Who second = server_.Officer("repairs-2", {"repairs-system"});
  EXPECT_TRUE(Confirm(second, "repairs.v1", reference).ok());
  EXPECT_THAT(ConfirmedStreams(Newest()), ElementsAre("repairs.v1", "repairs.v1"));
}

TEST_F(ConfirmErasureTest, OnlyAnErasedRecordOfThatStreamIsConfirmed) {
  RaiseRepair("R1");
  const std::string repair = ReferencesOf(repairs_, "repairs.v1").front();
  Erase("R1");
  const std::string of_asb = ErasedReference(asb_, "asb.v1");
  for (const std::string& reference : {repair, of_asb, std::string("noise"), std::string()}) {
    const auto refused = Confirm(repairs_, "repairs.v1", reference);
    EXPECT_EQ(refused.reason(), "FIELD_INVALID");
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status)) << refused.status;
  }
  EXPECT_THAT(ConfirmedStreams(Newest()), IsEmpty());
}

// CR-2.4b: byte for byte the same refusal.
TEST_F(ConfirmErasureTest, WhoDoesNotTakeTheStreamIsRefusedAsIfThereWereNone) {
  Erase("R1");
  const std::string of_asb = ErasedReference(asb_, "asb.v1");
  const auto refused = Confirm(repairs_, "asb.v1", of_asb);
  const auto absent = Confirm(repairs_, "none.v1", of_asb);
  const auto officer = Confirm(amy_, "asb.v1", of_asb);
  EXPECT_EQ(refused.raw.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(refused.raw.error_message(), absent.raw.error_message());
  EXPECT_EQ(refused.raw.error_details(), absent.raw.error_details());
  EXPECT_EQ(refused.raw.error_details(), officer.raw.error_details());
  EXPECT_THAT(ConfirmedStreams(Newest()), IsEmpty());
}

}  // namespace
}  // namespace records::services::testing
