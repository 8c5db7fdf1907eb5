#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "records/api/v1/contact_service.pb.h"
#include "services/contact/contact_plans.h"
#include "services/runtime/rpc.h"

namespace records::services {

// One call of ImportContacts. Rows are worked on side by side, at most kWindow at once, and
// acknowledged in order, each when it is durable. Deletes itself when the call is over and no row
// is under way any more.
class ImportReactor final
    : public grpc::ServerBidiReactor<records::api::v1::ImportContactsRequest,
                                     records::api::v1::ImportContactsResponse> {
 public:
  static constexpr size_t kWindow = 256;

  ImportReactor(Backend& backend, const ContactPlans& plans, grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  // A row under way; `response` is set when its outcome is known.
  struct Row {
    records::api::v1::ImportContactsRequest request;
    std::optional<records::api::v1::ImportContactsResponse> response;
    bool registers_customer = false;  // what its plan came to
  };

  void Begin(absl::StatusOr<Authorised> caller);
  void Work(std::shared_ptr<Row> row);
  void Complete(const std::shared_ptr<Row>& row, absl::StatusOr<Outcome> outcome);
  // Starts the next write and the next read, where one can be started. Returns the status to finish
  // with at the end: outside the lock, since this object may be gone as soon as it is finished.
  // With none it may be gone too, once what was started here is done.
  std::optional<grpc::Status> Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Backend& backend_;
  const ContactPlans& plans_;
  std::shared_ptr<const Authorised> caller_;

  absl::Mutex mutex_;
  records::api::v1::ImportContactsRequest incoming_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Row>> rows_ ABSL_GUARDED_BY(mutex_);
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool input_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool peer_gone_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
