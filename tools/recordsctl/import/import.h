#pragma once

#include <cstdint>
#include <string>

#include "tools/recordsctl/session.h"

namespace records::tools {

struct ImportOptions {
  std::string file;
  std::string format;
  std::string map_file;      // "": the map that is built in
  std::string rejects_file;  // "": beside nothing else, <name of the file>.rejects.csv
  bool dry_run = false;
};

// What an import did, in rows.
struct ImportCounts {
  uint64_t rows = 0;
  uint64_t imported = 0;
  uint64_t seen_before = 0;
  uint64_t rejected = 0;
  uint64_t customers_registered = 0;
  uint64_t unlinked = 0;
  uint64_t repair = 0;
  uint64_t asb = 0;
  uint64_t general = 0;
  uint64_t repeated_times = 0;
  uint64_t skipped_times = 0;
  uint64_t mended_texts = 0;
};

// Imports an extract. Returns an ExitCode.
int RunImport(Session& session, const ImportOptions& options);

}  // namespace records::tools
