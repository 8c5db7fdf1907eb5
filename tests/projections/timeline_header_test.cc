#include <random>

#include "tests/projections/timeline_fixture.h"
#include "tests/seed.h"

namespace records::projections {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class TimelineHeaderTest : public TimelineFixture {
 protected:
  static events::v1::ContactSafetySet Safety(bool call) {
    events::v1::ContactSafetySet message;
    message.mutable_safety()->set_safe_to_call(call);
    return message;
  }
  static events::v1::ConfidentialAddressSet Address(std::string address) {
    events::v1::ConfidentialAddressSet message;
    message.set_address(std::move(address));
    return message;
  }
  static events::v1::ThirdPartyAuthorityRecorded Authority(std::string name, absl::Time expires) {
    events::v1::ThirdPartyAuthorityRecorded message;
    message.set_third_party(std::string(16, name[0]));
    message.set_name(std::move(name));
    message.mutable_authority()->set_expires_at_us(absl::ToUnixMicros(expires));
    return message;
  }
  // One random event under one of some customers.
  void RecordSomething(std::mt19937& random, std::vector<Customer>& customers,
                       std::vector<std::vector<eventstore::EventId>>& contacts) {
    const size_t who = random() % customers.size();
    const Customer& customer = customers[who];
    const When when{.after_start = absl::Minutes(random() % 100)};
    switch (random() % 8) {
      case 0:
        Record(customer, AsbLink(), when);
        return;
      case 1:
        Record(customer, Needs("cy"), when);
        return;
      case 2:
        Record(customer, Safety(random() % 2 == 0), when);
        return;
      case 3:
        Record(customer, Authority("Ada", start_), when);
        return;
      case 4:
        if (contacts[who].empty()) return;
        Record(customer, Corrected("corrected"),
               {.corrects = contacts[who][random() % contacts[who].size()]});
        return;
      default:
        contacts[who].push_back(Record(customer, Phone("contact"), when));
    }
  }
};

// CR-2.4a
TEST_F(TimelineHeaderTest, OfNeedsSafetyAndAddressTheLatestRecordedWins) {
  const Customer customer = NewCustomer();
  // The order of recording counts, whatever the caller says of when it happened.
  Record(customer, Needs("cy"), {.after_start = absl::Hours(2)});
  Record(customer, Needs("pl"), {.after_start = absl::Hours(1)});
  Record(customer, Safety(true));
  Record(customer, Safety(false));
  Record(customer, Address("1 Hidden Road"));
  OpenedHeader header = Header(customer, all_);
  EXPECT_EQ(header.needs->language(), "pl");
  ASSERT_TRUE(header.safety.has_value());
  EXPECT_FALSE(header.safety->safe_to_call());
  EXPECT_EQ(header.confidential_address, "1 Hidden Road");
  EXPECT_EQ(header.opened.events, 3u);
  EXPECT_THAT(header.opened.categories,
              testing::UnorderedElementsAre("communication-needs", "contact-safety",
                                            "confidential-address"));
  Record(customer, Address(""));
  EXPECT_EQ(Header(customer, all_).confidential_address, "");
}

TEST_F(TimelineHeaderTest, WhatTheCallerMayNotOpenIsNotInTheHeader) {
  const Customer customer = NewCustomer();
  Record(customer, Needs("cy"));
  Record(customer, Address("1 Hidden Road"));
  const OpenedHeader header = Header(customer, {"communication-needs"});
  EXPECT_TRUE(header.needs.has_value());
  EXPECT_EQ(header.confidential_address, "");
  EXPECT_FALSE(Header(customer, officer_).needs.has_value());
  EXPECT_EQ(Header(customer, officer_).opened.events, 0u);
}

TEST_F(TimelineHeaderTest, AnAuthorityEndsAtTheInstantOfItsExpiry) {
  const Customer customer = NewCustomer();
  const absl::Time expiry = clock_.Now() + absl::Hours(1);
  Record(customer, Authority("Ada", expiry));
  Record(customer, Authority("Ben", expiry + absl::Microseconds(1)));
  EXPECT_THAT(Header(customer, all_).authorities, SizeIs(2));
  clock_.Set(expiry - absl::Microseconds(1));
  EXPECT_THAT(Header(customer, all_).authorities, SizeIs(2));
  clock_.Set(expiry);
  const OpenedHeader header = Header(customer, all_);
  ASSERT_THAT(header.authorities, SizeIs(1));
  EXPECT_EQ(header.authorities[0].name(), "Ben");
  EXPECT_EQ(header.opened.events, 1u);
}

TEST_F(TimelineHeaderTest, NothingAtRestTellsTheRealTypeOfARestrictedEvent) {
  const Customer with_needs = NewCustomer(), with_asb = NewCustomer();
  Record(with_needs, Needs("cy"));
  Record(with_asb, AsbLink());
  std::vector<size_t> sizes;
  for (const std::string& row : AllRows(storage_, kTimelineTables)) {
    EXPECT_THAT(row, Not(HasSubstr("CommunicationNeeds")));
    EXPECT_THAT(row, Not(HasSubstr("AsbReport")));
    if (row.starts_with("5|")) sizes.push_back(row.size());
  }
  // Both customers have a header row, of one size.
  ASSERT_THAT(sizes, SizeIs(2));
  EXPECT_EQ(sizes[0], sizes[1]);
}

TEST_F(TimelineHeaderTest, AFoldPartWhoseKeyHasEndedIsAsIfItWereNotThere) {
  const Customer customer = NewCustomer();
  fold_at_once_ = false;
  Record(customer, Needs("cy"));
  Record(customer, Phone("boiler out"));
  const auto event = log_.All(eventstore::PartitionOf(customer.root, 16))[0].event;
  for (const auto& part : event.sealed()) {
    const auto reference = keys_.OpenReference(part.key_reference());
    ASSERT_TRUE(reference.ok());
    if (reference->purpose.category == categories_.Find("timeline-fold")->number) {
      ASSERT_TRUE(keys_.EndKey(reference->purpose).ok());
    }
  }
  Fold(storage_);
  EXPECT_FALSE(Header(customer, all_).needs.has_value());
  // The entry is held all the same, for who may open its parts.
  EXPECT_THAT(Page({.root = customer.root}, all_).entries, SizeIs(2));
}

TEST_F(TimelineHeaderTest, TheFoldNeedsNoKeyButThatOfItsFoldPart) {
  const Customer customer = NewCustomer();
  fold_at_once_ = false;
  const auto wrong = Record(customer, Phone("boiler out"));
  Record(customer, Needs("cy"));
  Record(customer, Corrected("boiler on"), {.corrects = wrong});
  eventstore::MemoryStorage before(kTimelineTables), after(kTimelineTables);
  Fold(before);
  for (const auto& stored : log_.All(eventstore::PartitionOf(customer.root, 16))) {
    for (const auto& part : stored.event.sealed()) {
      const auto purpose = keys_.OpenReference(part.key_reference())->purpose;
      if (purpose.category == categories_.Find("timeline-fold")->number) continue;
      ASSERT_TRUE(purpose.category == 0 || keys_.EndKey(purpose).ok());
    }
  }
  Fold(after);
  EXPECT_EQ(AllRows(before, kTimelineTables), AllRows(after, kTimelineTables));
}

TEST_F(TimelineHeaderTest, TheOldestOfVeryManyAuthoritiesIsLost) {
  const Customer customer = NewCustomer();
  fold_at_once_ = false;
  Record(customer, Authority("First", clock_.Now() + absl::Hours(1)));
  for (size_t i = 0; i < kAuthoritiesMax; ++i) {
    Record(customer, Authority("Next", clock_.Now() + absl::Hours(1)));
  }
  Fold(storage_);
  const OpenedHeader header = Header(customer, all_);
  ASSERT_THAT(header.authorities, SizeIs(kAuthoritiesMax));
  EXPECT_EQ(header.authorities[0].name(), "Next");
}

// The view is the fold of a prefix, whatever the batches and crashes (design, section 6).
TEST_F(TimelineHeaderTest, AViewThatCrashedEqualsAFreshFoldByteForByte) {
  std::mt19937 random(SeedOfRun());
  fold_at_once_ = false;
  std::vector<Customer> customers;
  for (int i = 0; i < 6; ++i) customers.push_back(NewCustomer());
  std::vector<std::vector<eventstore::EventId>> contacts(customers.size());
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 60; ++i) RecordSomething(random, customers, contacts);
    Fold(storage_, {.batch_events = 1 + random() % 30});
    storage_.Crash(random() % (storage_.unsynced_batches() + 1));
  }
  Fold(storage_, {.batch_events = 5});
  eventstore::MemoryStorage fresh(kTimelineTables);
  Fold(fresh);
  EXPECT_EQ(AllRows(storage_, kTimelineTables), AllRows(fresh, kTimelineTables));
}

