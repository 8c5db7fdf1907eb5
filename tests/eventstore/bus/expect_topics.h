#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/work_streams.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/log_fixture.h"

// What who reads what is committed must find after whatever happened.
namespace records::eventstore::testing_support {

// Every event of the log once, in order, with its bytes, and each says what came before it. Returns
// how many there are.
inline size_t ExpectTopicIsTheLog(const KafkaSettings& settings, const std::string& prefix,
                                  const EventLog& log) {
  size_t count = 0;
  for (uint32_t partition = 0; partition < log.partition_count(); ++partition) {
    const auto records = ReadTopic(settings, LogTopic(prefix), static_cast<int32_t>(partition));
    const auto events = ReadAll(log, partition);
    EXPECT_EQ(records.size(), events.size()) << "partition " << partition;
    if (records.size() != events.size()) continue;
    size_t wrong = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      const bool is_right =
          records[i].value == events[i].bytes &&
          records[i].Header("records_previous") == absl::StrCat(partition, "/", i);
      wrong += is_right ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0u) << "partition " << partition;
    count += events.size();
  }
  return count;
}

// Of one partition of the log on one stream; returns how many there are.
inline size_t ExpectStreamPartition(const EventLog& log, const WorkStreams& work,
                                    const std::string& topic, uint32_t partition,
                                    const std::vector<BusRecord>& records) {
  size_t next = 0;
  std::string previous;
  for (const StoredEvent& event : ReadAll(log, partition)) {
    const auto items = work.ItemsOf(event);
    EXPECT_TRUE(items.ok()) << items.status();
    for (const WorkItem& item : items.value_or(std::vector<WorkItem>())) {
      if (item.topic != topic) continue;
      EXPECT_LT(next, records.size()) << topic << " misses " << event.position.sequence;
      if (next >= records.size()) return next;
      const BusRecord& record = records[next++];
      EXPECT_EQ(record.Header("ce_id"), item.id);
      EXPECT_EQ(record.key, item.subject);
      EXPECT_EQ(record.value, item.reference);
      EXPECT_EQ(record.Header("records_previous"), previous);
      previous = item.id;
    }
  }
  EXPECT_EQ(next, records.size()) << topic << " has more than the log";
  return next;
}

// Every item of every event once, in the order of its partition of the log, and each says what came
// before it from there. Returns how many there are.
inline size_t ExpectStreamsAreTheLog(const KafkaSettings& settings, const std::string& prefix,
                                     const EventLog& log, const WorkStreams& work,
                                     int32_t stream_partitions) {
  size_t items = 0;
  for (const std::string& topic : work.topics()) {
    std::vector<std::vector<BusRecord>> by_partition(log.partition_count());
    for (int32_t i = 0; i < stream_partitions; ++i) {
      for (BusRecord& record : ReadTopic(settings, WorkTopic(prefix, topic), i)) {
        const auto reference = work.OpenReference(topic, *record.value);
        EXPECT_TRUE(reference.ok()) << reference.status();
        if (!reference.ok()) return items;
        EXPECT_EQ(reference->position.partition % static_cast<uint32_t>(stream_partitions), i);
        by_partition[reference->position.partition].push_back(std::move(record));
      }
    }
    for (uint32_t i = 0; i < by_partition.size(); ++i) {
      items += ExpectStreamPartition(log, work, topic, i, by_partition[i]);
    }
  }
  return items;
}

}  // namespace records::eventstore::testing_support
