#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace records::projections {

// One copy of a view on the disk. Its folder is "g" and the number.
struct GenerationId {
  uint64_t number = 0;   // from 1; never used twice while the view's folder stands
  uint32_t version = 0;  // of the projection that folds it
  friend bool operator==(const GenerationId&, const GenerationId&) = default;
};

// Which copy of a view answers, and which one it can go back to: the file LIVE in the view's
// folder.
struct ViewMarker {
  GenerationId live;
  std::optional<GenerationId> previous;
};

std::string GenerationFolder(const std::string& view_folder, uint64_t number);

// Returns the marker, or nullopt when the view was never opened. kDataLoss: damaged.
absl::StatusOr<std::optional<ViewMarker>> ReadMarker(const std::string& view_folder);

// Replaces the marker: after a crash it is the old one or the new one. Durable when it returns.
[[nodiscard]] absl::Status WriteMarker(const std::string& view_folder, const ViewMarker& marker);

}  // namespace records::projections
