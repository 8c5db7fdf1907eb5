#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/clock.h"
#include "eventstore/random.h"
#include "eventstore/sealing.h"
#include "eventstore/testing/memory_key_store.h"
#include "eventstore/testing/test_categories.h"
#include "gtest/gtest.h"
#include "records/events/v1/access.pb.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"
#include "records/events/v1/erasure.pb.h"
#include "records/events/v1/restricted.pb.h"
#include "tests/eventstore/random_message.h"
#include "tests/eventstore/sealing_cases.pb.h"

namespace records::eventstore::testing {

// Every event type of records.events.v1, found by the files of the folder, so that a new one cannot
// be left out.
inline std::vector<const google::protobuf::Descriptor*> EventTypes() {
  // Keeps the linker from leaving a file out.
  (void)records::events::v1::Restricted::descriptor();
  (void)records::events::v1::CustomerRegistered::descriptor();
  (void)records::events::v1::ContactRecorded::descriptor();
  (void)records::events::v1::AsbReported::descriptor();
  (void)records::events::v1::RecordRead::descriptor();
  (void)records::events::v1::SubjectErasureDecided::descriptor();
  std::vector<const google::protobuf::Descriptor*> types;
  for (const auto& entry : std::filesystem::directory_iterator("proto/records/events/v1")) {
    const std::string name = "records/events/v1/" + entry.path().filename().string();
    const auto* file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    EXPECT_NE(file, nullptr) << name << " is not linked into this test: name a message of it above";
    for (int i = 0; file != nullptr && i < file->message_type_count(); ++i) {
      const auto* type = file->message_type(i);
      if (type->options().HasExtension(records::log::v1::event_type)) types.push_back(type);
    }
  }
  return types;
}

class SealingFixture : public ::testing::Test {
 protected:
  SealingFixture()
      : random_(20261122), clock_(absl::FromUnixSeconds(1795330000)), keys_(clock_, random_) {}

  EventHeader Header() {
    EventHeader header;
    header.id = *EventId::Generate(random_);
    header.stream = {"north", "customers", *RootId::Generate(random_), "contacts"};
    header.subject = *SubjectId::Generate(random_);
    header.occurred_at = clock_.Now();
    header.scope_time = clock_.Now();
    header.actor = *SubjectId::Generate(random_);
    header.purpose = "service-delivery";
    header.lawful_basis = "contract";
    header.causation = *EventId::Generate(random_);
    header.correlation = *EventId::Generate(random_);
    return header;
  }

  records::log::v1::Event SealToEvent(const EventHeader& header,
                                      const google::protobuf::Message& message) {
    records::log::v1::Event event;
    const auto sealed = sealer_.Seal(header, message);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    EXPECT_TRUE(sealed.ok() && event.ParseFromString(sealed->event.body));
    return event;
  }

  absl::StatusOr<OpenedEvent> OpenAll(const records::log::v1::Event& event) const {
    return sealer_.Open(event, [](absl::string_view) { return true; });
  }

  absl::StatusOr<OpenedEvent> OpenOnly(const records::log::v1::Event& event,
                                       const std::set<std::string>& categories) const {
    return sealer_.Open(event, [&](absl::string_view category) {
      return categories.contains(std::string(category));
    });
  }

  SeededRandom random_;
  ManualClock clock_;
  MemoryKeyStore keys_;
  const CategoryTable categories_ = TestCategories();
  Sealer sealer_{keys_, categories_, random_};
};

}  // namespace records::eventstore::testing
