#include "eventstore/bus/group_membership.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/bus/internal/kafka_message.h"
#include "eventstore/crypto.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::KafkaError;
using internal::KafkaEvent;
using internal::KafkaPartitions;
using internal::KafkaQueue;

constexpr absl::Duration kEventWait = absl::Milliseconds(100);
// A broker that does not answer is not waited for longer when leaving: it will notice.
constexpr absl::Duration kLeaveWait = absl::Seconds(3);

absl::Status StatusOf(KafkaError error, absl::string_view what) {
  if (error == nullptr) return absl::OkStatus();
  return KafkaStatus(rd_kafka_error_code(error.get()), what);
}

std::vector<uint32_t> NumbersOf(const rd_kafka_topic_partition_list_t& list) {
  std::vector<uint32_t> numbers;
  for (int i = 0; i < list.cnt; ++i) {
    numbers.push_back(static_cast<uint32_t>(list.elems[i].partition));
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// Brokers name a member when it joins; it has no name between two sessions.
bool HasSession(rd_kafka_t* client) {
  char* name = rd_kafka_memberid(client);
  const bool has_name = name != nullptr && *name != '\0';
  if (name != nullptr) rd_kafka_mem_free(client, name);
  return has_name;
}

}  // namespace

std::string ViewGroup(absl::string_view prefix, absl::string_view view) {
  return absl::StrCat(prefix, ".views.", view);
}

GroupMembership::GroupMembership(GroupMembershipOptions options) : options_(std::move(options)) {}

GroupMembership::~GroupMembership() { Stop(); }

absl::Status GroupMembership::CheckOptions() const {
  if (options_.topic.empty() || options_.group.empty() || options_.address.empty()) {
    return absl::InvalidArgumentError("a member needs a topic, a group and an address");
  }
  const bool named = std::all_of(options_.instance.begin(), options_.instance.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  });
  if (!named || options_.instance.size() > 200) {
    return absl::InvalidArgumentError("an instance is named with letters, digits, '.', '_', '-'");
  }
  return absl::OkStatus();
}

KafkaProperties GroupMembership::Properties() const {
  const int64_t session = absl::ToInt64Milliseconds(options_.session_timeout);
  KafkaProperties properties = {
      {"group.id", options_.group},
      {"client.id", options_.address},
      {"partition.assignment.strategy", "cooperative-sticky"},
      {"session.timeout.ms", absl::StrCat(session)},
      // With its answers members hear that the group is shared out anew: a hand-over takes some.
      {"heartbeat.interval.ms", absl::StrCat(std::min<int64_t>(session / 10, 1'000))},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "latest"},
      {"allow.auto.create.topics", "false"},
      {"topic.metadata.refresh.interval.ms", "10000"},
      {"reconnect.backoff.max.ms", "1000"},
      {"queued.max.messages.kbytes", "1024"}};
  if (!options_.instance.empty()) {
    // Brokers keep what a static member said of itself when it first joined: one that comes back
    // under another address is another member.
    const Digest digest = Sha256({options_.address});
    const std::string mark = absl::BytesToHexString(AsBytes(digest).substr(0, 4));
    properties.emplace_back("group.instance.id", absl::StrCat(options_.instance, ".", mark));
  }
  return properties;
}

absl::Status GroupMembership::Start() {
  RETURN_IF_ERROR(CheckOptions());
  absl::MutexLock lock(&mutex_);
  if (thread_.joinable() || stopping_) return absl::OkStatus();
  last_tick_ = Steady::now();
  thread_ = std::thread([this] { Run(); });
  ticker_ = std::thread([this] { Tick(); });
  return absl::OkStatus();
}

void GroupMembership::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  if (ticker_.joinable()) ticker_.join();
  absl::MutexLock lock(&mutex_);
  if (status_.state != GroupStatus::State::kFenced) status_.state = GroupStatus::State::kStopped;
}

bool GroupMembership::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void GroupMembership::Run() {
  while (!Stopping()) {
    const absl::Status status = RunSession();
    LetGoOfAll(true);
    if (absl::IsAborted(status)) return SetError(status, GroupStatus::State::kFenced);
    if (!status.ok()) SetError(status, GroupStatus::State::kJoining);
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.retry_wait);
  }
}

absl::Status GroupMembership::RunSession() {
  ASSIGN_OR_RETURN(const KafkaClient client,
                   OpenKafkaClient(RD_KAFKA_CONSUMER, options_.settings, Properties(),
                                   RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR));
  rd_kafka_poll_set_consumer(client.get());
  const KafkaPartitions topics =
      internal::PartitionAt(options_.topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_OFFSET_INVALID);
  RETURN_IF_ERROR(KafkaStatus(rd_kafka_subscribe(client.get(), topics.get()),
                              absl::StrCat("joining the group ", options_.group)));
  const KafkaQueue queue(rd_kafka_queue_get_consumer(client.get()));
  const absl::Status status = Serve(client.get(), queue.get());
  // First what is here ends, then others are let have it.
  LetGoOfAll(!status.ok() || !options_.instance.empty());
  Leave(client.get(), queue.get());
  return status;
}

absl::Status GroupMembership::Serve(rd_kafka_t* client, rd_kafka_queue_t* queue) {
  joining_since_ = Steady::now();
  while (!Stopping()) {
    RETURN_IF_ERROR(ServeEvent(client, queue, kEventWait).status());
    RETURN_IF_ERROR(CheckJoins(client));
  }
  return absl::OkStatus();
}

absl::Status GroupMembership::CheckJoins(rd_kafka_t* client) {
  bool joining = false;
  bool idle = false;
  {
    absl::MutexLock lock(&mutex_);
    joining = status_.state == GroupStatus::State::kJoining;
    idle = held_.empty();
  }
  // A session with nothing to lose is lost without an event.
  if (!joining && idle && !HasSession(client)) {
    absl::MutexLock lock(&mutex_);
    ++status_.sessions_lost;
    status_.state = GroupStatus::State::kJoining;
    joining_since_ = Steady::now();
  }
  if (!joining || PLANTED_BUG("stuck-member-waits")) return absl::OkStatus();
  const absl::Duration patience = std::max(options_.join_timeout, 3 * options_.session_timeout);
  if (Steady::now() - joining_since_ < absl::ToChronoNanoseconds(patience)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      "the group ", options_.group, " did not take it in within ", absl::FormatDuration(patience)));
}

