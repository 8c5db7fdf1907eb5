#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/erasure_check.h"
#include "tools/recordsctl/verify/report.h"

namespace records::tools::verify {

// Told now and then what is being done, and how much of it is done.
using Progress = std::function<void(absl::string_view doing, uint64_t done, uint64_t total)>;

struct VerifyOptions {
  std::string data_dir;
  // A signed checkpoint that was kept elsewhere.
  std::optional<std::string> checkpoint_file;
  // The key that signs checkpoints, as `log checkpoint` prints it. Without it the key in the folder
  // is taken.
  std::optional<std::string> verifier_key;
  // Where the erasure ledger is, if not in the folder.
  std::optional<std::string> erasure_ledger_file;
  // The folder is a backup, in which the ledger never lies: it is checked when it is named above.
  bool is_backup = false;
  // Heads that the ledger must have reached, besides those that the folder knows of.
  std::vector<KnownErasures> known_erasures;
  // Findings of one kind that are kept; all are counted.
  size_t findings_kept_per_kind = 20;
  // What sorting may take, besides what RocksDB takes; the rest goes to temporary files.
  size_t sort_memory_bytes = size_t{96} << 20;
  Progress progress = [](absl::string_view, uint64_t, uint64_t) {};
};

// Verifies the log and, as far as it can without the master key, the key store of a data folder,
// against eventstore/FORMAT.md. Reads only, takes no lock, and never writes into the folder.
//
// A folder that a server has open is verified as it stood at one instant: at least what the anchor
// said before, at most one batch more than it says after.
//
// kNotFound, kInvalidArgument, kPermissionDenied, kFailedPrecondition, kUnavailable: it could not
// be verified, and the message says what to do.
absl::StatusOr<Report> Verify(const VerifyOptions& options);

}  // namespace records::tools::verify
