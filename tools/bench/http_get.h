#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace records::bench {

// A port of loopback that is free now.
absl::StatusOr<uint16_t> FindFreePort();

// The answer of an HTTP server on loopback, with its head. kUnavailable: nobody answers.
absl::StatusOr<std::string> HttpGet(uint16_t port, const std::string& path);

}  // namespace records::bench
