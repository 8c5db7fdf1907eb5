#pragma once

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/support/status.h>

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/auth/caller.h"
#include "services/auth/rate_limiter.h"

namespace records::services {

// Names and values of one call's metadata: a token (kTokenBytesMax) and room.
inline constexpr size_t kMetadataBytesMax = 16 * 1024;

// Lets no call reach its handler without a token that is in force. Health and reflection need none.
//
// Thread-safe; never blocks. Authenticator and refusals must outlive the server. Only for local or
// TLS credentials: with InsecureServerCredentials gRPC 1.51 aborts the process;
// MakeServerCredentials gives the right ones.
//
// The caller is not put into the AuthContext (see Authenticator), and the token is not consumed:
// the handler needs it to know who calls. gRPC sends nothing but code and message from here, so the
// message starts with "REASON: ".
class AuthenticationProcessor final : public grpc::AuthMetadataProcessor {
 public:
  // `service_paths` are on the port of services only, and so are refused here.
  AuthenticationProcessor(const Authenticator& authenticator, RefusalLog& refusals,
                          absl::flat_hash_set<std::string> service_paths = {})
      : authenticator_(authenticator),
        refusals_(refusals),
        service_paths_(std::move(service_paths)) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed_metadata,
                       OutputMetadata* response_metadata) override;

 private:
  const Authenticator& authenticator_;
  RefusalLog& refusals_;
  const absl::flat_hash_set<std::string> service_paths_;
};

// Lets nothing but calls of `service_paths` through to the port of services, whose credentials have
// verified the certificate of each connection. Who it is of is read by ViewOf().
//
// Thread-safe; never blocks.
class ServiceProcessor final : public grpc::AuthMetadataProcessor {
 public:
  ServiceProcessor(absl::flat_hash_set<std::string> service_paths, RefusalLog& refusals)
      : service_paths_(std::move(service_paths)), refusals_(refusals) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed_metadata,
                       OutputMetadata* response_metadata) override;

 private:
  const absl::flat_hash_set<std::string> service_paths_;
  RefusalLog& refusals_;
};

// What the subject alternative name of a view's certificate begins with; the view's name follows.
inline constexpr absl::string_view kViewUri = "urn:records:view:";

// The view that a connection's certificate is of. kUnauthenticated (SERVICE_UNKNOWN): none, or
// several. Whether the certificate is to be believed is for the credentials of the port, so that
// this means something on the port of services only.
[[nodiscard]] absl::StatusOr<std::string> ViewOf(const grpc::AuthContext& context);

}  // namespace records::services
