#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "eventstore/limits.h"
#include "eventstore/signed_note.h"
#include "tests/eventstore/log_fixture.h"

// Following, and the checkpoints that say how far one came.
namespace records::eventstore {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)
using Kind = FollowMessage::Kind;

class LogFollowTest : public testing::Test {
 protected:
  void SetUp() override { memory_.Open(); }
  EventLog& log() { return *memory_.log; }
  void Fill(size_t count, const std::string& type = std::string(kType)) {
    while (count > 0) {
      std::vector<NewEvent> events;
      for (; count > 0 && events.size() < kEventsPerAppendMax; --count) {
        events.push_back(MakeEvent(stream_, {.type = type}));
      }
      ASSERT_TRUE(log().AppendAndWait(AppendOf(std::move(events))).ok());
    }
  }
  std::unique_ptr<Follower> Follow(FollowOptions options) {
    auto follower = log().Follow(std::move(options));
    EXPECT_TRUE(follower.ok()) << follower.status();
    return *std::move(follower);
  }
  static FollowMessage Next(Follower& follower) {
    auto message = follower.Next(absl::ZeroDuration());
    EXPECT_TRUE(message.ok()) << message.status();
    return *std::move(message);
  }

  MemoryLog memory_;
  const StreamName stream_ = Stream(RootIn(1));
};

TEST_F(LogFollowTest, AFollowerGetsWhatStandsThenCaughtUpThenWhatComes) {
  Fill(300);
  const auto follower = Follow({.after = {1, 0}});
  for (uint64_t i = 1; i <= 300; ++i) {
    const FollowMessage message = Next(*follower);
    ASSERT_EQ(message.kind, Kind::kEvent);
    ASSERT_EQ(message.event.position, (Position{1, i}));
    ASSERT_EQ(message.checkpoint, message.event.position);
  }
  EXPECT_EQ(Next(*follower).kind, Kind::kCaughtUp);
  const FollowMessage heartbeat = Next(*follower);
  EXPECT_EQ(heartbeat.kind, Kind::kHeartbeat);
  EXPECT_EQ(heartbeat.checkpoint, (Position{1, 300}));
  Fill(1);
  EXPECT_EQ(Next(*follower).event.position, (Position{1, 301}));
  EXPECT_EQ(Next(*follower).kind, Kind::kHeartbeat) << "caught up is said once";
}

TEST_F(LogFollowTest, AFollowerCarriesOnAfterAnyCheckpoint) {
  Fill(5);
  for (uint64_t after = 0; after <= 5; ++after) {
    const auto follower = Follow({.after = {1, after}});
    for (uint64_t i = after + 1; i <= 5; ++i) EXPECT_EQ(Next(*follower).event.position.sequence, i);
    EXPECT_EQ(Next(*follower).kind, Kind::kCaughtUp);
  }
}

TEST_F(LogFollowTest, AFilteredFollowerMovesItsCheckpointPastWhatItDoesNotWant) {
  Fill(2, "wanted");
  Fill(3000, "other");
  Fill(1, "wanted");
  Fill(700, "other");
  const auto follower = Follow({.after = {1, 0}, .types = {"wanted"}});
  std::vector<uint64_t> seen;
  FollowMessage message;
  do {
    message = Next(*follower);
    if (message.kind == Kind::kEvent) seen.push_back(message.event.position.sequence);
    const uint64_t last = seen.empty() ? 0 : seen.back();
    EXPECT_GE(message.checkpoint.sequence, last);
  } while (message.kind != Kind::kCaughtUp);
  EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3003));
  EXPECT_EQ(message.checkpoint, (Position{1, 3703}));
  Fill(10, "other");
  EXPECT_EQ(Next(*follower).checkpoint.sequence, 3713u);
}

TEST_F(LogFollowTest, AFollowerThatWasLiveAndIsFarBehindIsToldSo) {
  const auto follower = Follow({.after = {1, 0}});
  EXPECT_EQ(Next(*follower).kind, Kind::kCaughtUp);
  Fill(kFellBehindEvents);
  EXPECT_EQ(Next(*follower).kind, Kind::kEvent) << "not yet too far behind";
  // It has a page in hand; the rest is looked at when that is read.
  Fill(kFellBehindEvents);
  uint64_t expected = 2;
  bool fell_behind = false;
  while (true) {
    const FollowMessage message = Next(*follower);
    if (message.kind == Kind::kCaughtUp) break;
    if (message.kind == Kind::kFellBehind) {
      EXPECT_FALSE(fell_behind) << "said once";
      fell_behind = true;
      continue;
    }
    ASSERT_EQ(message.event.position.sequence, expected++);
  }
  EXPECT_TRUE(fell_behind);
  EXPECT_EQ(expected, 2 * kFellBehindEvents + 1);
}

