#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace records::services {

// The calls that go on until somebody ends them. A server that stops ends them all at once, else
// each reader who only listens would hold it up until the last moment.
//
// Thread-safe. An Entry may outlive the OpenStreams.
class OpenStreams {
  struct State;

 public:
  // Takes its stream out when it goes.
  class Entry {
   public:
    Entry(std::shared_ptr<State> state, uint64_t number)
        : state_(std::move(state)), number_(number) {}
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    const std::shared_ptr<State> state_;
    const uint64_t number_;
  };

  // `end` is called once, from any thread, when streams are to end; at once when they already are.
  // It may still be running when the entry is gone, so it must not keep a bare pointer.
  [[nodiscard]] std::unique_ptr<Entry> Add(std::function<void()> end);

  // Ends all streams, and each that is added later.
  void EndAll();

  bool ended() const;
  // Streams that are open now.
  size_t size() const;

 private:
  struct State {
    absl::Mutex mutex;
    bool ended ABSL_GUARDED_BY(mutex) = false;
    uint64_t next ABSL_GUARDED_BY(mutex) = 0;
    absl::flat_hash_map<uint64_t, std::function<void()>> ends ABSL_GUARDED_BY(mutex);
  };

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

// UNAVAILABLE (SERVER_STOPPING): what a stream ends with when the server stops.
absl::Status ServerStopping();

}  // namespace records::services
