#pragma once

#include <string>

#include "services/policy/method_table.h"
#include "services/remote/ledger_client.h"
#include "services/runtime/operator_gate.h"
#include "services/runtime/read_gate.h"

namespace records::services {

// The gate of a view in another process: the ledger decides who may call and finds whom they mean,
// with the grants of now; what of it may be opened is decided here, by the same register, from the
// roles that the ledger says. Operators are let in by the ledger alone. Without it nothing is
// answered.
//
// Thread-safe. What is given outlives it.
class RemoteGate final : public ReadGate, public OperatorGate {
 public:
  // `register_digest`: of the register that `decisions` was made from.
  RemoteGate(LedgerClient& ledger, const Authenticator& authenticator,
             const DecisionTable& decisions, const MethodTable& methods, Executor& executor,
             const eventstore::Clock& clock, std::string register_digest)
      : ledger_(ledger),
        authenticator_(authenticator),
        decisions_(decisions),
        methods_(methods),
        executor_(executor),
        clock_(clock),
        register_digest_(std::move(register_digest)) {}

  // `done` is called on a thread of the executor, as what follows asks for keys.
  void Admit(const grpc::ServerContextBase& context, absl::string_view method,
             absl::string_view customer,
             absl::AnyInvocable<void(absl::StatusOr<AdmittedRead>)> done) override;
  void Trace(const AdmittedRead& read, const std::vector<std::string>& categories, uint32_t events,
             absl::AnyInvocable<void(absl::Status)> done) override;
  void Refuse(const AdmittedRead& read, absl::AnyInvocable<void(absl::Status)> done) override;
  absl::StatusOr<bool> StillAdmitted(const AdmittedRead& read) override;
  // `done` is called on a thread of the executor.
  void AdmitOperator(const grpc::ServerContextBase& context, absl::string_view method,
                     absl::AnyInvocable<void(absl::StatusOr<AdmittedOperator>)> done) override;
  absl::Status StillAdmitted(const AdmittedOperator& admitted) override;
  OpenStreams& streams() override { return streams_; }

 private:
  // What of the call the ledger judges by.
  template <typename Request>
  void SayWhoCalls(const grpc::ServerContextBase& context, const Caller& caller,
                   absl::string_view method, Request& request) const;
  absl::StatusOr<AdmittedRead> ReadFrom(Caller caller,
                                        const records::api::v1::ResolveRequest& request,
                                        records::api::v1::ResolveResponse answer) const;

  LedgerClient& ledger_;
  const Authenticator& authenticator_;
  const DecisionTable& decisions_;
  const MethodTable& methods_;
  Executor& executor_;
  const eventstore::Clock& clock_;
  const std::string register_digest_;
  OpenStreams streams_;
};

}  // namespace records::services
