#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "records/bus/v1/topics.pb.h"

namespace records::tools {

// Returns the register of topics in a file, or for "" the one that was built in.
// kInvalidArgument: refused, each fault a line. kNotFound and others: the file cannot be read.
absl::StatusOr<records::bus::v1::TopicRegister> ReadTopicRegister(const std::string& path);

}  // namespace records::tools
