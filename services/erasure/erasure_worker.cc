#include "services/erasure/erasure_worker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "eventstore/limits.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "services/customer/customers.h"
#include "services/runtime/tracer.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::DestroyedSubject;
using eventstore::Expectation;
using eventstore::Position;

constexpr char kPurpose[] = "tenancy-management";
constexpr absl::Duration kLeasePoll = absl::Milliseconds(2);
// A file that somebody still reads goes a little later.
constexpr int kSearches = 3;
// What a file format may leave out of a name: what the name before shares with it.
constexpr size_t kSharedNameBytes = 4;

}  // namespace

// What one run has learnt so far.
struct ErasureWorker::Progress {
  ErasureEntry entry;
  absl::Time fenced_at;
  Position fence;
  ev::SubjectFenced held;
  eventstore::ErasureHead ledger;
  eventstore::ByteSearchResult searched;
  size_t byte_strings = 0;
  size_t row_names = 0;
};

ErasureWorker::ErasureWorker(const Runtime& runtime, eventstore::ErasureLedger& ledger,
                             ErasureRegister& reg, ErasureWorkerOptions options)
    : runtime_(runtime),
      ledger_(ledger),
      register_(reg),
      destroyed_(std::move(options.destroyed_at_start)),
      options_(std::move(options)) {}

void ErasureWorker::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void ErasureWorker::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void ErasureWorker::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void ErasureWorker::Loop() {
  while (true) {
    const absl::Status result = RunPending();
    absl::MutexLock lock(&mutex_);
    const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || woken_; };
    if (result.ok()) {
      mutex_.Await(absl::Condition(&due));
    } else {
      mutex_.AwaitWithTimeout(absl::Condition(&due), options_.retry_after);
    }
    if (stopping_) return;
    woken_ = false;
  }
}

absl::Status ErasureWorker::RunPending() {
  absl::MutexLock lock(&running_);
  absl::Status first;
  std::set<ErasureId> tried;
  Fenced fenced;
  bool look = true;
  while (true) {
    if (look) RETURN_IF_ERROR(FenceDecided(tried, fenced, first));
    if (fenced.empty()) return first;
    const auto ready = absl::c_find_if(
        fenced, [this](const auto& waiting) { return LeasesEnded(waiting.second); });
    if (ready != fenced.end()) {
      NoteResult(ready->first, CarryOn(ready->second), first);
      fenced.erase(ready);
    } else {
      absl::MutexLock wait(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLeasePoll);
    }
    RETURN_IF_ERROR(CheckNotStopping());
    look = TakeWoken();
  }
}

absl::Status ErasureWorker::FenceDecided(std::set<ErasureId>& tried, Fenced& fenced,
                                         absl::Status& first) {
  RETURN_IF_ERROR(register_.Refresh());
  RETURN_IF_ERROR(AdoptFromLedger());
  for (const ErasureEntry& entry : register_.Entries()) {
    if (entry.certified.has_value()) {
      destroyed_.erase(entry.subject);
      compacted_.erase(entry.subject);
      continue;
    }
    if (!tried.insert(entry.id).second) continue;
    Progress progress{.entry = entry};
    absl::Status result = FenceSubject(entry, progress);
    if (result.ok()) result = AppendFence(entry, progress);
    if (result.ok()) result = Step("leases");
    if (result.ok()) {
      fenced.emplace(entry.id, std::move(progress));
    } else {
      NoteResult(entry.id, result, first);
      RETURN_IF_ERROR(CheckNotStopping());
    }
  }
  return absl::OkStatus();
}

void ErasureWorker::NoteResult(const ErasureId& id, const absl::Status& result,
                               absl::Status& first) {
  first.Update(result);
  absl::MutexLock lock(&mutex_);
  if (!stopping_) problems_[id] = result;
}

bool ErasureWorker::TakeWoken() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(woken_, false);
}

