#include "tools/bench/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace records::bench {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

absl::StatusOr<uint16_t> FindFreePort() {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0) return absl::UnavailableError("no socket is to be had");
  const absl::Cleanup close_it = [file] { close(file); };
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (bind(file, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return absl::UnavailableError("no port is to be had");
  }
  return ntohs(address.sin_port);
}

absl::StatusOr<std::string> HttpGet(uint16_t port, const std::string& path) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0) return absl::UnavailableError("no socket is to be had");
  const absl::Cleanup close_it = [file] { close(file); };
  const sockaddr_in address = Loopback(port);
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  if (connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      send(file, request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size())) {
    return absl::UnavailableError(absl::StrCat("nobody answers on port ", port));
  }
  std::string answer;
  char buffer[16'384];
  for (ssize_t got = 0; (got = recv(file, buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  return answer;
}

}  // namespace records::bench
