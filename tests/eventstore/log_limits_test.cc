#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventstore/limits.h"
#include "eventstore/prepared_append.h"
#include "tests/eventstore/log_fixture.h"

// Each limit of the log at limit - 1, limit and limit + 1; and what an append may not be.
namespace records::eventstore {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)

class LogLimitsTest : public testing::Test {
 protected:
  void SetUp() override { memory_.Open(); }
  absl::Status TryAppend(Append append) {
    return memory_.log->AppendAndWait(std::move(append)).status();
  }

  MemoryLog memory_;
  const StreamName stream_ = Stream(RootIn(1));
};

// An event that takes `size` bytes in the log at most, alone in its append and without a request.
NewEvent EventOfSize(const StreamName& stream, size_t size, uint32_t count = 1,
                     uint32_t index = 0) {
  const auto stored_size = [&](size_t facts) {
    std::string body = MakeEvent(stream, {.facts = std::string(facts, 'f')}).body;
    AppendAppendField(body, std::nullopt, {}, index, count);
    return body.size() + kPlaceBytesMax;
  };
  size_t facts = size - 200;
  while (stored_size(facts) < size) facts += size - stored_size(facts);
  EXPECT_EQ(stored_size(facts), size);
  return MakeEvent(stream, {.facts = std::string(facts, 'f')});
}

