#include "projections/partitioned_view.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eventstore/clock.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "projections/partitioned_view_holder.h"

namespace records::projections {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::Position;

namespace {

// What may pass by itself; anything else is said of what lies on the disk, or of the log.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsCancelled(status) || absl::IsPermissionDenied(status) ||
         absl::IsNotFound(status) || absl::IsDeadlineExceeded(status);
}

absl::Time Now() { return eventstore::SystemClock().Now(); }

GoOn For(uint32_t partition, const PartitionGoOn& go_on) {
  if (!go_on) return nullptr;
  return [partition, &go_on](const SwitchProgress& progress) { return go_on(partition, progress); };
}

}  // namespace

PartitionedView::PartitionedView(const EventLog& log, const Projection& projection,
                                 PartitionedViewOptions options)
    : log_(log), projection_(projection), options_(std::move(options)) {
  thread_ = std::thread([this] { Run(); });
}

PartitionedView::~PartitionedView() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  absl::btree_map<uint32_t, Held> held;
  {
    absl::MutexLock lock(&mutex_);
    held.swap(held_);
  }
  for (auto& [partition, one] : held) {
    if (one.view != nullptr) one.view->Stop();
  }
}

std::string PartitionedView::FolderOf(uint32_t partition) const {
  return absl::StrFormat("%s/p%02d", options_.folder, partition);
}

absl::Status PartitionedView::Remove(uint32_t partition) const {
  std::error_code error;
  std::filesystem::remove_all(FolderOf(partition), error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot remove partition ", partition, " of view ", projection_.name()));
}

absl::Status PartitionedView::KeepOnly(absl::Span<const uint32_t> partitions) {
  absl::Status result;
  for (uint32_t partition = 0; partition < log_.partition_count(); ++partition) {
    if (std::find(partitions.begin(), partitions.end(), partition) != partitions.end()) continue;
    result.Update(Release(partition));
  }
  return result;
}

absl::Status PartitionedView::Acquire(uint32_t partition) {
  if (partition >= log_.partition_count()) {
    return absl::InvalidArgumentError(absl::StrCat("the log has no partition ", partition));
  }
  absl::MutexLock lock(&mutex_);
  const auto settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto it = held_.find(partition);
    return it == held_.end() || !it->second.letting_go;
  };
  mutex_.Await(absl::Condition(&settled));
  Held& held = held_[partition];
  if (held.use == nullptr) {
    held.use = std::make_shared<Use>();
  } else if (std::exchange(held.suspended, false)) {
    // Others may have had it meanwhile, and come further.
    ++held.acquisition;
    held.target.reset();
    held.state = State::kOpening;
    held.retry_at = absl::InfinitePast();
  }
  acquired_ = true;
  return absl::OkStatus();
}

void PartitionedView::Suspend(uint32_t partition) {
  absl::MutexLock lock(&mutex_);
  if (const auto it = held_.find(partition); it != held_.end()) it->second.suspended = true;
}

absl::Status PartitionedView::Release(uint32_t partition) {
  std::shared_ptr<View> view;
  std::shared_ptr<Use> use;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = held_.find(partition);
    if (it == held_.end()) return Remove(partition);  // from before
    if (std::exchange(it->second.letting_go, true)) return absl::OkStatus();
    const auto at_rest = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return !held_.at(partition).in_work;
    };
    mutex_.Await(absl::Condition(&at_rest));
    view = std::move(held_.at(partition).view);
    use = held_.at(partition).use;
  }
  if (options_.on_letting_go) options_.on_letting_go(partition);
  if (view != nullptr) view->Stop();
  bool free = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto unused = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return use->count == 0; };
    free = mutex_.AwaitWithTimeout(absl::Condition(&unused), options_.release_wait);
  }
  view.reset();
  const absl::Status removed = Remove(partition);
  absl::MutexLock lock(&mutex_);
  held_.erase(partition);
  RETURN_IF_ERROR(removed);
  if (free) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("a copy of partition ", partition, " was held for too long"));
}

