#include "services/timeline/timeline_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "eventstore/status_macros.h"
#include "services/runtime/entry_id.h"
#include "services/runtime/paging.h"
#include "services/timeline/timeline_entries.h"
#include "services/timeline/timeline_follow.h"

namespace records::services {
namespace {

namespace api = records::api::v1;

constexpr char kGetTimeline[] = "records.api.v1.TimelineService.GetTimeline";
constexpr char kFollowTimeline[] = "records.api.v1.TimelineService.FollowTimeline";

// All that a page token is bound to: the request but for the token itself.
std::string ArgumentsOf(const api::GetTimelineRequest& request) {
  api::GetTimelineRequest arguments = request;
  arguments.clear_page_token();
  arguments.clear_read_your_write();
  return CanonicalBytes(arguments);
}

absl::StatusOr<projections::TimelineQuery> QueryFrom(const ReadRuntime& runtime,
                                                     const Authorised& caller,
                                                     const eventstore::RootId& root,
                                                     const api::GetTimelineRequest& request) {
  projections::TimelineQuery query{.root = root};
  ASSIGN_OR_RETURN(query.page_size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(query.cursor,
                   OpenPageToken(runtime, caller, ArgumentsOf(request), request.page_token()));
  if (request.from_us() < 0 || request.until_us() < 0) {
    return InvalidField(request.from_us() < 0 ? "from_us" : "until_us", "must not be negative");
  }
  if (request.from_us() > 0) query.from = absl::FromUnixMicros(request.from_us());
  if (request.until_us() > 0) query.until = absl::FromUnixMicros(request.until_us());
  if (!records::events::v1::Channel_IsValid(request.channel())) {
    return InvalidField("channel", "must be a channel");
  }
  if (request.channel() != records::events::v1::CHANNEL_UNSPECIFIED) {
    query.channel = request.channel();
  }
  ASSIGN_OR_RETURN(query.types, TypesOfKinds(request.kinds()));
  return query;
}

void Merge(const projections::OpenedForAnswer& from, projections::OpenedForAnswer& into) {
  into.categories.insert(from.categories.begin(), from.categories.end());
  into.events += from.events;
}

std::vector<std::string> Sorted(const absl::flat_hash_set<std::string>& categories) {
  std::vector<std::string> sorted(categories.begin(), categories.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace

absl::StatusOr<projections::OpenedForAnswer> TimelineServiceImpl::Fill(
    const AdmittedRead& read, const TimelineCopy& copy, const api::GetTimelineRequest& request,
    api::GetTimelineResponse& response) const {
  const Authorised& caller = read.caller;
  const eventstore::RootId& root = read.whom.root;
  auto may_open = [&caller](absl::string_view category) { return caller.MayOpen(category); };
  ASSIGN_OR_RETURN(auto query, QueryFrom(runtime_, caller, root, request));
  ASSIGN_OR_RETURN(auto page, copy.reader.GetPage(query, may_open));
  projections::OpenedForAnswer opened = page.opened;
  std::vector<eventstore::TokenContent> tokens;
  if (!page.next_cursor.empty()) {
    tokens.push_back(PageTokenContent(caller, ArgumentsOf(request), page.next_cursor));
  }
  ExpectEntries(runtime_, page.entries, std::move(tokens));
  for (projections::OpenedEntry& entry : page.entries) {
    ASSIGN_OR_RETURN(*response.add_entries(), EntryFrom(runtime_, std::move(entry)));
  }
  if (!page.next_cursor.empty()) {
    ASSIGN_OR_RETURN(*response.mutable_next_page_token(),
                     SealPageToken(runtime_, caller, ArgumentsOf(request), page.next_cursor));
  }
  if (request.page_token().empty()) {
    ASSIGN_OR_RETURN(auto header, copy.reader.GetHeader(root, runtime_.clock.Now(), may_open));
    *response.mutable_header() = HeaderFrom(header);
    Merge(header.opened, opened);
  }
  return opened;
}

void TimelineServiceImpl::Answer(const AdmittedRead& read, const TimelineCopy& copy,
                                 const api::GetTimelineRequest& request,
                                 api::GetTimelineResponse& response,
                                 std::function<void(absl::Status)> finish) {
  if (read.absent) return gate_.Refuse(read, std::move(finish));
  auto opened = Fill(read, copy, request, response);
  if (!opened.ok()) {
    response.Clear();
    return finish(opened.status());
  }
  gate_.Trace(read, Sorted(opened->categories), opened->events,
              [&response, finish = std::move(finish)](absl::Status traced) {
                if (!traced.ok()) response.Clear();  // no trace, no answer
                finish(traced);
              });
}

void TimelineServiceImpl::AnswerOnce(AdmittedRead read, absl::Time deadline,
                                     const api::GetTimelineRequest& request,
                                     api::GetTimelineResponse& response,
                                     std::function<void(absl::Status)> finish) {
  // The same for an absent customer: who answers tells nothing.
  const uint32_t partition =
      eventstore::PartitionOf(read.whom.root, runtime_.log.partition_count());
  auto copy = views_.Find(partition);
  if (!copy.ok()) return finish(copy.status());
  if (request.read_your_write().empty()) return Answer(read, *copy, request, response, finish);
  auto position = OpenWriteToken(runtime_, read.caller, request.read_your_write());
  if (!position.ok()) return finish(position.status());
  // A write in another partition is under another root, and no part of this timeline.
  if (position->partition != partition) return Answer(read, *copy, request, response, finish);
  // No thread waits: a view that is far behind must not hold up those who need a thread.
  auto go_on = [this, deadline, partition, &request, &response, finish, read = std::move(read),
                copy = *copy](const absl::Status& reached) {
    if (reached.ok()) return Answer(read, copy, request, response, finish);
    // It stopped. Where another copy answers since, the write comes there too.
    const auto next = views_.Find(partition);
    if (!next.ok() || next->runner == copy.runner) return finish(reached);
    AnswerOnce(read, deadline, request, response, finish);
  };
  copy->runner->WhenApplied(*position, deadline,
                            [this, finish, go_on = std::move(go_on)](absl::Status reached) {
                              if (!reached.ok() && !absl::IsUnavailable(reached))
                                return finish(reached);
                              if (!runtime_.executor.Run([go_on, reached] { go_on(reached); }))
                                finish(ServerBusy());
                            });
}

grpc::ServerUnaryReactor* TimelineServiceImpl::GetTimeline(grpc::CallbackServerContext* context,
                                                           const api::GetTimelineRequest* request,
                                                           api::GetTimelineResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::function<void(absl::Status)> finish = [reactor](absl::Status status) {
    reactor->Finish(ToGrpcStatus(status));
  };
  const absl::Time deadline = std::min(DeadlineOf(*context), absl::Now() + kReadYourWriteWait);
  gate_.Admit(*context, kGetTimeline, request->customer(),
              [this, request, response, finish, deadline](absl::StatusOr<AdmittedRead> read) {
                if (!read.ok()) return finish(read.status());
                AnswerOnce(*std::move(read), deadline, *request, *response, finish);
              });
  return reactor;
}

absl::Status TimelineServiceImpl::StartFollow(AdmittedRead read,
                                              const api::FollowTimelineRequest& request,
                                              std::shared_ptr<FollowReactor> reactor) {
  const uint32_t partition =
      eventstore::PartitionOf(read.whom.root, runtime_.log.partition_count());
  ASSIGN_OR_RETURN(TimelineCopy copy, views_.Find(partition));
  if (read.absent) {
    gate_.Refuse(read, [reactor](absl::Status status) { reactor->End(status); });
    return absl::OkStatus();
  }
  eventstore::Position owed = runtime_.log.Head(eventstore::Ledger::kEvents, partition);
  uint64_t after = owed.sequence;
  if (request.resume_token().empty()) {
    owed.sequence = 0;  // from now on
  } else {
    ASSIGN_OR_RETURN(after, TimelineFollow::OpenResumeToken(
                                runtime_, read.caller, request.customer(), request.resume_token()));
  }
  auto follow = std::make_shared<TimelineFollow>(runtime_, gate_, std::move(copy),
                                                 std::move(reactor), std::move(read), after);
  return follow->Start(owed);
}

grpc::ServerWriteReactor<api::FollowTimelineResponse>* TimelineServiceImpl::FollowTimeline(
    grpc::CallbackServerContext* context, const api::FollowTimelineRequest* request) {
  auto reactor = FollowReactor::Create();
  gate_.Admit(*context, kFollowTimeline, request->customer(),
              [this, reactor, request = *request](absl::StatusOr<AdmittedRead> read) {
                absl::Status started = read.status();
                if (read.ok()) started = StartFollow(*std::move(read), request, reactor);
                if (!started.ok()) reactor->End(started);
              });
  return reactor.get();
}

}  // namespace records::services
