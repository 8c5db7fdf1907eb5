#include "tools/bench/load.h"

#include <time.h>

#include <algorithm>
#include <cerrno>

#include <grpcpp/security/credentials.h>

#include "tools/bench/open_load.h"

namespace records::bench {

void LoadResult::Merge(const LoadResult& other) {
  calls += other.calls;
  all_calls += other.all_calls;
  errors += other.errors;
  if (first_error.empty()) first_error = other.first_error;
  last_counted = std::max(last_counted, other.last_counted);
  wall = std::max(wall, other.wall);
  latency.Merge(other.latency);
}

std::shared_ptr<grpc::Channel> MakeLocalChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Each thread a connection of its own: channels to one address would else share one.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(16 << 20);
  return grpc::CreateCustomChannel(address, grpc::experimental::LocalCredentials(LOCAL_TCP),
                                   arguments);
}

namespace internal {

void AddIdentity(const CallIdentity& identity, grpc::ClientContext& context) {
  context.AddMetadata("authorization", identity.token);
  context.AddMetadata("purpose", identity.purpose);
}

void Window::Count(absl::Time started, absl::Time now, const grpc::Status& status,
                   LoadResult& into) const {
  if (!status.ok()) {
    if (into.errors++ == 0) into.first_error = status.error_message();
    return;
  }
  ++into.all_calls;
  if (now < from_ || (now >= until_ && into.calls > 0)) return;
  into.last_counted = now;
  ++into.calls;
  into.latency.Record(now - started);
}

void SleepUntil(absl::Time time) {
  const timespec until = absl::ToTimespec(time);
  while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace internal
}  // namespace records::bench