void PartitionedView::Run() {
  while (true) {
    std::vector<uint32_t> partitions;
    {
      absl::MutexLock lock(&mutex_);
      const auto hurry = [this]()
                             ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || acquired_; };
      mutex_.AwaitWithTimeout(absl::Condition(&hurry), options_.look_wait);
      if (stopping_) return;
      acquired_ = false;
      for (const auto& [partition, held] : held_) partitions.push_back(partition);
    }
    for (const uint32_t partition : partitions) Look(partition);
  }
}

void PartitionedView::Look(uint32_t partition) {
  std::shared_ptr<View> view;
  bool open = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = held_.find(partition);
    if (it == held_.end() || it->second.letting_go || stopping_) return;
    Held& held = it->second;
    view = held.view;
    open = view == nullptr || !held.target.has_value();
    if (open && Now() < held.retry_at) return;
    // A store is not opened while somebody still reads it.
    if (view == nullptr && held.use->count > 0) return;
    held.in_work = true;
  }
  if (open) {
    Open(partition);
  } else {
    Watch(partition, *view);
  }
  view.reset();
  absl::MutexLock lock(&mutex_);
  held_.at(partition).in_work = false;
}

void PartitionedView::Watch(uint32_t partition, View& view) {
  const auto copy = view.live();
  const RunnerStatus status = copy->runner->GetStatus();
  const Position applied = copy->runner->AppliedPosition(partition);
  const bool failed = status.state == RunnerStatus::State::kFailed ||
                      (status.state == RunnerStatus::State::kStalled && !MayPass(status.error));
  {
    absl::MutexLock lock(&mutex_);
    Held& held = held_.at(partition);
    if (failed) {
      held.view.reset();
      Fail(held, status.error);
    } else if (held.target.has_value() && applied >= *held.target) {
      held.state = State::kReady;
      held.error = absl::OkStatus();
    }
  }
  if (!failed) return Clean(partition, view);
  if (options_.on_letting_go) options_.on_letting_go(partition);
  view.Stop();
}

void PartitionedView::Clean(uint32_t partition, View& view) {
  {
    absl::MutexLock lock(&mutex_);
    if (Now() < held_.at(partition).clean_at) return;
  }
  if (view.CleanEnded().ok()) return;
  // A rebuild is under way, or there is no room.
  absl::MutexLock lock(&mutex_);
  held_.at(partition).clean_at = Now() + options_.retry_wait;
}

void PartitionedView::Fail(Held& held, absl::Status why) {
  held.state = State::kFailed;
  held.error = std::move(why);
  held.retry_at = Now() + options_.retry_wait;
}

void PartitionedView::Open(uint32_t partition) {
  bool is_open = false;
  uint64_t acquisition = 0;
  {
    absl::MutexLock lock(&mutex_);
    const Held& held = held_.at(partition);
    is_open = held.view != nullptr;
    acquisition = held.acquisition;
  }
  bool folded_anew = false;
  absl::StatusOr<std::unique_ptr<View>> view = nullptr;
  // Where it must come to before it answers: whoever had it before may have come as far.
  const auto head = log_.FindHead(Ledger::kEvents, partition);
  if (!head.ok()) {
    view = head.status();
  } else if (!is_open) {
    view = OpenView(partition, folded_anew);
  }
  absl::MutexLock lock(&mutex_);
  Held& held = held_.at(partition);
  held.folded_anew += folded_anew ? 1 : 0;
  if (!view.ok()) return Fail(held, view.status());
  if (!is_open) held.view = *std::move(view);
  // Lost and acquired again meanwhile: the head may be another one.
  if (held.acquisition != acquisition) return;
  held.target = *head;
  held.state = State::kCatchingUp;
}

