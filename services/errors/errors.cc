#include "services/errors/errors.h"

#include <cstdio>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace records::services {
namespace {

using google::rpc::BadRequest;
using google::rpc::ErrorInfo;
using google::rpc::RetryInfo;

constexpr absl::string_view kPermissionDeniedMessage =
    "This is not there, or your roles and purpose do not open it. "
    "Ask your administrator if you need it for your work.";

template <typename Detail>
std::string TypeUrl() {
  return absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name());
}

// The same message gives the same bytes, maps included.
std::string Serialise(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

template <typename Detail>
std::optional<Detail> GetDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Detail>());
  Detail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

template <typename Detail>
void SetDetail(absl::Status& status, const Detail& detail) {
  status.SetPayload(TypeUrl<Detail>(), absl::Cord(Serialise(detail)));
}

bool IsUpperDigitOrUnderscore(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// AIP-193: [A-Z][A-Z0-9_]+[A-Z0-9], at most 63 characters.
bool IsReason(absl::string_view text) {
  if (text.size() < 3 || text.size() > 63 || text.back() == '_') return false;
  if (text.front() < 'A' || text.front() > 'Z') return false;
  for (char c : text) {
    if (!IsUpperDigitOrUnderscore(c)) return false;
  }
  return true;
}

absl::string_view Cut(absl::string_view text, size_t limit) { return text.substr(0, limit); }

// A proto string must be UTF-8 and a status may hold any bytes: what is not printable ASCII becomes
// '?', which also keeps line ends and terminal codes out of logs and screens.
std::string Printable(absl::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) >= 0x80 || c == 0x7F ||
        static_cast<unsigned char>(c) < 0x20) {
      c = '?';
    }
  }
  return result;
}

struct HookHolder {
  absl::Mutex mutex;
  IncidentHook hook ABSL_GUARDED_BY(mutex);
};

HookHolder& Hook() {
  static HookHolder* holder = new HookHolder;  // lives as long as the process
  return *holder;
}

void Report(const Incident& incident) {
  IncidentHook hook;
  {
    absl::MutexLock lock(&Hook().mutex);
    hook = Hook().hook;
  }
  if (hook) {
    hook(incident);
    return;
  }
  absl::FPrintF(stderr, "incident %s: %s\n", incident.id,
                incident.status.ToString(absl::StatusToStringMode::kWithNoExtraData));
}

// Replaces what the caller may not read by the number of an incident, which is reported.
absl::Status Opaque(const absl::Status& status) {
  absl::BitGen generator;
  Incident incident{absl::StrFormat("%016x", absl::Uniform<uint64_t>(generator)), status};
  Report(incident);
  const std::string reason = ReasonOf(status);
  return Refusal(status.code(), reason,
                 absl::StrCat("The server failed. Tell the operator incident ", incident.id, "."))
      .With("incident", incident.id);
}

bool IsOpaque(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

// Splits "REASON: text", the form of a refusal that could carry no details.
std::string ReasonPrefix(absl::string_view message) {
  const size_t colon = message.find(": ");
  if (colon == absl::string_view::npos || !IsReason(message.substr(0, colon))) return "";
  return std::string(message.substr(0, colon));
}

// Layers below have no details: they say "REASON: text". An overload without a delay gets one.
absl::Status Detailed(const absl::Status& status) {
  const std::string reason = ReasonPrefix(status.message());
  const bool overload = absl::IsResourceExhausted(status) && !GetDetail<RetryInfo>(status);
  if (!ReasonOf(status).empty() || (reason.empty() && !overload)) return status;
  const absl::string_view text =
      reason.empty() ? status.message() : status.message().substr(reason.size() + 2);
  Refusal refusal(status.code(), reason, text);
  if (overload) refusal.RetryAfter(absl::Seconds(1));
  return refusal;
}

// What the caller may see of `status`.
absl::Status Visible(const absl::Status& status) {
  if (IsOpaque(status.code())) return Opaque(status);
  if (status.code() == absl::StatusCode::kPermissionDenied) return PermissionDenied();
  return Detailed(status);
}

template <typename Detail>
void Pack(const Detail& detail, google::rpc::Status& wire) {
  google::protobuf::Any& any = *wire.add_details();
  any.set_type_url(TypeUrl<Detail>());
  any.set_value(Serialise(detail));
}

// The details of `status`, always with an ErrorInfo, at most kErrorDetailsBytesMax bytes.
google::rpc::Status Wire(const absl::Status& status, const std::string& message) {
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(message);
  ErrorInfo info = GetDetail<ErrorInfo>(status).value_or(ErrorInfo());
  if (info.reason().empty()) info.set_reason(absl::StatusCodeToString(status.code()));
  info.set_domain(std::string(kErrorDomain));
  Pack(info, wire);
  if (auto retry = GetDetail<RetryInfo>(status)) Pack(*retry, wire);
  if (auto fields = GetDetail<BadRequest>(status)) {
    const size_t used = wire.ByteSizeLong();
    while (fields->field_violations_size() > 0 &&
           used + fields->ByteSizeLong() + 64 > kErrorDetailsBytesMax) {
      fields->mutable_field_violations()->RemoveLast();
    }
    if (fields->field_violations_size() > 0) Pack(*fields, wire);
  }
  return wire;
}

}  // namespace

