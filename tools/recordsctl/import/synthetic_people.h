#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "records/api/v1/contact_service.pb.h"

namespace records::tools {

// Invents the tenant of a building: the same key always gives the same person, and no real one is
// behind it. Marked as synthetic. Reference "NYC-" and contract "T-" with digits of the key's hash.
records::api::v1::ImportedCustomer SyntheticTenant(absl::string_view building_key);

// The request id of a row, a UUID of version 8 (RFC 9562 section 5.8) made of SHA-256 over
// "nyc311" and its key: repeating an import sends the same ids.
std::string ImportRequestId(absl::string_view unique_key);

}  // namespace records::tools
