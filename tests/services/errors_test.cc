#include "services/errors/errors.h"

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

namespace records::services {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

google::rpc::Status Wire(const grpc::Status& status) {
  google::rpc::Status wire;
  EXPECT_TRUE(wire.ParseFromString(status.error_details()));
  return wire;
}

// The ErrorInfo of a reply; the test fails unless there is exactly one.
google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  int found = 0;
  const google::rpc::Status wire = Wire(status);
  for (const auto& any : wire.details()) {
    if (any.Is<google::rpc::ErrorInfo>()) {
      ++found;
      EXPECT_TRUE(any.UnpackTo(&info));
    }
  }
  EXPECT_EQ(found, 1);
  return info;
}

// Collects incidents while it lives.
class IncidentRecorder {
 public:
  IncidentRecorder() {
    SetIncidentHook([this](const Incident& incident) { incidents_.push_back(incident); });
  }
  ~IncidentRecorder() { SetIncidentHook(nullptr); }
  const std::vector<Incident>& incidents() const { return incidents_; }

 private:
  std::vector<Incident> incidents_;
};

const absl::StatusCode kAllCodes[] = {
    absl::StatusCode::kCancelled,          absl::StatusCode::kUnknown,
    absl::StatusCode::kInvalidArgument,    absl::StatusCode::kDeadlineExceeded,
    absl::StatusCode::kNotFound,           absl::StatusCode::kAlreadyExists,
    absl::StatusCode::kPermissionDenied,   absl::StatusCode::kResourceExhausted,
    absl::StatusCode::kFailedPrecondition, absl::StatusCode::kAborted,
    absl::StatusCode::kOutOfRange,         absl::StatusCode::kUnimplemented,
    absl::StatusCode::kInternal,           absl::StatusCode::kUnavailable,
    absl::StatusCode::kDataLoss,           absl::StatusCode::kUnauthenticated};

TEST(ErrorsTest, ARefusalWithAllDetailsComesBackFromTheWireAsItWas) {
  const absl::Status status =
      Refusal(absl::StatusCode::kFailedPrecondition, "VERBATIM_REASON_MISSING", "Give a reason.")
          .With("stream", "s-1")
          .With("limitBytes", "512")
          .Field("summary", "too long")
          .Field("actions[0].owner", "missing")
          .RetryAfter(absl::Milliseconds(1500));

  const absl::Status back = FromGrpcStatus(ToGrpcStatus(status));

  EXPECT_EQ(back, status);
  EXPECT_EQ(back.message(), "Give a reason.");
  const ErrorDetails details = DetailsOf(back);
  EXPECT_EQ(details.reason, "VERBATIM_REASON_MISSING");
  EXPECT_EQ(details.domain, "records");
  EXPECT_THAT(details.metadata, ElementsAre(Pair("limitBytes", "512"), Pair("stream", "s-1")));
  EXPECT_THAT(details.fields,
              ElementsAre(ErrorDetails::FieldViolation{"summary", "too long"},
                          ErrorDetails::FieldViolation{"actions[0].owner", "missing"}));
  EXPECT_EQ(details.retry_after, absl::Milliseconds(1500));
}

TEST(ErrorsTest, ARefusalConvertsToAnyStatusOr) {
  const auto function = []() -> absl::StatusOr<std::string> {
    return InvalidField("summary", "is empty");
  };
  const absl::Status status = function().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "summary: is empty");
  EXPECT_EQ(ReasonOf(status), "FIELD_INVALID");
}

TEST(ErrorsTest, OkStaysOkBothWays) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(ErrorsTest, OverloadSaysWhenToTryAgain) {
  const absl::Status status = Overloaded("QUEUE_FULL", "Try again.", absl::Seconds(2));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(FromGrpcStatus(ToGrpcStatus(status))).retry_after, absl::Seconds(2));
}

