#pragma once

#include <string>

#include "absl/status/status.h"
#include "eventstore/ids.h"
#include "records/log/v1/event.pb.h"

namespace records::eventstore {

// Names a stream: organisation / collection / root [/ sub-stream].
struct StreamName {
  std::string organisation;
  std::string collection;
  RootId root;
  std::string sub_stream;

  friend auto operator<=>(const StreamName&, const StreamName&) = default;

  // kInvalidArgument: a name outside [a-z0-9-]{1,32} (sub-stream: {0,32}), or a nil root.
  absl::Status Validate() const;
  records::log::v1::StreamName ToProto() const;
  // "organisation/collection/hex[/sub-stream]", for associated data and errors.
  std::string ToString() const;
};

// Returns the partition that a root lies in: its first eight bytes as a big-endian number, mod the
// partition count. Roots are random, so they spread evenly.
uint32_t PartitionOf(const RootId& root, uint32_t partition_count);

}  // namespace records::eventstore
