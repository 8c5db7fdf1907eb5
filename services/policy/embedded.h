#pragma once

namespace records::services::internal {

// The files of deploy/policy, put here by the build.
extern const char kEmbeddedCategories[];
extern const char kEmbeddedRoles[];
extern const char kEmbeddedPurposes[];

}  // namespace records::services::internal
