#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/group_membership.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/topic_log.h"
#include "projections/partitioned_view.h"

namespace records::projections {

struct SharedMemberOptions {
  eventstore::KafkaSettings settings;
  std::string prefix;
  std::string folder;
  std::string name;
  std::string instance;  // empty: it leaves at once when it ends
  eventstore::StoreId log;
  // Longer than a busy machine stands still.
  absl::Duration session_timeout = absl::Seconds(20);
  // Told after a partition was acquired, and after one was let go of.
  std::function<void(uint32_t)> on_acquired;
  std::function<void(uint32_t)> on_released;
};

// One process of a view that is shared out, wired as a server would: topic, view and membership.
class SharedMember {
 public:
  SharedMember(const Projection& projection, SharedMemberOptions options)
      : options_(std::move(options)) {
    auto topic = eventstore::TopicLog::Open({.settings = options_.settings,
                                             .prefix = options_.prefix,
                                             .log = options_.log,
                                             .retry_wait_max = absl::Milliseconds(500),
                                             .silence_max = absl::Seconds(5)});
    EXPECT_TRUE(topic.ok()) << topic.status();
    topic_ = *std::move(topic);
    PartitionedViewOptions view{.folder = options_.folder,
                                .open_storage = RocksViewStorage(1 << 20),
                                .retry_wait = absl::Milliseconds(100)};
    view.runner.fold.batch_events = 16;  // many small ones: many places to die at
    view_ = std::make_unique<PartitionedView>(*topic_, projection, std::move(view));
    membership_ = std::make_unique<eventstore::GroupMembership>(Membership());
    EXPECT_TRUE(membership_->Start().ok());
  }
  ~SharedMember() { membership_->Stop(); }

  PartitionedView& view() { return *view_; }
  eventstore::GroupMembership& membership() { return *membership_; }

 private:
  eventstore::GroupMembershipOptions Membership() {
    return {.settings = options_.settings,
            .topic = eventstore::LogTopic(options_.prefix),
            .group = eventstore::ViewGroup(options_.prefix, "shared"),
            .address = options_.name,
            .instance = options_.instance,
            .session_timeout = options_.session_timeout,
            .retry_wait = absl::Milliseconds(100),
            .join_timeout = absl::Seconds(20),
            .on_assigned = [this](const std::vector<uint32_t>& partitions) { Take(partitions); },
            .on_revoked =
                [this](const std::vector<uint32_t>& partitions) {
                  for (const uint32_t partition : partitions) {
                    const absl::Status status = view_->Release(partition);
                    EXPECT_TRUE(status.ok()) << status;
                    if (options_.on_released) options_.on_released(partition);
                  }
                },
            .on_suspended =
                [this](const std::vector<uint32_t>& partitions) {
                  first_ = true;
                  for (const uint32_t partition : partitions) {
                    view_->Suspend(partition);
                    if (options_.on_released) options_.on_released(partition);
                  }
                }};
  }

  void Take(const std::vector<uint32_t>& partitions) {
    if (std::exchange(first_, false)) {
      const absl::Status kept = view_->KeepOnly(partitions);
      EXPECT_TRUE(kept.ok()) << kept;
    }
    for (const uint32_t partition : partitions) {
      if (options_.on_acquired) options_.on_acquired(partition);
      const absl::Status status = view_->Acquire(partition);
      EXPECT_TRUE(status.ok()) << status;
    }
  }

  const SharedMemberOptions options_;
  std::unique_ptr<eventstore::TopicLog> topic_;
  std::unique_ptr<PartitionedView> view_;
  std::unique_ptr<eventstore::GroupMembership> membership_;
  bool first_ = true;
};

}  // namespace records::projections
