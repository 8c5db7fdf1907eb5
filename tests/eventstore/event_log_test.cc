#include "eventstore/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "eventstore/limits.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)

class EventLogTest : public testing::Test {
 protected:
  EventLog& log() { return *memory_.log; }
  void SetUp() override { memory_.Open(); }

  Appended MustAppend(Append append) {
    const auto appended = log().AppendAndWait(std::move(append));
    EXPECT_TRUE(appended.ok()) << appended.status();
    return appended.value_or(Appended{});
  }

  MemoryLog memory_;
};

TEST_F(EventLogTest, WhatWasAppendedIsReadBackWithItsPlace) {
  const StreamName stream = Stream(RootIn(2));
  Append append = AppendTo(stream, {.facts = "first"});
  const std::string body = append.events[0].body;
  const Appended appended = MustAppend(WithRequest(std::move(append), 1));
  EXPECT_EQ(appended.first, (Position{2, 1}));
  EXPECT_EQ(appended.count, 1u);
  EXPECT_FALSE(appended.repeated);

  const auto stored = log().ReadAt(Ledger::kEvents, {2, 1});
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->event.facts(), "first");
  EXPECT_EQ(stored->event.revision(), 0u);
  EXPECT_EQ(stored->event.recorded_at_us(), absl::ToUnixMicros(TestStart()));
  EXPECT_EQ(stored->event.append().request_key(), AsBytes(Key(1)));
  EXPECT_EQ(stored->bytes.substr(0, body.size()), body);
  EXPECT_EQ(log().Head(Ledger::kEvents, 2), (Position{2, 1}));
  EXPECT_EQ(log().Head(Ledger::kAccess, 2), (Position{2, 0}));
}

TEST_F(EventLogTest, RevisionsAreDenseInAStreamAndPositionsInAPartition) {
  const StreamName one = Stream(RootIn(1, 1));
  const StreamName two = Stream(RootIn(1, 2));
  for (int i = 0; i < 3; ++i) {
    MustAppend(AppendTo(one));
    MustAppend(AppendTo(two));
  }
  const auto events = log().ReadStream(Ledger::kEvents, two, {0}, ReadDirection::kForward, {});
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 3u);
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*events)[i].event.revision(), i);
    EXPECT_EQ((*events)[i].position, (Position{1, 2 * i + 2}));
  }
  EXPECT_EQ(**log().StreamHead(Ledger::kEvents, two), Revision{2});
}

TEST_F(EventLogTest, AStreamExistsFromItsFirstDurableEventOnAndNoOtherDoes) {
  const StreamName stream = Stream(RootIn(1, 1));
  const auto exists = [this](Ledger ledger, const StreamName& asked) {
    const auto answer = log().StreamExists(ledger, asked);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or(false);
  };
  EXPECT_FALSE(exists(Ledger::kEvents, stream));
  bool before_durable = true;
  memory_.storage.set_after_write([&] {
    before_durable = exists(Ledger::kEvents, stream);
    return absl::OkStatus();
  });
  MustAppend(AppendTo(stream));
  memory_.storage.set_after_write(nullptr);
  EXPECT_FALSE(before_durable);
  // The second answer comes from memory.
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(exists(Ledger::kEvents, stream));
  EXPECT_FALSE(exists(Ledger::kAccess, stream));
  EXPECT_FALSE(exists(Ledger::kEvents, Stream(RootIn(1, 1), "contacts")));
  EXPECT_FALSE(exists(Ledger::kEvents, Stream(RootIn(1, 2))));
  memory_.Open();
  EXPECT_TRUE(exists(Ledger::kEvents, stream));
}

TEST_F(EventLogTest, AStreamIsReadBothWaysFromAnyRevision) {
  const StreamName stream = Stream(RootIn(0));
  for (int i = 0; i < 5; ++i) MustAppend(AppendTo(stream));
  const auto revisions = [&](Revision from, ReadDirection direction, size_t limit) {
    std::vector<uint64_t> found;
    const auto events =
        log().ReadStream(Ledger::kEvents, stream, from, direction, {.events = limit});
    EXPECT_TRUE(events.ok()) << events.status();
    for (const StoredEvent& event : *events) found.push_back(event.event.revision());
    return found;
  };
  using testing::ElementsAre;
  EXPECT_THAT(revisions({2}, ReadDirection::kForward, 10), ElementsAre(2, 3, 4));
  EXPECT_THAT(revisions({2}, ReadDirection::kBackward, 10), ElementsAre(2, 1, 0));
  EXPECT_THAT(revisions({UINT64_MAX}, ReadDirection::kBackward, 2), ElementsAre(4, 3));
  EXPECT_THAT(revisions({5}, ReadDirection::kForward, 10), ElementsAre());
}

