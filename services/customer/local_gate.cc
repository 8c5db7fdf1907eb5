#include "services/customer/local_gate.h"

#include <utility>

#include "eventstore/status_macros.h"
#include "services/customer/customers.h"

namespace records::services {

absl::StatusOr<AdmittedRead> FindForRead(const Runtime& runtime, Authorised caller,
                                         absl::string_view customer) {
  ASSIGN_OR_RETURN(const CustomerOrStandIn found, FindOrStandIn(runtime, customer));
  return AdmittedRead{.caller = std::move(caller),
                      .asked_for = std::string(customer),
                      .whom = found.entry,
                      .absent = found.absent};
}

void LocalGate::Admit(const grpc::ServerContextBase& context, absl::string_view method,
                      absl::string_view customer,
                      absl::AnyInvocable<void(absl::StatusOr<AdmittedRead>)> done) {
  backend_.authoriser.Authorise(context, method, customer,
                                [this, customer = std::string(customer), done = std::move(done)](
                                    absl::StatusOr<Authorised> caller) mutable {
                                  if (!caller.ok()) return done(caller.status());
                                  done(FindForRead(backend_.runtime, *std::move(caller), customer));
                                });
}

void LocalGate::Trace(const AdmittedRead& read, const std::vector<std::string>& categories,
                      uint32_t events, absl::AnyInvocable<void(absl::Status)> done) {
  backend_.tracer.Trace(read.whom, kCustomers, TraceOf(read.caller, categories, events),
                        std::move(done));
}

void LocalGate::Refuse(const AdmittedRead& read, absl::AnyInvocable<void(absl::Status)> done) {
  backend_.authoriser.Refuse(read.caller, read.asked_for, std::move(done));
}

absl::StatusOr<bool> LocalGate::StillAdmitted(const AdmittedRead& read) {
  RETURN_IF_ERROR(backend_.authoriser.StillAuthorised(read.caller));
  return !backend_.runtime.keys.IsFenced(read.whom.subject);
}

}  // namespace records::services
