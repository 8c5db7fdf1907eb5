#include "tools/recordsctl/verify/verify.h"

#include <filesystem>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/verify/anchor_reader.h"
#include "tools/recordsctl/verify/erasure_check.h"
#include "tools/recordsctl/verify/hashes.h"
#include "tools/recordsctl/verify/head_checks.h"
#include "tools/recordsctl/verify/key_store_check.h"
#include "tools/recordsctl/verify/note_reader.h"
#include "tools/recordsctl/verify/partition_walk.h"
#include "tools/recordsctl/verify/store_reader.h"
#include "tools/recordsctl/verify/table_checks.h"

namespace records::tools::verify {
namespace {

constexpr char kLogFolder[] = "log";
constexpr char kAnchorFile[] = "log.anchor";
constexpr char kLatestFile[] = "checkpoint.latest";
constexpr char kSigningKeyFile[] = "checkpoint.key";
constexpr size_t kNoteBytesMax = size_t{1} << 20;
constexpr uint64_t kRowsPerReport = 4096;

// A key that verifies checkpoints, and where it comes from.
struct KnownKey {
  VerifierKey key;
  std::string source;
};

// One verification, step by step.
class Verification {
 public:
  explicit Verification(const VerifyOptions& options)
      : options_(options),
        report_(options.findings_kept_per_kind),
        rows_(options.sort_memory_bytes) {}

  absl::StatusOr<Report> Run();

 private:
  std::string PathOf(absl::string_view name) const {
    return absl::StrCat(options_.data_dir, "/", name);
  }

  absl::Status CheckFolder() const;
  absl::Status ReadGivenKey();
  absl::Status ReadGivenCheckpoint();
  std::optional<LogAnchor> ReadLogAnchor();
  void ReadLatestCheckpoint();
  absl::Status OpenLog();
  void ReadKeyOfFolder();
  absl::Status CheckLog();
  void CheckCheckpoint(const SignedCheckpoint& checkpoint, const std::string& source,
                       const std::string& meaning);
  void CheckSigned(const SignedCheckpoint& checkpoint, const std::string& source);
  absl::Status WalkLedger(Ledger ledger, const std::vector<std::set<uint64_t>>& marks);
  absl::Status WalkPartition(rocksdb::Iterator& row, const PartitionWalk::Setting& setting);
  absl::Status CompareTables();
  void CompareClaims();
  void CheckErasures();
  void AddNotes();

  const VerifyOptions& options_;
  Report report_;
  ImpliedRows rows_;
  std::optional<KnownKey> given_key_;
  std::optional<KnownKey> key_of_folder_;
  std::optional<SignedCheckpoint> given_;
  std::optional<SignedCheckpoint> latest_;
  // The anchor as it was before the log was read, and after.
  std::optional<LogAnchor> before_;
  std::optional<LogAnchor> after_;
  std::unique_ptr<StoreReader> store_;
  LogMeta meta_;
  std::vector<Claim> claims_;
  std::vector<CertificateRow> certificates_;
  uint64_t rows_read_ = 0;
};

absl::Status Verification::CheckFolder() const {
  const auto is_there = [this](const char* name) {
    std::error_code error;
    return std::filesystem::exists(PathOf(name), error);
  };
  std::error_code error;
  if (!std::filesystem::is_directory(options_.data_dir, error)) {
    return absl::NotFoundError(absl::StrCat("there is no folder ", options_.data_dir,
                                            ": name the server's data folder with --data"));
  }
  if (!is_there(kLogFolder) && !is_there(kAnchorFile) && !is_there(kLatestFile)) {
    return absl::NotFoundError(absl::StrCat(options_.data_dir,
                                            " holds no log: name the server's data folder with "
                                            "--data"));
  }
  return absl::OkStatus();
}

absl::Status Verification::ReadGivenKey() {
  if (!options_.verifier_key) return absl::OkStatus();
  ASSIGN_OR_RETURN(VerifierKey key, ParseVerifierKey(*options_.verifier_key));
  given_key_ = KnownKey{std::move(key), "the given key"};
  return absl::OkStatus();
}

absl::Status Verification::ReadGivenCheckpoint() {
  if (!options_.checkpoint_file) return absl::OkStatus();
  const absl::StatusOr<std::string> note = ReadFile(*options_.checkpoint_file, kNoteBytesMax);
  if (!note.ok()) {
    return absl::Status(note.status().code(),
                        absl::StrCat(*options_.checkpoint_file, " ", note.status().message()));
  }
  absl::StatusOr<SignedCheckpoint> checkpoint = ParseCheckpoint(*note);
  if (!checkpoint.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        *options_.checkpoint_file, " is no signed checkpoint: ", checkpoint.status().message(),
        ". Keep what `log checkpoint` prints"));
  }
  given_ = *std::move(checkpoint);
  return absl::OkStatus();
}

