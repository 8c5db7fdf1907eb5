#include <random>

#include "tests/projections/timeline_fixture.h"
#include "tests/seed.h"

namespace records::projections {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class TimelinePageTest : public TimelineFixture {
 protected:
  static std::vector<std::string> WithoutCheckpoints(std::vector<std::string> rows) {
    std::erase_if(rows, [](const std::string& row) { return row.starts_with("0|c"); });
    return rows;
  }
};

TEST_F(TimelinePageTest, EntriesComeNewestFirstAndOfOneInstantTheLastRecordedFirst) {
  const Customer customer = NewCustomer();
  Record(customer, Phone("second"), {.after_start = absl::Minutes(2)});
  Record(customer, Phone("first"), {.after_start = absl::Minutes(1)});
  Record(customer, Phone("third"), {.after_start = absl::Minutes(3)});
  Record(customer, Phone("third again"), {.after_start = absl::Minutes(3)});
  Record(customer, Phone("long ago"), {.after_start = -absl::Hours(24 * 365 * 60)});
  Record(NewCustomer(), Phone("of somebody else"));
  const TimelinePage page = Page({.root = customer.root}, officer_);
  EXPECT_THAT(Summaries(page), ElementsAre("third again", "third", "second", "first", "long ago"));
  EXPECT_EQ(page.next_cursor, "");
  EXPECT_EQ(page.entries[3].occurred_at, start_ + absl::Minutes(1));
  EXPECT_EQ(page.entries[3].recorded_at, start_ + absl::Minutes(1) + absl::Microseconds(1));
  EXPECT_EQ(page.entries[3].actor, actor_);
  EXPECT_EQ(page.opened.events, 5u);
  EXPECT_THAT(page.opened.categories, ElementsAre("contact"));
}

TEST_F(TimelinePageTest, OnlyCustomersStreamsAreFoldedAndNotWhoReadThem) {
  const Customer customer = NewCustomer();
  Record(customer, Phone("notes"), {.sub_stream = "notes"});
  Record(customer, Phone("access"), {.sub_stream = "access"});
  Record(customer, Phone("case"), {.collection = "cases"});
  EXPECT_THAT(Summaries(Page({.root = customer.root}, officer_)), ElementsAre("notes"));
}

// CR-2.4c
TEST_F(TimelinePageTest, ACorrectionShowsTheNewValueAtOnceInThePlaceOfTheOld) {
  const Customer customer = NewCustomer();
  const auto wrong = Record(customer, Phone("boiler OLDVALUE"), {.after_start = absl::Minutes(1)});
  Record(customer, Phone("later"), {.after_start = absl::Minutes(2)});
  EXPECT_THAT(AllThatCanBeOpened(), HasSubstr("OLDVALUE"));
  Record(customer, Corrected("boiler NEWVALUE"),
         {.after_start = absl::Minutes(3), .corrects = wrong});
  const TimelinePage page = Page({.root = customer.root}, officer_);
  EXPECT_THAT(Summaries(page), ElementsAre("later", "boiler NEWVALUE"));
  EXPECT_TRUE(page.entries[1].corrected);
  EXPECT_FALSE(page.entries[0].corrected);
  EXPECT_EQ(page.entries[1].id, wrong);
  EXPECT_EQ(page.entries[1].occurred_at, start_ + absl::Minutes(1));
  // The old value is in no row any more, not even for who has every key.
  EXPECT_THAT(AllThatCanBeOpened(), Not(HasSubstr("OLDVALUE")));
  EXPECT_THAT(AllThatCanBeOpened(), HasSubstr("NEWVALUE"));
}

// CR-2.4c
TEST_F(TimelinePageTest, ASecondCorrectionReplacesTheFirstAndWhatWasNotCorrectedStays) {
  const Customer customer = NewCustomer();
  events::v1::ContactRecorded contact = Phone("OLDVALUE");
  contact.mutable_verbatim()->set_text("word for word");
  const auto wrong = Record(customer, contact);
  Record(customer, Corrected("FIRSTVALUE"), {.corrects = wrong});
  Record(customer, Corrected("SECONDVALUE", events::v1::CHANNEL_EMAIL), {.corrects = wrong});
  const TimelinePage page = Page({.root = customer.root}, all_);
  ASSERT_THAT(page.entries, SizeIs(1));
  EXPECT_THAT(Text(page.entries[0]), HasSubstr("SECONDVALUE"));
  EXPECT_THAT(Text(page.entries[0]), HasSubstr("word for word"));
  EXPECT_THAT(AllThatCanBeOpened(), Not(HasSubstr("OLDVALUE")));
  EXPECT_THAT(AllThatCanBeOpened(), Not(HasSubstr("FIRSTVALUE")));
  // A filter judges the corrected value.
  EXPECT_THAT(Page({.root = customer.root, .channel = events::v1::CHANNEL_PHONE}, all_).entries,
              IsEmpty());
  EXPECT_THAT(Page({.root = customer.root, .channel = events::v1::CHANNEL_EMAIL}, all_).entries,
              SizeIs(1));
}

// CR-2.4c
TEST_F(TimelinePageTest, CorrectedDetailsTakeThePlaceOfTheOldOnesInEveryEntry) {
  const Customer customer = NewCustomer();
  events::v1::CustomerRegistered registered;
  registered.mutable_person()->set_name("Formername");
  registered.mutable_tenancy()->set_contract_reference("T-1");
  registered.set_synthetic(true);
  Record(customer, registered);
  events::v1::CustomerDetailsCorrected first, second, third;
  first.mutable_person()->set_name("Middlename");
  first.set_reason("first");
  second.mutable_tenancy()->set_contract_reference("T-2");
  second.set_reason("second");
  third.mutable_person()->set_name("Pat Doe");
  third.set_reason("third");
  for (const auto& message : {first, second, third}) {
    Record(customer, message, {.after_start = absl::Minutes(1)});
  }
  const TimelinePage page = Page({.root = customer.root}, officer_);
  ASSERT_THAT(page.entries, SizeIs(4));
  std::string text;
  for (const OpenedEntry& entry : page.entries) absl::StrAppend(&text, Text(entry), "\n");
  EXPECT_THAT(text, Not(HasSubstr("Formername")));
  EXPECT_THAT(text, Not(HasSubstr("Middlename")));
  EXPECT_THAT(text, Not(HasSubstr("T-1")));
  EXPECT_THAT(Text(page.entries[3]), HasSubstr("corrected person { name: \"Pat Doe\" } tenancy"));
  const OpenedHeader header = Header(customer, officer_);
  EXPECT_EQ(header.person->name(), "Pat Doe");
  EXPECT_EQ(header.tenancy->contract_reference(), "T-2");
  EXPECT_TRUE(header.synthetic);
  // Who may see the tenancy only learns no name by it.
  EXPECT_FALSE(Header(customer, {"tenancy"}).person.has_value());
  EXPECT_EQ(Header(customer, {"tenancy"}).tenancy->contract_reference(), "T-2");
}

// CR-3.1.4b
TEST_F(TimelinePageTest, AReportersTimelineIsTheSameBeforeAndAfterAnAnonymousReport) {
  const Customer reporter = NewCustomer();
  Record(reporter, Phone("boiler out"));
  const auto rows = AllRows(storage_, kTimelineTables);
  const TimelinePage before = Page({.root = reporter.root}, all_);
  events::v1::AsbReported report;
  report.mutable_report()->set_description("noise at night");
  report.set_anonymous(true);
  Record(NewCustomer(), report, {.collection = "asb-reports"});
  const TimelinePage after = Page({.root = reporter.root}, all_);
  EXPECT_EQ(Summaries(before), Summaries(after));
  EXPECT_EQ(before.next_cursor, after.next_cursor);
  // Nothing of it is in the view but the checkpoint of its partition.
  EXPECT_EQ(WithoutCheckpoints(rows), WithoutCheckpoints(AllRows(storage_, kTimelineTables)));
}

// CR-3.1.2b: pages, cursors and counts are those of a customer without the restricted entries.
TEST_F(TimelinePageTest, WhatMayNotBeOpenedIsLeftOutWithoutAHint) {
  const Customer with = NewCustomer(), without = NewCustomer();
  for (int i = 0; i < 12; ++i) {
    const std::string summary = absl::StrCat("contact ", i);
    Record(with, Phone(summary), {.after_start = absl::Minutes(i)});
    Record(without, Phone(summary), {.after_start = absl::Minutes(i)});
    if (i % 4 != 1) Record(with, AsbLink(), {.after_start = absl::Minutes(i)});
  }
  // Hidden entries at both ends of the timeline too.
  Record(with, AsbLink(), {.after_start = -absl::Hours(1)});
  Record(with, AsbLink(), {.after_start = absl::Hours(1)});
  for (size_t size = 1; size <= 14; ++size) {
    TimelineQuery a{.root = with.root, .page_size = size},
        b{.root = without.root, .page_size = size};
    do {
      const TimelinePage page_a = Page(a, officer_), page_b = Page(b, officer_);
      ASSERT_FALSE(page_a.entries.empty()) << "a cursor promises something to be seen";
      ASSERT_EQ(Summaries(page_a), Summaries(page_b));
      ASSERT_EQ(page_a.opened.events, page_b.opened.events);
      ASSERT_EQ(page_a.next_cursor.empty(), page_b.next_cursor.empty()) << "page size " << size;
      a.cursor = page_a.next_cursor;
      b.cursor = page_b.next_cursor;
    } while (!a.cursor.empty());
  }
  EXPECT_THAT(Page({.root = with.root}, all_).entries, SizeIs(23));
}

// CR-3.1.2b
TEST_F(TimelinePageTest, ACategoryThatHoldsNothingNeitherMakesAnEntryNorIsNamed) {
  const Customer customer = NewCustomer();
  Record(customer, Phone("no words of the customer"));
  const TimelinePage none = Page({.root = customer.root}, {"contact-verbatim"});
  EXPECT_THAT(none.entries, IsEmpty());
  EXPECT_THAT(none.opened.categories, IsEmpty());
  const TimelinePage page = Page({.root = customer.root}, {"contact", "contact-verbatim"});
  EXPECT_THAT(page.entries, SizeIs(1));
  EXPECT_THAT(page.opened.categories, ElementsAre("contact"));
}

TEST_F(TimelinePageTest, TheFoldPartOpensNothingForAReader) {
  const Customer customer = NewCustomer();
  Record(customer, AsbLink());
  EXPECT_THAT(Page({.root = customer.root}, {"timeline-fold"}).entries, IsEmpty());
}

// CR-3.1.2b, CR-3.3.5
TEST_F(TimelinePageTest, ALinkThatLeadsToNoReportIsNoEntryForAnybody) {
  const Customer customer = NewCustomer();
  Record(customer, events::v1::AsbReportLinked());
  EXPECT_THAT(Page({.root = customer.root}, all_).entries, IsEmpty());
  Record(customer, AsbLink());
  EXPECT_THAT(Page({.root = customer.root}, all_).entries, SizeIs(1));
}

TEST_F(TimelinePageTest, FiltersJudgeTheRealTypeAndFillThePage) {
  const Customer customer = NewCustomer();
  for (int i = 0; i < 30; ++i) {
    const absl::Duration at = absl::Minutes(i);
    Record(customer, Phone(absl::StrCat("phone ", i)), {.after_start = at});
    Record(customer, Contact(events::v1::CHANNEL_EMAIL, absl::StrCat("email ", i)),
           {.after_start = at});
    Record(customer, AsbLink(), {.after_start = at});
  }
  TimelineQuery emails{.root = customer.root, .channel = events::v1::CHANNEL_EMAIL, .page_size = 3};
  EXPECT_THAT(Summaries(Page(emails, officer_)), ElementsAre("email 29", "email 28", "email 27"));
  emails.cursor = Page(emails, officer_).next_cursor;
  EXPECT_THAT(Summaries(Page(emails, officer_)), ElementsAre("email 26", "email 25", "email 24"));
  const std::string asb = events::v1::AsbReportLinked::descriptor()->full_name();
  EXPECT_THAT(Page({.root = customer.root, .types = {asb}}, all_).entries, SizeIs(30));
  EXPECT_THAT(Page({.root = customer.root, .types = {asb}}, officer_).entries, IsEmpty());
  const TimelineQuery span{
      .root = customer.root, .from = start_ + absl::Minutes(4), .until = start_ + absl::Minutes(6)};
  EXPECT_THAT(Summaries(Page(span, officer_)),
              ElementsAre("email 5", "phone 5", "email 4", "phone 4"));
}

TEST_F(TimelinePageTest, PagesJoinToTheWholeTimelineOfRandomHistories) {
  std::mt19937 random(SeedOfRun());
  const Customer customer = NewCustomer();
  fold_at_once_ = false;
  for (int i = 0; i < 120; ++i) {
    const When when{.after_start = absl::Minutes(random() % 20)};
    if (random() % 3 == 0) {
      Record(customer, AsbLink(), when);
    } else {
      Record(customer, Phone(absl::StrCat("contact ", i)), when);
    }
  }
  Fold(storage_);
  const auto whole = Summaries(Page({.root = customer.root, .page_size = 200}, officer_));
  for (const size_t size : {1, 2, 7, 50}) {
    std::vector<std::string> joined;
    TimelineQuery query{.root = customer.root, .page_size = size};
    do {
      const TimelinePage page = Page(query, officer_);
      for (const std::string& summary : Summaries(page)) joined.push_back(summary);
      query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    EXPECT_EQ(joined, whole) << "page size " << size;
  }
}

TEST_F(TimelinePageTest, WorkIsBoundedAndGoesOnFromTheCursor) {
  const Customer customer = NewCustomer();
  fold_at_once_ = false;
  Record(customer, Phone("oldest"));
  for (size_t i = 0; i < kTimelineRowsPerCallMax; ++i) {
    Record(customer, AsbLink(), {.after_start = absl::Minutes(1)});
  }
  Fold(storage_);
  TimelineQuery query{.root = customer.root};
  const TimelinePage page = Page(query, officer_);
  EXPECT_THAT(page.entries, IsEmpty());
  ASSERT_NE(page.next_cursor, "");
  query.cursor = page.next_cursor;
  EXPECT_THAT(Summaries(Page(query, officer_)), ElementsAre("oldest"));
}

TEST_F(TimelinePageTest, ArrivalsComeInTheOrderOfTheLogAndResume) {
  const Customer customer = NewCustomer();
  const auto first = Record(customer, Phone("first"), {.after_start = absl::Minutes(9)});
  Record(customer, AsbLink());
  Record(customer, Phone("second"), {.after_start = absl::Minutes(1)});
  const auto may_open = [&](absl::string_view category) { return category == "contact"; };
  const auto arrivals = Reader().GetArrivals(customer.root, 0, 10, may_open);
  ASSERT_TRUE(arrivals.ok());
  ASSERT_THAT(arrivals->entries, SizeIs(2));
  EXPECT_EQ(arrivals->entries[0].id, first);
  EXPECT_EQ(arrivals->last_sequence, 3u);
  EXPECT_FALSE(arrivals->more);
  const auto one = Reader().GetArrivals(customer.root, 0, 1, may_open);
  EXPECT_TRUE(one->more);
  EXPECT_EQ(one->last_sequence, 1u);
  Record(customer, Corrected("corrected"), {.corrects = first});
  const auto after = Reader().GetArrivals(customer.root, 3, 10, may_open);
  ASSERT_THAT(after->entries, SizeIs(1));
  EXPECT_EQ(after->entries[0].id, first);
  EXPECT_THAT(Text(after->entries[0]), HasSubstr("corrected"));
}

// Error paths.

TEST_F(TimelinePageTest, PageSizesAndCursorsOutOfBoundsAreRefused) {
  const auto ask = [&](TimelineQuery query) {
    query.root = NewCustomer().root;
    return Reader().GetPage(query, [](absl::string_view) { return true; }).status();
  };
  EXPECT_TRUE(ask({.page_size = 1}).ok());
  EXPECT_TRUE(ask({.page_size = kTimelinePageMax}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(ask({.page_size = 0})));
  EXPECT_TRUE(absl::IsInvalidArgument(ask({.page_size = kTimelinePageMax + 1})));
  EXPECT_TRUE(absl::IsInvalidArgument(ask({.cursor = "short"})));
}

TEST_F(TimelinePageTest, ACorrectionOfNothingParksItsCustomerAndNobodyElse) {
  const Customer customer = NewCustomer(), other = NewCustomer();
  const auto of_other = Record(other, Phone("other"));
  Record(customer, Phone("boiler out"));
  Record(customer, Corrected("of another's contact"), {.corrects = of_other});
  const auto may_open = [](absl::string_view) { return true; };
  EXPECT_TRUE(absl::IsUnavailable(Reader().GetPage({.root = customer.root}, may_open).status()));
  EXPECT_TRUE(
      absl::IsUnavailable(Reader().GetHeader(customer.root, clock_.Now(), may_open).status()));
  EXPECT_TRUE(absl::IsUnavailable(Reader().GetArrivals(customer.root, 0, 10, may_open).status()));
  EXPECT_THAT(Summaries(Page({.root = other.root}, officer_)), ElementsAre("other"));
}

TEST_F(TimelinePageTest, DamagedBytesAreNamedAndNeverServed) {
  const Customer customer = NewCustomer();
  Record(customer, Phone("boiler out"), {.after_start = absl::Minutes(1)});
  Record(customer, Phone("boiler mended"), {.after_start = absl::Minutes(2)});
  const auto cursor = storage_.NewCursor(kEntries);
  cursor->Seek("");
  const std::string first_key(cursor->key()), first(cursor->value());
  cursor->Next();
  const std::string second_key(cursor->key());
  const auto page_with = [&](std::string value) {
    eventstore::StorageBatch batch;
    batch.Put(kEntries, second_key, std::move(value));
    EXPECT_TRUE(storage_.Write(batch, eventstore::Storage::Durability::kSynced).ok());
    return Reader().GetPage({.root = customer.root}, [](absl::string_view) { return true; });
  };
  const std::string whole(cursor->value());
  EXPECT_TRUE(page_with(whole).ok());
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    ASSERT_TRUE(absl::IsDataLoss(page_with(flipped).status())) << "byte " << i;
  }
  EXPECT_TRUE(absl::IsDataLoss(page_with("").status()));
  EXPECT_TRUE(absl::IsDataLoss(page_with(whole.substr(0, 40)).status()));
  EXPECT_TRUE(absl::IsDataLoss(page_with(first).status())) << "the row of another key";
}

}  // namespace
}  // namespace records::projections
