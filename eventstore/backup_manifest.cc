#include "eventstore/backup_manifest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr absl::string_view kTitle = "records backup manifest, version ";
constexpr absl::string_view kVersion = "1";
constexpr absl::string_view kTimeFormat = "%Y-%m-%dT%H:%M:%SZ";
constexpr size_t kNameLengthMax = 64;

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the manifest is damaged: ", what));
}

// Takes the lines of a manifest, in their order.
class Lines {
 public:
  explicit Lines(absl::string_view text) : rest_(text) {}

  absl::StatusOr<absl::string_view> Take(absl::string_view label) {
    const size_t end = rest_.find('\n');
    absl::string_view line = rest_.substr(0, end);
    if (end == absl::string_view::npos || !absl::ConsumePrefix(&line, label) ||
        !absl::ConsumePrefix(&line, ": ")) {
      return Damaged(absl::StrCat("the line \"", label, "\" is missing"));
    }
    rest_.remove_prefix(end + 1);
    return line;
  }

  template <typename Number>
  absl::Status TakeNumber(absl::string_view label, Number& number) {
    ASSIGN_OR_RETURN(const absl::string_view text, Take(label));
    return ParseNumber(label, text, number);
  }

  template <typename Number>
  static absl::Status ParseNumber(absl::string_view label, absl::string_view text, Number& number) {
    if (absl::SimpleAtoi(text, &number) && absl::StrCat(number) == text) return absl::OkStatus();
    return Damaged(absl::StrCat("the line \"", label, "\" is no number"));
  }

  bool AtEnd() const { return rest_.empty(); }

 private:
  absl::string_view rest_;
};

absl::StatusOr<Digest> ParseDigest(absl::string_view hex) {
  Digest digest;
  const std::string bytes = absl::HexStringToBytes(hex);
  if (hex.size() != 2 * kDigestSize || absl::BytesToHexString(bytes) != hex) {
    return Damaged("a hash is not one");
  }
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

absl::Status TakeWhatAndWhen(Lines& lines, BackupManifest& manifest) {
  ASSIGN_OR_RETURN(const absl::string_view part, lines.Take("of"));
  if (part != NameOf(BackupPart::kLog) && part != NameOf(BackupPart::kKeys)) {
    return Damaged("it is of neither log nor keys");
  }
  manifest.part = part == NameOf(BackupPart::kLog) ? BackupPart::kLog : BackupPart::kKeys;
  ASSIGN_OR_RETURN(const absl::string_view name, lines.Take("name"));
  if (!IsBackupName(name)) return Damaged("the name is not one");
  manifest.name = std::string(name);
  ASSIGN_OR_RETURN(const absl::string_view created, lines.Take("created"));
  std::string why;
  if (!absl::ParseTime(kTimeFormat, created, absl::UTCTimeZone(), &manifest.created_at, &why)) {
    return Damaged("the time is not one");
  }
  ASSIGN_OR_RETURN(const absl::string_view log, lines.Take("log"));
  const auto store = StoreId::FromHex(log);
  if (!store.ok()) return Damaged("the id of the log is not one");
  manifest.log = *store;
  return absl::OkStatus();
}

absl::Status TakePosition(Lines& lines, BackupManifest& manifest) {
  RETURN_IF_ERROR(lines.TakeNumber("events", manifest.events));
  RETURN_IF_ERROR(lines.TakeNumber("access", manifest.access));
  ASSIGN_OR_RETURN(const absl::string_view head, lines.Take("head"));
  ASSIGN_OR_RETURN(manifest.head, ParseDigest(head));
  RETURN_IF_ERROR(lines.TakeNumber("key store", manifest.key_store_sequence));
  RETURN_IF_ERROR(lines.TakeNumber("master key", manifest.master_key_generation));
  ASSIGN_OR_RETURN(const absl::string_view ledger, lines.Take("erasure ledger"));
  const std::pair<absl::string_view, absl::string_view> words = absl::StrSplit(ledger, ' ');
  RETURN_IF_ERROR(Lines::ParseNumber("erasure ledger", words.first, manifest.erasure_ledger.size));
  ASSIGN_OR_RETURN(manifest.erasure_ledger.hash, ParseDigest(words.second));
  return absl::OkStatus();
}

absl::Status TakeFiles(Lines& lines, BackupManifest& manifest) {
  RETURN_IF_ERROR(lines.TakeNumber("files", manifest.files));
  RETURN_IF_ERROR(lines.TakeNumber("bytes", manifest.bytes));
  ASSIGN_OR_RETURN(const absl::string_view list,
                   lines.Take("sha256 of " + std::string(kBackupFilesFile)));
  ASSIGN_OR_RETURN(manifest.files_sha256, ParseDigest(list));
  return absl::OkStatus();
}

// A name below the folder, of at most one folder more, that no shell or line can take for another.
bool IsFileName(absl::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  const std::vector<absl::string_view> steps = absl::StrSplit(name, '/');
  return steps.size() <= 2 && std::all_of(steps.begin(), steps.end(), [](absl::string_view step) {
           return !step.empty() && step != "." && step != ".." &&
                  std::all_of(step.begin(), step.end(), [](char c) {
                    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
                           c == '-' || c == '_';
                  });
         });
}

}  // namespace

