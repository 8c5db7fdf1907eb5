#pragma once

#include "projections/runner.h"
#include "projections/timeline/timeline_reader.h"
#include "records/api/v1/timeline_service.grpc.pb.h"
#include "services/runtime/push_reactor.h"
#include "services/runtime/rpc.h"

namespace records::services {

// TimelineService over gRPC. Thread-safe; everything given outlives it.
class TimelineServiceImpl final : public records::api::v1::TimelineService::CallbackService {
 public:
  // How long a query waits for its own write when the call has no deadline.
  static constexpr absl::Duration kReadYourWriteWait = absl::Seconds(10);

  TimelineServiceImpl(Backend backend, projections::Runner& runner,
                      const projections::TimelineReader& reader)
      : backend_(backend), runner_(runner), reader_(reader) {}

  grpc::ServerUnaryReactor* GetTimeline(grpc::CallbackServerContext* context,
                                        const records::api::v1::GetTimelineRequest* request,
                                        records::api::v1::GetTimelineResponse* response) override;
  grpc::ServerWriteReactor<records::api::v1::FollowTimelineResponse>* FollowTimeline(
      grpc::CallbackServerContext* context,
      const records::api::v1::FollowTimelineRequest* request) override;

 private:
  void Answer(const Authorised& caller, const records::api::v1::GetTimelineRequest& request,
              records::api::v1::GetTimelineResponse& response,
              std::function<void(absl::Status)> finish);
  absl::StatusOr<projections::OpenedForAnswer> Fill(
      const Authorised& caller, const eventstore::DirectoryEntry& customer,
      const records::api::v1::GetTimelineRequest& request,
      records::api::v1::GetTimelineResponse& response) const;
  absl::Status StartFollow(
      const Authorised& caller, const records::api::v1::FollowTimelineRequest& request,
      const eventstore::DirectoryEntry& customer,
      std::shared_ptr<PushReactor<records::api::v1::FollowTimelineResponse>> reactor);

  Backend backend_;
  projections::Runner& runner_;
  const projections::TimelineReader& reader_;
};

}  // namespace records::services
