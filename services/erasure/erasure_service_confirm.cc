// The part of ErasureService that systems call which take work streams.

#include <utility>

#include "eventstore/status_macros.h"
#include "services/erasure/erasure_service.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;

absl::Status UnknownRecord() {
  return InvalidField("reference", "must be the value of an Erased record of this work stream");
}

}  // namespace

absl::Status ErasureServiceImpl::FillConfirmations(const ErasureEntry& entry,
                                                   api::Erasure& erasure) const {
  // What a restore replays was told when it was decided first, and is not told again.
  const bool is_told = entry.ground != ev::ERASURE_GROUND_REPLAYED;
  std::set<std::string> awaited = is_told ? taken_streams_ : std::set<std::string>();
  for (const ErasureConfirmation& one : entry.confirmations) {
    awaited.erase(one.stream);
    api::ErasureConfirmation& confirmation = *erasure.add_confirmations();
    confirmation.set_stream(one.stream);
    ASSIGN_OR_RETURN(*confirmation.mutable_confirmed_by(), NameOf(one.confirmed_by));
    confirmation.set_confirmed_at_us(absl::ToUnixMicros(one.confirmed_at));
  }
  for (const std::string& stream : awaited) erasure.add_awaited_streams(stream);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ErasureEntry>> ErasureServiceImpl::FindTold(
    absl::string_view stream, absl::string_view reference) {
  const Runtime& runtime = backend_.runtime;
  const auto told = runtime.work.OpenReference(stream, reference);
  if (!told.ok() || !told->erased) return std::nullopt;
  const auto stored = runtime.log.ReadAt(eventstore::Ledger::kEvents, told->position);
  // The reference is ours, and the log is not as long any more, or has another event there: it was
  // restored.
  if (absl::IsNotFound(stored.status())) return std::nullopt;
  RETURN_IF_ERROR(stored.status());
  ev::SubjectErasureDecided decided;
  if (stored->event.type() != ev::SubjectErasureDecided::descriptor()->full_name() ||
      !decided.ParseFromString(stored->event.facts())) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const ErasureId erasure, ErasureId::FromBytes(decided.erasure()));
  RETURN_IF_ERROR(register_.Refresh());
  return register_.Find(erasure);
}

absl::StatusOr<Plan> ErasureServiceImpl::Confirm(const Authorised& caller,
                                                 const api::ConfirmErasureRequest& request) {
  ASSIGN_OR_RETURN(const std::optional<ErasureEntry> entry,
                   FindTold(caller.work_stream, request.reference()));
  if (!entry.has_value()) return UnknownRecord();
  // The record is on the streams from the decision on: until the fence more may be written, opened
  // and published about the subject, and a word given now would not hold.
  if (!backend_.runtime.keys.IsFenced(entry->subject)) {
    return Refusal(absl::StatusCode::kUnavailable, "ERASURE_BEGINS",
                   "The subject is not fenced yet. Drop what has come since, then confirm again.")
        .RetryAfter(absl::Seconds(1));
  }
  for (const ErasureConfirmation& one : entry->confirmations) {
    if (one.stream != caller.work_stream || one.confirmed_by != caller.staff.subject) continue;
    return Refusal(absl::StatusCode::kFailedPrecondition, "ALREADY_CONFIRMED",
                   "You have confirmed this erasure on this work stream before.");
  }
  auto confirmed = std::make_unique<ev::ErasureConfirmed>();
  confirmed->set_erasure(std::string(entry->id.bytes()));
  confirmed->set_stream(caller.work_stream);
  return Note(caller, std::move(confirmed));
}

grpc::ServerUnaryReactor* ErasureServiceImpl::ConfirmErasure(
    grpc::CallbackServerContext* context, const api::ConfirmErasureRequest* request,
    api::ConfirmErasureResponse* response) {
  return HandleCommand<api::ConfirmErasureRequest, api::ConfirmErasureResponse>(
      backend_, context, request, response,
      {.method = "records.api.v1.ErasureService.ConfirmErasure",
       .asked_for = "",
       .work_stream = request->stream(),
       .planning = Planning::kMayWait,
       .plan = [this, request](const Authorised& caller,
                               const eventstore::RequestKey&) { return Confirm(caller, *request); },
       .reply = [](const Authorised&, const Outcome&,
                   api::ConfirmErasureResponse&) { return absl::OkStatus(); }});
}

}  // namespace records::services
