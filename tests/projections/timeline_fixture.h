#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/clock.h"
#include "eventstore/memory_storage.h"
#include "eventstore/random.h"
#include "eventstore/sealing.h"
#include "eventstore/testing/memory_key_store.h"
#include "eventstore/testing/test_categories.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "projections/timeline/timeline_projection.h"
#include "projections/timeline/timeline_reader.h"
#include "projections/timeline/timeline_rows.h"
#include "projections/view_fold.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"
#include "tests/projections/fake_log.h"
#include "tests/projections/note_projection.h"

namespace records::projections {

inline constexpr size_t kTimelineTables = 6;

using Categories = std::set<std::string>;

// When and where an event is recorded.
struct When {
  absl::Duration after_start;
  std::optional<eventstore::EventId> corrects;
  std::string collection = "customers";
  std::string sub_stream;
};

// Given: events under customers' roots, sealed as in the product. When: they are folded. Then: what
// a caller with some categories sees.
class TimelineFixture : public testing::Test {
 protected:
  struct Customer {
    eventstore::RootId root;
    eventstore::SubjectId subject;
  };

  Customer NewCustomer() {
    return {*eventstore::RootId::Generate(random_), *eventstore::SubjectId::Generate(random_)};
  }

  // Appends to the log, and folds unless told not to.
  eventstore::EventId Record(const Customer& customer, const google::protobuf::Message& message,
                             When when = {}) {
    eventstore::EventHeader header;
    header.id = *eventstore::EventId::Generate(random_);
    header.stream = {"north", when.collection, customer.root, when.sub_stream};
    header.subject = customer.subject;
    header.occurred_at = header.scope_time = start_ + when.after_start;
    header.actor = actor_;
    header.purpose = "service-delivery";
    header.lawful_basis = "contract";
    header.causation = when.corrects;
    const auto sealed = sealer_.Seal(header, message);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    records::log::v1::Event event;
    EXPECT_TRUE(event.ParseFromString(sealed->event.body));
    event.set_recorded_at_us(event.occurred_at_us() + 1);
    log_.Add(std::move(event));
    if (fold_at_once_) Fold(storage_);
    return header.id;
  }

  static events::v1::ContactRecorded Contact(events::v1::Channel channel, std::string summary) {
    events::v1::ContactRecorded message;
    message.mutable_contact()->set_channel(channel);
    message.mutable_contact()->set_summary(std::move(summary));
    return message;
  }
  static events::v1::ContactRecorded Phone(std::string summary) {
    return Contact(events::v1::CHANNEL_PHONE, std::move(summary));
  }
  static events::v1::ContactCorrected Corrected(
      std::string summary, events::v1::Channel channel = events::v1::CHANNEL_PHONE) {
    events::v1::ContactCorrected message;
    message.mutable_contact()->set_channel(channel);
    message.mutable_contact()->set_summary(std::move(summary));
    message.set_reason("misheard");
    return message;
  }
  static events::v1::AsbReportLinked AsbLink() {
    events::v1::AsbReportLinked message;
    message.set_report(std::string(16, 'r'));
    message.set_kind("noise");
    return message;
  }
  static events::v1::CommunicationNeedsSet Needs(std::string language) {
    events::v1::CommunicationNeedsSet message;
    message.mutable_needs()->set_language(std::move(language));
    return message;
  }

  void Fold(eventstore::Storage& storage, FoldOptions options = {}) {
    auto fold = ViewFold::Create(log_, projection_, storage, std::move(options));
    ASSERT_TRUE(fold.ok()) << fold.status();
    while (true) {
      const auto progress = (*fold)->FoldBatch();
      ASSERT_TRUE(progress.ok()) << progress.status();
      ASSERT_TRUE(progress->stalled.ok()) << progress->stalled;
      if (progress->events == 0) return;
    }
  }

  TimelineReader Reader() { return TimelineReader(storage_, sealer_, keys_of_fold_); }

  TimelinePage Page(const TimelineQuery& query, const Categories& allowed) {
    auto page = Reader().GetPage(
        query, [&](absl::string_view category) { return allowed.contains(std::string(category)); });
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *std::move(page) : TimelinePage{};
  }
  OpenedHeader Header(const Customer& customer, const Categories& allowed) {
    auto header = Reader().GetHeader(customer.root, clock_.Now(), [&](absl::string_view category) {
      return allowed.contains(std::string(category));
    });
    EXPECT_TRUE(header.ok()) << header.status();
    return header.ok() ? *std::move(header) : OpenedHeader{};
  }

  // What an entry says, for comparison.
  static std::string Text(const OpenedEntry& entry) {
    return absl::StrCat(entry.type, entry.corrected ? " corrected " : " ",
                        entry.message->ShortDebugString());
  }
  static std::vector<std::string> Summaries(const TimelinePage& page) {
    std::vector<std::string> summaries;
    for (const OpenedEntry& entry : page.entries) {
      const auto* contact = google::protobuf::DynamicCastToGenerated<events::v1::ContactRecorded>(
          entry.message.get());
      summaries.push_back(contact != nullptr ? contact->contact().summary() : entry.type);
    }
    return summaries;
  }

  // Everything in the entries that somebody with every key could open, fold parts included.
  std::string AllThatCanBeOpened() {
    std::string text;
    const auto cursor = storage_.NewCursor(kEntries);
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      const auto row = DecodeEntry(cursor->key(), cursor->value());
      EXPECT_TRUE(row.ok());
      for (const std::string& bytes : {row->event, row->correction}) {
        records::log::v1::Event event;
        EXPECT_TRUE(event.ParseFromString(bytes));
        if (event.type().empty()) continue;
        const auto opened = sealer_.Open(event, [](absl::string_view) { return true; });
        EXPECT_TRUE(opened.ok()) << opened.status();
        absl::StrAppend(&text, opened->message->ShortDebugString(), "\n");
      }
    }
    return text;
  }

  const absl::Time start_ = absl::FromCivil(absl::CivilDay(2026, 11, 1), absl::UTCTimeZone());
  const Categories all_ = {"identity",
                           "tenancy",
                           "contact",
                           "contact-verbatim",
                           "service-request",
                           "vulnerability",
                           "communication-needs",
                           "contact-safety",
                           "confidential-address",
                           "third-party-authority",
                           "document-index",
                           "asb",
                           "household"};
  const Categories officer_ = {"identity", "tenancy", "contact"};
  eventstore::SeededRandom random_{20261122};
  eventstore::ManualClock clock_{start_ + absl::Hours(24)};
  eventstore::testing::MemoryKeyStore keys_{clock_, random_};
  const eventstore::CategoryTable categories_ = eventstore::testing::TestCategories();
  eventstore::Sealer sealer_{keys_, categories_, random_};
  const eventstore::SubjectId actor_ = *eventstore::SubjectId::Generate(random_);
  FakeLog log_{16, eventstore::StoreId({1, 1})};
  TimelineKeys keys_of_fold_{sealer_, keys_};
  TimelineProjection projection_{keys_of_fold_};
  eventstore::MemoryStorage storage_{kTimelineTables};
  bool fold_at_once_ = true;
};

}  // namespace records::projections
