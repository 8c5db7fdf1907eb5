#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>

#include "eventstore/event_log.h"
#include "eventstore/memory_storage.h"
#include "projections/view_rows.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/projections/note_projection.h"
#include "tests/simulation/access_checker.h"
#include "tests/simulation/acknowledgement_ledger.h"
#include "tests/simulation/follow_checker.h"
#include "tests/simulation/history_checker.h"
#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/sequence_checker.h"
#include "tests/simulation/tree_checker.h"
#include "tests/simulation/view_checker.h"

// Each checker lets a right log pass, and names what is wrong in one that was spoiled.
namespace records::simulation {
namespace {

using eventstore::Appended;
using eventstore::FollowMessage;
using eventstore::StoredEvent;
using ::testing::HasSubstr;
using namespace eventstore::testing_support;  // NOLINT(build/namespaces)

std::optional<std::string> NobodyCanTell(const StoredEvent&) { return std::nullopt; }
std::optional<std::string> FactsOf(const StoredEvent& stored) { return stored.event.facts(); }

class CheckersTest : public ::testing::Test {
 protected:
  CheckersTest() : memory_(1) {
    eventstore::EventLog& log = memory_.Open();
    for (uint32_t i = 0; i < 6; ++i) {
      const auto stream = Stream(RootIn(0, 1 + i % 2));
      EXPECT_TRUE(log.AppendAndWait(WithRequest(AppendTo(stream), i)).ok());
    }
    std::vector<eventstore::NewEvent> two;
    for (const char* facts : {"first", "second"}) {
      two.push_back(MakeEvent(Stream(RootIn(0, 1)), {.facts = facts}));
    }
    EXPECT_TRUE(log.AppendAndWait(WithRequest(AppendOf(std::move(two)), 100)).ok());
    note_ = *log.SignedCheckpoint();
    snapshot_ = *ReadSnapshot(log);
  }

  std::vector<StoredEvent>& events() { return snapshot_.trees[0]; }

  std::string Sequences() {
    Report report(false);
    CheckSequences(snapshot_, report);
    return report.broken().value_or("");
  }