absl::StatusOr<bool> GroupMembership::ServeEvent(rd_kafka_t* client, rd_kafka_queue_t* queue,
                                                 absl::Duration wait) {
  const KafkaEvent event(rd_kafka_queue_poll(queue, KafkaMilliseconds(wait)));
  if (event == nullptr) return false;
  const std::string what = absl::StrCat("the group ", options_.group);
  switch (rd_kafka_event_type(event.get())) {
    case RD_KAFKA_EVENT_REBALANCE:
      RETURN_IF_ERROR(Rebalance(client, event.get()));
      break;
    case RD_KAFKA_EVENT_ERROR: {
      rd_kafka_resp_err_t code = rd_kafka_event_error(event.get());
      const bool is_fatal = code == RD_KAFKA_RESP_ERR__FATAL;
      char why[256];
      if (is_fatal) code = rd_kafka_fatal_error(client, why, sizeof why);
      if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
        return absl::AbortedError(absl::StrCat("MEMBER_FENCED: another process has joined ", what,
                                               " as the instance ", options_.instance));
      }
      const absl::Status error = KafkaStatus(code, what);
      if (is_fatal) return error;
      // Others pass: the client goes on by itself.
      absl::MutexLock lock(&mutex_);
      if (status_.state == GroupStatus::State::kJoining) status_.error = error;
      break;
    }
    default:
      break;  // what was fetched before a partition was paused
  }
  return true;
}

absl::Status GroupMembership::Rebalance(rd_kafka_t* client, rd_kafka_event_t* event) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_event_topic_partition_list(event);
  if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    return Assign(client, list);
  }
  const bool lost = rd_kafka_assignment_lost(client) != 0;
  if (lost) {
    absl::MutexLock lock(&mutex_);
    ++status_.sessions_lost;
    status_.state = GroupStatus::State::kJoining;
  }
  LetGo(NumbersOf(*list), lost);
  if (lost) joining_since_ = Steady::now();  // what is called for takes its time
  return StatusOf(KafkaError(rd_kafka_incremental_unassign(client, list)), "giving back");
}

absl::Status GroupMembership::Assign(rd_kafka_t* client, rd_kafka_topic_partition_list_t* list) {
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_END;
  RETURN_IF_ERROR(StatusOf(KafkaError(rd_kafka_incremental_assign(client, list)), "taking"));
  // Nothing is read through the group.
  RETURN_IF_ERROR(KafkaStatus(rd_kafka_pause_partitions(client, list), "pausing"));
  const std::vector<uint32_t> partitions = NumbersOf(*list);
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::OkStatus();  // on its way out
    const bool first = status_.state != GroupStatus::State::kMember;
    status_.state = GroupStatus::State::kMember;
    status_.error = absl::OkStatus();
    held_.insert(partitions.begin(), partitions.end());
    if (partitions.empty() && !first) return absl::OkStatus();
    ++status_.assignments;
  }
  if (options_.on_assigned) options_.on_assigned(partitions);
  return absl::OkStatus();
}

