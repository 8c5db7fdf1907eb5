#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace records::eventstore {

// A record of a topic.
struct BusRecord {
  std::string topic;
  int32_t partition = 0;             // always stated: nothing is placed by a hash
  std::optional<std::string> key;    // none: null
  std::optional<std::string> value;  // none: null
  int64_t timestamp_ms = 0;          // milliseconds since 1970 UTC
  std::vector<std::pair<std::string, std::string>> headers;
  int64_t offset = -1;  // where it was read; -1 in one to be written

  // About what it takes on the wire.
  size_t SizeEstimate() const {
    size_t size = key.value_or("").size() + value.value_or("").size();
    for (const auto& [header, text] : headers) size += header.size() + text.size();
    return size;
  }

  // The value of the first header of that name; empty when there is none.
  std::string Header(const std::string& name) const {
    for (const auto& [header, value] : headers) {
      if (header == name) return value;
    }
    return "";
  }
};

// A record of the log's topic where librdkafka has it. What it points to is gone when its reader
// has passed it on.
struct LogTopicRecord {
  absl::string_view topic;
  int32_t partition = 0;
  int64_t offset = -1;
  std::optional<absl::string_view> value;  // none: null
  // Its headers that say where it belongs (log_topic.h); empty where there is none.
  absl::string_view source;
  absl::string_view position;
  absl::string_view previous;
};

}  // namespace records::eventstore
