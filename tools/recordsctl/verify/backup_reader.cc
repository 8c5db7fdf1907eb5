#include "tools/recordsctl/verify/backup_reader.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eventstore/status_macros.h"

namespace records::tools::verify {
namespace {

constexpr absl::string_view kTitle = "records backup manifest, version 1";
constexpr absl::string_view kAnyTitle = "records backup manifest, version ";
// In this order, one line each.
constexpr const char* kLabels[] = {"of",
                                   "name",
                                   "created",
                                   "log",
                                   "events",
                                   "access",
                                   "head",
                                   "key store",
                                   "master key",
                                   "erasure ledger",
                                   "files",
                                   "bytes",
                                   "sha256 of backup.files"};
constexpr size_t kHexHashSize = 2 * kHashSize;

absl::Status Malformed(absl::string_view why) { return absl::InvalidArgumentError(why); }

bool IsHash(absl::string_view text) {
  return text.size() == kHexHashSize &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

absl::StatusOr<std::map<std::string, std::string>> ParseLines(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  if (lines.empty() || lines[0] != kTitle) {
    if (!lines.empty() && absl::StartsWith(lines[0], kAnyTitle)) {
      return absl::FailedPreconditionError("a backup of a version that this program does not know");
    }
    return Malformed("it is no manifest of a backup");
  }
  if (lines.size() != 1 + std::size(kLabels)) return Malformed("lines are missing or too many");
  std::map<std::string, std::string> values;
  for (size_t i = 0; i < std::size(kLabels); ++i) {
    const std::string start = absl::StrCat(kLabels[i], ": ");
    if (!absl::StartsWith(lines[i + 1], start)) {
      return Malformed(absl::StrCat("its line \"", kLabels[i], "\" is missing"));
    }
    values[kLabels[i]] = std::string(lines[i + 1].substr(start.size()));
  }
  return values;
}

}  // namespace

absl::StatusOr<BackupManifest> ParseBackupManifest(absl::string_view note) {
  BackupManifest manifest;
  ASSIGN_OR_RETURN(manifest.signed_text, ParseNote(note));
  ASSIGN_OR_RETURN(auto values, ParseLines(manifest.signed_text.text));
  const std::pair<std::string, std::string> ledger =
      absl::StrSplit(values["erasure ledger"], absl::MaxSplits(' ', 1));
  const bool numbers = absl::SimpleAtoi(values["events"], &manifest.events) &&
                       absl::SimpleAtoi(values["access"], &manifest.access) &&
                       absl::SimpleAtoi(values["key store"], &manifest.key_store_sequence) &&
                       absl::SimpleAtoi(values["master key"], &manifest.master_key_generation) &&
                       absl::SimpleAtoi(ledger.first, &manifest.erasure_ledger.size) &&
                       absl::SimpleAtoi(values["files"], &manifest.files) &&
                       absl::SimpleAtoi(values["bytes"], &manifest.bytes);
  if (!numbers) return Malformed("a line that should hold a number does not");
  manifest.part = values["of"];
  manifest.name = values["name"];
  manifest.created = values["created"];
  manifest.log = values["log"];
  manifest.head = values["head"];
  manifest.files_sha256 = values["sha256 of backup.files"];
  if (!IsHash(manifest.head) || !IsHash(manifest.files_sha256) || !IsHash(ledger.second)) {
    return Malformed("a line that should hold a hash does not");
  }
  const std::string ledger_head = absl::HexStringToBytes(ledger.second);
  std::copy_n(ledger_head.begin(), std::min(ledger_head.size(), kHashSize),
              manifest.erasure_ledger.root.begin());
  if (manifest.part != "log" && manifest.part != "keys") {
    return Malformed("it is of neither log nor keys");
  }
  return manifest;
}

absl::StatusOr<std::vector<ListedFile>> ParseBackupFiles(absl::string_view text) {
  std::vector<ListedFile> files;
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (!lines.back().empty()) return Malformed("its last line is cut");
  lines.pop_back();
  for (const absl::string_view line : lines) {
    const absl::string_view name =
        line.size() > kHexHashSize + 2 ? line.substr(kHexHashSize + 2) : "";
    const bool leads_out =
        absl::StartsWith(name, "/") || absl::StrContains(name, "..") || name.empty();
    if (leads_out || !IsHash(line.substr(0, kHexHashSize)) ||
        line.substr(kHexHashSize, 2) != "  ") {
      return Malformed("a line is not a hash and a name below the folder");
    }
    files.push_back({std::string(line.substr(0, kHexHashSize)), std::string(name)});
  }
  return files;
}

}  // namespace records::tools::verify
