#include "eventstore/bus/topic_admin.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// How long the other brokers have when one was not reached.
constexpr absl::Duration kOthersWait = absl::Seconds(2);

using internal::AdminCall;
using internal::KafkaDeleter;
using internal::KafkaEvent;
using internal::KafkaQueue;

using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, KafkaDeleter<&rd_kafka_NewTopic_destroy>>;
using DoomedTopic =
    std::unique_ptr<rd_kafka_DeleteTopic_t, KafkaDeleter<&rd_kafka_DeleteTopic_destroy>>;
using Metadata =
    std::unique_ptr<const rd_kafka_metadata_t, KafkaDeleter<&rd_kafka_metadata_destroy>>;
using ConfigurationOf =
    std::unique_ptr<rd_kafka_ConfigResource_t, KafkaDeleter<&rd_kafka_ConfigResource_destroy>>;
using TopicNames =
    std::unique_ptr<rd_kafka_TopicCollection_t, KafkaDeleter<&rd_kafka_TopicCollection_destroy>>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaDeleter<&rd_kafka_error_destroy>>;

// What a broker says of a wrong request, for which KafkaStatus() has no word of its own.
absl::Status RefusalOf(rd_kafka_resp_err_t code, absl::string_view what) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return absl::InvalidArgumentError(absl::StrCat(what, ": ", rd_kafka_err2name(code)));
    default:
      return KafkaStatus(code, what);
  }
}

// What came of the one topic that was asked about.
absl::Status FirstError(const rd_kafka_topic_result_t** results, size_t count,
                        absl::string_view what) {
  if (count != 1) return absl::UnavailableError(absl::StrCat(what, ": no result"));
  const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
  if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return absl::AlreadyExistsError(absl::StrCat(what, ": it is there"));
  }
  const char* why = rd_kafka_topic_result_error_string(results[0]);
  return RefusalOf(code, why == nullptr ? std::string(what) : absl::StrCat(what, ", ", why));
}

// The parameters that hold for each of the topics, set or by default.
absl::Status AddConfigurations(rd_kafka_t* client, std::map<std::string, TopicDescription>& topics,
                               absl::Duration timeout) {
  if (topics.empty()) return absl::OkStatus();
  std::vector<ConfigurationOf> owned;
  std::vector<rd_kafka_ConfigResource_t*> asked;
  for (const auto& [name, topic] : topics) {
    owned.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
    asked.push_back(owned.back().get());
  }
  const AdminCall call(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout);
  rd_kafka_DescribeConfigs(client, asked.data(), asked.size(), call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait("reading the parameters of topics"));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** results = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const std::string name = rd_kafka_ConfigResource_name(results[i]);
    const absl::Status status = KafkaStatus(rd_kafka_ConfigResource_error(results[i]),
                                            absl::StrCat("reading the parameters of ", name));
    if (absl::IsNotFound(status)) topics.erase(name);  // deleted meanwhile
    if (absl::IsNotFound(status)) continue;
    RETURN_IF_ERROR(status);
    size_t size = 0;
    const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(results[i], &size);
    for (size_t j = 0; j < size; ++j) {
      const char* value = rd_kafka_ConfigEntry_value(entries[j]);
      if (value == nullptr) continue;
      topics[name].configuration[rd_kafka_ConfigEntry_name(entries[j])] = value;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TopicAdmin>> TopicAdmin::Open(const KafkaSettings& settings) {
  ASSIGN_OR_RETURN(KafkaClient client,
                   OpenKafkaClient(RD_KAFKA_PRODUCER, settings, {{"socket.timeout.ms", "10000"}},
                                   RD_KAFKA_EVENT_ERROR));
  return std::unique_ptr<TopicAdmin>(new TopicAdmin(std::move(client)));
}

absl::Status TopicAdmin::WaitForBroker(absl::Duration timeout) {
  using std::chrono::steady_clock;
  const KafkaQueue events(rd_kafka_queue_get_main(client_.get()));
  steady_clock::time_point end = steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  std::string why = "no answer";
  while (steady_clock::now() < end) {
    const rd_kafka_metadata_t* answer = nullptr;
    const rd_kafka_resp_err_t code = rd_kafka_metadata(client_.get(), 0, nullptr, &answer, 200);
    const Metadata metadata(answer);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
    while (const KafkaEvent event{rd_kafka_queue_poll(events.get(), 0)}) {
      const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      why = rd_kafka_event_error_string(event.get());
      if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION) return absl::PermissionDeniedError(why);
      if (error == RD_KAFKA_RESP_ERR__SSL) return absl::UnavailableError(why);
      // Another of several brokers may still answer.
      end = std::min(end, steady_clock::now() + absl::ToChronoNanoseconds(kOthersWait));
    }
  }
  return absl::UnavailableError(why);
}

absl::Status TopicAdmin::Create(const TopicDescription& topic, absl::Duration timeout) {
  const std::string what = absl::StrCat("making the topic ", topic.name);
  char why[256];
  const NewTopic wanted(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replicas, why, sizeof why));
  if (wanted == nullptr) return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
  for (const auto& [name, value] : topic.configuration) {
    RETURN_IF_ERROR(
        KafkaStatus(rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(), value.c_str()), what));
  }
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout);
  rd_kafka_NewTopic_t* topics[] = {wanted.get()};
  rd_kafka_CreateTopics(client_.get(), topics, 1, call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait(what));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return FirstError(results, count, what);
}

