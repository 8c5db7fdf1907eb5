#include "services/auth/metadata_processor.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

constexpr absl::string_view kMetadataTooLarge = "METADATA_TOO_LARGE";
constexpr absl::string_view kServiceUnknown = "SERVICE_UNKNOWN";

// Methods that say nothing about records. Whole paths: nothing else of those services is open.
constexpr absl::string_view kOpenMethods[] = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
};

// Empty: none, or several.
absl::string_view PathOf(const CallMetadata& metadata) {
  if (metadata.count(":path") != 1) return "";
  const grpc::string_ref path = metadata.find(":path")->second;
  return {path.data(), path.size()};
}

bool IsOpenMethod(absl::string_view path) {
  return std::find(std::begin(kOpenMethods), std::end(kOpenMethods), path) !=
         std::end(kOpenMethods);
}

// gRPC 1.51 holds a client to the limit it announced only once the client has confirmed it, and
// takes up to 16 MiB from one that never does.
bool IsTooLarge(const CallMetadata& metadata) {
  size_t bytes = 0;
  for (const auto& [name, value] : metadata) bytes += name.size() + value.size();
  return bytes > kMetadataBytesMax;
}

std::string FirstProperty(const grpc::AuthContext& context, const char* name) {
  const auto values = context.FindPropertyValues(name);
  return values.empty() ? "" : std::string(values[0].data(), values[0].size());
}

// Local credentials refuse every connection that is not over loopback, so the transport tells.
bool IsLocalTransport(const grpc::AuthContext& context) {
  return FirstProperty(context, "transport_security_type") == "local";
}

// The peer as far as it is known here: the address is not.
std::string PeerName(const grpc::AuthContext& context) {
  if (IsLocalTransport(context)) return "loopback";
  const std::string certificate = FirstProperty(context, "x509_common_name");
  return certificate.empty() ? "unknown" : certificate;
}

}  // namespace

grpc::Status AuthenticationProcessor::Process(const InputMetadata& metadata,
                                              grpc::AuthContext* context,
                                              OutputMetadata* /*consumed_metadata*/,
                                              OutputMetadata* /*response_metadata*/) {
  if (IsTooLarge(metadata)) {
    refusals_.Record(PeerName(*context), kMetadataTooLarge);
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat(kMetadataTooLarge, ": The metadata of a call has at most ",
                                     kMetadataBytesMax, " bytes. Send less."));
  }
  const absl::string_view path = PathOf(metadata);
  if (IsOpenMethod(path)) return grpc::Status::OK;
  const absl::Status status =
      authenticator_.Authenticate(metadata, IsLocalTransport(*context)).status();
  // Whoever the caller is.
  if (status.ok() && service_paths_.contains(path)) return ToGrpcStatus(PermissionDenied());
  if (status.ok()) return grpc::Status::OK;
  const std::string reason = ReasonOf(status);
  refusals_.Record(PeerName(*context), reason);
  return ToGrpcStatus(Refusal(status.code(), reason, absl::StrCat(reason, ": ", status.message())));
}

grpc::Status ServiceProcessor::Process(const InputMetadata& metadata, grpc::AuthContext* context,
                                       OutputMetadata* /*consumed_metadata*/,
                                       OutputMetadata* /*response_metadata*/) {
  const absl::StatusOr<std::string> view = ViewOf(*context);
  if (!view.ok()) {
    refusals_.Record(PeerName(*context), kServiceUnknown);
    return ToGrpcStatus(view.status());
  }
  if (service_paths_.contains(PathOf(metadata))) return grpc::Status::OK;
  return ToGrpcStatus(PermissionDenied());
}

absl::StatusOr<std::string> ViewOf(const grpc::AuthContext& context) {
  std::string view;
  int names = 0;
  for (const grpc::string_ref& value : context.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    absl::string_view uri(value.data(), value.size());
    ++names;
    if (absl::ConsumePrefix(&uri, kViewUri)) view = std::string(uri);
  }
  if (names == 1 && !view.empty()) return view;
  return Refusal(absl::StatusCode::kUnauthenticated, kServiceUnknown,
                 absl::StrCat(kServiceUnknown,
                              ": A service shows a certificate with one URI, urn:records:view: and "
                              "the name of its view."));
}

}  // namespace records::services
