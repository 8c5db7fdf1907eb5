#pragma once

#include <string>

#include "absl/status/status.h"
#include "projections/grants/grants_view.h"
#include "projections/view.h"
#include "services/runtime/runtime.h"

namespace records::services {

// Subject of the tokens by which `recordsctl token` proves that it holds the development issuer's
// key.
inline constexpr char kDevelopmentAdministrator[] = "development-issuer";

// Grants system-administrator to a first administrator, once: somebody must be able to grant. The
// event names the data subject themself as actor, since nobody else exists yet.
absl::Status GrantFirstAdministrator(const Runtime& runtime, const projections::GrantsView& grants,
                                     const projections::View& view, const std::string& issuer,
                                     const std::string& subject);

}  // namespace records::services