absl::Status TopicAdmin::Delete(const std::string& topic, absl::Duration timeout) {
  const std::string what = absl::StrCat("removing the topic ", topic);
  const DoomedTopic unwanted(rd_kafka_DeleteTopic_new(topic.c_str()));
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout);
  rd_kafka_DeleteTopic_t* topics[] = {unwanted.get()};
  rd_kafka_DeleteTopics(client_.get(), topics, 1, call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait(what));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  return FirstError(results, count, what);
}

absl::StatusOr<std::map<std::string, TopicDescription>> TopicAdmin::List(
    absl::string_view beginning, absl::Duration timeout) {
  const rd_kafka_metadata_t* answer = nullptr;
  RETURN_IF_ERROR(
      KafkaStatus(rd_kafka_metadata(client_.get(), 1, nullptr, &answer, KafkaMilliseconds(timeout)),
                  "listing the topics"));
  const Metadata metadata(answer);
  std::map<std::string, TopicDescription> topics;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = metadata->topics[i];
    // Without partitions: being made or deleted at this moment.
    if (!absl::StartsWith(topic.topic, beginning) || topic.partition_cnt < 1) continue;
    topics[topic.topic] = {.name = topic.topic,
                           .partitions = topic.partition_cnt,
                           .replicas = topic.partitions[0].replica_cnt};
  }
  RETURN_IF_ERROR(AddConfigurations(client_.get(), topics, timeout));
  return topics;
}

absl::Status TopicAdmin::CheckVisible(const std::vector<std::string>& topics,
                                      absl::Duration timeout) {
  if (topics.empty()) return absl::OkStatus();
  std::vector<const char*> names;
  for (const std::string& topic : topics) names.push_back(topic.c_str());
  const TopicNames collection(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout);
  rd_kafka_DescribeTopics(client_.get(), collection.get(), call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait("describing topics"));
  size_t count = 0;
  const rd_kafka_TopicDescription_t** results = rd_kafka_DescribeTopics_result_topics(
      rd_kafka_event_DescribeTopics_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const absl::Status status = KafkaStatus(
        rd_kafka_error_code(rd_kafka_TopicDescription_error(results[i])),
        absl::StrCat("looking for the topic ", rd_kafka_TopicDescription_name(results[i])));
    if (absl::IsPermissionDenied(status)) return status;
  }
  return absl::OkStatus();
}

absl::Status TopicAdmin::SetParameter(const std::string& topic, const std::string& name,
                                      const std::string& value, absl::Duration timeout) {
  const std::string what = absl::StrCat("setting ", name, " of the topic ", topic);
  const ConfigurationOf change(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  const KafkaError error(rd_kafka_ConfigResource_add_incremental_config(
      change.get(), name.c_str(), RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, value.c_str()));
  if (error != nullptr) return absl::InvalidArgumentError(what);
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS, timeout);
  rd_kafka_ConfigResource_t* changes[] = {change.get()};
  rd_kafka_IncrementalAlterConfigs(client_.get(), changes, 1, call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait(what));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** results = rd_kafka_IncrementalAlterConfigs_result_resources(
      rd_kafka_event_IncrementalAlterConfigs_result(event.get()), &count);
  if (count != 1) return absl::UnavailableError(absl::StrCat(what, ": no result"));
  return RefusalOf(rd_kafka_ConfigResource_error(results[0]), what);
}

}  // namespace records::eventstore
