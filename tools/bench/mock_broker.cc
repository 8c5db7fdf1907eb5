#include "tools/bench/mock_broker.h"

#include <utility>

#include "eventstore/status_macros.h"
#include "tools/bench/broker.h"

namespace records::bench {

absl::StatusOr<std::unique_ptr<MockBroker>> MockBroker::Start(const std::filesystem::path& program,
                                                              const std::string& prefix) {
  ASSIGN_OR_RETURN(const auto topics, TopicsOf(program, prefix));
  ASSIGN_OR_RETURN(const auto nobody, eventstore::KafkaSettings::FromAddress("127.0.0.1:9"));
  ASSIGN_OR_RETURN(auto client, eventstore::OpenKafkaClient(RD_KAFKA_PRODUCER, nobody, {}));
  std::unique_ptr<MockBroker> broker(new MockBroker(std::move(client)));
  for (const auto& [name, topic] : topics) {
    const auto code = rd_kafka_mock_topic_create(broker->cluster_.get(), name.c_str(),
                                                 topic.partitions, /*replication_factor=*/1);
    RETURN_IF_ERROR(eventstore::KafkaStatus(code, "making a topic of the mock"));
  }
  return broker;
}

}  // namespace records::bench