Refusal::Refusal(absl::StatusCode code, absl::string_view reason, absl::string_view message)
    : status_(code, Cut(message, kErrorMessageBytesMax)) {
  ErrorInfo info;
  if (IsReason(reason)) info.set_reason(std::string(reason));
  info.set_domain(std::string(kErrorDomain));
  SetDetail(status_, info);
}

Refusal& Refusal::With(absl::string_view key, absl::string_view value) & {
  ErrorInfo info = GetDetail<ErrorInfo>(status_).value_or(ErrorInfo());
  const std::string name = Printable(Cut(key, 64));
  const bool is_new = info.metadata().count(name) == 0;
  if (is_new && static_cast<size_t>(info.metadata_size()) >= kErrorMetadataEntriesMax) return *this;
  (*info.mutable_metadata())[name] = Printable(Cut(value, kErrorMetadataBytesMax));
  SetDetail(status_, info);
  return *this;
}

Refusal&& Refusal::With(absl::string_view key, absl::string_view value) && {
  return std::move(With(key, value));
}

Refusal& Refusal::Field(absl::string_view field, absl::string_view description) & {
  BadRequest request = GetDetail<BadRequest>(status_).value_or(BadRequest());
  if (static_cast<size_t>(request.field_violations_size()) >= kErrorFieldsMax) return *this;
  BadRequest::FieldViolation& violation = *request.add_field_violations();
  violation.set_field(Printable(Cut(field, kErrorMetadataBytesMax)));
  violation.set_description(Printable(Cut(description, kErrorMessageBytesMax)));
  SetDetail(status_, request);
  return *this;
}

Refusal&& Refusal::Field(absl::string_view field, absl::string_view description) && {
  return std::move(Field(field, description));
}

Refusal& Refusal::RetryAfter(absl::Duration delay) & {
  const absl::Duration positive = std::max(delay, absl::ZeroDuration());
  const absl::Duration bounded = std::min(positive, absl::Hours(24));
  RetryInfo retry;
  absl::Duration rest;
  retry.mutable_retry_delay()->set_seconds(absl::IDivDuration(bounded, absl::Seconds(1), &rest));
  retry.mutable_retry_delay()->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(rest)));
  SetDetail(status_, retry);
  return *this;
}

Refusal&& Refusal::RetryAfter(absl::Duration delay) && { return std::move(RetryAfter(delay)); }

Refusal InvalidField(absl::string_view field, absl::string_view description) {
  return Refusal(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                 absl::StrCat(field, ": ", description))
      .Field(field, description);
}

Refusal Overloaded(absl::string_view reason, absl::string_view message,
                   absl::Duration retry_after) {
  return Refusal(absl::StatusCode::kResourceExhausted, reason, message).RetryAfter(retry_after);
}

absl::Status PermissionDenied() {
  return Refusal(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
                 kPermissionDeniedMessage);
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  if (auto info = GetDetail<ErrorInfo>(status)) {
    details.reason = info->reason();
    details.domain = info->domain();
    details.metadata.insert(info->metadata().begin(), info->metadata().end());
  }
  if (auto request = GetDetail<BadRequest>(status)) {
    for (const auto& violation : request->field_violations()) {
      details.fields.push_back({violation.field(), violation.description()});
    }
  }
  if (auto retry = GetDetail<RetryInfo>(status)) {
    details.retry_after = absl::Seconds(retry->retry_delay().seconds()) +
                          absl::Nanoseconds(retry->retry_delay().nanos());
  }
  return details;
}

std::string ReasonOf(const absl::Status& status) {
  return GetDetail<ErrorInfo>(status).value_or(ErrorInfo()).reason();
}

void SetIncidentHook(IncidentHook hook) {
  absl::MutexLock lock(&Hook().mutex);
  Hook().hook = std::move(hook);
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const absl::Status visible = Visible(status);
  const std::string message = Printable(Cut(visible.message(), kErrorMessageBytesMax));
  return grpc::Status(static_cast<grpc::StatusCode>(visible.code()), message,
                      Serialise(Wire(visible, message)));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status wire;
  if (wire.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : wire.details()) {
      const bool known = any.type_url() == TypeUrl<ErrorInfo>() ||
                         any.type_url() == TypeUrl<BadRequest>() ||
                         any.type_url() == TypeUrl<RetryInfo>();
      if (known) result.SetPayload(any.type_url(), absl::Cord(any.value()));
    }
  }
  const std::string reason = ReasonPrefix(status.error_message());
  if (ReasonOf(result).empty() && !reason.empty()) {
    ErrorInfo info;
    info.set_reason(reason);
    info.set_domain(std::string(kErrorDomain));
    SetDetail(result, info);
  }
  return result;
}

}  // namespace records::services
