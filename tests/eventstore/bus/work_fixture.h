#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/bus/work_streams.h"
#include "eventstore/sealing.h"
#include "eventstore/testing/memory_key_store.h"
#include "eventstore/testing/test_categories.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/erasure.pb.h"
#include "records/events/v1/restricted.pb.h"
#include "records/log/v1/options.pb.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore::testing_support {

namespace ev = records::events::v1;

// The event types of the files that these tests use.
inline std::vector<const google::protobuf::Descriptor*> WorkEventTypes() {
  std::vector<const google::protobuf::Descriptor*> types;
  for (const auto* one : {ev::ContactRecorded::descriptor(), ev::AsbReported::descriptor(),
                          ev::SubjectErased::descriptor(), ev::Restricted::descriptor()}) {
    for (int i = 0; i < one->file()->message_type_count(); ++i) {
      const auto* type = one->file()->message_type(i);
      if (type->options().HasExtension(records::log::v1::event_type)) types.push_back(type);
    }
  }
  return types;
}

// Sealed events that go on work streams, for a log. Log, keys and random must outlive it.
class WorkEvents {
 public:
  WorkEvents(EventLog& log, KeyStore& keys, Random& random)
      : log_(log), keys_(keys), random_(random) {}

  EventLog& log() { return log_; }
  const WorkStreams& work() const { return work_; }

  // A customer: the same number, the same root and subject.
  struct Person {
    RootId root;
    SubjectId subject;
  };
  Person PersonNumber(uint32_t number) const {
    IdBytes bytes{};
    bytes[0] = 7;
    bytes[14] = static_cast<uint8_t>(number >> 8);
    bytes[15] = static_cast<uint8_t>(number);
    return {RootIn(number % log_.partition_count(), number), SubjectId(bytes)};
  }

  StoredEvent AppendContact(const Person& person) {
    ev::ContactRecorded contact;
    contact.mutable_contact()->set_summary("called about the boiler");
    return Append(person, "customers", contact);
  }
  StoredEvent AppendRepair(const Person& person) {
    ev::ServiceRequestRaised raised;
    raised.mutable_request()->set_description("no hot water");
    return Append(person, "customers", raised);
  }
  StoredEvent AppendReport(const Person& person) {
    ev::AsbReported report;
    report.mutable_report()->set_description("noise at night");
    return Append(person, "reports", report);
  }
  // With the names that the subject has now.
  StoredEvent AppendErasure(const Person& person) {
    ev::SubjectErasureDecided decided;
    decided.set_erasure(std::string(RootId::Generate(random_)->bytes()));
    decided.set_subject(std::string(person.subject.bytes()));
    auto names = work_.NamesOf(person.subject, person.root);
    EXPECT_TRUE(names.ok()) << names.status();
    *decided.mutable_work_subjects() = *std::move(names);
    return Append({RootIn(0, 60'000), *SubjectId::Generate(random_)}, "erasures", decided);
  }

  StoredEvent Append(const Person& person, const std::string& collection,
                     const google::protobuf::Message& message) {
    EventHeader header;
    header.id = *EventId::Generate(random_);
    header.stream = {"north", collection, person.root, ""};
    header.subject = person.subject;
    header.occurred_at = header.scope_time = TestStart();
    auto sealed = sealer_.Seal(header, message);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    std::vector<NewEvent> events;
    events.push_back(std::move(sealed->event));
    const auto appended = log_.AppendAndWait(AppendOf(std::move(events)));
    EXPECT_TRUE(appended.ok()) << appended.status();
    return *log_.ReadAt(Ledger::kEvents, appended->first);
  }

 private:
  EventLog& log_;
  KeyStore& keys_;
  Random& random_;
  const CategoryTable categories_ = testing::TestCategories();
  Sealer sealer_{keys_, categories_, random_};
  const WorkStreams work_ =
      WorkStreams::Create(keys_, sealer_, categories_, WorkEventTypes()).value();
};

struct WorkLogStores {
  explicit WorkLogStores(uint32_t partitions) : files(partitions) {}

  MemoryLog files;
  SeededRandom random{20261122};
  testing::MemoryKeyStore key_store{files.clock, random};
};

// A log in memory with such events.
class WorkLog : private WorkLogStores, public WorkEvents {
 public:
  explicit WorkLog(uint32_t partitions = 4)
      : WorkLogStores(partitions), WorkEvents(files.Open(), key_store, random) {}

  testing::MemoryKeyStore& keys() { return key_store; }
};

}  // namespace records::eventstore::testing_support