// Error paths.

TEST_F(TimelineHeaderTest, ADamagedHeaderRowIsNamedAndNeverServed) {
  const Customer customer = NewCustomer(), other = NewCustomer();
  Record(customer, Needs("cy"));
  Record(other, Needs("pl"));
  const std::string row = **storage_.Get(kHeaders, customer.root.bytes());
  const std::string others = **storage_.Get(kHeaders, other.root.bytes());
  const auto header_with = [&](const std::string& value) {
    eventstore::StorageBatch batch;
    batch.Put(kHeaders, std::string(customer.root.bytes()), value);
    EXPECT_TRUE(storage_.Write(batch, eventstore::Storage::Durability::kSynced).ok());
    return Reader()
        .GetHeader(customer.root, clock_.Now(), [](absl::string_view) { return true; })
        .status();
  };
  EXPECT_TRUE(header_with(row).ok());
  for (size_t i = 0; i < row.size(); i += 7) {
    std::string flipped = row;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    ASSERT_TRUE(absl::IsDataLoss(header_with(flipped))) << "byte " << i;
  }
  EXPECT_TRUE(absl::IsDataLoss(header_with(others)));
  EXPECT_TRUE(absl::IsDataLoss(header_with("")));
}

TEST_F(TimelineHeaderTest, AnAbsentCustomerHasAnEmptyHeaderAndTimeline) {
  const Customer nobody = NewCustomer();
  const OpenedHeader header = Header(nobody, all_);
  EXPECT_FALSE(header.person.has_value());
  EXPECT_EQ(header.opened.events, 0u);
  EXPECT_THAT(Page({.root = nobody.root}, all_).entries, IsEmpty());
}

}  // namespace
}  // namespace records::projections
