#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "eventstore/backup.h"
#include "eventstore/clock.h"
#include "eventstore/erasure_ledger.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"
#include "eventstore/random.h"
#include "eventstore/sealing.h"
#include "projections/view.h"
#include "tests/faults/acknowledgements.h"
#include "tests/faults/digest_projection.h"

namespace records::faults {

// A customer of the test.
struct Customer {
  eventstore::SubjectId subject;
  eventstore::RootId root;
};
Customer CustomerNumber(uint32_t number);

// One event to be sent: a contact of a customer, in a stream of theirs.
struct Entry {
  Customer customer;
  std::string stream = "contacts";
};

// The stores of one data folder, opened as a server does, and the caller who remembers what was
// acknowledged. All calls go on after errors, as callers do.
//
// Not thread-safe.
class RecordsUnderFault {
 public:
  struct Options {
    std::string folder;
    uint64_t seed = 1;
    bool with_view = false;
    bool with_erasures = false;
    bool with_backups = false;
    // Of a restored copy another one; master key and erasure ledger stay where they were.
    std::string data = "data";
  };

  explicit RecordsUnderFault(Options options);
  ~RecordsUnderFault();

  // Key store, log and view, in the order of a start. What was opened before an error is closed.
  absl::Status Open();
  void Close();
  // A process that stops and starts again. Goes on when the start fails.
  void Restart();
  bool is_open() const { return log_ != nullptr; }
  std::string data_folder() const { return options_.folder + "/" + options_.data; }
  std::string folder() const { return options_.folder; }

  // Seals entries, appends them as one request and waits. Returns whether it was acknowledged.
  bool Send(const std::vector<Entry>& entries);
  // As Send() of one entry, into the ledger of reads.
  void Trace(const Customer& customer);
  // As Send() for each, together: they share batches.
  void SendTogether(const std::vector<std::vector<Entry>>& requests);
  // Sends an old request again, by its place. The answer must be the first one.
  absl::StatusOr<eventstore::Appended> Retry(size_t index);
  void SignCheckpoint();
  void Claim(const std::string& reference);
  void EndKey(const eventstore::KeyPurpose& purpose);
  void Fence(const eventstore::SubjectId& subject);
  // Fence, erasure ledger, destruction and compaction, as the erasure of a subject does them.
  void Erase(const Customer& customer);
  // Remembers the bytes that must be gone once the customer is erased, whatever cuts the erasure
  // short. Opens the stores anew. REQUIRES: nothing fails, no key of theirs is made later.
  void RememberSecrets(const Customer& customer);
  void MakeBackup();
  // From now on a topic has all that the log has now, and a restore takes it from there.
  void Publish();
  // Restores the last backup beside the data folder, into "restored".
  absl::Status RestoreBackup();
  void RotateMasterKey();
  // Waits until the view has folded what the log has, or has stopped.
  void CatchUp();
  void RebuildView();

  Acknowledgements& acknowledged() { return acknowledged_; }
  void set_acknowledged(Acknowledgements acknowledged);

  eventstore::EventLog& log() { return *log_; }
  eventstore::KeyStore& keys() { return *keys_; }
  const eventstore::Sealer& sealer() const { return *sealer_; }
  eventstore::ErasureLedger* erasures() { return erasures_.get(); }
  projections::View* view() { return view_.get(); }
  const DigestProjection& projection() const { return projection_; }
  int refused_starts() const { return refused_starts_; }
  // Starts and calls that failed, or could not be made as nothing was open.
  int failed_calls() const { return failed_calls_; }
  // Views that were folded anew since a start found them damaged.
  int views_put_aside() const { return views_put_aside_; }

  // The key that the events of a customer are sealed with.
  eventstore::KeyPurpose ContactKey(const Customer& customer) const;

 private:
  // Counts what failed; returns whether it was OK.
  bool Count(const absl::Status& status);
  bool CountOpen();
  absl::Status OpenStores();
  absl::Status OpenErasures();
  eventstore::BackupOptions BackupFolders() const;
  absl::Status OpenView();
  absl::StatusOr<SentAppend> Prepare(const std::vector<Entry>& entries);
  // Sends what was noted from this one on, together, and waits.
  void SendFrom(size_t first);

  const Options options_;
  Acknowledgements acknowledged_;
  eventstore::ManualClock clock_;
  eventstore::SeededRandom random_;
  const eventstore::CategoryTable categories_;
  const DigestProjection projection_;
  int refused_starts_ = 0;
  int failed_calls_ = 0;
  int views_put_aside_ = 0;

  std::unique_ptr<eventstore::KeyStore> keys_;
  std::unique_ptr<eventstore::Sealer> sealer_;
  std::unique_ptr<eventstore::EventLog> log_;
  std::unique_ptr<eventstore::ErasureLedger> erasures_;
  std::unique_ptr<projections::View> view_;
};

// What is wrong with open stores, against what was acknowledged; "" when nothing is: events lost,
// changed, doubled, half there or foreign; positions and revisions; trees, against events and
// signed checkpoints; keys, directory, fences; retries; the view against a fresh fold.
std::string FindWrong(RecordsUnderFault& records);

}  // namespace records::faults
