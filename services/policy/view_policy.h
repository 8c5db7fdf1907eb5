#pragma once

// What a view in a process of its own may have and must agree on, and what goes on in any view.

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "records/policy/v1/register.pb.h"
#include "services/policy/decide.h"

namespace records::services {

// Numbers of the categories whose keys a view may be given: its own fold parts, and of what the
// answers of its methods can hold (by the annotations of events in them) that which some role that
// may read the view is a reader of. Empty: there is no such view.
[[nodiscard]] absl::flat_hash_set<uint32_t> CategoriesOfView(
    const records::policy::v1::Register& reg,
    absl::Span<const google::protobuf::FileDescriptor* const> api_files, absl::string_view view);

// Whether a decision of now allows all that one before did: else what goes on under that must end,
// though another role still admits the caller.
[[nodiscard]] bool StillCovers(const Decision& now, const Decision& before);

// SHA-256 over the register: two processes that decide by the same one have the same.
[[nodiscard]] std::string RegisterDigest(const records::policy::v1::Register& reg);

}  // namespace records::services
