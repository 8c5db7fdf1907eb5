#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "tools/recordsctl/verify/report.h"

namespace records::tools::verify {

// Checks the key store of a data folder as far as that goes without the master key: files, anchor,
// the state row, the sizes of sealed rows and their number. `key_store_sequence` is how far the
// anchor of the log says that it had come at least.
//
// Adds what it finds to `report`. An error means that it could not be looked at.
absl::Status CheckKeyStore(const std::string& data_dir, std::optional<uint64_t> key_store_sequence,
                           Report& report);

}  // namespace records::tools::verify
