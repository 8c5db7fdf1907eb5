#pragma once

#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "records/api/v1/ledger_service.pb.h"
#include "records/policy/v1/register.pb.h"
#include "services/ledger/key_releases.h"
#include "services/policy/method_table.h"
#include "services/runtime/rpc.h"

namespace records::services {

// What the ledger does for views in processes of their own: it decides, finds, leases keys and
// leaves the traces, so that such a process holds no grants, no directory and no key for longer
// than a lease. `view` is whose certificate the connection showed.
//
// Thread-safe. What is given outlives it. Messages live until `finish` was called.
class ViewBacking {
 public:
  // References, tokens or names of one call, at most.
  static constexpr int kItemsMax = 256;

  // `steady`: how long released keys are waited for.
  ViewBacking(Backend backend, const records::policy::v1::Register& reg, const MethodTable& methods,
              const eventstore::Clock& steady);

  // Each fails with kPermissionDenied for a view that there is not, and as the proto says.
  absl::Status Introduce(absl::string_view view,
                         const records::api::v1::IntroduceViewRequest& request,
                         records::api::v1::IntroduceViewResponse& response) const;
  void Resolve(absl::string_view view, const records::api::v1::ResolveRequest& request,
               records::api::v1::ResolveResponse& response,
               std::function<void(absl::Status)> finish);
  void AdmitOperator(absl::string_view view, const records::api::v1::AdmitOperatorRequest& request,
                     std::function<void(absl::Status)> finish);
  absl::Status ReleaseKeys(absl::string_view view,
                           const records::api::v1::ReleaseKeysRequest& request,
                           records::api::v1::ReleaseKeysResponse& response);
  void TraceRead(absl::string_view view, const records::api::v1::TraceReadRequest& request,
                 std::function<void(absl::Status)> finish);
  absl::Status ExchangeTokens(absl::string_view view,
                              const records::api::v1::ExchangeTokensRequest& request,
                              records::api::v1::ExchangeTokensResponse& response) const;
  absl::Status NameStaff(absl::string_view view, const records::api::v1::NameStaffRequest& request,
                         records::api::v1::NameStaffResponse& response) const;

  // For erasures: whether no other process can hold a key of a fenced subject.
  [[nodiscard]] bool ReleasesEnded(const eventstore::SubjectId& subject) const {
    return releases_.Ended(subject);
  }

 private:
  using Categories = absl::flat_hash_set<uint32_t>;

  absl::StatusOr<const Categories*> CategoriesOf(absl::string_view view) const;
  absl::Status CheckRegister(const std::string& digest) const;
  template <typename Request>
  absl::StatusOr<Caller> CallerOf(const Request& request) const;
  absl::Status Answer(absl::string_view view, const Authorised& caller, const std::string& customer,
                      records::api::v1::ResolveResponse& response) const;
  absl::StatusOr<records::api::v1::ReleasedKey> Release(const std::string& view,
                                                        const Categories& categories,
                                                        const std::string& reference);

  Backend backend_;
  const MethodTable& methods_;
  const std::string register_digest_;
  absl::flat_hash_map<std::string, Categories> views_;
  KeyReleases releases_;
};

}  // namespace records::services
