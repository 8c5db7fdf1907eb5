#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventstore/anchor_file.h"
#include "eventstore/clock.h"
#include "eventstore/key_store.h"
#include "eventstore/limits.h"
#include "eventstore/master_keys.h"
#include "eventstore/random.h"
#include "eventstore/storage.h"

namespace rocksdb {
class Env;
}

namespace records::eventstore {

// Files in the data folder; the master key may lie elsewhere.
inline constexpr char kKeyStoreFolder[] = "keys";
inline constexpr char kKeyStoreAnchorFile[] = "keys.anchor";
inline constexpr char kMasterKeyFile[] = "master.key";

struct KeyStoreOptions {
  std::string data_dir;  // must exist
  // Empty: kMasterKeyFile in the data folder. On another disk, a copy or theft of the data opens
  // nothing. Its folder must exist; of one key store only, as a rotation replaces it.
  std::string master_key_file;
  const Clock* clock = &SystemClock();
  Random* random = &SystemRandom();
  // For the restore itself: takes a folder whose restore is not finished, and never writes the file
  // of the master key. A rotation that was cut short waits for the first start: while backups are
  // all there is, the old key is the only one that opens them.
  bool is_restoring = false;
  // Not owned; nullptr: the machine's.
  rocksdb::Env* env = nullptr;
  // With more rows than this, keys and directory are counted while the store serves: a start does
  // not grow with the store. Until then changes wait, and so does every answer that something is
  // absent.
  uint64_t rows_counted_at_start_max = kRowsCountedAtStartMax;
  // Called when a change has failed and the store takes no more, and with kDataLoss when the count
  // above found rows lost: the process should end, and the next start settles what is there. From
  // the thread of the caller whose change it was, or of the count.
  std::function<void(const absl::Status&)> on_fatal;
};

// Opens the key store of a data folder, or makes it when nothing of one is there. Opens read-only
// first and writes nothing before database, anchor and master key are known to belong together.
// Goes on with a rotation of the master key that was cut short, but for a restore. Clock and random
// must outlive it.
//
// kFailedPrecondition: the master key is missing, readable by others or of another store; another
// process has the store open. kDataLoss: the database is behind its anchor, has not as many rows as
// it counted, or is otherwise damaged; the message says what, and nothing was changed. A store with
// very many rows is counted after this returns: see rows_counted_at_start_max.
[[nodiscard]] absl::StatusOr<std::unique_ptr<KeyStore>> OpenKeyStore(
    const KeyStoreOptions& options);

// What a key store stands on.
struct KeyStorePorts {
  Storage* storage = nullptr;  // of kKeyStoreTables tables
  AnchorFiles* anchors = nullptr;
  std::string anchor_path;
  MasterKeyHome* master_keys = nullptr;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  size_t cached_keys = kCachedKeysMax;
  bool ends_rotation = true;  // goes on with one that was cut short
  uint64_t rows_counted_at_start_max = kRowsCountedAtStartMax;  // as above
  std::function<void(const absl::Status&)> on_fatal;            // as above
};

// As OpenKeyStore(), over ports, which must outlive the store; for tests and the simulation.
// CopyTo() is kUnimplemented there.
[[nodiscard]] absl::StatusOr<std::unique_ptr<KeyStore>> OpenKeyStoreOver(
    const KeyStorePorts& ports);

}  // namespace records::eventstore
