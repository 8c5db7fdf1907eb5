#include "services/contact/import_reactor.h"

#include <utility>

namespace records::services {

namespace api = records::api::v1;

ImportReactor::ImportReactor(Backend& backend, const ContactPlans& plans,
                             grpc::CallbackServerContext* context)
    : backend_(backend), plans_(plans) {
  backend_.authoriser.Authorise(
      *context, "records.api.v1.ContactService.ImportContacts", "",
      [this](absl::StatusOr<Authorised> caller) { Begin(std::move(caller)); });
}

void ImportReactor::Begin(absl::StatusOr<Authorised> caller) {
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    if (caller.ok()) {
      caller_ = std::make_shared<const Authorised>(*std::move(caller));
      end = Advance();
    } else {
      finished_ = true;
      end = ToGrpcStatus(caller.status());
    }
  }
  if (end.has_value()) Finish(*end);
}

void ImportReactor::OnReadDone(bool ok) {
  // Each row is a command of its own: the role may have been revoked since the last.
  const absl::Status still = ok ? backend_.authoriser.StillAuthorised(*caller_) : absl::OkStatus();
  std::shared_ptr<Row> row;
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    if (!ok || !still.ok()) {
      input_ended_ = true;
      end_ = still;
    } else {
      row = std::make_shared<Row>();
      row->request = std::move(incoming_);
      rows_.push_back(row);
      ++under_way_;
    }
    end = Advance();
  }
  if (end.has_value()) Finish(*end);
  if (row == nullptr || backend_.runtime.bulk_executor.Run([this, row] { Work(row); })) return;
  Complete(row, ServerBusy());
}

void ImportReactor::Work(std::shared_ptr<Row> row) {
  if (absl::Status cards = RefuseCardNumbers(row->request); !cards.ok())
    return Complete(row, cards);
  // The line is where the row stood in a file: not part of what is recorded.
  api::ImportContactsRequest content = row->request;
  content.clear_line();
  Command command{.caller = *caller_,
                  .request_id = row->request.request_id(),
                  .canonical = CanonicalBytes(content),
                  .planner = [this, row](const eventstore::RequestKey& key) {
                    auto plan = plans_.Import(*caller_, key, row->request);
                    // A registration is a step of its own besides the contact's.
                    row->registers_customer = plan.ok() && plan->steps.size() > 1;
                    return plan;
                  }};
  backend_.commands.Run(std::move(command), [this, row](absl::StatusOr<Outcome> outcome) {
    Complete(row, std::move(outcome));
  });
}

void ImportReactor::Complete(const std::shared_ptr<Row>& row, absl::StatusOr<Outcome> outcome) {
  api::ImportContactsResponse response;
  response.set_request_id(row->request.request_id());
  response.set_line(row->request.line());
  if (outcome.ok()) {
    response.set_seen_before(outcome->repeated);
    response.set_customer_registered(!outcome->repeated && row->registers_customer);
  } else {
    // The one translation, so that a row's refusal reads as a call's would.
    const grpc::Status status = ToGrpcStatus(outcome.status());
    response.set_code(status.error_code());
    response.set_message(status.error_message());
    response.set_reason(ReasonOf(FromGrpcStatus(status)));
  }
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    row->response = std::move(response);
    --under_way_;
    end = Advance();
  }
  if (end.has_value()) Finish(*end);
}

void ImportReactor::OnWriteDone(bool ok) {
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    rows_.pop_front();
    if (!ok) {
      peer_gone_ = true;
      input_ended_ = true;
    }
    end = Advance();
  }
  if (end.has_value()) Finish(*end);
}

std::optional<grpc::Status> ImportReactor::Advance() {
  if (finished_) return std::nullopt;
  if (peer_gone_) {
    // Nobody is left to tell; rows under way still become durable and are seen before next time.
    if (under_way_ > 0 || reading_ || writing_) return std::nullopt;
    finished_ = true;
    return grpc::Status::CANCELLED;
  }
  if (!writing_ && !rows_.empty() && rows_.front()->response.has_value()) {
    writing_ = true;
    StartWrite(&*rows_.front()->response);
  }
  if (!reading_ && !input_ended_ && rows_.size() < kWindow) {
    reading_ = true;
    StartRead(&incoming_);
  }
  if (!input_ended_ || !rows_.empty() || writing_ || reading_) return std::nullopt;
  finished_ = true;
  return ToGrpcStatus(end_);
}

}  // namespace records::services
