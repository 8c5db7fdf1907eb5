#pragma once

#include "CLI/CLI.hpp"
#include "tools/recordsctl/session.h"

namespace records::tools {

// What `log verify` ends with, apart from all other commands, so that a script can tell damage from
// a run that did not happen.
enum VerifyExitCode : int { kVerifyClean = 0, kVerifyDamaged = 1, kVerifyNotRun = 2 };

// Adds `verify` to the noun `log`. `session` must outlive `noun`.
void AddLogVerify(CLI::App* noun, Session& session);

}  // namespace records::tools
