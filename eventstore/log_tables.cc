#include "eventstore/log_tables.h"

#include "eventstore/log_format.h"

namespace records::eventstore {

std::vector<RocksTable> LogTables() {
  constexpr size_t kMiB = size_t{1} << 20;
  constexpr size_t kPartitionKeySize = sizeof(uint16_t);
  return {
      {.name = "events",
       .ascending_prefix_bytes = kPartitionKeySize,
       .write_buffer_bytes = 64 * kMiB},
      {.name = "access",
       .ascending_prefix_bytes = kPartitionKeySize,
       .write_buffer_bytes = 32 * kMiB},
      // The committer asks for the last row of a stream, mostly of one that is new.
      {.name = "streams",
       .prefix_bytes = kStreamKeySize,
       .ascending_prefix_bytes = kStreamKeySize,
       .write_buffer_bytes = 32 * kMiB},
      // The committer asks for each request, mostly new ones.
      {.name = "requests",
       .prefix_bytes = kIdSize,
       .hashed_in_memory = true,
       .point_lookups = true,
       .write_buffer_bytes = 32 * kMiB},
      {.name = "tree", .write_buffer_bytes = 8 * kMiB},
      {.name = "meta", .write_buffer_bytes = kMiB},
  };
}

}  // namespace records::eventstore
