#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "eventstore/anchor_file.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/disk_space.h"
#include "eventstore/master_keys.h"
#include "eventstore/memory_storage.h"
#include "tests/eventstore/memory_anchor_files.h"
#include "tests/eventstore/memory_master_keys.h"
#include "tests/simulation/dice.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// One operation in so many fails; 0: none.
struct FaultRates {
  uint64_t write_refused = 0;  // an error, and nothing was written
  uint64_t sync_failed = 0;    // an error, and what was written may stay or go
  uint64_t no_space = 0;       // as the first, with the name of a full disk
  uint64_t read_failed = 0;
};

// The disk that all files of a simulated machine lie on: what goes wrong with it, and when the
// power fails. After that every operation fails until RestorePower().
//
// Not thread-safe.
class FaultDisk {
 public:
  FaultDisk(uint64_t seed, Report& report) : dice_(seed), report_(report) {}

  void SetRates(const FaultRates& rates) { rates_ = rates; }
  // The power fails at the `operations`-th write, sync or save from now on; 1: the next.
  void CutPowerAfter(uint64_t operations) { operations_left_ = operations; }
  void CutPower();
  void RestorePower();
  bool powered() const { return powered_; }

  // Each asks once for one operation. OK: it succeeds.
  absl::Status BeforeWrite();  // an error: nothing is written
  absl::Status AfterWrite();   // an error: it is written, and not synced
  absl::Status OnRead();

 private:
  absl::Status Fail(const std::string& what);
  absl::Status CountOperation();

  Dice dice_;
  Report& report_;
  FaultRates rates_;
  bool powered_ = true;
  uint64_t operations_left_ = 0;  // 0: the power stays
};

// A storage on such a disk. Not thread-safe. Must not outlive disk and memory.
class FaultStorage final : public eventstore::Storage {
 public:
  FaultStorage(FaultDisk& disk, eventstore::MemoryStorage& memory) : disk_(disk), memory_(memory) {}

  absl::Status Write(const eventstore::StorageBatch& batch, Durability durability) override;
  absl::StatusOr<std::optional<std::string>> Get(eventstore::Table table,
                                                 absl::string_view key) const override;
  std::unique_ptr<eventstore::Cursor> NewCursor(eventstore::Table table) const override;
  absl::Status Compact(eventstore::Table table) override;

 private:
  FaultDisk& disk_;
  eventstore::MemoryStorage& memory_;
};

// The small files of a machine on such a disk: anchors, checkpoints, master keys. Not thread-safe.
class FaultFiles final : public eventstore::AnchorFiles,
                         public eventstore::CheckpointFiles,
                         public eventstore::MasterKeyHome {
 public:
  explicit FaultFiles(FaultDisk& disk)
      : disk_(disk), checkpoints_(eventstore::MemoryCheckpointFiles()) {}

  absl::StatusOr<std::unique_ptr<eventstore::AnchorFile>> Open(const std::string& path,
                                                               Access access) override;
  absl::Status Create(const std::string& path, absl::string_view content) override;

  absl::StatusOr<eventstore::SecretBytes> ReadKey() override;
  absl::Status WriteKey(const eventstore::SecretBytes& seed) override;
  absl::StatusOr<std::string> ReadLatest() override;
  absl::Status WriteLatest(const std::string& note) override;

  absl::StatusOr<std::optional<eventstore::MasterKeys>> Load() override;
  absl::Status Save(const eventstore::MasterKeys& keys) override;
  std::string name() const override { return "the simulated master key"; }

  // After a power cut: of what was written to anchors and not synced, any sectors stay.
  void Crash(Dice& dice);

 private:
  FaultDisk& disk_;
  eventstore::MemoryAnchorFiles anchors_;
  std::vector<std::string> paths_;
  std::unique_ptr<eventstore::CheckpointFiles> checkpoints_;
  eventstore::testing_support::MemoryMasterKeys masters_;
};

// Room on the disk, as the simulation says.
class SetSpace final : public eventstore::DiskSpace {
 public:
  absl::StatusOr<uint64_t> AvailableBytes() const override { return bytes; }
  uint64_t bytes = UINT64_MAX;
};

}  // namespace records::simulation
