#pragma once

#include <memory>

#include "records/api/v1/ledger_service.pb.h"
#include "services/ledger/log_follows.h"

namespace records::services {

using TailReactor = PushReactor<records::api::v1::TailLogResponse>;

// The largest `last` of a TailLogRequest.
inline constexpr uint32_t kTailLastMax = 1000;

// Tails are for a person who looks; systems follow by the bus.
LogFollowLimits TailLimits();

// A tail of the log: the envelope of each event.
std::unique_ptr<LogFollow> MakeTail(const Runtime& runtime, std::shared_ptr<TailReactor> reactor,
                                    const records::api::v1::TailLogRequest& request);

}  // namespace records::services
