#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/topic_admin.h"

namespace records::eventstore {

// The group in which the processes that serve a view share its partitions; the rules of access in
// deploy/kafka allow it to those that serve views.
std::string ViewGroup(absl::string_view prefix, absl::string_view view);

struct GroupMembershipOptions {
  KafkaSettings settings;
  std::string topic;  // whose partitions are shared out
  std::string group;
  // Where callers reach this process; the other members are told it.
  std::string address;
  // Stays the same over restarts: within the session's timeout a restart finds its partitions kept
  // for it. Letters, digits, '.', '_', '-'. Empty: a process that ends leaves at once.
  std::string instance;
  // A member of which brokers hear nothing for so long is out. Brokers allow 6 s to 30 min.
  absl::Duration session_timeout = absl::Seconds(10);
  // How long it is believed who owns what, and how long the brokers are asked.
  absl::Duration owners_kept = absl::Seconds(2);
  absl::Duration owners_timeout = absl::Seconds(2);
  // Before a new member after an error.
  absl::Duration retry_wait = absl::Seconds(1);
  // Who is not let join for so long begins again with a new client: librdkafka's may have lost all
  // its brokers for good, or wait for an answer that never comes. Other members may hold up a
  // rebalance for longer; the new client then waits in place of the old one. Three sessions at
  // least: so long brokers may wait for who was there before.
  absl::Duration join_timeout = absl::Minutes(1);
  // All three are called on the membership's thread, one at a time, and with partitions that this
  // process had or has not, as the name says.
  //
  // What comes to what is held. The first assignment after Start() or `on_suspended` is told even
  // when it is empty: what is on the disk of other partitions is nobody's here.
  std::function<void(const std::vector<uint32_t>& partitions)> on_assigned;
  // What goes to others, as soon as this has returned.
  std::function<void(const std::vector<uint32_t>& partitions)> on_revoked;
  // What must not be answered for any more and may well come back: the session was lost, or a
  // member with an `instance` ends. None: `on_revoked` is called.
  std::function<void(const std::vector<uint32_t>& partitions)> on_suspended;
};

struct GroupStatus {
  enum class State {
    kJoining,  // not a member, or has not heard yet of its partitions
    kMember,
    kFenced,  // another process has the same `instance`: it takes no part any more
    kStopped,
  };
  State state = State::kJoining;
  std::vector<uint32_t> held;
  absl::Status error;          // what keeps it from joining
  uint64_t assignments = 0;    // times that it was given or lost partitions
  uint64_t sessions_lost = 0;  // times that its partitions were given away without asking
};

// Shares the partitions of a topic with the other members of a consumer group, and says who has
// which. Kafka decides who is alive and who gets what (cooperative-sticky: only what moves is let
// go of); nothing is read and no offset is committed, since where a view stands lies with its rows.
//
// Who was cut off or asleep may find its partitions given away: Holds() says no from the moment
// that this is possible, as far as this process can tell.
//
// Thread-safe. The callbacks must not call Stop().
class GroupMembership {
 public:
  explicit GroupMembership(GroupMembershipOptions options);
  ~GroupMembership();  // stops

  // Joins, and joins again, until Stop(); never waits for a broker. No state of a client is waited
  // out for longer than `join_timeout`. Once. kInvalidArgument: an option.
  [[nodiscard]] absl::Status Start();

  // Lets go of what is held, then leaves; a member with an `instance` stays one until its session
  // ends. Again: nothing.
  void Stop();

  // Whether this process may answer for a partition now. Ask before each answer.
  bool Holds(uint32_t partition) const;

  // The address of the member that has a partition; nullopt: nobody has just now. As it was within
  // `owners_kept`, or longer while one caller asks anew. kUnavailable: no broker answers.
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> OwnerOf(uint32_t partition) const;

  GroupStatus GetStatus() const;

 private:
  using Steady = std::chrono::steady_clock;

  absl::Status CheckOptions() const;
  KafkaProperties Properties() const;
  void Run();
  // The life of one member, until Stop() or an error.
  absl::Status RunSession();
  absl::Status Serve(rd_kafka_t* client, rd_kafka_queue_t* queue);
  // kUnavailable: it has not been a member for `join_timeout`.
  absl::Status CheckJoins(rd_kafka_t* client);
  // Takes one event of the client; false: there was none in time.
  absl::StatusOr<bool> ServeEvent(rd_kafka_t* client, rd_kafka_queue_t* queue, absl::Duration wait);
  absl::Status Rebalance(rd_kafka_t* client, rd_kafka_event_t* event);
  absl::Status Assign(rd_kafka_t* client, rd_kafka_topic_partition_list_t* list);
  void LetGo(const std::vector<uint32_t>& partitions, bool may_come_back);
  void LetGoOfAll(bool may_come_back);
  void Leave(rd_kafka_t* client, rd_kafka_queue_t* queue);
  void SetError(absl::Status error, GroupStatus::State state);
  bool Stopping() const;

  // Notices when the process has been asleep.
  void Tick();
  bool InDoubt() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<absl::flat_hash_map<uint32_t, std::string>> AskOwners() const;

  const GroupMembershipOptions options_;

  mutable absl::Mutex mutex_;
  std::set<uint32_t> held_ ABSL_GUARDED_BY(mutex_);
  GroupStatus status_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Steady::time_point last_tick_ ABSL_GUARDED_BY(mutex_);
  Steady::time_point doubtful_until_ ABSL_GUARDED_BY(mutex_);
  Steady::time_point joining_since_;  // of the membership's thread
  std::thread thread_;
  std::thread ticker_;

  mutable absl::Mutex owners_mutex_;
  mutable absl::flat_hash_map<uint32_t, std::string> owners_ ABSL_GUARDED_BY(owners_mutex_);
  mutable std::optional<Steady::time_point> owners_at_ ABSL_GUARDED_BY(owners_mutex_);
  mutable bool asking_ ABSL_GUARDED_BY(owners_mutex_) = false;
  mutable std::unique_ptr<TopicAdmin> admin_;  // of whoever asks
};

}  // namespace records::eventstore
