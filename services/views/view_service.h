#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "records/api/v1/view_service.grpc.pb.h"
#include "services/runtime/executor.h"
#include "services/runtime/operator_gate.h"
#include "services/runtime/push_reactor.h"
#include "services/views/managed_view.h"

namespace records::services {

// ViewService over gRPC: for who runs the system. A rebuild runs on the bulk executor, and is given
// up when its call ends, its caller may not any more, or the server stops.
//
// Thread-safe; everything given outlives it.
class ViewServiceImpl final : public records::api::v1::ViewService::CallbackService {
 public:
  // How often it is asked again whether the caller of a rebuild may.
  static constexpr absl::Duration kCheckEvery = absl::Seconds(5);

  ViewServiceImpl(OperatorGate& gate, Executor& executor, Executor& bulk_executor,
                  std::vector<ManagedView*> views)
      : gate_(gate), executor_(executor), bulk_executor_(bulk_executor), views_(std::move(views)) {}

  grpc::ServerUnaryReactor* ListViews(grpc::CallbackServerContext* context,
                                      const records::api::v1::ListViewsRequest* request,
                                      records::api::v1::ListViewsResponse* response) override;
  grpc::ServerWriteReactor<records::api::v1::RebuildViewResponse>* RebuildView(
      grpc::CallbackServerContext* context,
      const records::api::v1::RebuildViewRequest* request) override;
  grpc::ServerWriteReactor<records::api::v1::UndoRebuildResponse>* UndoRebuild(
      grpc::CallbackServerContext* context,
      const records::api::v1::UndoRebuildRequest* request) override;

 private:
  using Change = absl::Status (ManagedView::*)(absl::Time deadline, const SwitchTold& told);

  absl::StatusOr<ManagedView*> Find(const std::string& name) const;
  template <typename Response>
  grpc::ServerWriteReactor<Response>* Start(grpc::CallbackServerContext* context,
                                            const char* method, const std::string& view,
                                            Change change);
  // Switches, tells how far it is, and ends the stream.
  template <typename Response>
  void Run(const std::string& name, const AdmittedOperator& caller, absl::Time deadline,
           Change change, PushReactor<Response>& reactor);

  OperatorGate& gate_;
  Executor& executor_;
  Executor& bulk_executor_;
  const std::vector<ManagedView*> views_;
};

}  // namespace records::services
