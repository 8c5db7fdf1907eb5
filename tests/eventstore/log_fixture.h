#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "eventstore/clock.h"
#include "eventstore/event_log.h"
#include "eventstore/log_format.h"
#include "eventstore/memory_storage.h"
#include "eventstore/random.h"
#include "tests/eventstore/memory_anchor_files.h"

// What tests of the log share: events to append, and a log in memory that can be opened again.
namespace records::eventstore::testing_support {

inline constexpr absl::string_view kType = "records.events.v1.ContactRecorded";

// A root in `partition` of a log with `partitions`.
inline RootId RootIn(uint32_t partition, uint32_t number = 1) {
  IdBytes bytes{};
  bytes[7] = static_cast<uint8_t>(partition);
  bytes[14] = static_cast<uint8_t>(number >> 8);
  bytes[15] = static_cast<uint8_t>(number);
  return RootId(bytes);
}

inline StreamName Stream(const RootId& root, const std::string& sub_stream = "") {
  return {"north", "customers", root, sub_stream};
}

struct EventOptions {
  std::string type = std::string(kType);
  std::string facts = "facts";
  bool day_precision = false;
};

inline NewEvent MakeEvent(const StreamName& stream, EventOptions options = {}) {
  static SeededRandom ids(4711);
  records::log::v1::Event event;
  event.set_id(std::string(EventId::Generate(ids)->bytes()));
  *event.mutable_stream() = stream.ToProto();
  event.set_type(options.type);
  event.set_occurred_at_us(1'767'225'600'000'000);
  event.set_facts(options.facts);
  NewEvent made;
  made.stream = stream;
  if (options.day_precision) {
    made.time_precision = records::log::v1::TIME_PRECISION_DAY;
    event.set_time_precision(made.time_precision);
  }
  made.body = event.SerializeAsString();
  return made;
}

inline Append AppendOf(std::vector<NewEvent> events) {
  Append append;
  append.events = std::move(events);
  return append;
}

inline Append AppendTo(const StreamName& stream, EventOptions options = {}) {
  std::vector<NewEvent> events;
  events.push_back(MakeEvent(stream, std::move(options)));
  return AppendOf(std::move(events));
}

inline RequestKey Key(uint32_t number) {
  RequestKey key{};
  for (int i = 0; i < 4; ++i) key[i] = static_cast<uint8_t>(number >> (8 * i));
  key[31] = 1;
  return key;
}

inline Append WithRequest(Append append, uint32_t key, uint8_t digest = 7) {
  append.request_key = Key(key);
  append.request_digest.fill(digest);
  return append;
}

inline Append Expecting(Append append, Expectation expectation) {
  append.expectations.push_back(std::move(expectation));
  return append;
}

inline absl::Time TestStart() { return absl::FromUnixSeconds(1'767'225'600); }  // 2026-01-01

// A log in memory.
struct MemoryLog {
  explicit MemoryLog(uint32_t partitions = 4) {
    options.partition_count = partitions;
    options.clock = &clock;
    options.random = &random;
    options.on_fatal = [this](const absl::Status& status) {
      absl::MutexLock lock(&fatal_mutex);
      fatal = status;
    };
  }

  absl::Status TryOpen() {
    log.reset();
    auto opened = OpenLogOn({&storage, &anchor_files, checkpoint_files.get()}, options);
    if (opened.ok()) log = *std::move(opened);
    return opened.status();
  }

  EventLog& Open() {
    const absl::Status status = TryOpen();
    EXPECT_TRUE(status.ok()) << status;
    return *log;
  }

  // Waits until the log has told its owner that it takes no more writes.
  absl::Status WaitForFatal() {
    absl::MutexLock lock(&fatal_mutex);
    const auto told = [this] { return !fatal.ok(); };
    fatal_mutex.Await(absl::Condition(&told));
    return fatal;
  }

  ManualClock clock{TestStart()};
  SeededRandom random{42};
  MemoryStorage storage{kLogTableCount};
  MemoryAnchorFiles anchor_files;
  std::unique_ptr<CheckpointFiles> checkpoint_files = MemoryCheckpointFiles();
  LogOptions options;
  absl::Mutex fatal_mutex;
  absl::Status fatal;
  std::unique_ptr<EventLog> log;
};

// The events of a partition, all of them.
inline std::vector<StoredEvent> ReadAll(const EventLog& log, uint32_t partition,
                                        Ledger ledger = Ledger::kEvents) {
  std::vector<StoredEvent> all;
  while (true) {
    auto page =
        log.ReadPartition(ledger, {partition, all.size() + 1}, ReadDirection::kForward, {}, {});
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || page->empty()) return all;
    for (StoredEvent& event : *page) all.push_back(std::move(event));
  }
}

}  // namespace records::eventstore::testing_support
