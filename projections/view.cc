#include "projections/view.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "eventstore/clock.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "projections/view_rows.h"

namespace records::projections {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::Position;
using eventstore::Storage;

namespace {

constexpr absl::Duration kAskEvery = absl::Milliseconds(100);

// What a start with a program of `version` goes on with.
ViewMarker MarkerFor(const std::optional<ViewMarker>& found, uint32_t version) {
  ViewMarker marker = found.value_or(ViewMarker{.live = {.number = 1, .version = version}});
  if (marker.live.version == version) return marker;
  uint64_t highest = marker.live.number;
  GenerationId next{.version = version};
  if (marker.previous.has_value()) {
    highest = std::max(highest, marker.previous->number);
    if (marker.previous->version == version) next = *marker.previous;
  }
  if (next.number == 0) next.number = highest + 1;
  return {.live = next, .previous = marker.live};
}

bool CanUndo(const ViewMarker& marker, uint32_t version) {
  return marker.previous.has_value() && marker.previous->version == version;
}

absl::Status GivenUp() {
  return absl::CancelledError("given up before the switch; nothing was changed");
}

}  // namespace

// One at a time may switch copies.
class View::Turn {
 public:
  explicit Turn(View& view) : view_(view) {
    absl::MutexLock lock(&view.mutex_);
    has_it_ = !std::exchange(view.switching_, true);
  }
  ~Turn() {
    if (!has_it_) return;
    absl::MutexLock lock(&view_.mutex_);
    view_.switching_ = false;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  absl::Status status() const {
    if (has_it_) return absl::OkStatus();
    return absl::AbortedError(
        absl::StrCat("a rebuild of view ", view_.projection_.name(), " is under way"));
  }

 private:
  View& view_;
  bool has_it_ = false;
};

absl::StatusOr<std::unique_ptr<View>> View::Open(const EventLog& log, const Projection& projection,
                                                 ViewOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot make ", options.folder));
  auto view = std::unique_ptr<View>(new View(log, projection, std::move(options)));
  const std::string& folder = view->options_.folder;
  ASSIGN_OR_RETURN(const auto found, ReadMarker(folder));
  const ViewMarker marker = MarkerFor(found, projection.version());
  {
    absl::MutexLock lock(&view->mutex_);
    view->marker_ = marker;
  }
  // Also what a rebuild left that a crash cut short.
  RETURN_IF_ERROR(view->RemoveLeftovers());
  if (!found.has_value() || found->live != marker.live) {
    RETURN_IF_ERROR(WriteMarker(folder, marker));
  }
  ASSIGN_OR_RETURN(auto copy, view->OpenCopy(marker.live));
  absl::MutexLock lock(&view->mutex_);
  view->live_ = std::move(copy);
  return view;
}

std::shared_ptr<const ViewCopy> View::live() const {
  absl::MutexLock lock(&mutex_);
  return live_;
}

std::shared_ptr<ViewCopy> View::live() {
  absl::MutexLock lock(&mutex_);
  return live_;
}

absl::StatusOr<std::shared_ptr<ViewCopy>> View::OpenCopy(GenerationId id) const {
  auto copy = std::make_shared<ViewCopy>();
  copy->id = id;
  ASSIGN_OR_RETURN(copy->storage,
                   options_.open_storage(GenerationFolder(options_.folder, id.number),
                                         StorageTables(projection_)));
  ASSIGN_OR_RETURN(copy->runner,
                   Runner::Create(log_, projection_, *copy->storage, options_.runner));
  ASSIGN_OR_RETURN(const uint64_t rewritten, ReadCount(*copy->storage, kRewrittenKey));
  copy->rewritten = rewritten;
  copy->runner->Start();
  return copy;
}

std::vector<uint32_t> View::Partitions() const {
  std::vector<uint32_t> partitions = options_.runner.fold.partitions;
  if (partitions.empty()) {
    for (uint32_t i = 0; i < log_.partition_count(); ++i) partitions.push_back(i);
  }
  return partitions;
}

SwitchProgress View::ProgressOf(const ViewCopy& copy) const {
  SwitchProgress progress{.next = copy.id};
  for (const uint32_t partition : Partitions()) {
    const uint64_t done = copy.runner->AppliedPosition(partition).sequence;
    progress.events_done += done;
    progress.events_total += std::max(done, log_.Head(Ledger::kEvents, partition).sequence);
  }
  return progress;
}

View::Heads View::LogHeads() const {
  Heads heads;
  for (const uint32_t partition : Partitions()) {
    heads.push_back(log_.Head(Ledger::kEvents, partition));
  }
  return heads;
}

// One that was stopped is let go of: its folder may be another's soon.
absl::Status View::GoesOn(const ViewCopy& next, const GoOn& go_on) const {
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return absl::UnavailableError("VIEW_STOPPED: the view does not fold");
  }
  return !go_on || go_on(ProgressOf(next)) ? absl::OkStatus() : GivenUp();
}

absl::Status View::CatchUp(const ViewCopy& copy, const Heads& heads, absl::Time deadline,
                           const GoOn& go_on) const {
  for (const Position& head : heads) {
    while (true) {
      RETURN_IF_ERROR(GoesOn(copy, go_on));
      const absl::Time ask_again = eventstore::SystemClock().Now() + kAskEvery;
      const absl::Status reached = copy.runner->WaitFor(head, std::min(deadline, ask_again));
      if (reached.ok()) break;
      const bool may_come = absl::IsDeadlineExceeded(reached) && ask_again < deadline;
      if (!may_come) return reached;
    }
  }
  return absl::OkStatus();
}

absl::Status View::CheckParked(const ViewCopy& copy) const {
  const std::vector<ParkedRoot> known = live()->runner->ParkedRoots();
  for (const ParkedRoot& parked : copy.runner->ParkedRoots()) {
    const bool was_parked = std::any_of(known.begin(), known.end(), [&](const ParkedRoot& other) {
      return other.root == parked.root;
    });
    if (!was_parked) {
      return absl::FailedPreconditionError(
          absl::StrCat("the new copy of view ", projection_.name(), " parked partition ",
                       parked.first.partition, ", position ", parked.first.sequence));
    }
  }
  return absl::OkStatus();
}

bool View::MustRewrite(const ViewCopy& copy) const {
  return copy.runner->GetStatus().ended_roots > copy.rewritten;
}

absl::Status View::Rewrite(ViewCopy& copy) const {
  const uint64_t ended = copy.runner->GetStatus().ended_roots;
  if (PLANTED_BUG("view-ended-rows-stay")) return absl::OkStatus();
  for (size_t i = 0; i < projection_.tables().size(); ++i) {
    RETURN_IF_ERROR(copy.storage->Compact(ViewTable(i)));
  }
  // Lost in a crash: they are rewritten once more.
  eventstore::StorageBatch batch;
  batch.Put(kRunnerTable, std::string(kRewrittenKey), EncodeCount(ended));
  RETURN_IF_ERROR(copy.storage->Write(batch, Storage::Durability::kUnsynced));
  copy.rewritten = ended;
  return absl::OkStatus();
}

absl::Status View::CleanEnded() {
  if (!MustRewrite(*live())) return absl::OkStatus();
  // It holds rows of theirs, and nobody deletes them.
  RETURN_IF_ERROR(DropPrevious());
  const std::shared_ptr<ViewCopy> copy = live();
  return Rewrite(*copy);
}

absl::Status View::SetNext(std::shared_ptr<ViewCopy> copy) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return absl::UnavailableError("VIEW_STOPPED: the view does not fold");
  next_ = std::move(copy);
  return absl::OkStatus();
}

