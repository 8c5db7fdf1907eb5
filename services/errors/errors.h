#pragma once

// Errors as callers see them: google.rpc.Status with one ErrorInfo, and BadRequest or RetryInfo
// where they help (AIP-193).
//
//   return Refusal(absl::StatusCode::kFailedPrecondition, "VERBATIM_REASON_MISSING",
//                  "A verbatim record needs one of the five reasons. Set verbatim_reason.")
//       .With("field", "verbatim_reason");
//
// A handler ends with `return ToGrpcStatus(status)`; nothing else in the tree makes a grpc::Status.

#include <grpcpp/support/status.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace records::services {

// The domain of every ErrorInfo that this project makes.
inline constexpr absl::string_view kErrorDomain = "records";

// Limits that keep message and details together below the 8 KiB of metadata that a gRPC client
// accepts by default (a longer trailer would turn every error into RESOURCE_EXHAUSTED).
inline constexpr size_t kErrorMessageBytesMax = 1024;
inline constexpr size_t kErrorDetailsBytesMax = 4096;
inline constexpr size_t kErrorMetadataBytesMax = 256;  // of one value
inline constexpr size_t kErrorMetadataEntriesMax = 8;
inline constexpr size_t kErrorFieldsMax = 16;

// Builds an absl::Status that carries its details as payloads, one payload for each type, so that
// each type is there at most once. Converts to absl::Status, and so to any StatusOr.
//
// `reason` is a constant [A-Z][A-Z0-9_]+[A-Z0-9] of at most 63 characters; any other is left out
// and the reason of the code is used. `message` says what happened and what to do, and holds
// nothing personal and nothing secret.
class Refusal {
 public:
  Refusal(absl::StatusCode code, absl::string_view reason, absl::string_view message);

  // Adds or replaces one entry of metadata. Keys are lowerCamelCase with the unit in the name.
  // Values are cut to kErrorMetadataBytesMax; entries past kErrorMetadataEntriesMax are left out.
  Refusal& With(absl::string_view key, absl::string_view value) &;
  Refusal&& With(absl::string_view key, absl::string_view value) &&;

  // Adds a wrong field of the request. `field` is its path in the names of the proto file. Fields
  // past kErrorFieldsMax are left out.
  Refusal& Field(absl::string_view field, absl::string_view description) &;
  Refusal&& Field(absl::string_view field, absl::string_view description) &&;

  // Says how long to wait before the same request is tried again.
  Refusal& RetryAfter(absl::Duration delay) &;
  Refusal&& RetryAfter(absl::Duration delay) &&;

  operator absl::Status() const& { return status_; }         // NOLINT(google-explicit-constructor)
  operator absl::Status() && { return std::move(status_); }  // NOLINT(google-explicit-constructor)

 private:
  absl::Status status_;
};

// INVALID_ARGUMENT with reason FIELD_INVALID for one field. More follow with .Field().
Refusal InvalidField(absl::string_view field, absl::string_view description);

// RESOURCE_EXHAUSTED with a RetryInfo.
Refusal Overloaded(absl::string_view reason, absl::string_view message, absl::Duration retry_after);

// The one refusal for what is forbidden and for what is not there. ToGrpcStatus turns every
// kPermissionDenied into these same bytes, so a refusal tells nothing (design: byte-equal
// refusals).
absl::Status PermissionDenied();

// The details of a status, from this process or from a server.
struct ErrorDetails {
  struct FieldViolation {
    std::string field;
    std::string description;
    bool operator==(const FieldViolation&) const = default;
  };
  std::string reason;  // "" when there is none
  std::string domain;
  std::map<std::string, std::string> metadata;
  std::vector<FieldViolation> fields;
  std::optional<absl::Duration> retry_after;
};
ErrorDetails DetailsOf(const absl::Status& status);

// The reason alone; "" when there is none.
std::string ReasonOf(const absl::Status& status);

// One error whose cause the caller is not told. `id` is in the reply, so that an operator finds the
// cause in the log.
struct Incident {
  std::string id;
  absl::Status status;
};
using IncidentHook = std::function<void(const Incident&)>;

// Sets what is called, on the thread of the reply, for each incident. The hook must be thread-safe
// and must not block. Until it is set incidents go to standard error. Thread-safe.
void SetIncidentHook(IncidentHook hook);

// The one translation to the wire. Every error gets exactly one ErrorInfo of kErrorDomain, whose
// reason is that of the code when none was set. kInternal, kUnknown and kDataLoss lose message and
// details and become an incident. kPermissionDenied becomes PermissionDenied(). Foreign payloads
// are dropped. Thread-safe.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The way back, for clients. Details that do not parse are left out. A message "REASON: text"
// without details (all that an authentication refusal can carry in gRPC 1.51) gives its reason too.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace records::services
