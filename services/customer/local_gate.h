#pragma once

#include "services/runtime/read_gate.h"
#include "services/runtime/rpc.h"

namespace records::services {

// The gate of a view beside the log. Thread-safe; the backend's parts outlive it.
class LocalGate final : public ReadGate {
 public:
  explicit LocalGate(Backend backend) : backend_(backend) {}

  void Admit(const grpc::ServerContextBase& context, absl::string_view method,
             absl::string_view customer,
             absl::AnyInvocable<void(absl::StatusOr<AdmittedRead>)> done) override;
  void Trace(const AdmittedRead& read, const std::vector<std::string>& categories, uint32_t events,
             absl::AnyInvocable<void(absl::Status)> done) override;
  void Refuse(const AdmittedRead& read, absl::AnyInvocable<void(absl::Status)> done) override;
  absl::StatusOr<bool> StillAdmitted(const AdmittedRead& read) override;
  OpenStreams& streams() override { return backend_.authoriser.streams(); }

 private:
  const Backend backend_;
};

// Whom a caller asked for: as FindCustomer(), with one under whom nothing is for who is absent.
absl::StatusOr<AdmittedRead> FindForRead(const Runtime& runtime, Authorised caller,
                                         absl::string_view customer);

}  // namespace records::services