// A finding says why there is none.
std::optional<LogAnchor> Verification::ReadLogAnchor() {
  const absl::StatusOr<AnchorReading> reading = ReadAnchor(PathOf(kAnchorFile));
  absl::Status status = reading.status();
  if (reading.ok()) {
    absl::StatusOr<LogAnchor> anchor = ParseLogAnchor(reading->payload);
    if (anchor.ok()) {
      if (!reading->both_copies_valid) {
        report_.notes.push_back(
            "log.anchor: one of its two copies is not valid, as after a crash in the midst of a "
            "write; the next start mends it");
      }
      return *anchor;
    }
    status = anchor.status();
  }
  report_.findings.Add(
      Code::kAnchorDamaged, In(kAnchorFile),
      absl::StrCat(absl::IsNotFound(status) ? "the file is missing" : std::string(status.message()),
                   ": how far the log had come cannot be known from it"));
  return std::nullopt;
}

void Verification::ReadLatestCheckpoint() {
  const absl::StatusOr<std::string> note = ReadFile(PathOf(kLatestFile), kNoteBytesMax);
  if (absl::IsNotFound(note.status())) {
    report_.notes.push_back("no checkpoint was signed yet, or checkpoint.latest was removed");
    return;
  }
  absl::StatusOr<SignedCheckpoint> checkpoint = note.ok() ? ParseCheckpoint(*note) : note.status();
  if (checkpoint.ok()) {
    latest_ = *std::move(checkpoint);
    return;
  }
  report_.findings.Add(Code::kCheckpointDamaged, In(kLatestFile),
                       std::string(checkpoint.status().message()));
}

absl::Status Verification::OpenLog() {
  if (!std::filesystem::exists(PathOf(kLogFolder))) {
    report_.findings.Add(Code::kFileDamaged, In(kLogFolder),
                         "the folder is missing, and with it all events");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      store_,
      StoreReader::Open({.data_dir = options_.data_dir,
                         .folder = kLogFolder,
                         .tables = {"events", "access", "streams", "requests", "tree", "meta"}},
                        report_.findings));
  return absl::OkStatus();
}

void Verification::ReadKeyOfFolder() {
  auto key = ReadSigningKey(options_.data_dir, absl::StrCat("records/", report_.store_id));
  if (absl::IsDataLoss(key.status())) {
    report_.findings.Add(Code::kCheckpointDamaged, In(kSigningKeyFile), "it holds no key");
  }
  if (key.ok()) key_of_folder_ = KnownKey{*std::move(key), kSigningKeyFile};
}

absl::StatusOr<Report> Verification::Run() {
  RETURN_IF_ERROR(CheckFolder());
  RETURN_IF_ERROR(ReadGivenKey());
  RETURN_IF_ERROR(ReadGivenCheckpoint());
  // In this order a server that writes meanwhile does no harm: the log holds what the first two
  // say, and at most one batch more than what the anchor says after.
  before_ = ReadLogAnchor();
  ReadLatestCheckpoint();
  RETURN_IF_ERROR(OpenLog());
  after_ = before_.has_value() ? ReadLogAnchor() : std::nullopt;
  if (store_ != nullptr) RETURN_IF_ERROR(CheckLog());
  options_.progress("key store", 0, 0);
  RETURN_IF_ERROR(CheckKeyStore(
      options_.data_dir,
      before_ ? std::optional<uint64_t>(before_->key_store_sequence) : std::nullopt, report_));
  CheckErasures();
  AddNotes();
  return std::move(report_);
}

