#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/log.h"

namespace records::eventstore {

// An event as a source tells it. Nothing of it is believed before the log's trees confirm it.
struct TailEvent {
  StoreId log;        // of which log it says it is
  Position position;  // where it says it stands
  Position previous;  // which event it says stands before it
  std::string bytes;  // as stored
};

// How far one partition of a log was published.
struct TailPartition {
  PartitionCheckpoint published;  // as who published it says
  uint64_t last = 0;              // sequence of the last event that is there; 0: none
};

// Where the events of a log lie that came after its backup: the topic that it was published to. An
// interface, so that a restore knows nothing of Kafka.
//
// Not thread-safe.
class TailSource {
 public:
  virtual ~TailSource() = default;

  // How far the log was published, partition by partition; empty: nothing ever was.
  //   kFailedPrecondition  PROGRESS_LOST: there are events, and nothing says how far they go
  //   kUnavailable         the source does not answer
  [[nodiscard]] virtual absl::StatusOr<std::vector<TailPartition>> FindEnds() = 0;

  // Starts to read a partition: what NextPage() gives begins with the event at `from`, or with the
  // first one after it that is there.
  [[nodiscard]] virtual absl::Status Seek(Position from) = 0;

  // The next events as they lie there; empty: none came any more. kDataLoss (TOPIC_DIFFERS): what
  // lies there is no event.
  [[nodiscard]] virtual absl::StatusOr<std::vector<TailEvent>> NextPage() = 0;
};

}  // namespace records::eventstore
