#include "eventstore/bus/work_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/stream_check.h"
#include "tests/eventstore/bus/work_fixture.h"

// Which work streams an event is on, and under which names (design, section 8).
namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_support::WorkLog;

class WorkStreamsTest : public ::testing::Test {
 protected:
  std::vector<WorkItem> ItemsOf(const StoredEvent& event) {
    auto items = work_.ItemsOf(event);
    EXPECT_TRUE(items.ok()) << items.status();
    return items.ok() ? *std::move(items) : std::vector<WorkItem>();
  }
  // Of an event that is on one stream.
  WorkItem ItemOf(const StoredEvent& event) {
    const auto items = ItemsOf(event);
    EXPECT_THAT(items, SizeIs(1));
    return items.empty() ? WorkItem() : items.front();
  }

  WorkLog files_;
  const WorkStreams& work_ = files_.work();
  const WorkLog::Person person_ = files_.PersonNumber(1);
};

TEST_F(WorkStreamsTest, TheStreamsAreThoseThatTheEventTypesName) {
  EXPECT_THAT(work_.topics(), ElementsAre("asb.v1", "contacts.v1", "repairs.v1", "rights.v1"));
}

// CR-3.1.2b: the clear type of a restricted event tells nothing, here neither.
TEST_F(WorkStreamsTest, ARestrictedEventFindsItsStreamAndKeepsItsClearType) {
  EXPECT_EQ(ItemOf(files_.AppendContact(person_)).topic, "contacts.v1");
  EXPECT_EQ(ItemOf(files_.AppendRepair(person_)).topic, "repairs.v1");
  const WorkItem report = ItemOf(files_.AppendReport(person_));
  EXPECT_EQ(report.topic, "asb.v1");
  EXPECT_EQ(report.type, "records.events.v1.Restricted");
}

TEST_F(WorkStreamsTest, NothingThatOneStreamHasIsOnAnotherOrInTheLog) {
  std::map<std::string, std::string> seen;  // what, and the stream that has it
  for (uint32_t number = 1; number <= 20; ++number) {
    const auto person = files_.PersonNumber(number);
    for (const StoredEvent& event :
         {files_.AppendContact(person), files_.AppendRepair(person), files_.AppendReport(person)}) {
      for (const WorkItem& item : ItemsOf(event)) {
        const BusRecord record = WorkRecord("p", files_.log().store_id(), item, "", 0, absl::Now());
        for (const std::string& text : {item.id, item.subject, item.reference}) {
          ASSERT_TRUE(seen.emplace(text, item.topic).first->second == item.topic);
          ASSERT_NE(text, absl::BytesToHexString(event.event.id()));
          ASSERT_NE(text, absl::BytesToHexString(event.event.stream().root()));
        }
        ASSERT_EQ(record.Header("ce_time").substr(10), "T00:00:00Z");
        ASSERT_EQ(record.timestamp_ms % absl::ToInt64Milliseconds(absl::Hours(24)), 0);
      }
    }
  }
  EXPECT_THAT(seen, SizeIs(20 * 3 * 3));
}

TEST_F(WorkStreamsTest, ARootHasOneNameOnAStreamAndEachEventAnIdThatStaysTheSame) {
  const StoredEvent first = files_.AppendContact(person_);
  const WorkItem one = ItemOf(first);
  const WorkItem two = ItemOf(files_.AppendContact(person_));
  EXPECT_EQ(one.subject, two.subject);
  EXPECT_NE(one.id, two.id);
  EXPECT_NE(one.subject, ItemOf(files_.AppendContact(files_.PersonNumber(2))).subject);
  const WorkItem again = ItemOf(first);
  EXPECT_EQ(one.id, again.id);
  EXPECT_EQ(one.reference, again.reference);
  EXPECT_EQ(one.id, work_.IdOf("contacts.v1", first.position));
  EXPECT_EQ(work_.IdOf("contacts.v1", {0, 0}), "");
}