TEST(ErrorsTest, EveryCodeGetsExactlyOneErrorInfoWithTheReasonOfTheCode) {
  IncidentRecorder recorder;
  for (absl::StatusCode code : kAllCodes) {
    const google::rpc::ErrorInfo info = InfoOf(ToGrpcStatus(absl::Status(code, "plain")));
    EXPECT_EQ(info.reason(), absl::StatusCodeToString(code));
    EXPECT_EQ(info.domain(), "records");
  }
}

TEST(ErrorsTest, EachDetailTypeIsThereAtMostOnce) {
  Refusal refusal(absl::StatusCode::kUnavailable, "BUSY_NOW", "Busy.");
  for (int i = 0; i < 5; ++i) {
    refusal.With("attempt", absl::StrCat(i))
        .Field("f", absl::StrCat(i))
        .RetryAfter(absl::Seconds(i));
  }
  std::set<std::string> types;
  const google::rpc::Status wire = Wire(ToGrpcStatus(refusal));
  for (const auto& any : wire.details()) {
    EXPECT_TRUE(types.insert(any.type_url()).second) << any.type_url();
  }
  EXPECT_EQ(types.size(), 3u);
  EXPECT_EQ(DetailsOf(refusal).metadata.at("attempt"), "4");
}

TEST(ErrorsTest, TheCodeAndTheMessageInTheDetailsAreThoseOfTheStatus) {
  const grpc::Status status = ToGrpcStatus(absl::AbortedError("The head moved. Read it again."));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(Wire(status).code(), status.error_code());
  EXPECT_EQ(Wire(status).message(), status.error_message());
  EXPECT_EQ(status.error_message(), "The head moved. Read it again.");
}

