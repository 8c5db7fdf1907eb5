#pragma once

#include <memory>

#include "records/api/v1/ledger_service.pb.h"
#include "services/ledger/log_follows.h"

namespace records::services {

using WorkReactor = PushReactor<records::api::v1::FollowWorkResponse>;

// A system follows a stream or a few; one that comes back may still have its last calls open.
LogFollowLimits WorkLimits();

// A follow of the caller's work stream, from the first event or where the resume token says.
// INVALID_ARGUMENT: the token is none of this caller and stream, or of a log that is not this one
// or had come further: it is refused, never moved.
absl::StatusOr<std::unique_ptr<LogFollow>> MakeWorkFollow(
    const Runtime& runtime, std::shared_ptr<WorkReactor> reactor, const Authorised& caller,
    const records::api::v1::FollowWorkRequest& request);

}  // namespace records::services
