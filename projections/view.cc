#include "projections/view.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "eventstore/rocks_storage.h"
#include "eventstore/status_macros.h"

namespace records::projections {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::Position;
using eventstore::RocksMode;
using eventstore::RocksStorage;
using eventstore::RocksStorageOptions;
using eventstore::Storage;

StorageOpener RocksViewStorage(size_t block_cache_bytes, ViewLayout layout) {
  return [block_cache_bytes, layout](
             const std::string& folder,
             const std::vector<std::string>& tables) -> absl::StatusOr<std::unique_ptr<Storage>> {
    const bool by_root = layout == ViewLayout::kByRoot;
    RocksStorageOptions options;
    options.path = folder;
    options.mode = RocksMode::kCreate;
    options.block_cache_bytes = block_cache_bytes;
    for (size_t i = 0; i < tables.size(); ++i) {
      eventstore::RocksTable table{.name = tables[i]};
      // The first is the runner's own: each question asks it for its root, which is hardly there.
      if (i == 0) {
        table.point_lookups = true;
      } else if (by_root) {
        table.ascending_prefix_bytes = eventstore::kIdSize;
      }
      options.tables.push_back(std::move(table));
    }
    ASSIGN_OR_RETURN(auto storage, RocksStorage::Open(std::move(options)));
    return std::unique_ptr<Storage>(std::move(storage));
  };
}

absl::StatusOr<std::unique_ptr<View>> View::Open(const EventLog& log, const Projection& projection,
                                                 ViewOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot make ", options.folder));
  auto view = std::unique_ptr<View>(new View(log, projection, std::move(options)));
  absl::MutexLock lock(&view->switching_);
  const std::string& folder = view->options_.folder;
  ASSIGN_OR_RETURN(const auto found, ReadMarker(folder));
  const uint32_t version = projection.version();
  ViewMarker marker = found.value_or(ViewMarker{.live = {.number = 1, .version = version}});
  if (marker.live.version != version) {
    uint64_t highest = marker.live.number;
    GenerationId next{.version = version};
    if (marker.previous.has_value()) {
      highest = std::max(highest, marker.previous->number);
      if (marker.previous->version == version) next = *marker.previous;
    }
    if (next.number == 0) next.number = highest + 1;
    marker = {.live = next, .previous = marker.live};
  }
  view->marker_ = marker;
  RETURN_IF_ERROR(view->RemoveLeftovers());
  if (!found.has_value() || found->live != marker.live) {
    RETURN_IF_ERROR(WriteMarker(folder, marker));
  }
  ASSIGN_OR_RETURN(auto copy, view->OpenCopy(marker.live));
  absl::MutexLock live_lock(&view->mutex_);
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
  copy->runner->Start();
  return copy;
}

absl::Status View::CatchUp(const ViewCopy& copy, absl::Time deadline) const {
  std::vector<uint32_t> partitions = options_.runner.fold.partitions;
  if (partitions.empty()) {
    for (uint32_t i = 0; i < log_.partition_count(); ++i) partitions.push_back(i);
  }
  for (const uint32_t partition : partitions) {
    const Position head = log_.Head(Ledger::kEvents, partition);
    RETURN_IF_ERROR(copy.runner->WaitFor(head, deadline));
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

absl::Status View::SwitchTo(GenerationId id, absl::Time deadline) {
  ASSIGN_OR_RETURN(auto copy, OpenCopy(id));
  RETURN_IF_ERROR(SetNext(copy));
  const absl::Cleanup forget = [this] {
    absl::MutexLock lock(&mutex_);
    next_.reset();
  };
  RETURN_IF_ERROR(CatchUp(*copy, deadline));
  RETURN_IF_ERROR(CheckParked(*copy));
  const ViewMarker marker{.live = id, .previous = marker_.live};
  RETURN_IF_ERROR(WriteMarker(options_.folder, marker));
  marker_ = marker;
  // The copy before is closed outside the lock, when the last question that holds it ends.
  absl::MutexLock lock(&mutex_);
  live_.swap(copy);
  return absl::OkStatus();
}

absl::Status View::Rebuild(absl::Time deadline) {
  absl::MutexLock lock(&switching_);
  uint64_t number = marker_.live.number;
  if (marker_.previous.has_value()) number = std::max(number, marker_.previous->number);
  const GenerationId next{.number = number + 1, .version = projection_.version()};
  const absl::Status switched = SwitchTo(next, deadline);
  // Removes the copy that was given up, or the one that two switches have left behind. Where a
  // question still holds it open this may fail; the next rebuild or start tries again.
  RemoveLeftovers().IgnoreError();
  return switched;
}

absl::Status View::Undo(absl::Time deadline) {
  absl::MutexLock lock(&switching_);
  if (!marker_.previous.has_value() || marker_.previous->version != projection_.version()) {
    return absl::FailedPreconditionError("there is no copy of this version to go back to");
  }
  return SwitchTo(*marker_.previous, deadline);
}

absl::Status View::DropPrevious() {
  absl::MutexLock lock(&switching_);
  if (!marker_.previous.has_value()) return absl::OkStatus();
  const ViewMarker marker{.live = marker_.live};
  RETURN_IF_ERROR(WriteMarker(options_.folder, marker));
  marker_ = marker;
  return RemoveLeftovers();
}

absl::Status View::RemoveLeftovers() {
  std::vector<std::filesystem::path> kept = {
      GenerationFolder(options_.folder, marker_.live.number)};
  if (marker_.previous.has_value()) {
    kept.emplace_back(GenerationFolder(options_.folder, marker_.previous->number));
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