absl::Status ErasureWorker::CheckNotStopping() const {
  absl::MutexLock lock(&mutex_);
  if (!stopping_) return absl::OkStatus();
  return absl::CancelledError("the server stops; the next start goes on");
}

absl::Status ErasureWorker::ProblemOf(const ErasureId& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = problems_.find(id);
  return found == problems_.end() ? absl::OkStatus() : found->second;
}

std::vector<std::string> ErasureWorker::ViewNames() const {
  std::vector<std::string> names;
  for (const ErasableView& view : options_.views) names.push_back(view.name);
  return names;
}

absl::Status ErasureWorker::AdoptFromLedger() {
  for (const eventstore::ErasureRecord& record : ledger_.Records()) {
    if (register_.FindSubject(record.subject).has_value()) continue;
    ErasureEntry entry{.subject = record.subject, .root = record.root};
    ASSIGN_OR_RETURN(entry.id, ErasureId::Generate(runtime_.random));
    ev::SubjectErasureDecided decided;
    decided.set_erasure(std::string(entry.id.bytes()));
    decided.set_subject(std::string(record.subject.bytes()));
    decided.set_root(std::string(record.root.bytes()));
    decided.set_collection(std::string(kCustomers));
    decided.set_ground(ev::ERASURE_GROUND_REPLAYED);
    RETURN_IF_ERROR(AppendEvent(entry, register_.stream(), decided, register_.Expected()).status());
    RETURN_IF_ERROR(register_.Refresh());
  }
  return absl::OkStatus();
}

absl::Status ErasureWorker::Step(absl::string_view name) const {
  RETURN_IF_ERROR(CheckNotStopping());
  return options_.before_step ? options_.before_step(name) : absl::OkStatus();
}

absl::Status ErasureWorker::CarryOn(Progress& progress) {
  const ErasureEntry& entry = progress.entry;
  if (PLANTED_BUG("erasure-certificate-before-destruction")) {
    RETURN_IF_ERROR(Certify(entry, progress));
  }
  RETURN_IF_ERROR(WriteLedger(entry, progress));
  RETURN_IF_ERROR(Destroy(entry));
  RETURN_IF_ERROR(CleanViews(entry, progress));
  RETURN_IF_ERROR(Search(entry, progress));
  RETURN_IF_ERROR(Certify(entry, progress));
  destroyed_.erase(entry.subject);
  compacted_.erase(entry.subject);
  return Step("certified");
}

absl::Status ErasureWorker::FenceSubject(const ErasureEntry& entry, Progress& progress) {
  RETURN_IF_ERROR(Step("fence"));
  RETURN_IF_ERROR(runtime_.keys.Fence(entry.subject));
  progress.fenced_at = runtime_.clock.Now();
  // From here on the subject gets no key more, so this is what it had; a run after a crash finds
  // less, and takes it from the log.
  ASSIGN_OR_RETURN(const auto holdings, runtime_.keys.HoldingsOf(entry.subject));
  progress.held.set_erasure(std::string(entry.id.bytes()));
  progress.held.set_keys(holdings.key_count());
  progress.held.set_directory_rows(holdings.directory_rows);
  return absl::OkStatus();
}

absl::Status ErasureWorker::AppendFence(const ErasureEntry& entry, Progress& progress) {
  RETURN_IF_ERROR(Step("fence-event"));
  const eventstore::StreamName stream{runtime_.organisation, entry.collection, entry.root,
                                      std::string(kErasureSubStream)};
  const auto appended = AppendEvent(entry, stream, progress.held,
                                    {.stream = stream, .kind = Expectation::Kind::kNoStream});
  if (appended.ok()) {
    progress.fence = *appended;
    return absl::OkStatus();
  }
  if (!absl::IsAborted(appended.status())) return appended.status();
  // It stands since an earlier run.
  ASSIGN_OR_RETURN(const auto events,
                   runtime_.log.ReadStream(eventstore::Ledger::kEvents, stream, {0},
                                           eventstore::ReadDirection::kForward, {.events = 1}));
  if (events.empty() || !progress.held.ParseFromString(events[0].event.facts())) {
    return absl::DataLossError("the fence of an erasure cannot be read");
  }
  progress.fence = events[0].position;
  return absl::OkStatus();
}