TEST_F(EventLogTest, AnAppendToSeveralStreamsIsMadeAsAWhole) {
  const StreamName one = Stream(RootIn(1), "one");
  const StreamName two = Stream(RootIn(1), "two");
  MustAppend(AppendTo(two));
  std::vector<NewEvent> events;
  events.push_back(MakeEvent(one));
  events.push_back(MakeEvent(two));
  events.push_back(MakeEvent(one));
  Append append = AppendOf(std::move(events));
  append.expectations.push_back({one, Expectation::Kind::kNoStream, {}});
  append.expectations.push_back({two, Expectation::Kind::kRevision, {0}});
  const Appended appended = MustAppend(std::move(append));
  EXPECT_EQ(appended.first, (Position{1, 2}));
  EXPECT_EQ(appended.count, 3u);
  EXPECT_EQ(**log().StreamHead(Ledger::kEvents, one), Revision{1});
  EXPECT_EQ(**log().StreamHead(Ledger::kEvents, two), Revision{1});
  const auto root = log().ReadRoot(Ledger::kEvents, RootIn(1), 1, {});
  ASSERT_TRUE(root.ok());
  ASSERT_EQ(root->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*root)[i].position.sequence, i + 2);
    EXPECT_EQ((*root)[i].event.append().index(), i);
    EXPECT_EQ((*root)[i].event.append().count(), 3u);
  }
}

TEST_F(EventLogTest, AllFailedExpectationsAreListedWithTheStateFound) {
  const StreamName one = Stream(RootIn(1), "one");
  const StreamName two = Stream(RootIn(1), "two");
  MustAppend(AppendTo(one));
  Append append = AppendTo(one);
  append.expectations.push_back({one, Expectation::Kind::kRevision, {5}});
  append.expectations.push_back({two, Expectation::Kind::kStreamExists, {}});
  const auto result = log().AppendAndWait(std::move(append));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(result.status().message(), HasSubstr("REVISION_MISMATCH"));
  EXPECT_THAT(result.status().message(), HasSubstr("expected revision 5, found revision 0"));
  EXPECT_THAT(result.status().message(), HasSubstr("expected a stream, found no stream"));
  EXPECT_EQ(log().Head(Ledger::kEvents, 1).sequence, 1u);
}

TEST_F(EventLogTest, TheLedgersAreApart) {
  Append trace = AppendTo(Stream(RootIn(3)));
  trace.ledger = Ledger::kAccess;
  MustAppend(std::move(trace));
  MustAppend(AppendTo(Stream(RootIn(3)), {.facts = "event"}));
  EXPECT_EQ(log().Head(Ledger::kAccess, 3).sequence, 1u);
  EXPECT_EQ(ReadAll(log(), 3)[0].event.facts(), "event");
  EXPECT_EQ(ReadAll(log(), 3)[0].event.revision(), 0u);
  const auto traces = log().ReadRoot(Ledger::kAccess, RootIn(3), 0, {});
  ASSERT_TRUE(traces.ok());
  ASSERT_EQ(traces->size(), 1u);
  EXPECT_EQ((*traces)[0].event.facts(), "facts");
}

TEST_F(EventLogTest, ARequestIsFoundByItsKey) {
  std::vector<NewEvent> events;
  for (int i = 0; i < 3; ++i) events.push_back(MakeEvent(Stream(RootIn(0))));
  MustAppend(AppendTo(Stream(RootIn(0))));
  MustAppend(WithRequest(AppendOf(std::move(events)), 9));
  const auto found = log().FindRequest(Key(9));
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(found->has_value());
  ASSERT_EQ((*found)->size(), 3u);
  EXPECT_EQ((**found)[2].position, (Position{0, 4}));
  EXPECT_FALSE(log().FindRequest(Key(10))->has_value());
}

TEST_F(EventLogTest, APartitionIsReadBothWaysAndByType) {
  for (int i = 0; i < 10; ++i) {
    MustAppend(AppendTo(Stream(RootIn(2)), {.type = i % 5 == 0 ? "a" : "b"}));
  }
  const auto sequences = [&](uint64_t from, ReadDirection direction, size_t limit,
                             std::vector<std::string> types) {
    std::vector<uint64_t> found;
    const auto events =
        log().ReadPartition(Ledger::kEvents, {2, from}, direction, {.events = limit}, types);
    EXPECT_TRUE(events.ok()) << events.status();
    for (const StoredEvent& event : *events) found.push_back(event.position.sequence);
    return found;
  };
  using testing::ElementsAre;
  EXPECT_THAT(sequences(1, ReadDirection::kForward, 3, {}), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences(0, ReadDirection::kForward, 1, {}), ElementsAre(1));
  EXPECT_THAT(sequences(10, ReadDirection::kForward, 3, {}), ElementsAre(10));
  EXPECT_THAT(sequences(11, ReadDirection::kForward, 3, {}), ElementsAre());
  EXPECT_THAT(sequences(3, ReadDirection::kBackward, 9, {}), ElementsAre(3, 2, 1));
  EXPECT_THAT(sequences(UINT64_MAX, ReadDirection::kBackward, 2, {}), ElementsAre(10, 9));
  EXPECT_THAT(sequences(1, ReadDirection::kForward, 9, {"a"}), ElementsAre(1, 6));
  EXPECT_THAT(sequences(9, ReadDirection::kBackward, 1, {"a", "c"}), ElementsAre(6));
  EXPECT_THAT(sequences(1, ReadDirection::kForward, 9, {"c"}), ElementsAre());
}

