#pragma once

namespace records::tools {

// deploy/kafka/topics.textproto, put here by the build.
extern const char kDeployedTopics[];

}  // namespace records::tools
