#include "eventstore/bus/topic_admin.h"

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
using Queue = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;

struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};
using Event = std::unique_ptr<rd_kafka_event_t, EventDeleter>;

struct OptionsDeleter {
  void operator()(rd_kafka_AdminOptions_t* options) const {
    rd_kafka_AdminOptions_destroy(options);
  }
};
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, OptionsDeleter>;

struct NewTopicDeleter {
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
};

struct DeleteTopicDeleter {
  void operator()(rd_kafka_DeleteTopic_t* topic) const { rd_kafka_DeleteTopic_destroy(topic); }
};

Options OptionsFor(rd_kafka_t* client, rd_kafka_admin_op_t operation, absl::Duration timeout) {
  Options options(rd_kafka_AdminOptions_new(client, operation));
  const int milliseconds = KafkaMilliseconds(timeout);
  rd_kafka_AdminOptions_set_request_timeout(options.get(), milliseconds, nullptr, 0);
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), milliseconds, nullptr, 0);
  return options;
}

absl::StatusOr<Event> WaitForResult(rd_kafka_queue_t* queue, absl::Duration timeout,
                                    absl::string_view what) {
  // The request has a timeout of its own; this one is for a client that never answers.
  const absl::Duration longest = timeout + absl::Seconds(10);
  Event event(rd_kafka_queue_poll(queue, KafkaMilliseconds(longest)));
  if (event == nullptr) return absl::UnavailableError(absl::StrCat(what, ": no answer"));
  RETURN_IF_ERROR(KafkaStatus(rd_kafka_event_error(event.get()), what));
  return event;
}

// What came of the one topic that was asked about.
absl::Status FirstError(const rd_kafka_topic_result_t** results, size_t count,
                        absl::string_view what) {
  if (count != 1) return absl::UnavailableError(absl::StrCat(what, ": no result"));
  const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
  if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return absl::AlreadyExistsError(absl::StrCat(what, ": it is there"));
  }
  if (code == RD_KAFKA_RESP_ERR_INVALID_CONFIG || code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION ||
      code == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", rd_kafka_err2name(code)));
  }
  return KafkaStatus(code, what);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TopicAdmin>> TopicAdmin::Open(const KafkaSettings& settings) {
  ASSIGN_OR_RETURN(KafkaClient client,
                   OpenKafkaClient(RD_KAFKA_PRODUCER, settings, {{"socket.timeout.ms", "10000"}}));
  return std::unique_ptr<TopicAdmin>(new TopicAdmin(std::move(client)));
}

absl::Status TopicAdmin::Create(const TopicDescription& topic, absl::Duration timeout) {
  const std::string what = absl::StrCat("making the topic ", topic.name);
  char why[256];
  const std::unique_ptr<rd_kafka_NewTopic_t, NewTopicDeleter> wanted(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replicas, why, sizeof why));
  if (wanted == nullptr) return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
  for (const auto& [name, value] : topic.configuration) {
    RETURN_IF_ERROR(
        KafkaStatus(rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(), value.c_str()), what));
  }
  const Queue queue(rd_kafka_queue_new(client_.get()));
  const Options options = OptionsFor(client_.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout);
  rd_kafka_NewTopic_t* topics[] = {wanted.get()};
  rd_kafka_CreateTopics(client_.get(), topics, 1, options.get(), queue.get());
  ASSIGN_OR_RETURN(const Event event, WaitForResult(queue.get(), timeout, what));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return FirstError(results, count, what);
}

absl::Status TopicAdmin::Delete(const std::string& topic, absl::Duration timeout) {
  const std::string what = absl::StrCat("removing the topic ", topic);
  const std::unique_ptr<rd_kafka_DeleteTopic_t, DeleteTopicDeleter> unwanted(
      rd_kafka_DeleteTopic_new(topic.c_str()));
  const Queue queue(rd_kafka_queue_new(client_.get()));
  const Options options = OptionsFor(client_.get(), RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout);
  rd_kafka_DeleteTopic_t* topics[] = {unwanted.get()};
  rd_kafka_DeleteTopics(client_.get(), topics, 1, options.get(), queue.get());
  ASSIGN_OR_RETURN(const Event event, WaitForResult(queue.get(), timeout, what));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  return FirstError(results, count, what);
}

}  // namespace records::eventstore
