#pragma once

#include <grpcpp/alarm.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "projections/timeline/timeline_reader.h"
#include "records/api/v1/timeline_service.pb.h"
#include "services/runtime/push_reactor.h"
#include "services/runtime/read_gate.h"
#include "services/runtime/rpc.h"
#include "services/timeline/timeline_views.h"

namespace records::services {

using FollowReactor = PushReactor<records::api::v1::FollowTimelineResponse>;

// One live follow of a timeline: sends what arrives, in the order of arrival, each entry after its
// trace. Reads no more than there is room for; asks again before each batch, and every kCheckEvery,
// whether the caller may still read and the customer is not being erased. If not, what waits for a
// slow reader is dropped.
//
// Thread-safe. Keeps itself alive while something of it is under way.
class TimelineFollow : public std::enable_shared_from_this<TimelineFollow> {
 public:
  // As long as a key lease: after it, a revoked reader gets nothing more.
  static constexpr absl::Duration kCheckEvery = absl::Seconds(5);

  // `runtime` and `gate` outlive it.
  TimelineFollow(const ReadRuntime& runtime, ReadGate& gate, TimelineCopy copy,
                 std::shared_ptr<FollowReactor> reactor, AdmittedRead read,
                 uint64_t after_sequence);

  // Begins: what stands after the start, then live. That it caught up is said once the view stands
  // at `owed`, and what it holds until there is sent.
  absl::Status Start(eventstore::Position owed);

  // A resume token for `sequence`, and back. INVALID_ARGUMENT: not a token of this call.
  static absl::StatusOr<std::string> ResumeToken(const ReadRuntime& runtime,
                                                 const Authorised& caller,
                                                 absl::string_view customer, uint64_t sequence);
  static absl::StatusOr<uint64_t> OpenResumeToken(const ReadRuntime& runtime,
                                                  const Authorised& caller,
                                                  absl::string_view customer,
                                                  absl::string_view token);

 private:
  void Beat();  // a sign of life is due
  void Kick();  // there may be something to send
  void Pump();  // sends it, on a thread of the executor
  // False: the caller lost the right, or the customer is being erased; the stream ends.
  bool StillAllowed();
  // Drops what waits to be sent, and ends the stream.
  void Cut(absl::Status status);
  absl::Status SendBatch(bool& more);
  void SendTraced(projections::TimelineArrivals arrivals, absl::Status traced);
  void SendMarker(bool caught_up);
  void ScheduleCheck();
  void Stop();

  const ReadRuntime& runtime_;
  ReadGate& gate_;
  const TimelineCopy copy_;
  const std::shared_ptr<FollowReactor> reactor_;
  const AdmittedRead read_;

  absl::Mutex mutex_;
  std::unique_ptr<projections::RootListeners::Subscription> subscription_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<OpenStreams::Entry> open_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<OpenStreams::Entry> here_ ABSL_GUARDED_BY(mutex_);  // of the copy
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  bool kicked_ ABSL_GUARDED_BY(mutex_) = false;
  bool caught_up_ ABSL_GUARDED_BY(mutex_) = false;
  bool beat_due_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t after_sequence_ ABSL_GUARDED_BY(mutex_);

  // Set at the start, before anything is sent.
  eventstore::Position owed_;
};

}  // namespace records::services
