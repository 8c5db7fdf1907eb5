#include "services/recordsd/connection_acceptor.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/auth/server_credentials.h"

namespace records::services {
namespace {

// As many as may wait in the kernel, and as many as are taken before the others get a turn.
constexpr int kBacklog = 512;
// Files of two databases, views, anchors and their copies, and what a backup opens.
constexpr size_t kDescriptorsForFiles = 1024;

bool IsWantOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

std::optional<ino_t> SocketOf(int descriptor) {
  struct stat state;
  if (fstat(descriptor, &state) != 0 || !S_ISSOCK(state.st_mode)) return std::nullopt;
  return state.st_ino;
}

struct AddressesDeleter {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};

absl::StatusOr<std::unique_ptr<addrinfo, AddressesDeleter>> Resolve(const std::string& address) {
  ASSIGN_OR_RETURN(const HostAndPort parts, SplitAddress(address));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(parts.host.c_str(), absl::StrCat(parts.port).c_str(), &hints, &found);
  if (error == 0) return std::unique_ptr<addrinfo, AddressesDeleter>(found);
  return absl::InvalidArgumentError(
      absl::StrCat("cannot listen on ", address, ": ", gai_strerror(error), ". Use --listen."));
}

int PortOf(int listener) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                           : reinterpret_cast<sockaddr_in&>(bound).sin_port);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  Reset();
  number_ = other.Release();
  return *this;
}

void Descriptor::Reset() {
  if (number_ >= 0) close(std::exchange(number_, -1));
}

size_t ConnectionsThatFit(size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  const size_t descriptors = limit.rlim_cur;
  const size_t fit =
      descriptors > 2 * kDescriptorsForFiles ? descriptors - kDescriptorsForFiles : descriptors / 2;
  return std::min(wanted, fit);
}

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Listen(
    const std::string& address, size_t connections_max) {
  auto acceptor = std::unique_ptr<ConnectionAcceptor>(new ConnectionAcceptor(connections_max));
  RETURN_IF_ERROR(acceptor->Bind(address));
  acceptor->wake_ = Descriptor(eventfd(0, EFD_CLOEXEC));
  acceptor->spare_ = Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (acceptor->wake_.get() >= 0 && acceptor->spare_.get() >= 0) return acceptor;
  return absl::ResourceExhaustedError("no descriptors left. Raise the limit (ulimit -n).");
}

absl::Status ConnectionAcceptor::Bind(const std::string& address) {
  ASSIGN_OR_RETURN(const auto addresses, Resolve(address));
  const int on = 1;
  listener_ = Descriptor(
      socket(addresses->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  // A restart need not wait for connections of before; a second server is refused all the same.
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Accepted connections have it from the listener.
  setsockopt(listener_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (bind(listener_.get(), addresses->ai_addr, addresses->ai_addrlen) == 0 &&
      listen(listener_.get(), kBacklog) == 0) {
    port_ = PortOf(listener_.get());
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", strerror(errno),
                                             ". Is another server running? Use --listen."));
}

void ConnectionAcceptor::Start(
    std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server) {
  server_ = std::move(server);
  thread_ = std::thread([this] { Run(); });
}

void ConnectionAcceptor::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  // Cannot fail: the counter of the event is far from its end.
  if (write(wake_.get(), &one, sizeof(one)) < 0) return;
  thread_.join();
  listener_.Reset();
}

void ConnectionAcceptor::Run() {
  pollfd waits[] = {{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                    {.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  while (true) {
    if (poll(waits, std::size(waits), -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    AcceptAll();
  }
}

void ConnectionAcceptor::AcceptAll() {
  for (int taken = 0; taken < kBacklog; ++taken) {
    Descriptor connection(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.get() >= 0) {
      HandOver(std::move(connection));
    } else if (IsWantOfDescriptors(errno)) {
      TurnAway();
    } else if (errno != ECONNABORTED && errno != EINTR) {
      return;
    }
  }
}

void ConnectionAcceptor::HandOver(Descriptor connection) {
  if (handed_over_.size() >= connections_max_) ForgetClosed();
  const std::optional<ino_t> socket = SocketOf(connection.get());
  if (!socket.has_value() || handed_over_.size() >= connections_max_) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  handed_over_.push_back({connection.get(), *socket});
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = -1;
  parameters.fd = connection.Release();
  server_->HandleNewConnection(&parameters);
}

void ConnectionAcceptor::TurnAway() {
  spare_.Reset();
  if (Descriptor(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)).get() >= 0) {
    refused_.fetch_add(1, std::memory_order_relaxed);
  }
  spare_ = Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

void ConnectionAcceptor::ForgetClosed() {
  std::erase_if(handed_over_, [](const HandedOver& connection) {
    return SocketOf(connection.descriptor) != connection.socket;
  });
}

}  // namespace records::services
