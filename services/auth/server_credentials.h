#pragma once

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::services {

// Where a server listens and how its connections are protected. All three files are PEM.
struct ListenOptions {
  std::string address = "127.0.0.1:7400";      // host:port or [host]:port
  std::filesystem::path tls_certificate_file;  // with its chain
  std::filesystem::path tls_private_key_file;  // must not be readable by everybody
  std::filesystem::path tls_client_ca_file;    // when set, clients must have a certificate of it
};

struct HostAndPort {
  std::string host;  // without brackets
  uint16_t port = 0;
};

// Parts of host:port or [host]:port. kInvalidArgument: it has another form.
absl::StatusOr<HostAndPort> SplitAddress(absl::string_view address);

// True for 127.0.0.0/8, ::1 and localhost. False for what is no address.
bool IsLoopbackAddress(absl::string_view address);

// Returns credentials with `processor` in them: TLS when certificate and key are given, else local
// credentials, which gRPC holds to loopback connections. There are no others.
// kInvalidArgument: no address, half of the TLS files, files that do not parse or fit.
// kFailedPrecondition: not on loopback and without TLS, or everybody can read the private key.
// kNotFound, kUnavailable: a file cannot be read.
// The pointers are shared because gRPC's interface is so.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ListenOptions& options, std::shared_ptr<grpc::AuthMetadataProcessor> processor);

// Credentials of the port that services use: TLS, with the certificate of each side verified. All
// three files are needed, on loopback too, and `processor` is told who it is by the connection.
// Errors as MakeServerCredentials().
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServicePortCredentials(
    const ListenOptions& options, std::shared_ptr<grpc::AuthMetadataProcessor> processor);

// Credentials of a service that calls that port: `options` holds its own certificate and key, and
// the authority that the other side's must be of. The address is not looked at. Errors as
// MakeServicePortCredentials().
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeServiceChannelCredentials(
    const ListenOptions& options);

}  // namespace records::services
