#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "tools/recordsctl/verify/backup_reader.h"
#include "tools/recordsctl/verify/report.h"
#include "tools/recordsctl/verify/verify.h"

namespace records::tools::verify {

struct BackupVerifyOptions {
  std::string log_backup;   // folder of a backup of the log
  std::string keys_backup;  // folder of one of the keys; empty: not looked at
  // As in VerifyOptions.
  std::optional<std::string> checkpoint_file;
  std::optional<std::string> verifier_key;
  // The newest copy of the ledger. Absent: not looked at, as it lies in no backup.
  std::optional<std::string> erasure_ledger_file;
  size_t findings_kept_per_kind = 20;
  Progress progress = [](absl::string_view, uint64_t, uint64_t) {};
};

struct BackupReport {
  explicit BackupReport(Report found) : report(std::move(found)) {}

  Report report;  // of the log, with what the backups add
  std::optional<BackupManifest> log;
  std::optional<BackupManifest> keys;
};

// Verifies a backup of the log, and one of the keys with it: manifest, SHA-256 of each file, no
// file too many, then the log as Verify() does, the rows of the key store, and that the keys are
// not older than the log. Reads only. Needs no master key.
//
// Errors as Verify(): it could not be verified.
absl::StatusOr<BackupReport> VerifyBackup(const BackupVerifyOptions& options);

// For people.
std::string RenderText(const BackupReport& report);

}  // namespace records::tools::verify