void GroupMembership::LetGo(const std::vector<uint32_t>& partitions, bool may_come_back) {
  std::vector<uint32_t> known;
  {
    absl::MutexLock lock(&mutex_);
    for (const uint32_t partition : partitions) {
      if (held_.erase(partition) > 0) known.push_back(partition);
    }
    if (known.empty()) return;
    ++status_.assignments;
  }
  const bool suspend = may_come_back && options_.on_suspended;
  const auto& tell = suspend ? options_.on_suspended : options_.on_revoked;
  if (tell) tell(known);
}

void GroupMembership::LetGoOfAll(bool may_come_back) {
  std::vector<uint32_t> all;
  {
    absl::MutexLock lock(&mutex_);
    all.assign(held_.begin(), held_.end());
  }
  LetGo(all, may_come_back);
}

void GroupMembership::Leave(rd_kafka_t* client, rd_kafka_queue_t* queue) {
  const KafkaError error(rd_kafka_consumer_close_queue(client, queue));
  if (error != nullptr) return;
  const Steady::time_point end = Steady::now() + absl::ToChronoNanoseconds(kLeaveWait);
  while (rd_kafka_consumer_closed(client) == 0 && Steady::now() < end) {
    if (!ServeEvent(client, queue, kEventWait).ok()) return;
  }
}

void GroupMembership::SetError(absl::Status error, GroupStatus::State state) {
  absl::MutexLock lock(&mutex_);
  status_.error = std::move(error);
  status_.state = state;
}

void GroupMembership::Tick() {
  const auto session = absl::ToChronoNanoseconds(options_.session_timeout);
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    const Steady::time_point now = Steady::now();
    // By then the client has heard from the brokers, or given up.
    if (now - last_tick_ > session / 2) doubtful_until_ = now + session / 2;
    last_tick_ = now;
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.session_timeout / 10);
  }
}

bool GroupMembership::InDoubt() const {
  const Steady::time_point now = Steady::now();
  return now < doubtful_until_ ||
         now - last_tick_ > absl::ToChronoNanoseconds(options_.session_timeout) / 2;
}

bool GroupMembership::Holds(uint32_t partition) const {
  absl::MutexLock lock(&mutex_);
  return held_.contains(partition) && !InDoubt();
}

absl::StatusOr<std::optional<std::string>> GroupMembership::OwnerOf(uint32_t partition) const {
  if (Holds(partition)) return options_.address;
  const auto find = [&]() ABSL_SHARED_LOCKS_REQUIRED(owners_mutex_) -> std::optional<std::string> {
    const auto it = owners_.find(partition);
    if (it == owners_.end()) return std::nullopt;
    return it->second;
  };
  {
    absl::MutexLock lock(&owners_mutex_);
    const bool fresh =
        owners_at_.has_value() &&
        Steady::now() - *owners_at_ < absl::ToChronoNanoseconds(options_.owners_kept);
    if (fresh || (asking_ && owners_at_.has_value())) return find();
    const auto nobody_asks = [this]()
                                 ABSL_SHARED_LOCKS_REQUIRED(owners_mutex_) { return !asking_; };
    if (asking_) {
      owners_mutex_.Await(absl::Condition(&nobody_asks));
      if (owners_at_.has_value()) return find();
      return absl::UnavailableError("who has which partition is not known");
    }
    asking_ = true;
  }
  auto owners = AskOwners();
  absl::MutexLock lock(&owners_mutex_);
  asking_ = false;
  RETURN_IF_ERROR(owners.status());
  owners_ = *std::move(owners);
  owners_at_ = Steady::now();
  return find();
}

absl::StatusOr<absl::flat_hash_map<uint32_t, std::string>> GroupMembership::AskOwners() const {
  if (admin_ == nullptr) {
    ASSIGN_OR_RETURN(admin_, TopicAdmin::Open(options_.settings));
  }
  const auto members = admin_->GroupMembers(options_.group, options_.owners_timeout);
  if (!members.ok()) {
    admin_.reset();
    return members.status();
  }
  absl::flat_hash_map<uint32_t, std::string> owners;
  for (const GroupMember& member : *members) {
    for (const auto& [topic, partition] : member.partitions) {
      if (topic == options_.topic) owners[static_cast<uint32_t>(partition)] = member.client;
    }
  }
  return owners;
}

GroupStatus GroupMembership::GetStatus() const {
  absl::MutexLock lock(&mutex_);
  GroupStatus status = status_;
  status.held.assign(held_.begin(), held_.end());
  return status;
}

}  // namespace records::eventstore
