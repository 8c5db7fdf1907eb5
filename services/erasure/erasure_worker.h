#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/byte_search.h"
#include "eventstore/erasure_ledger.h"
#include "eventstore/key_store.h"
#include "eventstore/storage.h"
#include "projections/runner.h"
#include "services/erasure/erasure_register.h"
#include "services/runtime/runtime.h"

namespace records::services {

// The copy of a view that answers.
struct ErasableCopy {
  std::shared_ptr<const void> kept;  // what they live in; may be null
  const projections::Runner* runner = nullptr;
  eventstore::Storage* storage = nullptr;
};

// A view that must have folded the fence and rewritten its files before the certificate.
struct ErasableView {
  std::string name;
  std::function<ErasableCopy()> live;
  std::vector<eventstore::Table> tables;
  // Removes copies that no longer answer; they hold rows too.
  std::function<absl::Status()> drop_others;
};

struct ErasureWorkerOptions {
  std::vector<ErasableView> views;
  // Removes views on the disk that this server has not open: nobody would delete their rows.
  std::function<absl::Status()> drop_unopened_views;
  // Whether no other process can hold a key of a fenced subject; null: none was ever given one.
  std::function<bool(const eventstore::SubjectId&)> releases_ended;
  // Where a key store may leave bytes of a key, and where names of its rows may be.
  eventstore::ByteSearchOptions search;
  eventstore::ByteSearchOptions search_names;
  // What the replay at the start destroyed: searched for before its erasure is certified.
  std::map<eventstore::SubjectId, eventstore::DestroyedSubject> destroyed_at_start;
  absl::Duration view_wait = absl::Seconds(30);
  absl::Duration retry_after = absl::Seconds(10);
  // Called with the name of each step before it is taken, and with "certified" after the last; an
  // error ends the run there. For tests that stop at each step.
  std::function<absl::Status(absl::string_view step)> before_step;
};

// Carries decided erasures through: fence, leases, ledger, destruction, compaction, views, search,
// certificate. All that are decided are fenced at once, also while leases are waited for, so that
// those of several end at one time. Each step may be repeated, so whatever was cut short is done
// again from the first one; it goes on until the certificate is in the log.
//
// Thread-safe. Must not outlive its arguments.
class ErasureWorker {
 public:
  ErasureWorker(const Runtime& runtime, eventstore::ErasureLedger& ledger, ErasureRegister& reg,
                ErasureWorkerOptions options);
  ~ErasureWorker() { Stop(); }

  // Starts the thread, which first looks for what an earlier process left unfinished. Once.
  void Start();
  // Ends the thread at the next step. Again: nothing.
  void Stop();
  // Something was decided.
  void Wake();

  // Carries through all that is decided and not certified, and what only the ledger knows of. The
  // first error, after all were tried.
  [[nodiscard]] absl::Status RunPending();

  // Why an erasure does not go on; OK: it does, or is done.
  absl::Status ProblemOf(const ErasureId& id) const;

  // Names of the views that delete and rewrite what they hold.
  std::vector<std::string> ViewNames() const;

 private:
  struct Progress;
  using Fenced = std::map<ErasureId, Progress>;  // their leases are waited for

  void Loop();
  // Fences what is decided and was not tried in this round.
  absl::Status FenceDecided(std::set<ErasureId>& tried, Fenced& fenced, absl::Status& first)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(running_);
  void NoteResult(const ErasureId& id, const absl::Status& result, absl::Status& first);
  bool LeasesEnded(const Progress& progress) const;
  bool TakeWoken();
  // Appends a decision for what the ledger knows of and the log, restored from a backup, does not.
  absl::Status AdoptFromLedger();
  absl::Status CarryOn(Progress& progress) ABSL_EXCLUSIVE_LOCKS_REQUIRED(running_);
  absl::Status Step(absl::string_view name) const;
  absl::Status CheckNotStopping() const;
  absl::Status FenceSubject(const ErasureEntry& entry, Progress& progress);
  absl::Status AppendFence(const ErasureEntry& entry, Progress& progress);
  absl::Status WriteLedger(const ErasureEntry& entry, Progress& progress);
  absl::Status Destroy(const ErasureEntry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(running_);
  absl::Status CleanViews(const ErasureEntry& entry, const Progress& progress);
  absl::Status Search(const ErasureEntry& entry, Progress& progress)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(running_);
  absl::Status Certify(const ErasureEntry& entry, const Progress& progress);
  absl::StatusOr<eventstore::Position> AppendEvent(const ErasureEntry& entry,
                                                   const eventstore::StreamName& stream,
                                                   const google::protobuf::Message& message,
                                                   eventstore::Expectation expected);

  const Runtime runtime_;
  eventstore::ErasureLedger& ledger_;
  ErasureRegister& register_;
  absl::Mutex running_;  // held by who carries erasures through
  // Until the certificate: what was destroyed by this process, whichever attempt it was. Taken out
  // of the options before those are const.
  std::map<eventstore::SubjectId, eventstore::DestroyedSubject> destroyed_
      ABSL_GUARDED_BY(running_);
  // Of those, whose tables were rewritten since.
  std::set<eventstore::SubjectId> compacted_ ABSL_GUARDED_BY(running_);
  const ErasureWorkerOptions options_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<ErasureId, absl::Status> problems_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace records::services
