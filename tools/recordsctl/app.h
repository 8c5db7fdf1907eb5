#pragma once

#include <iosfwd>

namespace records::tools {

// Runs one command line of recordsctl, data to `out`, talk to `err`. Returns an ExitCode, or that
// of `log verify`. Catches what libraries throw.
int RunCommandLine(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace records::tools
