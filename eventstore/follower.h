#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "eventstore/head_board.h"
#include "eventstore/log.h"
#include "eventstore/log_reader.h"

namespace records::eventstore {

// Opens a follower; see EventLog::Follow(). `open_followers` counts those that live. All three must
// outlive it.
absl::StatusOr<std::unique_ptr<Follower>> OpenFollower(const LogReader& reader,
                                                       const HeadBoard& board,
                                                       std::atomic<size_t>& open_followers,
                                                       FollowOptions options);

}  // namespace records::eventstore
