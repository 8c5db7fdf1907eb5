#include "tools/recordsctl/bus/topic_source.h"

#include "eventstore/bus/topic_register.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/bus/topics_data.h"
#include "tools/recordsctl/session.h"

namespace records::tools {

absl::StatusOr<records::bus::v1::TopicRegister> ReadTopicRegister(const std::string& path) {
  if (path.empty()) return eventstore::ParseTopicRegister("topics", kDeployedTopics);
  ASSIGN_OR_RETURN(const std::string text, ReadInput(path, eventstore::kTopicRegisterBytesMax));
  return eventstore::ParseTopicRegister(path, text);
}

}  // namespace records::tools
