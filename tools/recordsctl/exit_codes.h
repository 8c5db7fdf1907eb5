#pragma once

namespace records::tools {

// What recordsctl ends with; documented in its help and README. `log verify` has codes of its own.
enum ExitCode : int {
  kExitOk = 0,
  kExitRefused = 1,      // refused, or failed, by the server or on this machine
  kExitUsage = 2,        // the command line or the input is wrong; nothing was sent
  kExitUnreachable = 3,  // the server was not reached, or did not answer in time
  kExitPartly = 4,       // partly done: an import with rejects, or stopped before the end
};

}  // namespace records::tools
