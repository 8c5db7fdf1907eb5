#include "eventstore/bus/kafka_settings.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr char kServers[] = "bootstrap.servers";

absl::Status CheckServer(absl::string_view server) {
  const size_t colon = server.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(server.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", server, "\" is not HOST:PORT"));
  }
  return absl::OkStatus();
}

bool IsLoopback(absl::string_view server) {
  const absl::string_view host = server.substr(0, server.rfind(':'));
  return host == "localhost" || host == "[::1]" || absl::StartsWith(host, "127.");
}

bool IsAllowed(absl::string_view name) {
  return name == kServers || name == "security.protocol" || absl::StartsWith(name, "sasl.") ||
         absl::StartsWith(name, "ssl.");
}

bool IsSecret(absl::string_view name) {
  return absl::StrContains(name, "password") || absl::StrContains(name, "key.pem") ||
         absl::StrContains(name, "secret");
}

absl::Status CheckMode(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0 || (file.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat(path, " holds a secret and others may open it: chmod 600 ", path));
}

// Off this machine nothing goes in the clear, nor to whoever has any certificate.
absl::Status CheckTransport(const std::string& path,
                            const std::vector<std::pair<std::string, std::string>>& properties) {
  bool is_remote = false;
  bool is_encrypted = false;
  bool checks_name = true;
  for (const auto& [name, value] : properties) {
    if (name == kServers) {
      for (const absl::string_view server : absl::StrSplit(value, ',')) {
        is_remote = is_remote || !IsLoopback(absl::StripAsciiWhitespace(server));
      }
    }
    const std::string word = absl::AsciiStrToLower(value);
    if (name == "security.protocol") is_encrypted = word == "ssl" || word == "sasl_ssl";
    if (name == "ssl.endpoint.identification.algorithm") checks_name = word != "none";
  }
  if (!is_remote || (is_encrypted && checks_name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path,
                   " names brokers that are not on this machine: security.protocol must be ssl or "
                   "sasl_ssl, and ssl.endpoint.identification.algorithm not none"));
}

}  // namespace

absl::StatusOr<KafkaSettings> KafkaSettings::FromAddress(absl::string_view address) {
  for (const absl::string_view server : absl::StrSplit(address, ',')) {
    RETURN_IF_ERROR(CheckServer(server));
    if (!IsLoopback(server)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", server, "\" is not on this machine: name a settings file with TLS instead"));
    }
  }
  return KafkaSettings({{kServers, std::string(address)}});
}

absl::StatusOr<KafkaSettings> KafkaSettings::FromFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::vector<std::pair<std::string, std::string>> properties;
  bool has_secret = false;
  bool has_servers = false;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text[0] == '#') continue;
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(text, absl::MaxSplits('=', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(parts.first);
    if (!absl::StrContains(text, '=') || !IsAllowed(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ", line ", number,
                       ": only bootstrap.servers, security.protocol, sasl.* and ssl.* stand here"));
    }
    has_secret = has_secret || IsSecret(name);
    has_servers = has_servers || name == kServers;
    properties.emplace_back(name, absl::StripAsciiWhitespace(parts.second));
  }
  if (!has_servers) return absl::InvalidArgumentError(absl::StrCat(path, " has no ", kServers));
  if (has_secret) RETURN_IF_ERROR(CheckMode(path));
  RETURN_IF_ERROR(CheckTransport(path, properties));
  return KafkaSettings(std::move(properties));
}

absl::StatusOr<KafkaSettings> KafkaSettings::FromOptions(absl::string_view address,
                                                         const std::string& file) {
  if (address.empty() == file.empty()) {
    return absl::InvalidArgumentError(
        "the brokers are named by --kafka ADDRESS or by --kafka-settings FILE, one of the two");
  }
  return address.empty() ? FromFile(file) : FromAddress(address);
}

}  // namespace records::eventstore
