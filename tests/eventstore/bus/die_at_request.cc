// Kills this process at a step of its talk with brokers, where RECORDS_DIE_AT names one:
// "<key> <moment> <n>" is the n-th request with that API key of Kafka's protocol, and moment one of
// "before" (it is not sent), "after" (it is sent) and "answered" (the answer is here, nobody has
// seen it). librdkafka writes each request with a call of sendmsg(), its header first, and reads
// with recvmsg(): they are these.

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

struct DieAt {
  DieAt() {
    char moment[16] = "";
    const char* text = std::getenv("RECORDS_DIE_AT");
    if (text == nullptr || std::sscanf(text, "%d %15s %d", &key, moment, &left) != 3) return;
    when = std::strcmp(moment, "before") == 0  ? Moment::kBefore
           : std::strcmp(moment, "after") == 0 ? Moment::kAfter
                                               : Moment::kAnswered;
  }

  int key = -1;
  int left = 0;
  Moment when = Moment::kNever;
};

[[noreturn]] void Die() {
  kill(getpid(), SIGKILL);
  while (true) pause();
}

// The API key of the request that begins here; -1: none does.
int KeyOf(const msghdr& message) {
  if (message.msg_iovlen == 0 || message.msg_iov[0].iov_len < 8) return -1;
  size_t size = 0;
  for (size_t i = 0; i < message.msg_iovlen; ++i) size += message.msg_iov[i].iov_len;
  const char* header = static_cast<const char*>(message.msg_iov[0].iov_base);
  uint32_t length;
  uint16_t key;
  std::memcpy(&length, header, sizeof length);
  std::memcpy(&key, header + 4, sizeof key);
  return ntohl(length) + 4 >= size && ntohl(length) < (8u << 20) ? ntohs(key) : -1;
}

const DieAt& Step() {
  static const DieAt step;
  return step;
}

// Whether the request of this call is the one.
bool IsTheStep(const msghdr& message) {
  static std::atomic<int> left = Step().left;
  return Step().when != Moment::kNever && KeyOf(message) == Step().key && left.fetch_sub(1) == 1;
}

std::atomic<int> answering = -1;  // the socket whose next answer nobody will see

}  // namespace

extern "C" ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  const bool is_the_step = IsTheStep(*message);
  if (is_the_step && Step().when == Moment::kBefore) Die();
  if (is_the_step && Step().when == Moment::kAnswered) answering = socket;
  const ssize_t sent = syscall(SYS_sendmsg, socket, message, flags);
  if (is_the_step && Step().when == Moment::kAfter) Die();
  return sent;
}

extern "C" ssize_t recvmsg(int socket, msghdr* message, int flags) {
  const ssize_t received = syscall(SYS_recvmsg, socket, message, flags);
  if (received > 0 && socket == answering) Die();
  return received;
}
