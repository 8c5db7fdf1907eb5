#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/event_log.h"
#include "eventstore/status_macros.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/faults/anchor_readers.h"
#include "tests/faults/damage_subject.h"
#include "tools/recordsctl/verify/verify.h"

namespace records::faults {
namespace {

using namespace eventstore;                   // NOLINT(build/namespaces)
using namespace eventstore::testing_support;  // NOLINT(build/namespaces)

constexpr auto kWithAll = std::filesystem::copy_options::recursive;
constexpr uint32_t kPartitions = 2;
constexpr uint32_t kEventsPerRequest = 4;

class LogSubject final : public DamageSubject {
 public:
  explicit LogSubject(int events_in_first_partition)
      : requests_(events_in_first_partition / static_cast<int>(kEventsPerRequest)) {}

  absl::Status Make(const Folders& folders) override {
    const uint32_t half = requests_ / 2;
    {
      // Table files, then a write-ahead log.
      ASSIGN_OR_RETURN(const auto log, Open(folders.closed));
      for (uint32_t number = 0; number < half; ++number) {
        RETURN_IF_ERROR(log->AppendAndWait(Request(number)).status());
      }
      RETURN_IF_ERROR(log->AppendAndWait(Trace(0)).status());
      RETURN_IF_ERROR(log->AppendAndWait(Request(requests_)).status());
    }
    ASSIGN_OR_RETURN(const auto log, Open(folders.closed));
    for (uint32_t number = half; number < requests_; ++number) {
      RETURN_IF_ERROR(log->AppendAndWait(Request(number)).status());
      if (number > half) continue;
      RETURN_IF_ERROR(log->SignedCheckpoint().status());
      std::filesystem::copy(folders.closed, folders.older, kWithAll);
    }
    RETURN_IF_ERROR(log->AppendAndWait(Trace(1)).status());
    RETURN_IF_ERROR(log->SignedCheckpoint().status());
    std::filesystem::copy(folders.closed, folders.killed, kWithAll);
    return absl::OkStatus();
  }

  bool TakesTheSame(const std::string& whole, const std::string& damaged,
                    const std::string& file) override {
    return file == "log.anchor" && TakeTheSame(whole + "/" + file, damaged + "/" + file);
  }

  Reading ReadEverything(const std::string& folder) override {
    Reading reading;
    auto log = Open(folder);
    reading.start = log.status();
    if (!log.ok()) return reading;
    for (const Ledger ledger : {Ledger::kEvents, Ledger::kAccess}) {
      for (uint32_t p = 0; p < kPartitions; ++p) AskPartition(**log, ledger, p, reading);
    }
    for (uint32_t p = 0; p < kPartitions; ++p) AskRoot(**log, RootIn(p), reading);
    for (uint32_t number = 0; number <= requests_ + 1; ++number) {
      AskRequest(**log, number, reading);
    }
    reading.answers.emplace_back((*log)->SignedCheckpoint());
    return reading;
  }

  Verified Verify(const std::string& folder) override {
    Verified verified;
    const auto report = tools::verify::Verify({.data_dir = folder});
    if (!report.ok()) {
      verified.findings.emplace_back(report.status().message());
      return verified;
    }
    for (const auto& finding : report->findings.Sorted()) {
      verified.findings.push_back(finding.message);
    }
    verified.notes = report->notes;
    return verified;
  }

 private:
  absl::StatusOr<std::unique_ptr<EventLog>> Open(const std::string& folder) {
    LogOptions options;
    options.data_dir = folder;
    options.partition_count = kPartitions;
    options.clock = &clock_;
    options.block_cache_bytes = size_t{1} << 20;
    options.disk_reserve_bytes = 0;
    options.disk_floor_bytes = 0;
    return OpenLog(std::move(options));
  }

