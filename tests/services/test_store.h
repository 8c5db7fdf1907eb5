#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/clock.h"
#include "eventstore/event_log.h"
#include "eventstore/ids.h"
#include "eventstore/log_format.h"
#include "eventstore/memory_storage.h"
#include "eventstore/random.h"
#include "eventstore/sealing.h"
#include "eventstore/testing/memory_key_store.h"
#include "gtest/gtest.h"
#include "records/events/v1/access.pb.h"
#include "services/customer/customers.h"
#include "services/policy/register.h"
#include "services/runtime/executor.h"
#include "services/runtime/lawful_bases.h"
#include "services/runtime/runtime.h"
#include "services/runtime/tracer.h"
#include "tests/eventstore/memory_anchor_files.h"
#include "tests/services/intercepted_log.h"

namespace records::services::testing {

inline constexpr char kOrganisation[] = "landlord";

// The real log and sealing on memory, with the registers of deploy/policy: all that services stand
// on. Members are destroyed from the last to the first.
class TestStore {
 public:
  TestStore() {
    eventstore::LogOptions options;
    options.partition_count = 4;
    options.clock = &clock;
    options.guard = &keys;
    auto opened =
        eventstore::OpenLogOn({&storage_, &anchor_files_, checkpoint_files_.get()}, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    real_log_ = *std::move(opened);
    log = std::make_unique<InterceptedLog>(*real_log_);
    runtime = std::make_unique<Runtime>(Runtime{{*log, keys, clock, executor, kOrganisation},
                                                sealer,
                                                work,
                                                eventstore::SystemRandom(),
                                                executor,
                                                categories,
                                                lawful_bases});
  }
  ~TestStore() { executor.Stop(); }

  // All events of a ledger, partition by partition.
  std::vector<eventstore::StoredEvent> AllEvents(
      eventstore::Ledger ledger = eventstore::Ledger::kEvents) const {
    std::vector<eventstore::StoredEvent> all;
    for (uint32_t partition = 0; partition < log->partition_count(); ++partition) {
      uint64_t next = 1;
      while (true) {
        auto page = log->ReadPartition(ledger, {partition, next},
                                       eventstore::ReadDirection::kForward, {}, {});
        EXPECT_TRUE(page.ok()) << page.status();
        if (!page.ok() || page->empty()) break;
        next = page->back().position.sequence + 1;
        for (auto& event : *page) all.push_back(std::move(event));
      }
    }
    return all;
  }

  // The stored bytes of all events under a root.
  std::vector<std::string> BytesUnder(
      const eventstore::RootId& root,
      eventstore::Ledger ledger = eventstore::Ledger::kEvents) const {
    std::vector<std::string> bytes;
    for (const auto& stored : AllEvents(ledger)) {
      if (stored.event.stream().root() == root.bytes()) bytes.push_back(stored.bytes);
    }
    return bytes;
  }

  // The event with everything opened.
  eventstore::OpenedEvent Open(const eventstore::StoredEvent& stored) const {
    auto opened = sealer.Open(stored.event, [](absl::string_view) { return true; });
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : eventstore::OpenedEvent{};
  }

  // The traces of reads of a root, oldest first.
  std::vector<records::events::v1::ReadTrace> TracesOf(const eventstore::RootId& root) const {
    std::vector<records::events::v1::ReadTrace> traces;
    for (const auto& stored : AllEvents(eventstore::Ledger::kAccess)) {
      if (stored.event.stream().root() != root.bytes()) continue;
      const auto opened = Open(stored);
      const auto* read = dynamic_cast<const records::events::v1::RecordRead*>(opened.message.get());
      EXPECT_NE(read, nullptr);
      if (read != nullptr) traces.push_back(read->trace());
    }
    return traces;
  }

  // The member of staff with this subject of this issuer, claimed when absent.
  eventstore::DirectoryEntry Staff(const std::string& issuer, const std::string& subject) {
    return *keys.Claim(kOrganisation, kStaffReferences, absl::StrCat(issuer, "\n", subject));
  }
  eventstore::DirectoryEntry Customer(const std::string& reference) const {
    auto entry = keys.Resolve(kOrganisation, kCustomerReferences, reference);
    EXPECT_TRUE(entry.ok() && entry->has_value()) << reference;
    return entry.ok() ? entry->value_or(eventstore::DirectoryEntry{})
                      : eventstore::DirectoryEntry{};
  }

  // Appends a grant of a role without asking anybody.
  eventstore::Position Grant(const eventstore::DirectoryEntry& staff, const std::string& role) {
    records::events::v1::RoleGranted granted;
    granted.set_role(role);
    eventstore::EventHeader header{.id = *eventstore::EventId::Generate(eventstore::SystemRandom()),
                                   .stream = {kOrganisation, std::string(kStaff), staff.root, ""},
                                   .subject = staff.subject,
                                   .occurred_at = clock.Now(),
                                   .scope_time = clock.Now(),
                                   .actor = staff.subject,
                                   .purpose = "system-operation",
                                   .lawful_basis = "legal-obligation"};
    auto sealed = sealer.Seal(header, granted);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    eventstore::Append append;
    append.events.push_back(std::move(sealed->event));
    append.subjects = std::move(sealed->subjects);
    append.keys = std::move(sealed->keys);
    const auto appended = real_log_->AppendAndWait(std::move(append));
    EXPECT_TRUE(appended.ok()) << appended.status();
    return appended.ok() ? appended->first : eventstore::Position{};
  }

  eventstore::ManualClock clock{
      absl::FromCivil(absl::CivilSecond(2026, 11, 22, 12, 0, 0), absl::UTCTimeZone())};
  const records::policy::v1::Register policy = *EmbeddedRegister();
  const eventstore::CategoryTable categories = *MakeCategoryTable(policy);
  const LawfulBases lawful_bases{policy};
  Executor executor{8};
  mutable eventstore::testing::MemoryKeyStore keys{clock, eventstore::SystemRandom()};
  eventstore::Sealer sealer{keys, categories, eventstore::SystemRandom()};
  eventstore::WorkStreams work =
      eventstore::WorkStreams::Create(keys, sealer, categories, EventTypes()).value();

 private:
  eventstore::MemoryStorage storage_{eventstore::kLogTableCount};
  eventstore::MemoryAnchorFiles anchor_files_;
  std::unique_ptr<eventstore::CheckpointFiles> checkpoint_files_ =
      eventstore::MemoryCheckpointFiles();
  std::unique_ptr<eventstore::EventLog> real_log_;

 public:
  std::unique_ptr<InterceptedLog> log;
  std::unique_ptr<Runtime> runtime;
};

}  // namespace records::services::testing
