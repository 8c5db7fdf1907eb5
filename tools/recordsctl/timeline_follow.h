#pragma once

#include "absl/time/time.h"
#include "records/api/v1/timeline_service.pb.h"
#include "tools/recordsctl/session.h"

namespace records::tools {

// How long to wait before try number `attempt` (from 1) of a lost connection: 0.25 s, doubled each
// time, at most 10 s.
absl::Duration BackOff(int attempt);

// Prints the entries of a customer's timeline as they are recorded, until ^C, which ends it with
// kExitOk. A connection that is lost is taken up again by the last resume token, for as long as it
// takes, and said so on session.err; the token file is read anew each time. Returns an ExitCode;
// what the server refuses ends it.
int FollowTimeline(Session& session, records::api::v1::FollowTimelineRequest request);

}  // namespace records::tools
