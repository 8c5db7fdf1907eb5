#pragma once

#include <cstdint>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/session.h"

namespace records::tools {

// Folders are named in findings, and joined with names, without a slash at their end.
std::string WithoutTrailingSlashes(std::string path);

// What `log verify` and `backup verify` end with, apart from all other commands, so that a script
// can tell damage from a run that did not happen.
enum VerifyExitCode : int { kVerifyClean = 0, kVerifyDamaged = 1, kVerifyNotRun = 2 };

// Says that `what` could not be verified, as text or as JSON. Returns kVerifyNotRun.
int CouldNotVerify(Session& session, absl::string_view what, const absl::Status& status);

// What a verification tells of how far it is.
std::string VerifyProgress(absl::string_view doing, uint64_t done, uint64_t total);

// Adds `verify` to the noun `log`. `session` must outlive `noun`.
void AddLogVerify(CLI::App* noun, Session& session);

}  // namespace records::tools
