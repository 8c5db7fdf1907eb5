#include "services/auth/server_credentials.h"

#include <arpa/inet.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "eventstore/status_macros.h"
#include "services/auth/key_files.h"

namespace records::services {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct CertificateDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct PrivateKeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// Certificate tools leave keys behind links, readable by a group.
constexpr SecretFileRule kTlsKeyRule = {.forbidden_mode = S_IRWXO, .follow_links = true};

std::unique_ptr<BIO, BioDeleter> Reader(const std::string& pem) {
  return std::unique_ptr<BIO, BioDeleter>(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// An encrypted key is not asked for on a terminal: it does not parse.
int NoPassword(char*, int, int, void*) { return -1; }

// gRPC would find the same, but say only that the port cannot be opened.
absl::Status CheckPair(const std::string& certificate_pem, const std::string& key_pem,
                       const ListenOptions& options) {
  const std::unique_ptr<X509, CertificateDeleter> certificate(
      PEM_read_bio_X509(Reader(certificate_pem).get(), nullptr, NoPassword, nullptr));
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.tls_certificate_file.string(), " holds no PEM certificate"));
  }
  const std::unique_ptr<EVP_PKEY, PrivateKeyDeleter> key(
      PEM_read_bio_PrivateKey(Reader(key_pem).get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.tls_private_key_file.string(), " holds no unencrypted PEM key"));
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return absl::InvalidArgumentError("the TLS private key is not that of the certificate");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadClientAuthority(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(std::string pem, ReadKeyFile(file));
  const std::unique_ptr<X509, CertificateDeleter> certificate(
      PEM_read_bio_X509(Reader(pem).get(), nullptr, NoPassword, nullptr));
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(file.string(), " holds no PEM certificate"));
  }
  return pem;
}

absl::Status CheckServiceFiles(const ListenOptions& options) {
  if (!options.tls_certificate_file.empty() && !options.tls_private_key_file.empty() &&
      !options.tls_client_ca_file.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "Services show each other certificates, on loopback too. Give --service-certificate, "
      "--service-private-key and --service-ca.");
}

// What the three files hold, in PEM.
struct TlsFiles {
  std::string certificate;
  std::string private_key;
  std::string authority;  // empty: there is no such file
};

absl::StatusOr<TlsFiles> ReadTlsFiles(const ListenOptions& options) {
  TlsFiles files;
  ASSIGN_OR_RETURN(files.certificate, ReadKeyFile(options.tls_certificate_file));
  ASSIGN_OR_RETURN(files.private_key, ReadSecretFile(options.tls_private_key_file, kTlsKeyRule));
  RETURN_IF_ERROR(CheckPair(files.certificate, files.private_key, options));
  if (options.tls_client_ca_file.empty()) return files;
  ASSIGN_OR_RETURN(files.authority, ReadClientAuthority(options.tls_client_ca_file));
  return files;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(
    const ListenOptions& options) {
  if (options.tls_certificate_file.empty() || options.tls_private_key_file.empty()) {
    return absl::InvalidArgumentError(
        "TLS needs both a certificate file and a private key file. Give both.");
  }
  ASSIGN_OR_RETURN(TlsFiles files, ReadTlsFiles(options));
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  if (!options.tls_client_ca_file.empty()) {
    tls.pem_root_certs = std::move(files.authority);
    tls.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  tls.pem_key_cert_pairs.push_back({std::move(files.private_key), std::move(files.certificate)});
  return grpc::SslServerCredentials(tls);
}

}  // namespace

absl::StatusOr<HostAndPort> SplitAddress(absl::string_view address) {
  const absl::Status no_address = absl::InvalidArgumentError(absl::StrCat(
      "\"", address, "\" is no address to listen on. Write host:port, or [host]:port."));
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return no_address;
  uint32_t port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) return no_address;
  absl::string_view host = address.substr(0, colon);
  const bool has_brackets = absl::ConsumePrefix(&host, "[");
  if (has_brackets && !absl::ConsumeSuffix(&host, "]")) return no_address;
  if (host.empty() || (!has_brackets && absl::StrContains(host, ':'))) return no_address;
  return HostAndPort{std::string(host), static_cast<uint16_t>(port)};
}

bool IsLoopbackAddress(absl::string_view address) {
  const absl::StatusOr<HostAndPort> parts = SplitAddress(address);
  if (!parts.ok()) return false;
  if (parts->host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, parts->host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, parts->host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ListenOptions& options, std::shared_ptr<grpc::AuthMetadataProcessor> processor) {
  RETURN_IF_ERROR(SplitAddress(options.address).status());
  const bool has_tls = !options.tls_certificate_file.empty() ||
                       !options.tls_private_key_file.empty() || !options.tls_client_ca_file.empty();
  if (!has_tls && !IsLoopbackAddress(options.address)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "Refused to listen on ", options.address,
        " without TLS: tokens and records would be "
        "readable on the network. Give a certificate and a key, or listen on 127.0.0.1."));
  }
  std::shared_ptr<grpc::ServerCredentials> credentials;
  if (has_tls) {
    ASSIGN_OR_RETURN(credentials, TlsCredentials(options));
  } else {
    credentials = grpc::experimental::LocalServerCredentials(LOCAL_TCP);
  }
  credentials->SetAuthMetadataProcessor(std::move(processor));
  return credentials;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServicePortCredentials(
    const ListenOptions& options, std::shared_ptr<grpc::AuthMetadataProcessor> processor) {
  RETURN_IF_ERROR(SplitAddress(options.address).status());
  RETURN_IF_ERROR(CheckServiceFiles(options));
  ASSIGN_OR_RETURN(auto credentials, TlsCredentials(options));
  credentials->SetAuthMetadataProcessor(std::move(processor));
  return credentials;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeServiceChannelCredentials(
    const ListenOptions& options) {
  RETURN_IF_ERROR(CheckServiceFiles(options));
  ASSIGN_OR_RETURN(TlsFiles files, ReadTlsFiles(options));
  return grpc::SslCredentials({.pem_root_certs = std::move(files.authority),
                               .pem_private_key = std::move(files.private_key),
                               .pem_cert_chain = std::move(files.certificate)});
}

}  // namespace records::services
