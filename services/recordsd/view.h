#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "eventstore/log.h"
#include "eventstore/rocks_storage.h"
#include "projections/projection.h"
#include "projections/runner.h"

namespace records::services {

// A view's storage and the runner that keeps it up with the log.
struct View {
  std::unique_ptr<eventstore::RocksStorage> storage;
  std::unique_ptr<projections::Runner> runner;
};

// Opens the view below `data_folder`, made when it is absent. A view is derived: one that is
// damaged, of another log or ahead of it is put aside, never repaired, and folded anew from the
// log.
absl::StatusOr<View> OpenView(const std::string& data_folder, const eventstore::EventLog& log,
                              const projections::Projection& projection);

}  // namespace records::services
