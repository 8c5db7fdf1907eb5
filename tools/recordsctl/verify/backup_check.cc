#include "tools/recordsctl/verify/backup_check.h"

#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/verify/anchor_reader.h"
#include "tools/recordsctl/verify/hashes.h"
#include "tools/recordsctl/verify/key_store_check.h"

namespace records::tools::verify {
namespace {

constexpr char kManifestFile[] = "backup.manifest";
constexpr char kListFile[] = "backup.files";
constexpr char kUnfinished[] = ".unfinished";
constexpr size_t kManifestBytesMax = size_t{64} << 10;
constexpr size_t kListBytesMax = size_t{16} << 20;

std::string Hex(const Hash& hash) { return absl::BytesToHexString(AsView(hash)); }

// The folder as findings name it, so that those of log and keys can be told apart.
Place InBackup(const std::string& folder, absl::string_view file) {
  return In(absl::StrCat(folder, "/", file));
}

absl::Status CheckFolder(const std::string& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no folder ", folder));
}

// Every file that lies in the folder but is not in the list.
void CheckNoMore(const std::string& folder, std::set<std::string> listed, Findings& findings) {
  listed.insert({kManifestFile, kListFile});
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    if (entry->is_directory(error)) continue;
    const std::string name = entry->path().lexically_relative(folder).string();
    if (listed.count(name) == 0) {
      findings.Add(Code::kBackupManifest, InBackup(folder, name), "a file that no list knows");
    }
  }
}

void CheckFiles(const std::string& folder, const BackupManifest& manifest,
                const BackupVerifyOptions& options, Findings& findings) {
  const absl::StatusOr<std::string> list = ReadFile(folder + "/" + kListFile, kListBytesMax);
  if (!list.ok() || Hex(Sha256({*list})) != manifest.files_sha256) {
    findings.Add(Code::kBackupManifest, InBackup(folder, kListFile),
                 list.ok() ? "it is not the list that the manifest names"
                           : std::string(list.status().message()));
    return;
  }
  const absl::StatusOr<std::vector<ListedFile>> files = ParseBackupFiles(*list);
  if (!files.ok() || files->size() != manifest.files) {
    findings.Add(Code::kBackupManifest, InBackup(folder, kListFile),
                 files.ok() ? "it has not as many files as the manifest says"
                            : std::string(files.status().message()));
    return;
  }
  std::set<std::string> names;
  for (const ListedFile& file : *files) {
    names.insert(file.name);
    options.progress(absl::StrCat("the digest of ", file.name), 0, 0);
    const absl::StatusOr<Hash> hash = Sha256OfFile(folder + "/" + file.name);
    if (hash.ok() && Hex(*hash) == file.sha256) continue;
    findings.Add(Code::kFileDamaged, InBackup(folder, file.name),
                 absl::IsNotFound(hash.status()) ? "the file is missing"
                 : hash.ok()                     ? "the file is not as it was written"
                                                 : std::string(hash.status().message()));
  }
  CheckNoMore(folder, std::move(names), findings);
}

void CheckSigned(const std::string& folder, const BackupManifest& manifest,
                 const BackupVerifyOptions& options, Report& report) {
  if (!options.verifier_key) {
    report.not_checked.push_back(
        absl::StrCat("the signature of ", folder, "/", kManifestFile,
                     ": give the verifier key with --vkey, or restore: that checks it"));
    return;
  }
  const absl::StatusOr<VerifierKey> key = ParseVerifierKey(*options.verifier_key);
  if (key.ok() && CheckSignature(manifest.signed_text, *key) == SignatureState::kValid) return;
  report.findings.Add(Code::kSignature, InBackup(folder, kManifestFile),
                      "it is not signed with the given key, or was changed after it was");
}

// Nullopt: a finding says why there is none. An error: of a version not known here.
absl::StatusOr<std::optional<BackupManifest>> CheckManifest(const std::string& folder,
                                                            absl::string_view part,
                                                            const BackupVerifyOptions& options,
                                                            Report& report) {
  const Place place = InBackup(folder, kManifestFile);
  const absl::StatusOr<std::string> note =
      ReadFile(folder + "/" + kManifestFile, kManifestBytesMax);
  if (!note.ok()) {
    report.findings.Add(Code::kBackupManifest, place,
                        absl::IsNotFound(note.status()) ? "the file is missing: no backup, or one "
                                                          "that was cut short"
                                                        : std::string(note.status().message()));
    return std::nullopt;
  }
  absl::StatusOr<BackupManifest> manifest = ParseBackupManifest(*note);
  if (absl::IsFailedPrecondition(manifest.status())) return manifest.status();
  if (!manifest.ok()) {
    report.findings.Add(Code::kBackupManifest, place, std::string(manifest.status().message()));
    return std::nullopt;
  }
  if (manifest->part != part) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, " is a backup of the ", manifest->part, ", not of the ", part));
  }
  if (absl::EndsWith(folder, kUnfinished)) {
    report.findings.Add(Code::kBackupManifest, In(folder), "the backup was never finished");
  }
  CheckSigned(folder, *manifest, options, report);
  CheckFiles(folder, *manifest, options, report.findings);
  return *std::move(manifest);
}

// The root that a checkpoint states, in its third line. REQUIRES: it was parsed.
std::string RootIn(const SignedCheckpoint& checkpoint) {
  const std::vector<absl::string_view> lines =
      absl::StrSplit(checkpoint.text, absl::MaxSplits('\n', 3));
  return absl::BytesToHexString(DecodeBase64(lines[2]).value_or(""));
}

