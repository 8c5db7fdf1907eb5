#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_unary_call.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/bench/histogram.h"

namespace records::bench {

// Set by ^C: every generator stops at its next call.
inline std::atomic<bool> interrupted = false;

// What every call carries.
struct CallIdentity {
  std::string token;
  std::string purpose = "service-delivery";
};

struct LoadOptions {
  std::string address;
  CallIdentity identity;
  int in_flight = 64;  // calls under way, in all
  uint64_t calls = 0;  // of each thread, then it ends; 0: no limit
  int threads = 2;     // each with a connection and a completion queue of its own
  absl::Duration warm_up = absl::Seconds(1);
  absl::Duration duration = absl::Seconds(3);
  uint64_t seed = 1;
};

// What a generator saw between the end of the warm-up and the end.
struct LoadResult {
  uint64_t calls = 0;      // answered with OK
  uint64_t all_calls = 0;  // with those of the warm-up
  uint64_t errors = 0;
  std::string first_error;
  absl::Time last_counted = absl::InfinitePast();
  absl::Duration wall;
  Histogram latency;  // of calls answered with OK

  double Rate() const { return static_cast<double>(calls) / absl::ToDoubleSeconds(wall); }
  void Merge(const LoadResult& other);
};

// A connection of its own, as recordsctl makes it on loopback: local credentials.
std::shared_ptr<grpc::Channel> MakeLocalChannel(const std::string& address);

// One unary method: how a request is made, and how a call of it is started on a queue.
template <typename Request, typename Response>
struct UnaryMethod {
  using Reader = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>;
  // Makes the call's request. Called from each thread with its own generator.
  std::function<void(std::mt19937_64& random, Request& request)> fill;
  // Gives a function that starts calls on `channel`.
  std::function<std::function<Reader(grpc::ClientContext*, const Request&, grpc::CompletionQueue*)>(
      const std::shared_ptr<grpc::Channel>& channel)>
      connect;
};

namespace internal {

// More errors than this end a run.
inline constexpr uint64_t kErrorsMax = 100;

void AddIdentity(const CallIdentity& identity, grpc::ClientContext& context);

// Counts what lies between the two times of a run.
class Window {
 public:
  explicit Window(const LoadOptions& options)
      : from_(absl::Now() + options.warm_up), until_(from_ + options.duration) {}
  bool IsOver(absl::Time now) const { return now >= until_ || interrupted.load(); }
  // Counts a call that ended in the window, and the first whenever it comes: on a machine that is
  // not quick enough for the window a rate is still one.
  void Count(absl::Time started, absl::Time now, const grpc::Status& status,
             LoadResult& into) const;
  // From the end of the warm-up to the end, or to a first call that came later.
  absl::Duration Length(const LoadResult& result) const {
    return std::max(until_, result.last_counted) - from_;
  }

 private:
  const absl::Time from_;
  const absl::Time until_;
};

template <typename Request, typename Response>
struct CallSlot {
  std::optional<grpc::ClientContext> context;
  Request request;
  Response response;
  grpc::Status status;
  typename UnaryMethod<Request, Response>::Reader reader;
  absl::Time started;
};

// One thread of a closed loop: `in_flight` calls, each followed by the next.
template <typename Request, typename Response>
LoadResult RunClosedThread(const LoadOptions& options, const UnaryMethod<Request, Response>& method,
                           const Window& window, int in_flight, uint64_t seed) {
  LoadResult result;
  std::mt19937_64 random(seed);
  grpc::CompletionQueue queue;
  const auto start_call = method.connect(MakeLocalChannel(options.address));
  std::vector<CallSlot<Request, Response>> slots(static_cast<size_t>(in_flight));
  const auto start = [&](CallSlot<Request, Response>& slot) {
    method.fill(random, slot.request);
    slot.context.emplace();
    AddIdentity(options.identity, *slot.context);
    slot.started = absl::Now();
    slot.reader = start_call(&*slot.context, slot.request, &queue);
    slot.reader->Finish(&slot.response, &slot.status, &slot);
  };
  uint64_t started = 0;
  int under_way = 0;
  for (auto& slot : slots) {
    if (options.calls > 0 && started == options.calls) break;
    start(slot);
    ++started;
    ++under_way;
  }
  void* tag = nullptr;
  bool ok = false;
  while (under_way > 0 && queue.Next(&tag, &ok)) {
    auto& slot = *static_cast<CallSlot<Request, Response>*>(tag);
    const absl::Time now = absl::Now();
    window.Count(slot.started, now, slot.status, result);
    // After an error nothing is gained by more of them.
    const bool all_started = options.calls > 0 && started >= options.calls;
    if (window.IsOver(now) || all_started || result.errors > kErrorsMax) {
      --under_way;
    } else {
      ++started;
      start(slot);
    }
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  result.wall = window.Length(result);
  return result;
}

}  // namespace internal

// Keeps `in_flight` calls under way until the time is over: the next starts when one has ended.
template <typename Request, typename Response>
LoadResult RunClosedLoop(const LoadOptions& options, const UnaryMethod<Request, Response>& method) {
  const int count = std::min(options.threads, options.in_flight);
  const internal::Window window(options);
  std::vector<LoadResult> results(static_cast<size_t>(count));
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    const int share = options.in_flight / count + (i < options.in_flight % count ? 1 : 0);
    threads.emplace_back([&, i, share] {
      results[static_cast<size_t>(i)] = internal::RunClosedThread(
          options, method, window, share, options.seed * 1000 + static_cast<uint64_t>(i));
    });
  }
  for (auto& thread : threads) thread.join();
  LoadResult all = std::move(results[0]);
  for (size_t i = 1; i < results.size(); ++i) all.Merge(results[i]);
  return all;
}

}  // namespace records::bench
