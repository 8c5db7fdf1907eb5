#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "tools/recordsctl/session.h"

namespace records::tools {

// Folders are named in findings, and joined with names, without a slash at their end.
std::string WithoutTrailingSlashes(std::string path);

// What `log verify` and `backup verify` end with, apart from all other commands, so that a script
// can tell damage from a run that did not happen.
enum VerifyExitCode : int { kVerifyClean = 0, kVerifyDamaged = 1, kVerifyNotRun = 2 };

// Adds `verify` to the noun `log`. `session` must outlive `noun`.
void AddLogVerify(CLI::App* noun, Session& session);

}  // namespace records::tools
