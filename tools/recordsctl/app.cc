#include "tools/recordsctl/app.h"

#include <exception>
#include <ostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/random.h"
#include "services/defaults/defaults.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/examples.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/session.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

constexpr double kTimeoutSecondsMax = 3600;

constexpr char kFooter[] =
    "\nExit codes: 0 done; 1 refused or failed; 2 wrong usage, nothing was sent; 3 server not "
    "reached\nor too slow; 4 partly done. `log verify`, `backup verify` and\n`bus diff` have their "
    "own.";

// The usual help, with examples before everything else.
class ExamplesFirst : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    const std::string examples = ExamplesFor(PathOf(app));
    return examples.empty()
               ? CLI::Formatter::make_description(app)
               : absl::StrCat("Examples:\n", examples, "\n", CLI::Formatter::make_description(app));
  }

 private:
  static std::string PathOf(const CLI::App* app) {
    std::string path;
    for (; app != nullptr && app->get_parent() != nullptr; app = app->get_parent()) {
      path = path.empty() ? app->get_name() : absl::StrCat(app->get_name(), " ", path);
    }
    return path;
  }
};

void AddGlobalFlags(CLI::App& app, GlobalOptions& options) {
  options.server = services::kDefaultListenAddress;
  app.add_option("--server", options.server, "host:port of the server, 127.0.0.1:7400 by default");
  app.add_option("--token-file", options.token_file, "file with the token (- for standard input)");
  app.add_option("--purpose", options.purpose, "what for, such as service-delivery");
  app.add_option("--certificate-authority-file", options.certificate_authority_file,
                 "certificates to trust, off this machine; the system's by default");
  app.add_option("--input", options.input,
                 "the request as JSON, from a file or - for standard input: better than flags\n"
                 "for personal data, which else shows in the list of processes");
  app.add_option("--timeout", options.timeout_seconds, "seconds to wait for the server, 30");
  app.add_flag("--json", options.json, "print replies as JSON, one line each");
  app.add_flag("--no-input", options.no_input, "never ask anything");
}

// The last subcommand that was named, and so where a mistake was made.
CLI::App* Deepest(CLI::App& app) {
  CLI::App* current = &app;
  while (!current->get_subcommands().empty()) current = current->get_subcommands().front();
  return current;
}

std::string NameOf(const CLI::App& command) {
  std::string name = command.get_name();
  for (const CLI::App* parent = command.get_parent(); parent != nullptr;
       parent = parent->get_parent()) {
    name = absl::StrCat(parent->get_name(), " ", name);
  }
  return name;
}

std::vector<std::string> FlagsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (!option->get_lnames().empty()) names.push_back("--" + option->get_lnames().front());
    }
  }
  return names;
}

std::vector<std::string> SubcommandsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return names;
}

// A word that is neither flag nor command, with what was probably meant.
int UnknownWord(Session& session, const CLI::App& command, const std::string& word) {
  const bool is_flag = absl::StartsWith(word, "-");
  const std::string name = word.substr(0, word.find('='));
  const std::string closest = Closest(name, is_flag ? FlagsOf(command) : SubcommandsOf(command));
  // A value could be personal, so only what looks like a flag or a command's name is repeated.
  const bool is_safe = is_flag || !SubcommandsOf(command).empty();
  const std::string see = absl::StrCat("see `", NameOf(command), " --help`");
  if (is_flag && closest == name) {
    return session.Usage(absl::StrCat(name, " stands too early"),
                         absl::StrCat("give it behind `", NameOf(command), "`; ", see));
  }
  return session.Usage(
      absl::StrCat(is_flag   ? "no such flag"
                   : is_safe ? "no such command"
                             : "a word too many",
                   is_safe ? absl::StrCat(": ", CutCharacters(name, 40)) : ""),
      absl::StrCat(closest.empty() ? "" : absl::StrCat("did you mean `", closest, "`? "), see));
}

int ReportParseError(Session& session, CLI::App& app, const CLI::ParseError& error) {
  CLI::App& command = *Deepest(app);
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    session.out << app.help();
    return kExitOk;
  }
  const std::vector<std::string> extras = app.remaining(/*recurse=*/true);
  if (!extras.empty()) return UnknownWord(session, command, extras.front());
  return session.Usage(error.what(), absl::StrCat("see `", NameOf(command), " --help`"));
}

int Run(Session& session, CLI::App& app) {
  const CLI::App& command = *Deepest(app);
  if (!session.run) {
    session.err << app.help();
    return kExitUsage;
  }
  const std::string see = absl::StrCat("see `", NameOf(command), " --help`");
  if (!session.options.input.empty() && !session.reads_input) {
    return session.Usage("this command takes no --input", see);
  }
  if (!(session.options.timeout_seconds > 0 &&
        session.options.timeout_seconds <= kTimeoutSecondsMax)) {
    return session.Usage("--timeout must be above 0 and at most 3600 seconds", see);
  }
  if (session.options.input == "-" && session.options.token_file == "-") {
    return session.Usage("--input and --token-file cannot both be standard input", see);
  }
  const int code = session.run();
  session.out.flush();
  if (!session.out && code == kExitOk) {
    session.err << "recordsctl: the output could not be written\n";
    return kExitRefused;
  }
  return code;
}

int ParseAndRun(int argc, const char* const* argv, Session& session) {
  CLI::App app("Command-line client of the records server.", "recordsctl");
  app.formatter(std::make_shared<ExamplesFirst>());
  app.fallthrough();
  app.footer(kFooter);
  AddGlobalFlags(app, session.options);
  AddTokenCommand(app, session);
  AddCustomerCommands(app, session);
  AddContactCommands(app, session);
  AddDocumentCommands(app, session);
  AddTimelineCommands(app, session);
  AddImportCommands(app, session);
  AddAccessCommands(app, session);
  AddRoleCommands(app, session);
  AddLogCommands(app, session);
  AddKeyCommands(app, session);
  AddBackupCommands(app, session);
  AddSubjectCommands(app, session);
  AddBusCommands(app, session);
  AddWorkCommands(app, session);
  AddViewCommands(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportParseError(session, app, error);
  }
  return Run(session, app);
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  Session session(out, err, eventstore::SystemRandom());
  try {
    return ParseAndRun(argc, argv, session);
  } catch (const std::exception& error) {
    err << "recordsctl: internal error: " << Printable(error.what()) << "\n";
    return kExitRefused;
  }
}

}  // namespace records::tools