TEST_F(EventLogTest, AfterARestartTheLogCarriesOn) {
  const StreamName stream = Stream(RootIn(1));
  for (int i = 0; i < 300; ++i) MustAppend(WithRequest(AppendTo(stream), i));
  const auto checkpoint = log().CheckpointAt(Ledger::kEvents, {1, 300});
  ASSERT_TRUE(checkpoint.ok());
  const std::string verifier = log().VerifierKey();
  const StoreId store = log().store_id();
  memory_.Open();
  EXPECT_EQ(log().store_id(), store);
  EXPECT_EQ(log().VerifierKey(), verifier);
  EXPECT_EQ(log().Head(Ledger::kEvents, 1).sequence, 300u);
  EXPECT_TRUE(log().VerifyCheckpoint(Ledger::kEvents, *checkpoint).ok());
  const Appended appended =
      MustAppend(Expecting(AppendTo(stream), {stream, Expectation::Kind::kRevision, {299}}));
  EXPECT_EQ(appended.first.sequence, 301u);
  EXPECT_TRUE(log().VerifyCheckpoint(Ledger::kEvents, *checkpoint).ok());
}

TEST_F(EventLogTest, RecordedAtNeverGoesBackwards) {
  const StreamName stream = Stream(RootIn(1));
  MustAppend(AppendTo(stream));
  memory_.clock.Advance(absl::Seconds(-5));
  MustAppend(AppendTo(stream));
  memory_.clock.Advance(absl::Seconds(6));
  MustAppend(AppendTo(stream));
  const auto events = ReadAll(log(), 1);
  EXPECT_EQ(events[1].event.recorded_at_us(), events[0].event.recorded_at_us());
  EXPECT_EQ(events[2].event.recorded_at_us(), absl::ToUnixMicros(TestStart() + absl::Seconds(1)));
}

// CR-3.1.3
TEST_F(EventLogTest, ATimeOfDayPrecisionIsCutToTheStartOfItsDay) {
  const StreamName stream = Stream(RootIn(1));
  memory_.clock.Set(TestStart() + absl::Hours(13));
  MustAppend(AppendTo(stream));
  MustAppend(AppendTo(stream, {.day_precision = true}));
  memory_.clock.Set(TestStart() + absl::Hours(24));
  MustAppend(AppendTo(stream, {.day_precision = true}));
  const auto events = ReadAll(log(), 1);
  EXPECT_EQ(events[1].event.recorded_at_us(), absl::ToUnixMicros(TestStart()));
  EXPECT_EQ(events[2].event.recorded_at_us(), absl::ToUnixMicros(TestStart() + absl::Hours(24)));
}

TEST_F(EventLogTest, AClockThatIsBehindStopsAppendsWithANamedError) {
  MustAppend(WithRequest(AppendTo(Stream(RootIn(1))), 1));
  memory_.clock.Advance(-kClockBehindMax - absl::Microseconds(1));
  const auto other = log().AppendAndWait(AppendTo(Stream(RootIn(2))));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.status().message(), HasSubstr("CLOCK_BEHIND"));
  const Appended repeated = MustAppend(WithRequest(AppendTo(Stream(RootIn(1))), 1));
  EXPECT_TRUE(repeated.repeated) << "what was made before is still told";
  memory_.Open();
  EXPECT_FALSE(log().AppendAndWait(AppendTo(Stream(RootIn(2)))).ok()) << "after a restart too";
  memory_.clock.Advance(absl::Microseconds(1));
  MustAppend(AppendTo(Stream(RootIn(2))));
}

TEST_F(EventLogTest, AnAppendWhoseDeadlineHasPassedIsNotWritten) {
  Append append = AppendTo(Stream(RootIn(1)));
  append.deadline = memory_.clock.Now();
  EXPECT_EQ(log().AppendAndWait(std::move(append)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(log().Head(Ledger::kEvents, 1).sequence, 0u);
}

TEST_F(EventLogTest, PositionsOfNoEventAreToldApart) {
  MustAppend(AppendTo(Stream(RootIn(1))));
  EXPECT_EQ(log().ReadAt(Ledger::kEvents, {1, 2}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(log().ReadAt(Ledger::kEvents, {1, 0}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(log().ReadAt(Ledger::kEvents, {4, 1}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(log().CheckpointAt(Ledger::kEvents, {1, 2}).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(log().Follow({.after = {1, 2}}).status().code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace records::eventstore
