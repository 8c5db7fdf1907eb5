#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/log.h"
#include "eventstore/tail_source.h"

namespace records::eventstore::testing_support {

// What a topic would have of a log, in memory, to be damaged by tests. A value.
class FakeTail final : public TailSource {
 public:
  // All that `log` has now.
  explicit FakeTail(const EventLog& log, size_t page_events = 100) : page_events_(page_events) {
    for (uint32_t partition = 0; partition < log.partition_count(); ++partition) {
      auto& events = partitions.emplace_back();
      const Position head = log.Head(Ledger::kEvents, partition);
      for (uint64_t sequence = 1; sequence <= head.sequence; ++sequence) {
        const Position position{partition, sequence};
        events.push_back({.log = log.store_id(),
                          .position = position,
                          .previous = {partition, sequence - 1},
                          .bytes = log.ReadAt(Ledger::kEvents, position)->bytes});
      }
      ends.push_back({*log.CheckpointAt(Ledger::kEvents, head), head.sequence});
    }
  }

  absl::StatusOr<std::vector<TailPartition>> FindEnds() override {
    if (!failure.ok()) return failure;
    return ends;
  }

  absl::Status Seek(Position from) override {
    partition_ = from.partition;
    const auto& events = partitions[partition_];
    next_ = static_cast<size_t>(std::find_if(events.begin(), events.end(),
                                             [&](const TailEvent& event) {
                                               return event.position.sequence >= from.sequence;
                                             }) -
                                events.begin());
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<TailEvent>> NextPage() override {
    const auto& events = partitions[partition_];
    std::vector<TailEvent> page;
    while (next_ < events.size() && page.size() < page_events_) page.push_back(events[next_++]);
    return page;
  }

  std::vector<std::vector<TailEvent>> partitions;
  std::vector<TailPartition> ends;
  absl::Status failure;

 private:
  size_t page_events_;
  uint32_t partition_ = 0;
  size_t next_ = 0;
};

}  // namespace records::eventstore::testing_support