void View::Stop() {
  std::shared_ptr<ViewCopy> live;
  std::shared_ptr<ViewCopy> next;
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(stopped_, true)) return;
    live = live_;
    next = next_;
  }
  if (next != nullptr) next->runner->Stop();
  live->runner->Stop();
}

ViewMarker View::marker() const {
  absl::MutexLock lock(&mutex_);
  return marker_;
}

absl::Status View::SetMarker(const ViewMarker& marker) {
  RETURN_IF_ERROR(WriteMarker(options_.folder, marker));
  absl::MutexLock lock(&mutex_);
  marker_ = marker;
  return absl::OkStatus();
}

absl::Status View::AwaitClosed(absl::Time deadline, const GoOn& go_on,
                               const SwitchProgress& progress) {
  std::shared_ptr<absl::Notification> retired;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return absl::UnavailableError("VIEW_STOPPED: the view does not fold");
    retired = retired_;
  }
  while (retired != nullptr && !retired->WaitForNotificationWithTimeout(kAskEvery)) {
    if (go_on && !go_on(progress)) return GivenUp();
    if (eventstore::SystemClock().Now() < deadline) continue;
    return absl::DeadlineExceededError("questions still hold the copy to go back to");
  }
  return absl::OkStatus();
}

absl::Status View::SwitchTo(GenerationId id, absl::Time deadline, const GoOn& go_on) {
  ASSIGN_OR_RETURN(auto copy, OpenCopy(id));
  RETURN_IF_ERROR(SetNext(copy));
  const absl::Cleanup forget = [this] {
    absl::MutexLock lock(&mutex_);
    next_.reset();
  };
  RETURN_IF_ERROR(CatchUp(*copy, LogHeads(), deadline, go_on));
  RETURN_IF_ERROR(CheckParked(*copy));
  // It has put and deleted rows of roots that were ended long ago.
  if (MustRewrite(*copy)) {
    RETURN_IF_ERROR(Rewrite(*copy));
    RETURN_IF_ERROR(CatchUp(*copy, LogHeads(), deadline, go_on));
  }
  ASSIGN_OR_RETURN(auto comparison, CompareCopies(*copy, deadline, go_on));
  RETURN_IF_ERROR(CheckParked(*copy));
  RETURN_IF_ERROR(Replace(std::move(copy), deadline, go_on));
  absl::MutexLock lock(&mutex_);
  comparison_ = std::move(comparison);
  return absl::OkStatus();
}