absl::string_view NameOf(BackupPart part) { return part == BackupPart::kLog ? "log" : "keys"; }

std::string EncodeBackupManifest(const BackupManifest& manifest) {
  return absl::StrCat(
      kTitle, kVersion, "\nof: ", NameOf(manifest.part), "\nname: ", manifest.name,
      "\ncreated: ", absl::FormatTime(kTimeFormat, manifest.created_at, absl::UTCTimeZone()),
      "\nlog: ", manifest.log.ToHex(), "\nevents: ", manifest.events, "\naccess: ", manifest.access,
      "\nhead: ", absl::BytesToHexString(AsBytes(manifest.head)),
      "\nkey store: ", manifest.key_store_sequence,
      "\nmaster key: ", manifest.master_key_generation,
      "\nerasure ledger: ", manifest.erasure_ledger.size, " ",
      absl::BytesToHexString(AsBytes(manifest.erasure_ledger.hash)), "\nfiles: ", manifest.files,
      "\nbytes: ", manifest.bytes, "\nsha256 of ", kBackupFilesFile, ": ",
      absl::BytesToHexString(AsBytes(manifest.files_sha256)), "\n");
}

absl::StatusOr<BackupManifest> DecodeBackupManifest(absl::string_view text) {
  const size_t title_end = text.find('\n');
  absl::string_view version = text.substr(0, title_end);
  if (title_end == absl::string_view::npos || !absl::ConsumePrefix(&version, kTitle)) {
    return Damaged("its title is missing");
  }
  if (version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the manifest is of a version that this program does not know"));
  }
  Lines lines(text.substr(title_end + 1));
  BackupManifest manifest;
  RETURN_IF_ERROR(TakeWhatAndWhen(lines, manifest));
  RETURN_IF_ERROR(TakePosition(lines, manifest));
  RETURN_IF_ERROR(TakeFiles(lines, manifest));
  if (!lines.AtEnd()) return Damaged("it has lines too many");
  return manifest;
}

absl::StatusOr<BackupManifest> DecodeSignedManifest(absl::string_view note) {
  const size_t end = note.find("\n\n");
  if (end == absl::string_view::npos) return Damaged("its signature is missing");
  return DecodeBackupManifest(note.substr(0, end + 1));
}

std::string EncodeBackupFiles(const std::vector<BackupFile>& files) {
  std::string list;
  for (const BackupFile& file : files) {
    absl::StrAppend(&list, absl::BytesToHexString(AsBytes(file.sha256)), "  ", file.name, "\n");
  }
  return list;
}

absl::StatusOr<std::vector<BackupFile>> DecodeBackupFiles(absl::string_view text) {
  std::vector<BackupFile> files;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::pair<absl::string_view, absl::string_view> words =
        absl::StrSplit(text.substr(0, end), absl::MaxSplits("  ", 1));
    BackupFile file{std::string(words.second)};
    if (end == absl::string_view::npos || !IsFileName(words.second)) {
      return absl::DataLossError("the list of files is damaged");
    }
    ASSIGN_OR_RETURN(file.sha256, ParseDigest(words.first));
    files.push_back(std::move(file));
    text.remove_prefix(end + 1);
  }
  return files;
}

bool IsBackupName(absl::string_view name) {
  if (name.empty() || name.size() > kNameLengthMax || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace records::eventstore
