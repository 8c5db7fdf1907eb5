#pragma once

#include "services/runtime/operator_gate.h"
#include "services/runtime/rpc.h"

namespace records::services {

// The gate of a server that has the log: grants and traces are its own. Thread-safe; the backend
// outlives it.
class LocalOperatorGate final : public OperatorGate {
 public:
  explicit LocalOperatorGate(Backend backend) : backend_(backend) {}

  void AdmitOperator(const grpc::ServerContextBase& context, absl::string_view method,
                     absl::AnyInvocable<void(absl::StatusOr<AdmittedOperator>)> done) override;
  absl::Status StillAdmitted(const AdmittedOperator& admitted) override {
    return backend_.authoriser.StillAuthorised(admitted.caller);
  }
  OpenStreams& streams() override { return backend_.authoriser.streams(); }

 private:
  Backend backend_;
};

}  // namespace records::services
