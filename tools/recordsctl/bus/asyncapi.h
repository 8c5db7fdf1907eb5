#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "records/bus/v1/topics.pb.h"

namespace records::tools {

// The AsyncAPI 3.0 document of the topics, as JSON with a line feed at its end: each topic a
// channel with its parameters, the event types on it its messages, and what a principal may do an
// operation. In the order of names. Pure. REQUIRES: a register that ValidateTopicRegister() lets
// pass.
std::string RenderAsyncApi(const records::bus::v1::TopicRegister& reg,
                           std::vector<const google::protobuf::Descriptor*> event_types);

}  // namespace records::tools