bool ErasureWorker::LeasesEnded(const Progress& progress) const {
  const eventstore::SubjectId& subject = progress.entry.subject;
  const bool held_here = !runtime_.keys.LeasesEnded(subject) &&
                         runtime_.clock.Now() < progress.fenced_at + eventstore::kKeyLease;
  const bool held_elsewhere =
      options_.releases_ended != nullptr && !options_.releases_ended(subject);
  return !held_here && !held_elsewhere;
}

absl::Status ErasureWorker::WriteLedger(const ErasureEntry& entry, Progress& progress) {
  RETURN_IF_ERROR(Step("ledger"));
  if (PLANTED_BUG("erasure-ledger-not-written")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto record,
                   ledger_.Append(entry.subject, entry.root, runtime_.clock.Now()));
  progress.ledger = ledger_.HeadAt(record.index);
  runtime_.keys.SetErasureHead(ledger_.head());
  runtime_.log.SetErasureHead(ledger_.head());
  return absl::OkStatus();
}

absl::Status ErasureWorker::Destroy(const ErasureEntry& entry) {
  RETURN_IF_ERROR(Step("destroy"));
  ASSIGN_OR_RETURN(DestroyedSubject destroyed, runtime_.keys.DestroySubject(entry.subject));
  // Nothing, when the replay at the start or an earlier attempt did it: their bytes are kept.
  DestroyedSubject& known = destroyed_[entry.subject];
  // A rewrite takes seconds, and what holds an erasure up later is tried again for as long as it
  // does.
  if (!destroyed.bytes.empty()) compacted_.erase(entry.subject);
  std::move(destroyed.bytes.begin(), destroyed.bytes.end(), std::back_inserter(known.bytes));
  for (std::string& name : destroyed.row_names) {
    // Some can be told again at any time.
    if (absl::c_linear_search(known.row_names, name)) continue;
    known.row_names.push_back(std::move(name));
  }
  RETURN_IF_ERROR(Step("compact"));
  if (compacted_.contains(entry.subject)) return absl::OkStatus();
  RETURN_IF_ERROR(runtime_.keys.CompactDestroyed());
  compacted_.insert(entry.subject);
  return absl::OkStatus();
}

absl::Status ErasureWorker::CleanViews(const ErasureEntry& entry, const Progress& progress) {
  RETURN_IF_ERROR(Step("views"));
  if (options_.drop_unopened_views) RETURN_IF_ERROR(options_.drop_unopened_views());
  for (const ErasableView& view : options_.views) {
    // First: no rebuild is under way then, and one that comes later folds the fence.
    if (view.drop_others) RETURN_IF_ERROR(view.drop_others());
    const ErasableCopy copy = view.live();
    RETURN_IF_ERROR(copy.runner->WaitFor(progress.fence, absl::Now() + options_.view_wait));
    // A fence that could not be folded itself.
    for (const projections::ParkedRoot& parked : copy.runner->ParkedRoots()) {
      if (parked.root != entry.root) continue;
      return absl::UnavailableError(absl::StrCat(
          "the view ", view.name, " has parked the record and still holds its rows: replay it"));
    }
    for (const eventstore::Table table : view.tables) {
      RETURN_IF_ERROR(copy.storage->Compact(table));
    }
  }
  return absl::OkStatus();
}

