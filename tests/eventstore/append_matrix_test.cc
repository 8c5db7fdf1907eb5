#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <tuple>

#include "tests/eventstore/log_fixture.h"

// Every expectation, on every state of the stream, with every kind of retry.
namespace records::eventstore {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)

enum class State { kAbsent, kOneEvent, kThreeEvents };
enum class Expected { kNone, kAny, kNoStream, kExists, kCurrent, kBehind, kAhead };
enum class Retry {
  kNone,          // a request id of its own
  kSame,          // made before, same content; the stream has moved since
  kOther,         // made before with other content
  kSameInBatch,   // made in the same batch, same content
  kOtherInBatch,  // made in the same batch with other content
  kAfterRestart,  // made before the log was opened again
};

uint64_t EventsIn(State state) {
  switch (state) {
    case State::kAbsent:
      return 0;
    case State::kOneEvent:
      return 1;
    case State::kThreeEvents:
      return 3;
  }
  return 0;
}

std::optional<Expectation> Make(Expected expected, const StreamName& stream, uint64_t events) {
  using Kind = Expectation::Kind;
  switch (expected) {
    case Expected::kNone:
      return std::nullopt;
    case Expected::kAny:
      return Expectation{stream, Kind::kAny, {}};
    case Expected::kNoStream:
      return Expectation{stream, Kind::kNoStream, {}};
    case Expected::kExists:
      return Expectation{stream, Kind::kStreamExists, {}};
    case Expected::kCurrent:
      return Expectation{stream, Kind::kRevision, {events == 0 ? 0 : events - 1}};
    case Expected::kBehind:
      return Expectation{stream, Kind::kRevision, {events < 2 ? UINT64_MAX : events - 2}};
    case Expected::kAhead:
      return Expectation{stream, Kind::kRevision, {events + 1}};
  }
  return std::nullopt;
}

bool Holds(Expected expected, uint64_t events) {
  switch (expected) {
    case Expected::kNone:
    case Expected::kAny:
      return true;
    case Expected::kNoStream:
      return events == 0;
    case Expected::kExists:
    case Expected::kCurrent:
      return events > 0;
    case Expected::kBehind:
    case Expected::kAhead:
      return false;
  }
  return false;
}

class AppendMatrixTest : public testing::TestWithParam<std::tuple<State, Expected, Retry>> {
 protected:
  void SetUp() override {
    memory_.Open();
    for (uint64_t i = 0; i < EventsIn(std::get<State>(GetParam())); ++i) {
      ASSERT_TRUE(memory_.log->AppendAndWait(AppendTo(stream_)).ok());
    }
  }

  Append Asked(uint8_t digest) const {
    Append append = WithRequest(AppendTo(stream_), 1, digest);
    const auto expectation =
        Make(std::get<Expected>(GetParam()), stream_, EventsIn(std::get<State>(GetParam())));
    if (expectation) append.expectations.push_back(*expectation);
    return append;
  }

  // Makes the two appends wait together, so that one batch holds both.
  std::pair<absl::StatusOr<Appended>, absl::StatusOr<Appended>> AppendTogether(Append first,
                                                                               Append second) {
    absl::Notification writing, go_on;
    memory_.storage.set_before_write([&writing, &go_on]() -> absl::Status {
      if (writing.HasBeenNotified()) return absl::OkStatus();
      writing.Notify();
      go_on.WaitForNotification();
      return absl::OkStatus();
    });
    std::pair<absl::StatusOr<Appended>, absl::StatusOr<Appended>> results;
    absl::Notification done[3];
    const auto keep = [](absl::StatusOr<Appended>& result, absl::Notification& told) {
      return [&result, &told](absl::StatusOr<Appended> outcome) {
        result = std::move(outcome);
        told.Notify();
      };
    };
    absl::StatusOr<Appended> ignored;
    memory_.log->AppendAsync(AppendTo(Stream(RootIn(0))), keep(ignored, done[2]));
    writing.WaitForNotification();
    memory_.log->AppendAsync(std::move(first), keep(results.first, done[0]));
    memory_.log->AppendAsync(std::move(second), keep(results.second, done[1]));
    go_on.Notify();
    for (absl::Notification& told : done) told.WaitForNotification();
    return results;
  }

  static void ExpectReused(const absl::StatusOr<Appended>& result) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_THAT(result.status().message(), HasSubstr("REQUEST_ID_REUSED"));
  }

  static void ExpectRepeated(const absl::StatusOr<Appended>& result, const Appended& first) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result->repeated);
    EXPECT_EQ(result->first, first.first);
    EXPECT_EQ(result->count, first.count);
  }

  MemoryLog memory_;
  const StreamName stream_ = Stream(RootIn(1));
};

TEST_P(AppendMatrixTest, TheFirstOutcomeStandsAndExpectationsHoldForTheRest) {
  const auto [state, expected, retry] = GetParam();
  const uint64_t events = EventsIn(state);
  const bool in_batch = retry == Retry::kSameInBatch || retry == Retry::kOtherInBatch;
  const bool other = retry == Retry::kOther || retry == Retry::kOtherInBatch;
  absl::StatusOr<Appended> first, second;
  if (in_batch) {
    std::tie(first, second) = AppendTogether(Asked(1), Asked(other ? 2 : 1));
  } else {
    first = memory_.log->AppendAndWait(Asked(1));
  }
  if (!Holds(expected, events)) {
    // A refusal is not kept: the same request id may be tried again, with any content.
    EXPECT_EQ(first.status().code(), absl::StatusCode::kAborted);
    EXPECT_THAT(first.status().message(), HasSubstr("REVISION_MISMATCH"));
    if (in_batch) {
      EXPECT_EQ(second.status().code(), absl::StatusCode::kAborted);
    }
    EXPECT_EQ(memory_.log->Head(Ledger::kEvents, 1).sequence, events);
    return;
  }
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->repeated);
  EXPECT_EQ(first->first, (Position{1, events + 1}));
  if (retry == Retry::kNone) return;
  if (!in_batch) {
    // The stream moves on, so the expectation would no longer hold.
    ASSERT_TRUE(memory_.log->AppendAndWait(AppendTo(stream_)).ok());
    if (retry == Retry::kAfterRestart) memory_.Open();
    second = memory_.log->AppendAndWait(Asked(other ? 2 : 1));
  }
  if (other) {
    ExpectReused(second);
  } else {
    ExpectRepeated(second, *first);
  }
  EXPECT_EQ(memory_.log->Head(Ledger::kEvents, 1).sequence, events + (in_batch ? 1 : 2));
}

INSTANTIATE_TEST_SUITE_P(
    All, AppendMatrixTest,
    testing::Combine(testing::Values(State::kAbsent, State::kOneEvent, State::kThreeEvents),
                     testing::Values(Expected::kNone, Expected::kAny, Expected::kNoStream,
                                     Expected::kExists, Expected::kCurrent, Expected::kBehind,
                                     Expected::kAhead),
                     testing::Values(Retry::kNone, Retry::kSame, Retry::kOther, Retry::kSameInBatch,
                                     Retry::kOtherInBatch, Retry::kAfterRestart)));

}  // namespace
}  // namespace records::eventstore
