#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eventstore/anchor_file.h"
#include "eventstore/crypto.h"
#include "eventstore/erasure_head.h"
#include "eventstore/ids.h"

namespace records::eventstore {

// Its name in the data folder, unless the server is told another place.
inline constexpr char kErasureLedgerFile[] = "erasure.ledger";

inline constexpr size_t kErasureHeaderSize = 128;
inline constexpr size_t kErasureRecordSize = 144;

// Whose keys and directory rows are to be destroyed, in every copy of the key store. FORMAT.md says
// why it is this and no more.
struct ErasureRecord {
  uint64_t index = 0;  // from 1, dense
  absl::Time day;      // start of the day, UTC
  SubjectId subject;
  RootId root;
};

// What a ledger file holds.
struct ErasureLedgerContent {
  std::vector<ErasureRecord> records;
  std::vector<Digest> hashes;  // of each record
  // An append that was not finished follows: nobody was told of it, and it does not count.
  bool torn_tail = false;

  ErasureHead head() const;
};

// Reads a ledger and writes nothing; for the start, for verification and for a restore without a
// server. `public_key`: of the log's checkpoints. An absent file reads as empty.
//   kDataLoss  altered, cut or rolled back behind one of `known`, or of another log or key; the
//              message names what
absl::StatusOr<ErasureLedgerContent> ReadErasureLedger(AnchorFiles& files, const std::string& path,
                                                       const StoreId& store,
                                                       absl::string_view public_key,
                                                       absl::Span<const KnownErasureHead> known);

// The erasures that were carried out, in a signed append-only file apart from both stores and their
// backups: what a restored backup must destroy again.
//
// Thread-safe. After a failed Append() the outcome is unknown. The next one writes to the same
// place and syncs that, so what it acknowledges is on the disk; if the failed record comes back at
// an opening instead, its erasure was decided and goes on.
class ErasureLedger {
 public:
  // Opens the ledger of `store`, or makes it where no head is known. `files` must outlive it.
  // Errors: those of ReadErasureLedger() and of the file.
  static absl::StatusOr<std::unique_ptr<ErasureLedger>> Open(
      AnchorFiles& files, const std::string& path, const StoreId& store, Ed25519PrivateKey key,
      absl::Span<const KnownErasureHead> known);

  // Adds a record, or returns that of the subject when there is one. OK means that it is on the
  // disk. `at` is cut to its day. kInvalidArgument: an id is nil. Else as the file.
  absl::StatusOr<ErasureRecord> Append(const SubjectId& subject, const RootId& root, absl::Time at);

  // The record of a subject, or nullopt.
  std::optional<ErasureRecord> Find(const SubjectId& subject) const;

  // All records, in their order.
  std::vector<ErasureRecord> Records() const;

  // Of the first `size` records; of all with the second. REQUIRES: there are as many.
  ErasureHead HeadAt(uint64_t size) const;
  ErasureHead head() const;

 private:
  ErasureLedger(std::unique_ptr<AnchorFile> file, Ed25519PrivateKey key, Digest first,
                ErasureLedgerContent content);

  absl::Status WriteRecord(uint64_t index, absl::string_view bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<AnchorFile> file_;
  const Ed25519PrivateKey key_;
  const Digest first_;  // what the first record follows

  mutable absl::Mutex mutex_;
  ErasureLedgerContent content_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<SubjectId, size_t> by_subject_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
