#include "projections/view_marker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::projections {
namespace {

constexpr char kFirstLine[] = "records view 1";

absl::Status SyncPath(const std::string& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, "cannot open a view's marker");
  const absl::Cleanup close_file = [file] { close(file); };
  if (fsync(file) != 0) return absl::ErrnoToStatus(errno, "cannot sync a view's marker");
  return absl::OkStatus();
}

std::string MarkerPath(const std::string& view_folder) { return view_folder + "/LIVE"; }

// "live 3 1": name, number, version. Returns false when the line is another.
bool ParseGeneration(const std::string& line, const std::string& name, GenerationId& generation) {
  std::istringstream in(line);
  std::string word, rest;
  return in >> word >> generation.number >> generation.version && word == name && !(in >> rest) &&
         generation.number > 0;
}

std::string TextOf(const ViewMarker& marker) {
  std::string text =
      absl::StrCat(kFirstLine, "\nlive ", marker.live.number, " ", marker.live.version, "\n");
  if (marker.previous.has_value()) {
    absl::StrAppend(&text, "previous ", marker.previous->number, " ", marker.previous->version,
                    "\n");
  }
  return text += "end\n";
}

absl::Status Damaged() {
  return absl::DataLossError("a view's marker is damaged; remove the view's folder to fold anew");
}

}  // namespace

std::string GenerationFolder(const std::string& view_folder, uint64_t number) {
  return absl::StrCat(view_folder, "/g", number);
}

absl::StatusOr<std::optional<ViewMarker>> ReadMarker(const std::string& view_folder) {
  const std::string path = MarkerPath(view_folder);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (error) return absl::UnavailableError("cannot look for a view's marker");
    return std::nullopt;
  }
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  const std::string text = std::move(content).str();
  std::istringstream in(text);
  std::string first, live, previous;
  ViewMarker marker;
  const bool lines =
      std::getline(in, first) && std::getline(in, live) && std::getline(in, previous);
  if (!lines || !ParseGeneration(live, "live", marker.live)) return Damaged();
  GenerationId generation;
  if (ParseGeneration(previous, "previous", generation)) marker.previous = generation;
  // There is one way to write a marker, so whatever is not written so was damaged.
  if (TextOf(marker) != text) return Damaged();
  return marker;
}

absl::Status WriteMarker(const std::string& view_folder, const ViewMarker& marker) {
  const std::string path = MarkerPath(view_folder), next = path + ".next";
  {
    std::ofstream out(next, std::ios::trunc);
    out << TextOf(marker);
    if (!out.flush()) return absl::UnavailableError("cannot write a view's marker");
  }
  RETURN_IF_ERROR(SyncPath(next, O_RDONLY));
  if (std::rename(next.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, "cannot replace a view's marker");
  }
  return SyncPath(view_folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace records::projections