absl::StatusOr<std::unique_ptr<View>> PartitionedView::OpenView(uint32_t partition,
                                                                bool& folded_anew) const {
  ViewOptions options{.folder = FolderOf(partition),
                      .open_storage = options_.open_storage,
                      .runner = options_.runner};
  options.runner.fold.partitions = {partition};
  auto view = View::Open(log_, projection_, options);
  if (view.ok() || MayPass(view.status())) return view;
  // Nothing is lost: the log has it all.
  RETURN_IF_ERROR(Remove(partition));
  folded_anew = true;
  return View::Open(log_, projection_, std::move(options));
}

absl::Status PartitionedView::CheckReady(uint32_t partition) const {
  const auto it = held_.find(partition);
  if (it == held_.end() || it->second.letting_go || it->second.suspended) {
    return absl::UnavailableError(
        absl::StrCat("VIEW_NOT_HERE: partition ", partition, " is not served here"));
  }
  switch (it->second.state) {
    case State::kReady:
      return absl::OkStatus();
    case State::kFailed:
      return absl::UnavailableError(absl::StrCat("VIEW_FAILED: ", it->second.error.message()));
    case State::kCatchingUp:
      if (PLANTED_BUG("partition-answers-at-once")) return absl::OkStatus();
      break;
    case State::kOpening:
      break;
  }
  return absl::UnavailableError(
      absl::StrCat("VIEW_CATCHING_UP: partition ", partition, " does not answer yet"));
}

absl::StatusOr<std::shared_ptr<PartitionedView::Holder>> PartitionedView::Hold(uint32_t partition) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(CheckReady(partition));
  const Held& held = held_.at(partition);
  return std::make_shared<Holder>(*this, held.view, held.use);
}

absl::StatusOr<std::shared_ptr<ViewCopy>> PartitionedView::Live(uint32_t partition) {
  ASSIGN_OR_RETURN(auto holder, Hold(partition));
  ViewCopy* copy = holder->copy();
  return std::shared_ptr<ViewCopy>(std::move(holder), copy);
}

absl::Status PartitionedView::WaitUntilReady(uint32_t partition, absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto it = held_.find(partition);
    return it == held_.end() || it->second.letting_go || it->second.suspended ||
           it->second.state == State::kReady;
  };
  if (mutex_.AwaitWithDeadline(absl::Condition(&settled), deadline)) return CheckReady(partition);
  return absl::DeadlineExceededError(CheckReady(partition).message());
}

std::vector<uint32_t> PartitionedView::HeldPartitions() const {
  std::vector<uint32_t> partitions;
  absl::MutexLock lock(&mutex_);
  for (const auto& [number, held] : held_) partitions.push_back(number);
  return partitions;
}

absl::Status PartitionedView::ForEach(
    const std::vector<uint32_t>& partitions,
    absl::FunctionRef<absl::Status(View&, uint32_t partition)> change) {
  for (const uint32_t number : partitions) {
    ASSIGN_OR_RETURN(const auto holder, Hold(number));
    RETURN_IF_ERROR(change(holder->view(), number));
  }
  return absl::OkStatus();
}

absl::Status PartitionedView::Rebuild(std::optional<uint32_t> partition, absl::Time deadline,
                                      const PartitionGoOn& go_on) {
  const auto partitions = partition.has_value() ? std::vector{*partition} : HeldPartitions();
  return ForEach(partitions, [&](View& view, uint32_t number) {
    return view.Rebuild(deadline, For(number, go_on));
  });
}

absl::Status PartitionedView::Undo(std::optional<uint32_t> partition, absl::Time deadline,
                                   const PartitionGoOn& go_on) {
  const auto partitions = partition.has_value() ? std::vector{*partition} : HeldPartitions();
  size_t undone = 0;
  absl::Status nothing = absl::UnavailableError("VIEW_NOT_HERE: no partition is served here");
  const absl::Status result = ForEach(partitions, [&](View& view, uint32_t number) {
    const absl::Status undo = view.Undo(deadline, For(number, go_on));
    if (undo.ok()) ++undone;
    if (!absl::IsNotFound(undo)) return undo;
    nothing = undo;
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(result);
  return undone == 0 ? nothing : absl::OkStatus();
}

}  // namespace records::projections
