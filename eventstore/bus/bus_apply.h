#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_plan.h"
#include "eventstore/bus/topic_admin.h"

namespace records::eventstore {

// Returns what the brokers have below the prefix, and all their access rules when
// `options.with_rules`. kPermissionDenied too when the principal may not see what it asks for: what
// is hidden must not look absent.
[[nodiscard]] absl::StatusOr<BusState> ReadBus(const records::bus::v1::TopicRegister& reg,
                                               const BusPlanOptions& options, TopicAdmin& admin,
                                               absl::Duration timeout);

// Mends one difference. Again: nothing. kFailedPrecondition: it is one for a hand.
[[nodiscard]] absl::Status ApplyDifference(const BusDifference& difference, TopicAdmin& admin,
                                           absl::Duration timeout);

}  // namespace records::eventstore
