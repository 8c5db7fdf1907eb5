#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/log.h"
#include "projections/projection.h"
#include "projections/view.h"

namespace records::services {

// Opens the view below `data_folder`, made when it is absent, and folds. A view is derived: one
// that is damaged, of another log or ahead of it is put aside, never repaired, and folded anew from
// the log.
absl::StatusOr<std::unique_ptr<projections::View>> OpenView(
    const std::string& data_folder, const eventstore::EventLog& log,
    const projections::Projection& projection, const projections::RunnerOptions& runner = {},
    projections::ViewLayout layout = projections::ViewLayout::kPlain);

// Removes what lies beside the folders of the views that are open, by their names: views put aside,
// and those of a server that served more. Derived data, folded anew when it is served again. For an
// erasure: nobody would delete their rows. kUnavailable: a folder cannot be read or removed.
[[nodiscard]] absl::Status DropUnopenedViews(const std::string& data_folder,
                                             const std::vector<std::string>& open);

}  // namespace records::services