  MemoryLog memory_;
  std::string note_;
  LogSnapshot snapshot_;
};

TEST_F(CheckersTest, ARightLogPassesTheCheckOfSequences) { EXPECT_EQ(Sequences(), ""); }

TEST_F(CheckersTest, AGapInThePositionsIsNamed) {
  events().erase(events().begin() + 2);
  EXPECT_THAT(Sequences(), HasSubstr("position 3 holds 0/4"));
}

TEST_F(CheckersTest, ARevisionThatComesTwiceIsNamed) {
  events()[4].event.set_revision(events()[2].event.revision());
  EXPECT_THAT(Sequences(), HasSubstr("its stream stood at"));
}

TEST_F(CheckersTest, ATimeThatGoesBackIsNamed) {
  events()[3].event.set_recorded_at_us(events()[3].event.recorded_at_us() - 1);
  EXPECT_THAT(Sequences(), HasSubstr("was recorded before its neighbour"));
}

TEST_F(CheckersTest, AnAppendThatIsCutShortIsNamed) {
  events().pop_back();
  EXPECT_THAT(Sequences(), HasSubstr("cut short"));
}

TEST_F(CheckersTest, AnAppendThatIsCutShortByAnotherIsNamed) {
  events()[3].event.mutable_append()->set_count(2);
  EXPECT_THAT(Sequences(), HasSubstr("0/4 is the end of an append cut short"));
}

TEST_F(CheckersTest, AnAppendWhoseEventsCountDifferentlyIsNamed) {
  events()[7].event.mutable_append()->set_count(3);
  EXPECT_THAT(Sequences(), HasSubstr("0/8 stands apart from its append"));
}

TEST_F(CheckersTest, AnEventBeyondTheEndOfItsAppendIsNamed) {
  events()[7].event.mutable_append()->set_index(2);
  EXPECT_THAT(Sequences(), HasSubstr("0/8 is beyond the end of its append"));
}

TEST_F(CheckersTest, ARequestKeyThatComesTwiceIsNamed) {
  *events()[5].event.mutable_append() = events()[0].event.append();
  EXPECT_THAT(Sequences(), HasSubstr("for the second time"));
}

TEST_F(CheckersTest, WhatWasSeenMayNeitherGoNorChange) {
  HistoryChecker history;
  Report right(false);
  history.Check(snapshot_, right);
  history.Check(snapshot_, right);
  EXPECT_FALSE(right.broken().has_value());

  HistoryChecker changed = history;
  LogSnapshot spoiled = snapshot_;
  spoiled.trees[0][3].bytes += "x";
  Report of_change(false);
  changed.Check(spoiled, of_change);
  EXPECT_THAT(of_change.broken().value_or(""), HasSubstr("event 4 of tree 0 has changed"));

  spoiled.trees[0].pop_back();
  Report of_loss(false);
  history.Check(spoiled, of_loss);
  EXPECT_THAT(of_loss.broken().value_or(""), HasSubstr("had 8 events, now 7"));
}

TEST_F(CheckersTest, AnAcknowledgedAppendMustBeThereAndItsRepliesAlike) {
  AcknowledgementLedger ledger;
  Report right(false);
  ledger.Acknowledged("a", {{0, 1}, 1, false}, right);
  ledger.Acknowledged("a", {{0, 1}, 1, true}, right);
  ledger.Acknowledged("b", {{0, 7}, 2, true}, right);
  ledger.Check(snapshot_, NobodyCanTell, right);
  EXPECT_FALSE(right.broken().has_value()) << *right.broken();

  Report other_reply(false);
  AcknowledgementLedger(ledger).Acknowledged("a", {{0, 2}, 1, true}, other_reply);
  EXPECT_THAT(other_reply.broken().value_or(""), HasSubstr("a was told 0/1 and then 0/2"));
  Report made_twice(false);
  AcknowledgementLedger(ledger).Acknowledged("a", {{0, 1}, 1, false}, made_twice);
  EXPECT_THAT(made_twice.broken().value_or(""), HasSubstr("made twice"));
  Report one_place(false);
  AcknowledgementLedger shared = ledger;
  shared.Acknowledged("c", {{0, 7}, 2, false}, one_place);
  shared.Check(snapshot_, NobodyCanTell, one_place);
  EXPECT_THAT(one_place.broken().value_or(""), HasSubstr("have one place"));
  Report lost(false);
  ledger.Acknowledged("d", {{0, 9}, 1, false}, lost);
  ledger.Check(snapshot_, NobodyCanTell, lost);
  EXPECT_THAT(lost.broken().value_or(""), HasSubstr("d was acknowledged at 0/9"));
}

TEST_F(CheckersTest, WhatWasRefusedForGoodMustNotBeThere) {
  const std::string key = events()[0].event.append().request_key();
  const auto broken = [this](AcknowledgementLedger ledger) {
    Report report(false);
    ledger.Check(snapshot_, FactsOf, report);
    return report.broken().value_or("");
  };
  AcknowledgementLedger ledger;
  ledger.HasKey("a", key);
  ledger.Refused("a", ledger.Sent("a"));
  EXPECT_THAT(broken(ledger), HasSubstr("a was refused for good and stands at 0/1"));
  AcknowledgementLedger sent_later = ledger;
  sent_later.Sent("a");  // nobody knows what became of this one
  EXPECT_EQ(broken(sent_later), "");
  AcknowledgementLedger absent = ledger;
  absent.HasKey("a", std::string(32, 'k'));
  EXPECT_EQ(broken(absent), "");

  AcknowledgementLedger without_key;
  without_key.Refused("second", without_key.Sent("second"));
  without_key.Refused("third", without_key.Sent("third"));
  EXPECT_THAT(broken(without_key), HasSubstr("second was refused for good and stands at 0/8"));
}

TEST_F(CheckersTest, AnAcknowledgedEventMustSayWhatWasSentUnderItsKey) {
  events()[7].event.set_facts("first");
  AcknowledgementLedger ledger;
  Report right(false);
  ledger.HasKey("first", events()[6].event.append().request_key());
  ledger.Acknowledged("first", {{0, 7}, 2, false}, right);
  ledger.Check(snapshot_, FactsOf, right);
  EXPECT_FALSE(right.broken().has_value()) << *right.broken();

  AcknowledgementLedger other_key = ledger;
  other_key.HasKey("first", std::string(32, 'k'));
  Report of_key(false);
  other_key.Check(snapshot_, FactsOf, of_key);
  EXPECT_THAT(of_key.broken().value_or(""), HasSubstr("has another request key"));

  events()[7].event.set_facts("second");
  Report of_content(false);
  ledger.Check(snapshot_, FactsOf, of_content);
  EXPECT_THAT(of_content.broken().value_or(""),
              HasSubstr("first was acknowledged at 0/8, which holds second"));
}

TEST_F(CheckersTest, AFollowerMayNeitherSkipNorRepeatNorGoBack) {
  const auto took = [this](std::vector<uint64_t> sequences) {
    FollowChecker checker(0, {});
    Report report(false);
    for (const uint64_t sequence : sequences) {
      FollowMessage message{.kind = FollowMessage::Kind::kEvent, .event = events()[sequence - 1]};
      message.checkpoint = message.event.position;
      checker.Took(message, report);
    }
    checker.Check(snapshot_, report);
    return report.broken().value_or("");
  };
  EXPECT_EQ(took({1, 2, 3, 4, 5, 6, 7, 8}), "");
  EXPECT_EQ(took({1, 2, 3}), "");
  EXPECT_THAT(took({1, 3}), HasSubstr("2 events were delivered, 3 stand there"));
  EXPECT_THAT(took({1, 1}), HasSubstr("came after checkpoint 1"));
}

TEST_F(CheckersTest, ACheckpointBeyondWhatWasDeliveredIsASkip) {
  FollowChecker checker(0, {std::string(kType)});
  Report report(false);
  checker.Took({.kind = FollowMessage::Kind::kHeartbeat, .event = {}, .checkpoint = {0, 4}},
               report);
  checker.Check(snapshot_, report);
  EXPECT_THAT(report.broken().value_or(""), HasSubstr("0 events were delivered, 4 stand there"));
}

TEST_F(CheckersTest, TheTreesMustAgreeWithEverySignedCheckpoint) {
  TreeChecker trees;
  Report right(false);
  trees.Signed(note_, *memory_.log, right);
  ASSERT_TRUE(memory_.log->AppendAndWait(AppendTo(Stream(RootIn(0, 3)))).ok());
  LogSnapshot later = *ReadSnapshot(*memory_.log);
  trees.Check(later, memory_.storage, right);
  EXPECT_FALSE(right.broken().has_value()) << *right.broken();

  later.trees[0][2].bytes += "x";
  Report spoiled(false);
  trees.Check(later, memory_.storage, spoiled);
  EXPECT_THAT(spoiled.broken().value_or(""), HasSubstr("another root"));
}

TEST_F(CheckersTest, AViewMustBeTheFoldOfWhatItSaysItHolds) {
  const projections::NoteProjection projection;
  eventstore::MemoryStorage view(projections::kNoteTables);
  projections::ViewBatch batch(view);
  for (size_t i = 0; i < 5; ++i) ASSERT_TRUE(projection.Apply(events()[i], batch).ok());
  batch.Keep();
  eventstore::StorageBatch rows;
  batch.MoveKeptInto(rows);
  ASSERT_TRUE(view.Write(rows, eventstore::Storage::Durability::kUnsynced).ok());
  for (const uint64_t says : {4, 5, 6, 9}) {
    Report report(false);
    CheckView(
        snapshot_, projection, view, [says](uint32_t) { return says; }, report);
    EXPECT_EQ(report.broken().has_value(), says != 5) << says;
  }
}

TEST(AccessCheckerTest, WhileAChangeIsUnderWayBothAnswersMayCome) {
  AccessChecker access;
  Report report(false);
  access.Decided("amy", false, report);
  access.ChangeBegins("amy");
  access.Decided("amy", true, report);
  access.Decided("amy", false, report);
  access.ChangeAcknowledged("amy", true);
  access.Decided("amy", true, report);
  EXPECT_FALSE(report.broken().has_value());
  Report refused(false);
  access.Decided("amy", false, refused);
  EXPECT_TRUE(refused.broken().has_value());
  access.ChangeBegins("amy");
  access.ChangeAcknowledged("amy", false);
  Report answered(false);
  access.Decided("amy", true, answered);
  EXPECT_THAT(answered.broken().value_or(""), HasSubstr("under a revoked grant"));
}

TEST(AccessCheckerTest, AnAnswerWithoutItsTraceIsNamed) {
  AccessChecker access;
  access.Answered("q1", 7);
  const auto open = [](size_t) { return false; };
  Report traced(false);
  access.Check({"q1", "q2"}, open, traced);
  EXPECT_FALSE(traced.broken().has_value());
  Report untraced(false);
  access.Check({"q2"}, open, untraced);
  EXPECT_THAT(untraced.broken().value_or(""), HasSubstr("no trace: q1"));
}

TEST(AccessCheckerTest, AnAnswerAboutAnotherIsHeldAgainstItsTraceThoughACustomerIsFenced) {
  AccessChecker access;
  access.Answered("q1", 0);
  access.Answered("q2", 1);
  const auto first_is_fenced = [](size_t customer) { return customer == 0; };
  Report report(false);
  access.Check({"q2"}, first_is_fenced, report);
  EXPECT_FALSE(report.broken().has_value());
  access.Check({}, first_is_fenced, report);
  EXPECT_THAT(report.broken().value_or(""), HasSubstr("no trace: q2"));
}

}  // namespace
}  // namespace records::simulation
