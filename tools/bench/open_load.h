#pragma once

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "tools/bench/load.h"

namespace records::bench {

struct OpenLoadOptions {
  LoadOptions load;  // in_flight and threads mean nothing here
  double calls_per_second = 1000;
};

// Called with each answer, from the thread that reads them: request, reply, when it came.
template <typename Request, typename Response>
using OnAnswer = std::function<void(const Request&, const Response&, absl::Time)>;

// Called when a call is due, before it is sent, from the thread that sends them.
template <typename Request>
using OnDue = std::function<void(Request&, absl::Time)>;

namespace internal {

// Sleeps until `time`, to some tens of microseconds.
void SleepUntil(absl::Time time);

// Reads answers until the queue is shut down and empty. A latency counts from when the call was
// due, not from when it was sent: a stall is seen by every call that was due in it.
template <typename Request, typename Response>
LoadResult ReadAnswers(grpc::CompletionQueue& queue, const Window& window,
                       const OnAnswer<Request, Response>& on_answer) {
  LoadResult result;
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
    const std::unique_ptr<CallSlot<Request, Response>> slot(
        static_cast<CallSlot<Request, Response>*>(tag));
    const absl::Time now = absl::Now();
    window.Count(slot->started, now, slot->status, result);
    if (slot->status.ok() && on_answer) on_answer(slot->request, slot->response, now);
  }
  return result;
}

}  // namespace internal

// Starts calls at a fixed rate, whatever becomes of those before.
template <typename Request, typename Response>
LoadResult RunOpenLoop(const OpenLoadOptions& options, const UnaryMethod<Request, Response>& method,
                       const OnAnswer<Request, Response>& on_answer = nullptr,
                       const OnDue<Request>& on_due = nullptr) {
  grpc::CompletionQueue queue;
  const auto start_call = method.connect(MakeLocalChannel(options.load.address));
  std::mt19937_64 random(options.load.seed);
  const absl::Duration gap = absl::Seconds(1) / options.calls_per_second;
  const internal::Window window(options.load);
  LoadResult result;
  std::thread reader(
      [&] { result = internal::ReadAnswers<Request, Response>(queue, window, on_answer); });
  const absl::Time begin = absl::Now();
  for (int64_t n = 0;; ++n) {
    const absl::Time due = begin + n * gap;
    if (window.IsOver(due)) break;
    auto slot = std::make_unique<internal::CallSlot<Request, Response>>();
    method.fill(random, slot->request);
    slot->context.emplace();
    internal::AddIdentity(options.load.identity, *slot->context);
    // A call that never comes back would else hold the run for ever.
    slot->context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    internal::SleepUntil(due);
    if (on_due) on_due(slot->request, due);
    slot->started = due;
    slot->reader = start_call(&*slot->context, slot->request, &queue);
    auto* kept = slot.release();
    kept->reader->Finish(&kept->response, &kept->status, kept);
  }
  queue.Shutdown();
  reader.join();
  result.wall = window.Length(result);
  return result;
}

}  // namespace records::bench
