#include <memory>

#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/import/import.h"

namespace records::tools {

void AddImportCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("import", "Bring records in from another system");
  auto* command = noun->add_subcommand(
      "contacts", "Import contacts; safe to repeat and to interrupt, what is in stays in");
  auto options = std::make_shared<ImportOptions>();
  command->add_option("FILE", options->file, "CSV, gzip or not; - for standard input");
  command->add_option("--format", options->format, "nyc311: extracts of New York City's 311");
  command->add_option("--map", options->map_file,
                      "CSV request_type,contact_kind,sub_kind instead of the built-in map");
  command->add_option("--rejects", options->rejects_file,
                      "where rows that were not taken are listed; FILE.rejects.csv by default");
  command->add_flag("--dry-run", options->dry_run, "read and check every row, send none");
  command->callback([&session, options] {
    session.run = [&session, options] { return RunImport(session, *options); };
  });
}

}  // namespace records::tools
