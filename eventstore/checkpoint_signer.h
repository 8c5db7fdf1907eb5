#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/anchor.h"
#include "eventstore/erasure_head.h"
#include "eventstore/ids.h"
#include "eventstore/random.h"
#include "eventstore/signed_note.h"

namespace records::eventstore {

// Where a log keeps the key that signs its checkpoints, and the last checkpoint that it gave out.
//
// Thread-safe.
class CheckpointFiles {
 public:
  virtual ~CheckpointFiles() = default;
  // The 32 bytes of the seed. kNotFound: there is none yet. kFailedPrecondition: others may read
  // it.
  [[nodiscard]] virtual absl::StatusOr<SecretBytes> ReadKey() = 0;
  // OK means on the disk, readable by the owner only.
  [[nodiscard]] virtual absl::Status WriteKey(const SecretBytes& seed) = 0;
  // kNotFound: none was given out yet.
  [[nodiscard]] virtual absl::StatusOr<std::string> ReadLatest() = 0;
  // OK means on the disk; a crash leaves the old or the new one.
  [[nodiscard]] virtual absl::Status WriteLatest(const std::string& note) = 0;
};

// checkpoint.key and checkpoint.latest in a data folder.
std::unique_ptr<CheckpointFiles> OpenCheckpointFiles(std::string data_dir);

// Kept in memory: ends with the object.
std::unique_ptr<CheckpointFiles> MemoryCheckpointFiles();

// "records/<store id>", the name of a log in its checkpoints and of its key.
std::string CheckpointOrigin(const StoreId& store);

// The checkpoint of a log, as FORMAT.md says.
Checkpoint MakeCheckpoint(const StoreId& store, const std::vector<TreeHead>& trees,
                          const ErasureHead& erasures = {});

// The trees that a checkpoint of this log tells of. kFailedPrecondition: it is of another log.
// kDataLoss: it is not as MakeCheckpoint() makes it.
absl::StatusOr<std::vector<TreeHead>> TreesOf(const Checkpoint& checkpoint, const StoreId& store);

// How far the erasure ledger had come by a checkpoint. kDataLoss: it is not as MakeCheckpoint()
// makes it.
absl::StatusOr<ErasureHead> ErasuresOf(const Checkpoint& checkpoint);

// Signs what the log publishes, and never two checkpoints of which one does not follow the other:
// the last one is kept, and on the disk before it is given out.
//
// Thread-safe. `files` must outlive it.
class CheckpointSigner {
 public:
  // Makes the key at the first start. Errors: those of the files; kDataLoss: the last checkpoint is
  // not this key's.
  static absl::StatusOr<std::unique_ptr<CheckpointSigner>> Open(CheckpointFiles& files,
                                                                const StoreId& store,
                                                                Random& random);

  // What a checkpoint tells of.
  struct State {
    std::vector<TreeHead> trees;
    ErasureHead erasures;
  };

  // Signs what `state` returns. It is called under the lock: of two callers the later one to sign
  // has the later state. kFailedPrecondition: a tree or the erasure ledger is smaller than in the
  // last checkpoint.
  absl::StatusOr<std::string> Sign(absl::FunctionRef<State()> state);

  // The trees of the last checkpoint; empty when none was signed.
  const std::vector<TreeHead>& latest_at_start() const { return latest_at_start_; }

  // How far the erasure ledger had come by the last checkpoint.
  const ErasureHead& erasures_at_start() const { return erasures_at_start_; }

  // Signs another text of the log's. kInvalidArgument: it could be taken for a checkpoint.
  absl::StatusOr<std::string> SignText(absl::string_view text) const;

  std::string VerifierKey() const { return signer_.verifier().Format(); }

 private:
  CheckpointSigner(CheckpointFiles& files, const StoreId& store, NoteSigner signer)
      : files_(files), store_(store), signer_(std::move(signer)) {}

  absl::Status LoadLatest();

  CheckpointFiles& files_;
  const StoreId store_;
  const NoteSigner signer_;
  std::vector<TreeHead> latest_at_start_;
  ErasureHead erasures_at_start_;
  absl::Mutex mutex_;
  std::vector<TreeHead> latest_ ABSL_GUARDED_BY(mutex_);
  ErasureHead latest_erasures_ ABSL_GUARDED_BY(mutex_);
  std::string latest_note_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
