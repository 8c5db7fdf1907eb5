#pragma once

#include <vector>

#include "eventstore/rocks_storage.h"

namespace records::eventstore {

// The tables of a log on RocksDB, each at the place that log_format.h names.
std::vector<RocksTable> LogTables();

}  // namespace records::eventstore