absl::Status Verification::CheckLog() {
  report_.is_live = store_->is_live();
  ASSIGN_OR_RETURN(const std::optional<LogMeta> meta, ReadMeta(*store_, report_.findings));
  CheckDefaultTable(*store_, report_.findings);
  options_.progress("checksums of files", 0, 0);
  store_->CheckFiles(report_.findings);
  if (!meta) return absl::OkStatus();
  meta_ = *meta;
  report_.store_id = absl::BytesToHexString(meta_.store);
  report_.created_at_us = meta_.created_at_us;
  ReadKeyOfFolder();
  if (before_) {
    claims_.push_back({kAnchorFile, before_->trees, Code::kShorterThanAnchor,
                       "events that were acknowledged are missing"});
    if (before_->store != meta_.store) {
      report_.findings.Add(Code::kOtherLog, In(kAnchorFile), "it is the anchor of another log");
    }
    for (const TreeHead& tree : before_->trees) report_.anchored_events += tree.size;
  }
  if (latest_) {
    CheckCheckpoint(*latest_, kLatestFile, "events that were signed for are missing");
    if (after_) CheckAnchorReaches(*after_, *latest_, report_.findings);
  }
  if (given_) {
    CheckCheckpoint(*given_, *options_.checkpoint_file,
                    "the folder was put back to an older state");
  }
  std::vector<std::set<uint64_t>> marks(2 * meta_.partition_count);
  for (const Claim& claim : claims_) AddMarks(claim, marks);
  for (const Ledger ledger : kLedgers) RETURN_IF_ERROR(WalkLedger(ledger, marks));
  CompareClaims();
  return CompareTables();
}

void Verification::CheckCheckpoint(const SignedCheckpoint& checkpoint, const std::string& source,
                                   const std::string& meaning) {
  report_.checkpoints.push_back({source, checkpoint.size, ""});
  const std::string origin = absl::StrCat("records/", report_.store_id);
  if (checkpoint.origin != origin) {
    report_.findings.Add(Code::kOtherLog, In(source),
                         absl::StrCat("it is a checkpoint of another log, not of ", origin));
    return;
  }
  CheckSigned(checkpoint, source);
  claims_.push_back({source, checkpoint.trees, Code::kShorterThanCheckpoint, meaning});
}

void Verification::CheckSigned(const SignedCheckpoint& checkpoint, const std::string& source) {
  const std::optional<KnownKey>& known = given_key_ ? given_key_ : key_of_folder_;
  if (!known) {
    report_.not_checked.push_back(
        absl::StrCat("the signature of ", source, ": give the verifier key with --vkey"));
    return;
  }
  switch (CheckSignature(checkpoint, known->key)) {
    case SignatureState::kValid:
      report_.checkpoints.back().signed_by = known->source;
      return;
    case SignatureState::kForged:
      report_.findings.Add(Code::kSignature, In(source),
                           absl::StrCat("its signature is not valid under ", known->source,
                                        ": it was changed after it was signed"));
      return;
    case SignatureState::kOfAnotherKey:
      report_.findings.Add(Code::kSignature, In(source),
                           absl::StrCat("it is not signed with ", known->source,
                                        ": forged, or the key was replaced"));
      return;
  }
}

absl::Status Verification::WalkLedger(Ledger ledger, const std::vector<std::set<uint64_t>>& marks) {
  const std::unique_ptr<rocksdb::Iterator> row = store_->NewIterator(NameOf(ledger));
  for (uint32_t partition = 0; partition < meta_.partition_count; ++partition) {
    const PartitionWalk::Setting setting{
        .ledger = ledger,
        .partition = partition,
        .partition_count = meta_.partition_count,
        .marks = &marks[TreeIndex(ledger, partition, meta_.partition_count)],
        .store = store_.get(),
        .rows = &rows_,
        .certificates = &certificates_,
        .findings = &report_.findings};
    if (row == nullptr) {
      report_.trees.push_back(PartitionWalk(setting).Finish());
      continue;
    }
    RETURN_IF_ERROR(WalkPartition(*row, setting));
  }
  if (row == nullptr) return absl::OkStatus();
  std::string behind;
  WriteBigEndian(meta_.partition_count, 2, &behind);
  for (row->Seek(behind); row->Valid(); row->Next()) {
    report_.findings.Add(Code::kUnexpectedRow, In(absl::StrCat("table ", NameOf(ledger))),
                         "a row of a partition that the log does not have");
  }
  store_->AddReadError(row->status(), In(absl::StrCat("table ", NameOf(ledger))), report_.findings);
  return absl::OkStatus();
}