absl::Status ErasureWorker::Search(const ErasureEntry& entry, Progress& progress) {
  const DestroyedSubject& destroyed = destroyed_[entry.subject];
  std::vector<absl::string_view> bytes;
  for (const auto& secret : destroyed.bytes) bytes.push_back(secret.view());
  std::vector<absl::string_view> names;
  for (const std::string& name : destroyed.row_names) {
    names.push_back(absl::string_view(name).substr(kSharedNameBytes));
  }
  progress.byte_strings = bytes.size();
  progress.row_names = names.size();
  for (int attempt = 1; true; ++attempt) {
    RETURN_IF_ERROR(Step("search"));
    // With nothing to look for, reading the files would only look like a search.
    if (!bytes.empty()) {
      ASSIGN_OR_RETURN(progress.searched, eventstore::SearchFiles(options_.search, bytes));
    }
    ASSIGN_OR_RETURN(const auto named, eventstore::SearchFiles(options_.search_names, names));
    std::vector<std::string> found = progress.searched.found_in;
    found.insert(found.end(), named.found_in.begin(), named.found_in.end());
    if (found.empty()) return absl::OkStatus();
    if (attempt == kSearches) {
      return absl::UnavailableError(
          absl::StrCat("bytes of destroyed keys are still in ", absl::StrJoin(found, ", "),
                       "; the erasure is not certified and is tried again"));
    }
    RETURN_IF_ERROR(runtime_.keys.CompactDestroyed());
  }
}

absl::Status ErasureWorker::Certify(const ErasureEntry& entry, const Progress& progress) {
  RETURN_IF_ERROR(Step("certify"));
  ev::SubjectErased erased;
  erased.set_erasure(std::string(entry.id.bytes()));
  erased.set_subject(std::string(entry.subject.bytes()));
  erased.set_keys_destroyed(progress.held.keys());
  erased.set_directory_rows_destroyed(progress.held.directory_rows());
  erased.set_files_searched(progress.searched.files);
  erased.set_bytes_searched(progress.searched.bytes);
  erased.set_byte_strings_searched(progress.byte_strings);
  erased.set_row_names_searched(progress.row_names);
  erased.set_ledger_index(progress.ledger.size);
  erased.set_ledger_head(std::string(eventstore::AsBytes(progress.ledger.hash)));
  while (true) {
    RETURN_IF_ERROR(register_.Refresh());
    const auto known = register_.Find(entry.id);
    if (known.has_value() && known->certified.has_value()) break;
    const auto appended = AppendEvent(entry, register_.stream(), erased, register_.Expected());
    if (appended.ok()) break;
    // Another erasure was decided, or told, at the same time.
    if (!absl::IsAborted(appended.status())) return appended.status();
  }
  RETURN_IF_ERROR(register_.Refresh());
  return runtime_.log.SignedCheckpoint().status();
}

absl::StatusOr<Position> ErasureWorker::AppendEvent(const ErasureEntry& entry,
                                                    const eventstore::StreamName& stream,
                                                    const google::protobuf::Message& message,
                                                    Expectation expected) {
  ASSIGN_OR_RETURN(const auto id, eventstore::EventId::Generate(runtime_.random));
  const absl::Time now = runtime_.clock.Now();
  const eventstore::EventHeader header{
      .id = id,
      .stream = stream,
      .subject = entry.subject,
      .occurred_at = now,
      .scope_time = now,
      .actor = entry.decided_by,
      .purpose = kPurpose,
      .lawful_basis = runtime_.lawful_bases.Of(*message.GetDescriptor())};
  ASSIGN_OR_RETURN(auto sealed, runtime_.sealer.Seal(header, message));
  eventstore::Append append;
  // An erasure goes on when the disk is nearly full. Its own events are about nobody's data, so the
  // fence does not hold them up: no subjects, no keys.
  append.from_reserve = true;
  append.events.push_back(std::move(sealed.event));
  append.expectations.push_back(std::move(expected));
  ASSIGN_OR_RETURN(const auto appended, runtime_.log.AppendAndWait(std::move(append)));
  return appended.first;
}

}  // namespace records::services