TEST_F(WorkStreamsTest, AReferenceOpensOnItsOwnStreamOnly) {
  const StoredEvent event = files_.AppendContact(person_);
  const std::string reference = ItemOf(event).reference;
  const auto opened = work_.OpenReference("contacts.v1", reference);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->position, event.position);
  EXPECT_FALSE(opened->erased);
  EXPECT_TRUE(absl::IsInvalidArgument(work_.OpenReference("repairs.v1", reference).status()));
  for (size_t i = 0; i < reference.size(); ++i) {
    std::string flipped = reference;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    ASSERT_TRUE(absl::IsInvalidArgument(work_.OpenReference("contacts.v1", flipped).status()));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(work_.OpenReference("contacts.v1", "").status()));
}

// DP-E4, C59: whoever was given something of a person is told to drop it.
TEST_F(WorkStreamsTest, AnErasureIsToldOnEveryStreamUnderTheNameThatTheSubjectHadThere) {
  std::map<std::string, std::string> names;
  for (const StoredEvent& event : {files_.AppendContact(person_), files_.AppendRepair(person_),
                                   files_.AppendReport(person_)}) {
    names[ItemOf(event).topic] = ItemOf(event).subject;
  }
  const StoredEvent erasure = files_.AppendErasure(person_);
  ASSERT_TRUE(files_.keys().Fence(person_.subject).ok());
  ASSERT_TRUE(files_.keys().DestroySubject(person_.subject).ok());
  std::map<std::string, std::string> told;
  for (const WorkItem& item : ItemsOf(erasure)) {
    const auto reference = work_.OpenReference(item.topic, item.reference);
    ASSERT_TRUE(reference.ok()) << reference.status();
    EXPECT_EQ(item.erased, item.topic != "rights.v1");
    EXPECT_EQ(reference->erased, item.erased);
    EXPECT_EQ(item.type == kErasedType, item.erased);
    if (item.erased) told[item.topic] = item.subject;
  }
  EXPECT_EQ(told, names);
}

TEST_F(WorkStreamsTest, WhatWasErasedIsOnNoStreamAnyMore) {
  const StoredEvent contact = files_.AppendContact(person_);
  const StoredEvent report = files_.AppendReport(person_);
  ASSERT_TRUE(files_.keys().Fence(person_.subject).ok());
  EXPECT_THAT(ItemsOf(contact), IsEmpty());
  ASSERT_TRUE(files_.keys().DestroySubject(person_.subject).ok());
  EXPECT_THAT(ItemsOf(contact), IsEmpty());
  EXPECT_THAT(ItemsOf(report), IsEmpty());
  EXPECT_FALSE(work_.NamesOf(person_.subject, person_.root).ok());
}

// Keys that a restore did not bring back are made anew where they are asked for, and so a subject
// has another name from then on. What was published under the old one is no difference.
TEST_F(WorkStreamsTest, AnotherNameIsADifferenceOnlyWhileTheEventHasItsKeys) {
  const StoredEvent contact = files_.AppendContact(person_);
  WorkItem item = ItemOf(contact);
  item.subject = ItemOf(files_.AppendContact(files_.PersonNumber(2))).subject;
  const BusRecord record = WorkRecord("records", files_.log().store_id(), item, "", 0, absl::Now());
  const auto check = [&] {
    return StreamCheck(files_.log(), work_, item.topic, 0, 1).Take(record);
  };
  EXPECT_TRUE(absl::IsDataLoss(check()));
  for (const auto& part : contact.event.sealed()) {
    const KeyReference reference = *files_.keys().OpenReference(part.key_reference());
    if (reference.purpose.category == 0) continue;
    ASSERT_TRUE(files_.keys().EndKey(reference.purpose).ok());
  }
  EXPECT_FALSE(*work_.HasKeysOf(contact));
  EXPECT_TRUE(check().ok()) << check();
}

TEST_F(WorkStreamsTest, AnEventOfATypeThatIsNotKnownIsNamed) {
  StoredEvent event = files_.AppendContact(person_);
  event.event.set_type("records.events.v1.Nonsense");
  EXPECT_TRUE(absl::IsDataLoss(work_.ItemsOf(event).status()));
}

}  // namespace
}  // namespace records::eventstore