// What somebody read in the copy before, they find in the next: it comes as far while the one
// before stands still.
absl::Status View::Replace(std::shared_ptr<ViewCopy> next, absl::Time deadline, const GoOn& go_on) {
  std::shared_ptr<ViewCopy> before = live();
  before->runner->Pause();
  absl::Cleanup resume = [&before] { before->runner->Resume(); };
  Heads shown;
  for (const uint32_t partition : Partitions()) {
    shown.push_back(before->runner->AppliedPosition(partition));
  }
  if (!PLANTED_BUG("view-switch-goes-back")) {
    RETURN_IF_ERROR(CatchUp(*next, shown, deadline, go_on));
  }
  RETURN_IF_ERROR(GoesOn(*next, nullptr));
  RETURN_IF_ERROR(SetMarker({.live = next->id, .previous = before->id}));
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return absl::UnavailableError("VIEW_STOPPED: the view does not fold");
    live_ = std::move(next);
    retired_ = before->closed.told;
  }
  std::move(resume).Cancel();
  // Who waits for it, or follows it, turns to the next.
  before->runner->Stop();
  return absl::OkStatus();
}

void View::ForgetComparison() {
  absl::MutexLock lock(&mutex_);
  comparison_.reset();
}

absl::Status View::Rebuild(absl::Time deadline, const GoOn& go_on) {
  Turn turn(*this);
  RETURN_IF_ERROR(turn.status());
  ForgetComparison();
  const ViewMarker now = marker();
  uint64_t number = now.live.number;
  if (now.previous.has_value()) number = std::max(number, now.previous->number);
  const GenerationId next{.number = number + 1, .version = projection_.version()};
  const absl::Status switched = SwitchTo(next, deadline, go_on);
  // Removes the copy that was given up, or the one that two switches have left behind. Where a
  // question still holds it open this may fail; the next rebuild or start tries again. Of a view
  // that was stopped the folder may be another's by now.
  if (GoesOn(*live(), nullptr).ok()) RemoveLeftovers().IgnoreError();
  return switched;
}

absl::Status View::Undo(absl::Time deadline, const GoOn& go_on) {
  Turn turn(*this);
  RETURN_IF_ERROR(turn.status());
  ForgetComparison();
  const ViewMarker now = marker();
  if (!CanUndo(now, projection_.version())) {
    return absl::NotFoundError("there is no copy of this version to go back to");
  }
  RETURN_IF_ERROR(AwaitClosed(deadline, go_on, {.next = *now.previous}));
  return SwitchTo(*now.previous, deadline, go_on);
}

absl::Status View::DropPrevious() {
  Turn turn(*this);
  RETURN_IF_ERROR(turn.status());
  const ViewMarker now = marker();
  if (!now.previous.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(SetMarker({.live = now.live}));
  return RemoveLeftovers();
}

absl::Status View::WaitFor(Position position, absl::Time deadline) const {
  while (true) {
    const auto copy = live();
    const absl::Status reached = copy->runner->WaitFor(position, deadline);
    if (!absl::IsUnavailable(reached) || live() == copy) return reached;
  }
}

ViewStatus View::GetStatus() const {
  ViewStatus status;
  std::shared_ptr<ViewCopy> live;
  std::shared_ptr<ViewCopy> next;
  {
    absl::MutexLock lock(&mutex_);
    status.live = marker_.live;
    status.previous = marker_.previous;
    status.comparison = comparison_;
    status.can_undo = CanUndo(marker_, projection_.version()) && !switching_;
    if (switching_) status.switching = SwitchProgress{};
    live = live_;
    next = next_;
  }
  if (next != nullptr) status.switching = ProgressOf(*next);
  const SwitchProgress progress = ProgressOf(*live);
  status.events_done = progress.events_done;
  status.events_total = progress.events_total;
  status.runner = live->runner->GetStatus();
  return status;
}

absl::Status View::RemoveLeftovers() {
  const ViewMarker now = marker();
  std::vector<std::filesystem::path> kept = {GenerationFolder(options_.folder, now.live.number)};
  if (now.previous.has_value()) {
    kept.emplace_back(GenerationFolder(options_.folder, now.previous->number));
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.folder, error)) {
    if (!entry.is_directory(error)) continue;
    if (std::find(kept.begin(), kept.end(), entry.path()) != kept.end()) continue;
    std::filesystem::remove_all(entry.path(), error);
    if (error) break;
  }
  if (error) return absl::UnavailableError("cannot remove an old copy of a view");
  return absl::OkStatus();
}

}  // namespace records::projections
