#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "projections/view.h"
#include "records/api/v1/view_service.pb.h"

namespace records::services {

// Told how far a switch is; false: it is given up.
using SwitchTold = std::function<bool(const records::api::v1::ViewProgress& progress)>;

// A view that can be looked at, folded anew beside itself, and switched back.
//
// Thread-safe.
class ManagedView {
 public:
  virtual ~ManagedView() = default;
  virtual std::string name() const = 0;
  virtual records::api::v1::View Describe() const = 0;
  // As projections::View::Rebuild() and Undo().
  [[nodiscard]] virtual absl::Status Rebuild(absl::Time deadline, const SwitchTold& told) = 0;
  [[nodiscard]] virtual absl::Status Undo(absl::Time deadline, const SwitchTold& told) = 0;
};

// A view of all partitions, as the server that has the log has it. The view outlives it.
class WholeManagedView final : public ManagedView {
 public:
  WholeManagedView(std::string name, projections::View& view)
      : name_(std::move(name)), view_(view) {}
  std::string name() const override { return name_; }
  records::api::v1::View Describe() const override;
  absl::Status Rebuild(absl::Time deadline, const SwitchTold& told) override;
  absl::Status Undo(absl::Time deadline, const SwitchTold& told) override;

 private:
  const std::string name_;
  projections::View& view_;
};

// What both kinds of view say.
records::api::v1::ViewProgress ProgressFrom(const projections::SwitchProgress& progress);
// All but partitions, and the states of a view that does not answer yet.
records::api::v1::ViewShare ShareFrom(const projections::ViewStatus& status);
// That were not alike at the last switch of copies, where these could be compared.
inline uint64_t RowsDifferent(const projections::ViewStatus& status) {
  const auto& comparison = status.comparison;
  return comparison.has_value() && comparison->problem.ok() ? comparison->different : 0;
}

}  // namespace records::services
