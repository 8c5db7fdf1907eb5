#include "tests/simulation/fault_disk.h"

#include <algorithm>
#include <utility>

#include "eventstore/status_macros.h"

namespace records::simulation {
namespace {

using eventstore::AnchorFile;
using eventstore::Cursor;
using eventstore::Table;

constexpr size_t kSectorBytes = 512;

absl::Status NoPower() { return absl::UnavailableError("simulated: the power is off"); }

// Finds nothing, and says why.
class FailedCursor final : public Cursor {
 public:
  explicit FailedCursor(absl::Status status) : status_(std::move(status)) {}
  void Seek(absl::string_view) override {}
  void SeekForPrev(absl::string_view) override {}
  void Next() override {}
  void Prev() override {}
  bool Valid() const override { return false; }
  absl::string_view key() const override { return {}; }
  absl::string_view value() const override { return {}; }
  absl::Status status() const override { return status_; }

 private:
  const absl::Status status_;
};

// An anchor on a disk that may fail.
class FaultAnchor final : public AnchorFile {
 public:
  FaultAnchor(FaultDisk& disk, std::unique_ptr<AnchorFile> file)
      : disk_(disk), file_(std::move(file)) {}

  absl::StatusOr<std::string> Read(uint64_t offset, size_t size) override {
    RETURN_IF_ERROR(disk_.OnRead());
    return file_->Read(offset, size);
  }
  absl::Status Write(uint64_t offset, absl::string_view bytes) override {
    RETURN_IF_ERROR(disk_.BeforeWrite());
    return file_->Write(offset, bytes);
  }
  absl::Status Sync() override {
    RETURN_IF_ERROR(disk_.AfterWrite());
    return file_->Sync();
  }

 private:
  FaultDisk& disk_;
  const std::unique_ptr<AnchorFile> file_;
};

}  // namespace

void FaultDisk::CutPower() {
  powered_ = false;
  operations_left_ = 0;
}

void FaultDisk::RestorePower() {
  powered_ = true;
  operations_left_ = 0;
}

absl::Status FaultDisk::Fail(const std::string& what) {
  report_.Fired(what);
  report_.Trace("disk: ", what);
  if (what == "no-space") return absl::ResourceExhaustedError("simulated: no space");
  return absl::UnknownError("simulated: " + what);
}

absl::Status FaultDisk::CountOperation() {
  if (!powered_) return NoPower();
  if (operations_left_ == 0 || --operations_left_ > 0) return absl::OkStatus();
  CutPower();
  report_.Fired("power-cut-in-a-write");
  report_.Trace("disk: the power fails");
  return NoPower();
}

absl::Status FaultDisk::BeforeWrite() {
  RETURN_IF_ERROR(CountOperation());
  if (dice_.OneIn(rates_.write_refused)) return Fail("write-refused");
  if (dice_.OneIn(rates_.no_space)) return Fail("no-space");
  return absl::OkStatus();
}

absl::Status FaultDisk::AfterWrite() {
  RETURN_IF_ERROR(CountOperation());
  if (dice_.OneIn(rates_.sync_failed)) return Fail("sync-failed");
  return absl::OkStatus();
}

absl::Status FaultDisk::OnRead() {
  if (!powered_) return NoPower();
  if (dice_.OneIn(rates_.read_failed)) return Fail("read-failed");
  return absl::OkStatus();
}

absl::Status FaultStorage::Write(const eventstore::StorageBatch& batch, Durability durability) {
  RETURN_IF_ERROR(disk_.BeforeWrite());
  if (durability == Durability::kUnsynced) return memory_.Write(batch, durability);
  RETURN_IF_ERROR(memory_.Write(batch, Durability::kUnsynced));
  RETURN_IF_ERROR(disk_.AfterWrite());
  return memory_.Sync();
}

absl::StatusOr<std::optional<std::string>> FaultStorage::Get(Table table,
                                                             absl::string_view key) const {
  RETURN_IF_ERROR(disk_.OnRead());
  return memory_.Get(table, key);
}

std::unique_ptr<Cursor> FaultStorage::NewCursor(Table table) const {
  absl::Status status = disk_.OnRead();
  if (!status.ok()) return std::make_unique<FailedCursor>(std::move(status));
  return memory_.NewCursor(table);
}

absl::Status FaultStorage::Compact(Table table) {
  RETURN_IF_ERROR(disk_.BeforeWrite());
  return memory_.Compact(table);
}

absl::StatusOr<std::unique_ptr<AnchorFile>> FaultFiles::Open(const std::string& path,
                                                             Access access) {
  RETURN_IF_ERROR(disk_.OnRead());
  ASSIGN_OR_RETURN(std::unique_ptr<AnchorFile> file, anchors_.Open(path, access));
  return std::make_unique<FaultAnchor>(disk_, std::move(file));
}

absl::Status FaultFiles::Create(const std::string& path, absl::string_view content) {
  RETURN_IF_ERROR(disk_.BeforeWrite());
  RETURN_IF_ERROR(anchors_.Create(path, content));
  paths_.push_back(path);
  return disk_.AfterWrite();
}

absl::StatusOr<eventstore::SecretBytes> FaultFiles::ReadKey() {
  RETURN_IF_ERROR(disk_.OnRead());
  return checkpoints_->ReadKey();
}

absl::Status FaultFiles::WriteKey(const eventstore::SecretBytes& seed) {
  RETURN_IF_ERROR(disk_.BeforeWrite());
  RETURN_IF_ERROR(checkpoints_->WriteKey(seed));
  return disk_.AfterWrite();
}

absl::StatusOr<std::string> FaultFiles::ReadLatest() {
  RETURN_IF_ERROR(disk_.OnRead());
  return checkpoints_->ReadLatest();
}

absl::Status FaultFiles::WriteLatest(const std::string& note) {
  RETURN_IF_ERROR(disk_.BeforeWrite());
  RETURN_IF_ERROR(checkpoints_->WriteLatest(note));
  return disk_.AfterWrite();
}

absl::StatusOr<std::optional<eventstore::MasterKeys>> FaultFiles::Load() {
  RETURN_IF_ERROR(disk_.OnRead());
  return masters_.Load();
}

absl::Status FaultFiles::Save(const eventstore::MasterKeys& keys) {
  RETURN_IF_ERROR(disk_.BeforeWrite());
  RETURN_IF_ERROR(masters_.Save(keys));
  return disk_.AfterWrite();
}

void FaultFiles::Crash(Dice& dice) {
  for (const std::string& path : paths_) {
    const uint64_t sectors = dice.Next();
    anchors_.Crash(path, [sectors](size_t byte) {
      return ((sectors >> (byte / kSectorBytes % 64)) & 1) != 0;
    });
  }
}

}  // namespace records::simulation