  // The last request alone goes to the second partition.
  Append Request(uint32_t number) const {
    const uint32_t partition = number == requests_ ? 1 : 0;
    std::vector<NewEvent> events;
    for (uint32_t i = 0; i < kEventsPerRequest; ++i) {
      events.push_back(MakeEvent(Stream(RootIn(partition)), {.facts = absl::StrCat(number)}));
    }
    return WithRequest(AppendOf(std::move(events)), number);
  }

  static Append Trace(uint32_t partition) {
    Append append = AppendTo(Stream(RootIn(partition), "reads"));
    append.ledger = Ledger::kAccess;
    return append;
  }

  static std::string Joined(const std::vector<StoredEvent>& events) {
    std::string all;
    for (const StoredEvent& event : events) {
      absl::StrAppend(&all, event.position.sequence, ":", event.bytes.size(), ":", event.bytes);
    }
    return all;
  }

  static void AddEvents(const absl::StatusOr<std::vector<StoredEvent>>& events, Reading& reading) {
    if (events.ok()) {
      reading.answers.emplace_back(Joined(*events));
    } else {
      reading.answers.emplace_back(events.status());
    }
  }

  static void AskPartition(const EventLog& log, Ledger ledger, uint32_t p, Reading& reading) {
    const uint64_t head = log.Head(ledger, p).sequence;
    reading.answers.emplace_back(absl::StrCat("head ", head));
    for (const ReadDirection direction : {ReadDirection::kForward, ReadDirection::kBackward}) {
      const Position from{p, direction == ReadDirection::kForward ? 1 : head};
      AddEvents(log.ReadPartition(ledger, from, direction, {.events = 1024}, {}), reading);
    }
    for (uint64_t sequence = 1; sequence <= head; ++sequence) {
      const auto event = log.ReadAt(ledger, {p, sequence});
      reading.answers.push_back(event.ok() ? absl::StatusOr<std::string>(event->bytes)
                                           : absl::StatusOr<std::string>(event.status()));
    }
    const auto root = log.CheckpointAt(ledger, {p, head});
    reading.answers.push_back(root.ok()
                                  ? absl::StatusOr<std::string>(std::string(AsBytes(root->root)))
                                  : absl::StatusOr<std::string>(root.status()));
  }

  static void AskRoot(const EventLog& log, const RootId& root, Reading& reading) {
    AddEvents(log.ReadRoot(Ledger::kEvents, root, 0, {.events = 1024}), reading);
    for (const Ledger ledger : {Ledger::kEvents, Ledger::kAccess}) {
      const StreamName stream = Stream(root, ledger == Ledger::kAccess ? "reads" : "");
      AddEvents(log.ReadStream(ledger, stream, {}, ReadDirection::kForward, {.events = 1024}),
                reading);
      const auto head = log.StreamHead(ledger, stream);
      if (!head.ok()) {
        reading.answers.emplace_back(head.status());
      } else {
        reading.answers.emplace_back(head->has_value() ? absl::StrCat((*head)->value) : "none");
      }
    }
  }

  // A request that was made is found, and its retry gives the first outcome. One never made is not.
  void AskRequest(EventLog& log, uint32_t number, Reading& reading) const {
    const auto found = log.FindRequest(Key(number));
    if (!found.ok()) {
      reading.answers.emplace_back(found.status());
    } else {
      reading.answers.emplace_back(found->has_value() ? Joined(**found) : "none");
    }
    if (number > requests_) return;
    const auto retried = log.AppendAndWait(Request(number));
    if (!retried.ok()) {
      reading.answers.emplace_back(retried.status());
      return;
    }
    reading.answers.emplace_back(absl::StrCat(retried->first.partition, "/",
                                              retried->first.sequence, " ", retried->count, " ",
                                              retried->repeated));
  }

  const uint32_t requests_;
  ManualClock clock_{TestStart()};
};

}  // namespace

std::unique_ptr<DamageSubject> MakeLogSubject(int events_in_first_partition) {
  return std::make_unique<LogSubject>(events_in_first_partition);
}

}  // namespace records::faults
