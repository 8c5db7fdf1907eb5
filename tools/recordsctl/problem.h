#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace records::tools {

// Returns an error as a person needs it: what was not done, why, the fields that are wrong, and,
// last, what to do. `doing` names the act: "record the contact".
std::string RenderProblem(absl::string_view doing, const absl::Status& status);

// What to do about a refusal, in one sentence.
std::string AdviceFor(const absl::Status& status);

}  // namespace records::tools
