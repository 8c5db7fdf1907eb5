#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/format.h"
#include "tools/recordsctl/verify/note_reader.h"

// The manifest and the list of files of a backup (FORMAT.md, Backups). Pure.
namespace records::tools::verify {

struct BackupManifest {
  std::string part;  // "log" or "keys"
  std::string name;
  std::string created;
  std::string log;  // id of the log, hexadecimal
  uint64_t events = 0;
  uint64_t access = 0;
  std::string head;  // root over all trees, hexadecimal
  uint64_t key_store_sequence = 0;
  uint64_t master_key_generation = 0;
  TreeHead erasure_ledger;
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::string files_sha256;  // hexadecimal
  SignedCheckpoint signed_text;
};
// kInvalidArgument, saying why: not a manifest. kFailedPrecondition: of a version not known here.
absl::StatusOr<BackupManifest> ParseBackupManifest(absl::string_view note);

struct ListedFile {
  std::string sha256;  // hexadecimal
  std::string name;
};
// kInvalidArgument: not a list of sha256sum, or a name that leads out of the folder.
absl::StatusOr<std::vector<ListedFile>> ParseBackupFiles(absl::string_view text);

}  // namespace records::tools::verify
