#include "services/views/local_operator_gate.h"

#include <memory>
#include <utility>

#include "services/runtime/administration.h"

namespace records::services {

void LocalOperatorGate::AdmitOperator(
    const grpc::ServerContextBase& context, absl::string_view method,
    absl::AnyInvocable<void(absl::StatusOr<AdmittedOperator>)> done) {
  auto shared = std::make_shared<decltype(done)>(std::move(done));
  auto traced = [shared](absl::StatusOr<Authorised> caller) {
    if (!caller.ok()) return (*shared)(caller.status());
    (*shared)(AdmittedOperator{.caller = *std::move(caller)});
  };
  backend_.authoriser.Authorise(context, method, "", TraceCaller(backend_, std::move(traced)));
}

}  // namespace records::services
