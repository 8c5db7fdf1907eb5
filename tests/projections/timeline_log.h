#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/sealing.h"
#include "eventstore/testing/memory_key_store.h"
#include "eventstore/testing/test_categories.h"
#include "projections/timeline/timeline_projection.h"
#include "projections/view_fold.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/projections/comparable_rows.h"

namespace records::projections {

inline constexpr size_t kTimelineLogTables = 6;

// A log in memory to which the events of customers are appended, sealed as in the product, and the
// projection of their timelines.
class TimelineLog {
 public:
  static constexpr uint32_t kPartitions = 4;
  static constexpr uint32_t kCustomers = 12;

  TimelineLog() {
    for (uint32_t i = 0; i < kCustomers; ++i) {
      customers_.push_back({eventstore::testing_support::RootIn(i % kPartitions, 1 + i),
                            *eventstore::SubjectId::Generate(random_)});
    }
  }

  eventstore::EventLog& log() { return log_; }
  const Projection& projection() const { return projection_; }

  // Appends events of customers that `choice` draws: contacts, corrections of them, needs, and
  // restricted links.
  void Append(int events, std::mt19937_64& choice) {
    for (int i = 0; i < events; ++i) {
      Customer& customer = customers_[choice() % kCustomers];
      const std::string text = absl::StrCat("what was said, ", ++number_);
      switch (choice() % 6) {
        case 0: {
          events::v1::CommunicationNeedsSet needs;
          needs.mutable_needs()->set_language(text);
          Record(customer, needs);
          break;
        }
        case 1: {
          events::v1::AsbReportLinked link;
          link.set_report(std::string(16, 'r'));
          link.set_kind("noise");
          Record(customer, link);
          break;
        }
        case 2:
          if (customer.last_contact.has_value()) {
            events::v1::ContactCorrected corrected;
            corrected.mutable_contact()->set_channel(events::v1::CHANNEL_PHONE);
            corrected.mutable_contact()->set_summary(text);
            corrected.set_reason("misheard");
            Record(customer, corrected, customer.last_contact);
            break;
          }
          [[fallthrough]];
        default: {
          events::v1::ContactRecorded contact;
          contact.mutable_contact()->set_channel(events::v1::CHANNEL_PHONE);
          contact.mutable_contact()->set_summary(text);
          customer.last_contact = Record(customer, contact);
        }
      }
    }
  }

  uint64_t size() const {
    uint64_t events = 0;
    for (uint32_t i = 0; i < kPartitions; ++i) {
      events += log_.Head(eventstore::Ledger::kEvents, i).sequence;
    }
    return events;
  }

  // The rows of a fold of the log itself, from its first event to its head; of some partitions.
  std::vector<std::string> FreshRows(std::vector<uint32_t> partitions = {}) const {
    eventstore::MemoryStorage storage(kTimelineLogTables);
    auto fold = ViewFold::Create(log_, projection_, storage, {.partitions = partitions});
    EXPECT_TRUE(fold.ok()) << fold.status();
    while (true) {
      const auto progress = (*fold)->FoldBatch();
      EXPECT_TRUE(progress.ok() && progress->stalled.ok());
      if (!progress.ok() || !progress->moved) break;
    }
    EXPECT_TRUE((*fold)->parked().empty());
    return ComparableRows(storage, kTimelineLogTables);
  }

 private:
  struct Customer {
    eventstore::RootId root;
    eventstore::SubjectId subject;
    std::optional<eventstore::EventId> last_contact;
  };

  eventstore::EventId Record(const Customer& customer, const google::protobuf::Message& message,
                             std::optional<eventstore::EventId> causation = std::nullopt) {
    eventstore::EventHeader header;
    header.id = *eventstore::EventId::Generate(random_);
    header.stream = {"north", "customers", customer.root, ""};
    header.subject = customer.subject;
    header.occurred_at = header.scope_time = eventstore::testing_support::TestStart();
    header.actor = actor_;
    header.purpose = "service-delivery";
    header.lawful_basis = "contract";
    header.causation = causation;
    auto sealed = sealer_.Seal(header, message);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    const auto done =
        log_.AppendAndWait(eventstore::testing_support::AppendOf({std::move(sealed->event)}));
    EXPECT_TRUE(done.ok()) << done.status();
    return header.id;
  }

  eventstore::SeededRandom random_{20261123};
  eventstore::ManualClock clock_{eventstore::testing_support::TestStart()};
  eventstore::testing::MemoryKeyStore keys_{clock_, random_};
  const eventstore::CategoryTable categories_ = eventstore::testing::TestCategories();
  eventstore::Sealer sealer_{keys_, categories_, random_};
  const eventstore::SubjectId actor_ = *eventstore::SubjectId::Generate(random_);
  eventstore::testing_support::MemoryLog files_{kPartitions};
  eventstore::EventLog& log_ = files_.Open();
  std::vector<Customer> customers_;
  uint64_t number_ = 0;
  TimelineKeys keys_of_fold_{sealer_, keys_};
  TimelineProjection projection_{keys_of_fold_};
};

}  // namespace records::projections
