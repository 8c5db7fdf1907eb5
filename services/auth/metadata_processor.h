#pragma once

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/support/status.h>

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
  AuthenticationProcessor(const Authenticator& authenticator, RefusalLog& refusals)
      : authenticator_(authenticator), refusals_(refusals) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed_metadata,
                       OutputMetadata* response_metadata) override;

 private:
  const Authenticator& authenticator_;
  RefusalLog& refusals_;
};

}  // namespace records::services
