// Kills this process at a step of its talk with brokers, where RECORDS_DIE_AT names one:
// "<key> <moment> <commits>" is the first request with that API key of Kafka's protocol once so
// many commits (EndTxn) have been asked for, and moment one of "before" (it is not sent), "after"
// (it is sent) and "answered" (its answer is here, nobody has seen it). librdkafka writes each
// request with a call of sendmsg(), its header first, and reads with recvmsg(), the header of an
// answer by itself: they are these.

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum class Moment { kNever, kBefore, kAfter, kAnswered };

constexpr int kEndTxn = 26;

struct DieAt {
  DieAt() {
    char moment[16] = "";
    const char* text = std::getenv("RECORDS_DIE_AT");
    if (text == nullptr || std::sscanf(text, "%d %15s %d", &key, moment, &commits) != 3) return;
    when = std::strcmp(moment, "before") == 0  ? Moment::kBefore
           : std::strcmp(moment, "after") == 0 ? Moment::kAfter
                                               : Moment::kAnswered;
  }

  int key = -1;
  int commits = 0;
  Moment when = Moment::kNever;
};

[[noreturn]] void Die() {
  kill(getpid(), SIGKILL);
  while (true) pause();
}

// What stands at the beginning of a request: length, API key, version, correlation.
struct Header {
  int key = -1;  // no request begins here
  uint32_t correlation = 0;
};

Header HeaderOf(const msghdr& message) {
  Header header;
  if (message.msg_iovlen == 0 || message.msg_iov[0].iov_len < 12) return header;
  size_t size = 0;
  for (size_t i = 0; i < message.msg_iovlen; ++i) size += message.msg_iov[i].iov_len;
  const char* bytes = static_cast<const char*>(message.msg_iov[0].iov_base);
  uint32_t length;
  uint16_t key;
  std::memcpy(&length, bytes, sizeof length);
  std::memcpy(&key, bytes + 4, sizeof key);
  std::memcpy(&header.correlation, bytes + 8, sizeof header.correlation);
  if (ntohl(length) + 4 >= size && ntohl(length) < (8u << 20)) header.key = ntohs(key);
  return header;
}

const DieAt& Step() {
  static const DieAt step;
  return step;
}

// Whether the request is the one: the first that is.
bool IsTheStep(const Header& header) {
  static std::atomic<int> commits = 0;
  static std::atomic<bool> was = false;
  if (Step().when == Moment::kNever) return false;
  const bool is_due = commits >= Step().commits;
  if (header.key == kEndTxn) ++commits;
  return is_due && header.key == Step().key && !was.exchange(true);
}

// The answer that nobody will see.
std::atomic<int> answering = -1;  // its socket
std::atomic<uint32_t> awaited = 0;

bool IsAwaited(int socket, const msghdr& message, ssize_t received) {
  if (socket != answering || received < 8 || message.msg_iov[0].iov_len < 8) return false;
  uint32_t correlation;
  std::memcpy(&correlation, static_cast<const char*>(message.msg_iov[0].iov_base) + 4,
              sizeof correlation);
  return correlation == awaited;
}

}  // namespace

extern "C" ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  const Header header = HeaderOf(*message);
  const bool is_the_step = IsTheStep(header);
  if (is_the_step && Step().when == Moment::kBefore) Die();
  if (is_the_step && Step().when == Moment::kAnswered) {
    awaited = header.correlation;
    answering = socket;
  }
  const ssize_t sent = syscall(SYS_sendmsg, socket, message, flags);
  if (is_the_step && Step().when == Moment::kAfter) Die();
  return sent;
}

extern "C" ssize_t recvmsg(int socket, msghdr* message, int flags) {
  const ssize_t received = syscall(SYS_recvmsg, socket, message, flags);
  if (IsAwaited(socket, *message, received)) Die();
  return received;
}