// The position that the manifest states is that of the log which lies there.
void CheckPosition(const std::string& folder, const BackupManifest& manifest, Report& report) {
  const Place place = InBackup(folder, kManifestFile);
  if (report.store_id != manifest.log) {
    report.findings.Add(Code::kOtherLog, place, "it is the manifest of another log");
  }
  if (report.CountOf(Ledger::kEvents) != manifest.events ||
      report.CountOf(Ledger::kAccess) != manifest.access) {
    report.findings.Add(
        Code::kBackupManifest, place,
        absl::StrCat("it states ", manifest.events, " events and ", manifest.access,
                     " access traces, the log holds ", report.CountOf(Ledger::kEvents), " and ",
                     report.CountOf(Ledger::kAccess)));
  }
  const absl::StatusOr<std::string> note =
      ReadFile(folder + "/checkpoint.latest", kManifestBytesMax);
  const absl::StatusOr<SignedCheckpoint> checkpoint =
      note.ok() ? ParseCheckpoint(*note) : absl::StatusOr<SignedCheckpoint>(note.status());
  if (!checkpoint.ok() || RootIn(*checkpoint) != manifest.head) {
    report.findings.Add(Code::kBackupManifest, place, "its head is not that of its checkpoint");
  }
}

// How far the log of a backup needs the key store to have come.
std::optional<uint64_t> NeededKeys(const std::string& log_backup) {
  const auto reading = ReadAnchor(log_backup + "/log.anchor");
  if (!reading.ok()) return std::nullopt;
  const auto anchor = ParseLogAnchor(reading->payload);
  return anchor.ok() ? std::optional<uint64_t>(anchor->key_store_sequence) : std::nullopt;
}

absl::Status CheckKeys(const BackupVerifyOptions& options, BackupReport& found) {
  const std::string& folder = options.keys_backup;
  Report& report = found.report;
  RETURN_IF_ERROR(CheckKeyStore(folder, NeededKeys(options.log_backup), report));
  if (!report.has_key_store) {
    report.findings.Add(Code::kFileDamaged, InBackup(folder, "keys"), "the folder is missing");
  }
  if (!found.keys) return absl::OkStatus();
  const Place place = InBackup(folder, kManifestFile);
  if (report.key_store_sequence != found.keys->key_store_sequence) {
    report.findings.Add(Code::kBackupManifest, place,
                        absl::StrCat("it states change ", found.keys->key_store_sequence,
                                     ", the key store stands at ", report.key_store_sequence));
  }
  if (found.log && found.log->log != found.keys->log) {
    report.findings.Add(Code::kOtherLog, place, "it belongs to another log than the other backup");
  }
  return absl::OkStatus();
}

std::vector<KnownErasures> ErasuresOf(const BackupVerifyOptions& options,
                                      const std::optional<BackupManifest>& log,
                                      const std::optional<BackupManifest>& keys) {
  std::vector<KnownErasures> known;
  if (log) known.push_back({options.log_backup + "/" + kManifestFile, log->erasure_ledger});
  if (keys) known.push_back({options.keys_backup + "/" + kManifestFile, keys->erasure_ledger});
  return known;
}

std::string RenderManifest(const BackupManifest& manifest) {
  return absl::StrCat("backup       ", manifest.part, " \"", manifest.name, "\" of ",
                      manifest.created, ", ", manifest.files, " files, ", manifest.bytes,
                      " bytes, master key generation ", manifest.master_key_generation,
                      ", erasure ledger ", manifest.erasure_ledger.size, "\n");
}

}  // namespace

absl::StatusOr<BackupReport> VerifyBackup(const BackupVerifyOptions& options) {
  RETURN_IF_ERROR(CheckFolder(options.log_backup));
  Report first(options.findings_kept_per_kind);
  ASSIGN_OR_RETURN(const std::optional<BackupManifest> log,
                   CheckManifest(options.log_backup, "log", options, first));
  std::optional<BackupManifest> keys;
  if (!options.keys_backup.empty()) {
    RETURN_IF_ERROR(CheckFolder(options.keys_backup));
    ASSIGN_OR_RETURN(keys, CheckManifest(options.keys_backup, "keys", options, first));
  }
  ASSIGN_OR_RETURN(Report report, Verify({.data_dir = options.log_backup,
                                          .checkpoint_file = options.checkpoint_file,
                                          .verifier_key = options.verifier_key,
                                          .erasure_ledger_file = options.erasure_ledger_file,
                                          .is_backup = true,
                                          .known_erasures = ErasuresOf(options, log, keys),
                                          .findings_kept_per_kind = options.findings_kept_per_kind,
                                          .progress = options.progress}));
  BackupReport found(std::move(report));
  found.log = log;
  found.keys = std::move(keys);
  // In front: what is wrong with a file says less than what it does to the log.
  for (Finding& finding : first.findings.Sorted()) {
    found.report.findings.Add(finding.code, std::move(finding.place), std::move(finding.message));
  }
  for (std::string& part : first.not_checked) {
    found.report.not_checked.push_back(std::move(part));
  }
  if (log) CheckPosition(options.log_backup, *log, found.report);
  if (options.keys_backup.empty()) {
    found.report.not_checked.push_back("the keys: name their backup with --keys");
    return found;
  }
  options.progress("the keys", 0, 0);
  RETURN_IF_ERROR(CheckKeys(options, found));
  return found;
}

std::string RenderText(const BackupReport& report) {
  return absl::StrCat(report.log ? RenderManifest(*report.log) : "",
                      report.keys ? RenderManifest(*report.keys) : "", RenderText(report.report));
}

}  // namespace records::tools::verify
