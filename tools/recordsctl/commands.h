#pragma once

#include "CLI/CLI.hpp"
#include "tools/recordsctl/session.h"

namespace records::tools {

// One registrar for each noun: adds its verbs to `app`. When a verb is named on the command line,
// its callback sets session.run. `session` must outlive `app`.
void AddTokenCommand(CLI::App& app, Session& session);
void AddCustomerCommands(CLI::App& app, Session& session);
void AddContactCommands(CLI::App& app, Session& session);
void AddDocumentCommands(CLI::App& app, Session& session);
void AddTimelineCommands(CLI::App& app, Session& session);
void AddAccessCommands(CLI::App& app, Session& session);
void AddRoleCommands(CLI::App& app, Session& session);
void AddLogCommands(CLI::App& app, Session& session);
void AddSubjectCommands(CLI::App& app, Session& session);
void AddKeyCommands(CLI::App& app, Session& session);
void AddBackupCommands(CLI::App& app, Session& session);
void AddBusCommands(CLI::App& app, Session& session);
void AddWorkCommands(CLI::App& app, Session& session);
void AddViewCommands(CLI::App& app, Session& session);
void AddImportCommands(CLI::App& app, Session& session);

}  // namespace records::tools