TEST_F(LogFollowTest, AWaitEndsWhenAnEventComes) {
  const auto follower = Follow({.after = {1, 0}});
  EXPECT_EQ(Next(*follower).kind, Kind::kCaughtUp);
  std::thread writer([this] { Fill(1); });
  const auto message = follower->Next(absl::Hours(1));
  writer.join();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->kind, Kind::kEvent);
}

TEST_F(LogFollowTest, OneWaitSeesBatchesOfAllPartitions) {
  const uint64_t before = log().WaitForBatch(Ledger::kEvents, 0, absl::ZeroDuration());
  std::thread writer(
      [this] { EXPECT_TRUE(log().AppendAndWait(AppendTo(Stream(RootIn(3)))).ok()); });
  const uint64_t after = log().WaitForBatch(Ledger::kEvents, before, absl::Hours(1));
  writer.join();
  EXPECT_EQ(after, before + 1);
  EXPECT_EQ(log().WaitForBatch(Ledger::kAccess, 0, absl::ZeroDuration()), 0u);
}

TEST_F(LogFollowTest, EveryCheckpointIsVerifiedAndNoOther) {
  std::vector<PartitionCheckpoint> checkpoints;
  for (int i = 0; i < 12; ++i) {
    Fill(97);
    const Position head = log().Head(Ledger::kEvents, 1);
    for (const uint64_t back : {uint64_t{0}, uint64_t{1}, head.sequence / 2}) {
      checkpoints.push_back(*log().CheckpointAt(Ledger::kEvents, {1, head.sequence - back}));
    }
  }
  memory_.Open();
  for (PartitionCheckpoint checkpoint : checkpoints) {
    EXPECT_TRUE(log().VerifyCheckpoint(Ledger::kEvents, checkpoint).ok());
    checkpoint.root[5] ^= 1;
    EXPECT_EQ(log().VerifyCheckpoint(Ledger::kEvents, checkpoint).code(),
              absl::StatusCode::kDataLoss);
  }
  PartitionCheckpoint checkpoint = checkpoints.back();
  checkpoint.position.sequence = 12 * 97 + 1;
  EXPECT_EQ(log().VerifyCheckpoint(Ledger::kEvents, checkpoint).code(),
            absl::StatusCode::kOutOfRange);
  checkpoint = checkpoints.back();
  checkpoint.store = StoreId(IdBytes{9});
  EXPECT_EQ(log().VerifyCheckpoint(Ledger::kEvents, checkpoint).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(LogFollowTest, OfTwoSignedCheckpointsEachTreeOfOneIsAPrefixOfTheOther) {
  const NoteVerifier verifier = *NoteVerifier::Parse(log().VerifierKey());
  std::vector<TreeHead> previous;
  for (int i = 0; i < 8; ++i) {
    Fill(61);
    Append trace = AppendTo(Stream(RootIn(2)));
    trace.ledger = Ledger::kAccess;
    ASSERT_TRUE(log().AppendAndWait(std::move(trace)).ok());
    if (i == 4) memory_.Open();
    const std::string note = *log().SignedCheckpoint();
    EXPECT_EQ(*log().SignedCheckpoint(), note) << "nothing new: the same note again";
    const auto opened = OpenNote(note, {verifier});
    ASSERT_TRUE(opened.ok()) << opened.status();
    const Checkpoint checkpoint = *ParseCheckpoint(opened->text);
    EXPECT_EQ(checkpoint.size, 62u * (i + 1));
    const std::vector<TreeHead> trees = *TreesOf(checkpoint, log().store_id());
    for (size_t tree = 0; tree < previous.size(); ++tree) {
      const Ledger ledger = tree < 4 ? Ledger::kEvents : Ledger::kAccess;
      const Position at{static_cast<uint32_t>(tree % 4), previous[tree].size};
      EXPECT_GE(trees[tree].size, previous[tree].size);
      EXPECT_EQ(log().CheckpointAt(ledger, at)->root, previous[tree].root);
    }
    previous = trees;
  }
}

TEST_F(LogFollowTest, AFollowerOfNoPartitionOrBeyondTheHeadIsRefused) {
  EXPECT_EQ(log().Follow({.after = {9, 0}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(log().Follow({.after = {1, 1}}).status().code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace records::eventstore
