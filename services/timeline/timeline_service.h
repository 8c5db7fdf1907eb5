#pragma once

#include "records/api/v1/timeline_service.grpc.pb.h"
#include "services/runtime/push_reactor.h"
#include "services/runtime/read_gate.h"
#include "services/runtime/rpc.h"
#include "services/timeline/timeline_views.h"

namespace records::services {

// TimelineService over gRPC. Thread-safe; everything given outlives it.
class TimelineServiceImpl final : public records::api::v1::TimelineService::CallbackService {
 public:
  // How long a query waits for its own write when the call has no deadline.
  static constexpr absl::Duration kReadYourWriteWait = absl::Seconds(10);

  TimelineServiceImpl(const ReadRuntime& runtime, ReadGate& gate, TimelineViews& views)
      : runtime_(runtime), gate_(gate), views_(views) {}

  grpc::ServerUnaryReactor* GetTimeline(grpc::CallbackServerContext* context,
                                        const records::api::v1::GetTimelineRequest* request,
                                        records::api::v1::GetTimelineResponse* response) override;
  grpc::ServerWriteReactor<records::api::v1::FollowTimelineResponse>* FollowTimeline(
      grpc::CallbackServerContext* context,
      const records::api::v1::FollowTimelineRequest* request) override;

 private:
  // `request` and `response` live until `finish` was called.
  void AnswerOnce(AdmittedRead read, absl::Time deadline,
                  const records::api::v1::GetTimelineRequest& request,
                  records::api::v1::GetTimelineResponse& response,
                  std::function<void(absl::Status)> finish);
  void Answer(const AdmittedRead& read, const TimelineCopy& copy,
              const records::api::v1::GetTimelineRequest& request,
              records::api::v1::GetTimelineResponse& response,
              std::function<void(absl::Status)> finish);
  absl::StatusOr<projections::OpenedForAnswer> Fill(
      const AdmittedRead& read, const TimelineCopy& copy,
      const records::api::v1::GetTimelineRequest& request,
      records::api::v1::GetTimelineResponse& response) const;
  absl::Status StartFollow(
      AdmittedRead read, const records::api::v1::FollowTimelineRequest& request,
      std::shared_ptr<PushReactor<records::api::v1::FollowTimelineResponse>> reactor);

  const ReadRuntime& runtime_;
  ReadGate& gate_;
  TimelineViews& views_;
};

}  // namespace records::services