TEST_F(LogLimitsTest, AnEventHasAtMostSoManyBytes) {
  for (const size_t size : {kEventBytesMax - 1, kEventBytesMax}) {
    std::vector<NewEvent> events;
    events.push_back(EventOfSize(stream_, size));
    EXPECT_TRUE(TryAppend(AppendOf(std::move(events))).ok()) << size;
  }
  std::vector<NewEvent> events;
  events.push_back(EventOfSize(stream_, kEventBytesMax + 1));
  EXPECT_EQ(TryAppend(AppendOf(std::move(events))).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_LE(memory_.log->ReadAt(Ledger::kEvents, {1, 2})->bytes.size(), kEventBytesMax);
}

TEST_F(LogLimitsTest, AnAppendHasAtMostSoManyEvents) {
  for (const size_t count : {kEventsPerAppendMax - 1, kEventsPerAppendMax}) {
    std::vector<NewEvent> events;
    for (size_t i = 0; i < count; ++i) events.push_back(MakeEvent(stream_));
    EXPECT_TRUE(TryAppend(AppendOf(std::move(events))).ok()) << count;
  }
  std::vector<NewEvent> events;
  for (size_t i = 0; i < kEventsPerAppendMax + 1; ++i) events.push_back(MakeEvent(stream_));
  EXPECT_EQ(TryAppend(AppendOf(std::move(events))).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TryAppend(AppendOf({})).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LogLimitsTest, AnAppendHasAtMostSoManyBytes) {
  constexpr uint32_t kCount = 8;
  for (const size_t total : {kAppendBytesMax - 1, kAppendBytesMax, kAppendBytesMax + 1}) {
    std::vector<NewEvent> events;
    size_t left = total;
    for (uint32_t i = 0; i < kCount; ++i) {
      const size_t size = i + 1 == kCount ? left : kAppendBytesMax / kCount;
      events.push_back(EventOfSize(stream_, size, kCount, i));
      left -= size;
    }
    EXPECT_EQ(TryAppend(AppendOf(std::move(events))).ok(), total <= kAppendBytesMax) << total;
  }
}

TEST_F(LogLimitsTest, AnAppendHasAtMostSoManyExpectations) {
  for (const size_t count :
       {kExpectationsPerAppendMax - 1, kExpectationsPerAppendMax, kExpectationsPerAppendMax + 1}) {
    Append append = AppendTo(stream_);
    append.expectations.resize(count, {stream_, Expectation::Kind::kAny, {}});
    EXPECT_EQ(TryAppend(std::move(append)).ok(), count <= kExpectationsPerAppendMax) << count;
  }
}

TEST_F(LogLimitsTest, NamesHaveAtMostSoManyCharacters) {
  for (const size_t length : {kNameLengthMax - 1, kNameLengthMax, kNameLengthMax + 1}) {
    const std::string name(length, 'n');
    const bool fits = length <= kNameLengthMax;
    EXPECT_EQ(TryAppend(AppendTo({name, "c", RootIn(1), ""})).ok(), fits);
    EXPECT_EQ(TryAppend(AppendTo({"o", name, RootIn(1), ""})).ok(), fits);
    EXPECT_EQ(TryAppend(AppendTo({"o", "c", RootIn(1), name})).ok(), fits);
  }
  EXPECT_FALSE(TryAppend(AppendTo({"", "c", RootIn(1), ""})).ok());
  EXPECT_FALSE(TryAppend(AppendTo({"o", "", RootIn(1), ""})).ok());
  EXPECT_FALSE(TryAppend(AppendTo({"o/", "c", RootIn(1), ""})).ok());
  EXPECT_FALSE(TryAppend(AppendTo({"O", "c", RootIn(1), ""})).ok());
}

TEST_F(LogLimitsTest, OneReadReturnsAtMostSoMuch) {
  std::vector<NewEvent> events;
  while (memory_.log->Head(Ledger::kEvents, 1).sequence < kReadEventsMax + 2) {
    events.clear();
    for (int i = 0; i < 57; ++i) events.push_back(MakeEvent(stream_));
    ASSERT_TRUE(TryAppend(AppendOf(std::move(events))).ok());
  }
  for (const size_t asked : {kReadEventsMax - 1, kReadEventsMax, kReadEventsMax + 1}) {
    const ReadLimits limits{.events = asked, .bytes = 1 << 30};
    const size_t expected = std::min(asked, kReadEventsMax);
    EXPECT_EQ(
        memory_.log->ReadPartition(Ledger::kEvents, {1, 1}, ReadDirection::kForward, limits, {})
            ->size(),
        expected);
    EXPECT_EQ(
        memory_.log->ReadStream(Ledger::kEvents, stream_, {0}, ReadDirection::kForward, limits)
            ->size(),
        expected);
    EXPECT_EQ(memory_.log->ReadRoot(Ledger::kEvents, stream_.root, 0, limits)->size(), expected);
  }
}

TEST_F(LogLimitsTest, OneReadReturnsAtMostSoManyBytesButAlwaysAnEvent) {
  const StreamName large = Stream(RootIn(2));
  for (int i = 0; i < 10; ++i) {
    std::vector<NewEvent> events;
    events.push_back(EventOfSize(large, kEventBytesMax));
    ASSERT_TRUE(TryAppend(AppendOf(std::move(events))).ok());
  }
  const size_t one = memory_.log->ReadAt(Ledger::kEvents, {2, 5})->bytes.size();
  for (const auto& [bytes, expected] :
       std::vector<std::pair<size_t, size_t>>{{0, 1},
                                              {one, 1},
                                              {2 * one - 1, 1},
                                              {2 * one, 2},
                                              {2 * one + 1, 2},
                                              {1 << 30, kReadBytesMax / one}}) {
    const ReadLimits limits{.events = 100, .bytes = bytes};
    EXPECT_EQ(
        memory_.log->ReadPartition(Ledger::kEvents, {2, 5}, ReadDirection::kBackward, limits, {})
            ->size(),
        std::min<size_t>(expected, 5))
        << bytes;
    EXPECT_EQ(memory_.log->ReadStream(Ledger::kEvents, large, {1}, ReadDirection::kForward, limits)
                  ->size(),
              expected)
        << bytes;
    EXPECT_EQ(memory_.log->ReadRoot(Ledger::kEvents, large.root, 1, limits)->size(), expected);
  }
}

TEST_F(LogLimitsTest, SoManyAppendsMayWait) {
  absl::Notification writing, go_on;
  memory_.storage.set_before_write([&]() -> absl::Status {
    if (writing.HasBeenNotified()) return absl::OkStatus();
    writing.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  });
  absl::Mutex mutex;
  size_t ok = 0, refused = 0;
  const auto count = [&](absl::StatusOr<Appended> result) {
    absl::MutexLock lock(&mutex);
    if (result.ok()) {
      ++ok;
    } else {
      EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
      EXPECT_THAT(result.status().message(), HasSubstr("LOG_BUSY"));
      ++refused;
    }
  };
  memory_.log->AppendAsync(AppendTo(stream_), count);
  writing.WaitForNotification();
  for (size_t i = 0; i < kQueuedAppendsMax + 1; ++i) {
    memory_.log->AppendAsync(AppendTo(stream_), count);
  }
  go_on.Notify();
  absl::MutexLock lock(&mutex);
  const auto all = [&] { return ok + refused == kQueuedAppendsMax + 2; };
  mutex.Await(absl::Condition(&all));
  EXPECT_EQ(refused, 1u);
}

TEST_F(LogLimitsTest, SoManyFollowersMayBeOpen) {
  std::vector<std::unique_ptr<Follower>> followers;
  for (size_t i = 0; i < kFollowersMax; ++i) {
    auto follower = memory_.log->Follow({.after = {1, 0}});
    ASSERT_TRUE(follower.ok()) << i;
    followers.push_back(*std::move(follower));
  }
  EXPECT_EQ(memory_.log->Follow({.after = {1, 0}}).status().code(),
            absl::StatusCode::kResourceExhausted);
  followers.pop_back();
  EXPECT_TRUE(memory_.log->Follow({.after = {1, 0}}).ok());
}

TEST(LogPartitionsTest, ALogHasOneToSoManyPartitions) {
  for (const uint32_t count : {0u, 1u, kPartitionsMax - 1, kPartitionsMax, kPartitionsMax + 1}) {
    MemoryLog memory(count);
    EXPECT_EQ(memory.TryOpen().ok(), count >= 1 && count <= kPartitionsMax) << count;
    if (memory.log) {
      EXPECT_EQ(memory.log->partition_count(), count);
    }
  }
}

TEST_F(LogLimitsTest, StreamsOfSeveralPartitionsAreRefused) {
  std::vector<NewEvent> events;
  events.push_back(MakeEvent(Stream(RootIn(1))));
  events.push_back(MakeEvent(Stream(RootIn(2))));
  EXPECT_THAT(TryAppend(AppendOf(std::move(events))).message(), HasSubstr("one partition"));
  EXPECT_THAT(TryAppend(Expecting(AppendTo(Stream(RootIn(1))),
                                  {Stream(RootIn(2)), Expectation::Kind::kAny, {}}))
                  .message(),
              HasSubstr("one partition"));
}

TEST_F(LogLimitsTest, ABodyThatSaysSomethingElseThanItsAppendIsRefused) {
  const auto refusal = [&](const std::function<void(NewEvent&)>& change) {
    Append append = AppendTo(stream_);
    change(append.events[0]);
    const absl::Status status = TryAppend(std::move(append));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  const auto adding = [&](const std::function<void(records::log::v1::Event&)>& fill) {
    return refusal([&fill](NewEvent& event) {
      records::log::v1::Event more;
      fill(more);
      event.body += more.SerializeAsString();
    });
  };
  EXPECT_THAT(adding([](auto& e) { e.set_revision(1); }), HasSubstr("the committer's to set"));
  EXPECT_THAT(adding([](auto& e) { e.mutable_position(); }), HasSubstr("the committer's to set"));
  EXPECT_THAT(adding([](auto& e) { e.mutable_append(); }), HasSubstr("the committer's to set"));
  EXPECT_THAT(adding([](auto& e) { e.set_recorded_at_us(1); }), HasSubstr("the committer's"));
  EXPECT_THAT(adding([](auto& e) { e.set_type("second"); }), HasSubstr("twice"));
  EXPECT_THAT(refusal([](NewEvent& e) { e.body += "\x31" + std::string(8, 't'); }),
              HasSubstr("another kind"));
  EXPECT_THAT(refusal([](NewEvent& e) { e.stream.sub_stream = "x"; }), HasSubstr("another stream"));
  EXPECT_THAT(refusal([](NewEvent& e) { e.time_precision = records::log::v1::TIME_PRECISION_DAY; }),
              HasSubstr("time precision"));
  EXPECT_THAT(refusal([](NewEvent& e) { e.body.resize(e.body.size() - 1); }),
              HasSubstr("not a serialised event"));
  EXPECT_THAT(refusal([](NewEvent& e) { e.body.clear(); }), HasSubstr("needs an id"));
}

}  // namespace
}  // namespace records::eventstore
