#pragma once

#include <string>

#include "absl/status/status.h"

namespace rocksdb {
class Env;
}

namespace records::eventstore {

// Marks a data folder whose restore has not come to its end.
inline constexpr char kRestoreMarkerFile[] = "restore.unfinished";

// kFailedPrecondition: the folder is marked: what was erased may still be in it. `env` may be null.
[[nodiscard]] absl::Status CheckRestoreFinished(rocksdb::Env* env, const std::string& data_dir);

}  // namespace records::eventstore
