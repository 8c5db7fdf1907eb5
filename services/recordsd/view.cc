#include "services/recordsd/view.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/recordsd/logging.h"

namespace records::services {
namespace {

constexpr size_t kBlockCacheBytes = size_t{64} << 20;

absl::StatusOr<std::unique_ptr<projections::View>> TryOpen(
    const std::filesystem::path& folder, const eventstore::EventLog& log,
    const projections::Projection& projection, const projections::RunnerOptions& runner,
    projections::ViewLayout layout) {
  return projections::View::Open(
      log, projection,
      {.folder = folder.string(),
       .open_storage = projections::RocksViewStorage(kBlockCacheBytes, layout),
       .runner = runner});
}

std::filesystem::path ViewsFolder(const std::string& data_folder) {
  return std::filesystem::path(data_folder) / "views";
}

bool IsMendedByFoldingAnew(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsOutOfRange(status) ||
         absl::IsFailedPrecondition(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<projections::View>> OpenView(
    const std::string& data_folder, const eventstore::EventLog& log,
    const projections::Projection& projection, const projections::RunnerOptions& runner,
    projections::ViewLayout layout) {
  const auto views = ViewsFolder(data_folder);
  const auto folder = views / projection.name();
  std::error_code error;
  std::filesystem::create_directories(views, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot make ", views.string()));
  auto view = TryOpen(folder, log, projection, runner, layout);
  if (view.ok() || !IsMendedByFoldingAnew(view.status())) return view;
  const auto aside = views / absl::StrCat(projection.name(), ".put-aside");
  Log(LogLevel::kWarn, "view_put_aside",
      {{"view", projection.name()}, {"why", std::string(view.status().message())}});
  std::filesystem::remove_all(aside, error);
  std::filesystem::rename(folder, aside, error);
  if (error) return view.status();
  return TryOpen(folder, log, projection, runner, layout);
}

absl::Status DropUnopenedViews(const std::string& data_folder,
                               const std::vector<std::string>& open) {
  std::error_code error;
  std::vector<std::filesystem::path> unopened;
  for (const auto& entry : std::filesystem::directory_iterator(ViewsFolder(data_folder), error)) {
    const std::string name = entry.path().filename().string();
    if (std::find(open.begin(), open.end(), name) == open.end()) unopened.push_back(entry.path());
  }
  for (const auto& folder : unopened) {
    if (!error) std::filesystem::remove_all(folder, error);
  }
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot remove views that are not served: ", error.message()));
}

}  // namespace records::services
