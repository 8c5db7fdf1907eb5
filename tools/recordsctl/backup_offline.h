#pragma once

#include "CLI/CLI.hpp"
#include "tools/recordsctl/session.h"

namespace records::tools {

// Adds `verify` and `restore` to the noun `backup`: they need no server. `session` must outlive
// `noun`.
void AddBackupVerify(CLI::App* noun, Session& session);
void AddBackupRestore(CLI::App* noun, Session& session);

}  // namespace records::tools