TEST(ErrorsTest, TwoRefusalsOfPermissionAreByteEqualWhateverTheyWereMadeFrom) {
  const grpc::Status absent = ToGrpcStatus(PermissionDenied());
  const grpc::Status forbidden = ToGrpcStatus(
      Refusal(absl::StatusCode::kPermissionDenied, "ROLE_NOT_GRANTED", "R1 is not for amy.")
          .With("customer", "R1")
          .RetryAfter(absl::Seconds(1)));
  EXPECT_EQ(absent.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(absent.error_code(), forbidden.error_code());
  EXPECT_EQ(absent.error_message(), forbidden.error_message());
  EXPECT_EQ(absent.error_details(), forbidden.error_details());
}

TEST(ErrorsTest, MetadataSerialisesTheSameInAnyOrder) {
  const absl::Status one =
      Refusal(absl::StatusCode::kAborted, "HEAD_MOVED", "m").With("a", "1").With("b", "2");
  const absl::Status two =
      Refusal(absl::StatusCode::kAborted, "HEAD_MOVED", "m").With("b", "2").With("a", "1");
  EXPECT_EQ(ToGrpcStatus(one).error_details(), ToGrpcStatus(two).error_details());
}

TEST(ErrorsTest, InternalTextNeverReachesTheCallerButTheIncidentHook) {
  const std::string canary = "canary-5f1c";
  for (absl::StatusCode code :
       {absl::StatusCode::kInternal, absl::StatusCode::kUnknown, absl::StatusCode::kDataLoss}) {
    IncidentRecorder recorder;
    absl::Status status =
        Refusal(code, "LOG_DAMAGED", canary).With("path", canary).Field("f", canary);
    status.SetPayload("type.example/private", absl::Cord(canary));

    const grpc::Status wire = ToGrpcStatus(status);

    EXPECT_EQ(static_cast<int>(wire.error_code()), static_cast<int>(code));
    EXPECT_THAT(wire.error_message(), Not(HasSubstr(canary)));
    EXPECT_THAT(wire.error_details(), Not(HasSubstr(canary)));
    ASSERT_EQ(recorder.incidents().size(), 1u);
    EXPECT_EQ(recorder.incidents()[0].status, status);
    EXPECT_THAT(wire.error_message(), HasSubstr(recorder.incidents()[0].id));
    EXPECT_EQ(InfoOf(wire).reason(), "LOG_DAMAGED");
    EXPECT_EQ(InfoOf(wire).metadata().at("incident"), recorder.incidents()[0].id);
  }
}

TEST(ErrorsTest, ForeignPayloadsAreDropped) {
  absl::Status status = absl::AbortedError("m");
  status.SetPayload("type.example/private", absl::Cord("canary"));
  EXPECT_THAT(ToGrpcStatus(status).error_details(), Not(HasSubstr("canary")));
}

TEST(ErrorsTest, AReasonThatBreaksTheRuleIsReplacedByThatOfTheCode) {
  for (const char* reason : {"", "lower", "A", "1ABC", "ENDS_", "HAS SPACE"}) {
    const absl::Status status = Refusal(absl::StatusCode::kAborted, reason, "m");
    EXPECT_EQ(InfoOf(ToGrpcStatus(status)).reason(), "ABORTED") << reason;
  }
  const std::string longest(63, 'A');
  EXPECT_EQ(ReasonOf(Refusal(absl::StatusCode::kAborted, longest, "m")), longest);
  EXPECT_EQ(ReasonOf(Refusal(absl::StatusCode::kAborted, longest + "A", "m")), "");
}

TEST(ErrorsTest, TheLargestErrorFitsTheMetadataOfAClient) {
  const std::string huge(100000, 'x');
  Refusal refusal(absl::StatusCode::kInvalidArgument, std::string(63, 'A'), huge);
  for (int i = 0; i < 100; ++i) refusal.With(absl::StrCat(i, huge), huge).Field(huge, huge);

  const grpc::Status wire = ToGrpcStatus(refusal);

  EXPECT_EQ(wire.error_message().size(), kErrorMessageBytesMax);
  EXPECT_LE(wire.error_details().size(), kErrorDetailsBytesMax);
  // Base64 makes four bytes of three; the sum stays below 8 KiB.
  EXPECT_LT(wire.error_message().size() + wire.error_details().size() * 4 / 3, 7500u);
}

TEST(ErrorsTest, BytesThatAreNotPrintableAsciiDoNotReachTheWire) {
  const grpc::Status wire = ToGrpcStatus(
      Refusal(absl::StatusCode::kAborted, "HEAD_MOVED", "a\xFF\n\x1B[31mb").With("key", "\xC3("));
  EXPECT_EQ(wire.error_message(), "a???[31mb");
  EXPECT_EQ(InfoOf(wire).metadata().at("key"), "?(");
}

TEST(ErrorsTest, AClientReadsTheReasonFromAMessageWithoutDetails) {
  const absl::Status status = FromGrpcStatus(
      grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "TOKEN_EXPIRED: Get a new token."));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(status), "TOKEN_EXPIRED");
  EXPECT_EQ(ReasonOf(FromGrpcStatus(grpc::Status(grpc::StatusCode::ABORTED, "no: reason"))), "");
}

TEST(ErrorsTest, DetailsThatDoNotParseAreLeftOut) {
  const absl::Status status = FromGrpcStatus(
      grpc::Status(grpc::StatusCode::ABORTED, "message", std::string("\xFF\xFF\x01garbage")));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(status), "");
  EXPECT_THAT(DetailsOf(status).fields, IsEmpty());
}

}  // namespace
TEST(ErrorsTest, TheReasonOfALayerWithoutDetailsIsInTheErrorInfo) {
  const grpc::Status wire =
      ToGrpcStatus(absl::ResourceExhaustedError("LOG_BUSY: too many appends wait."));
  const ErrorDetails details = DetailsOf(FromGrpcStatus(wire));
  EXPECT_EQ(details.reason, "LOG_BUSY");
  EXPECT_EQ(wire.error_message(), "too many appends wait.");
  // An overload always says when to come again.
  EXPECT_EQ(details.retry_after, absl::Seconds(1));
}

}  // namespace records::services