absl::Status Verification::WalkPartition(rocksdb::Iterator& row,
                                         const PartitionWalk::Setting& setting) {
  std::string first;
  WriteBigEndian(setting.partition, 2, &first);
  std::string behind;
  WriteBigEndian(setting.partition + 1, 2, &behind);
  uint64_t total = 0;
  if (before_) {
    for (const TreeHead& tree : before_->trees) total += tree.size;
  }
  PartitionWalk walk(setting);
  // From the very first row on, so that keys too short to have a partition are seen.
  if (setting.partition == 0) {
    row.SeekToFirst();
  } else {
    row.Seek(first);
  }
  for (; row.Valid() && row.key().compare(behind) < 0; row.Next()) {
    RETURN_IF_ERROR(
        walk.OnRow({row.key().data(), row.key().size()}, {row.value().data(), row.value().size()}));
    if (++rows_read_ % kRowsPerReport == 0) {
      options_.progress(NameOf(setting.ledger), rows_read_, total);
    }
  }
  store_->AddReadError(row.status(), At(setting.ledger, setting.partition), report_.findings);
  report_.trees.push_back(walk.Finish());
  return absl::OkStatus();
}

void Verification::CompareClaims() {
  for (const Claim& claim : claims_) CheckClaim(claim, report_.trees, report_.findings);
  if (after_) CheckAhead(*after_, report_.trees, report_.findings);
}

void Verification::CheckErasures() {
  if (meta_.store.empty()) return;
  const bool is_there = !options_.is_backup || options_.erasure_ledger_file;
  const std::optional<KnownKey>& key = given_key_ ? given_key_ : key_of_folder_;
  if (!is_there || !key) {
    report_.not_checked.push_back(
        is_there ? "the erasure ledger: give the verifier key with --vkey"
                 : "the erasure ledger, which lies in no backup: name it with --erasure-ledger");
    return;
  }
  std::vector<KnownErasures> known = options_.known_erasures;
  if (before_) known.push_back({kAnchorFile, before_->erasures});
  if (report_.has_key_store) known.push_back({"keys.anchor", report_.key_store_erasures});
  if (latest_) known.push_back({kLatestFile, latest_->erasures});
  if (given_) known.push_back({*options_.checkpoint_file, given_->erasures});
  CheckErasureLedger({options_.erasure_ledger_file.value_or(PathOf("erasure.ledger")), meta_.store,
                      key->key.public_key, std::move(known), std::move(certificates_)},
                     report_);
}

absl::Status Verification::CompareTables() {
  options_.progress("streams", 0, 0);
  RETURN_IF_ERROR(CheckStreams(*store_, meta_.partition_count, rows_, report_.findings));
  options_.progress("requests", 0, 0);
  RETURN_IF_ERROR(CheckRequests(*store_, rows_, report_.findings));
  options_.progress("ids", 0, 0);
  RETURN_IF_ERROR(CheckIds(rows_, report_.findings));
  CheckTiles(*store_, meta_.partition_count, report_.trees, report_.findings);
  return absl::OkStatus();
}

void Verification::AddNotes() {
  if (store_ != nullptr && store_->is_live()) {
    report_.notes.push_back(
        "a server has this folder open: what stood there at one instant was verified. Before "
        "acting on a finding stop the server and verify again, or verify a backup");
  } else if (store_ != nullptr && !store_->torn_log().empty()) {
    report_.notes.push_back(absl::StrCat(
        "log: a write-ahead log does not end whole, as after a crash (", store_->torn_log(),
        "); whether anything acknowledged went with it the anchor tells"));
  }
  NoteUnsearchedErasures(report_);
  if (!given_) {
    report_.not_checked.push_back(
        "a rollback of the whole folder: only --checkpoint with one that was kept elsewhere shows "
        "it");
  }
  report_.not_checked.push_back(
      "what is sealed, and the rows of the key store: that takes the master key");
}

}  // namespace

absl::StatusOr<Report> Verify(const VerifyOptions& options) { return Verification(options).Run(); }

}  // namespace records::tools::verify
