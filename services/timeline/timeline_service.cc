#include "services/timeline/timeline_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "eventstore/status_macros.h"
#include "services/customer/customers.h"
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

absl::StatusOr<projections::TimelineQuery> QueryFrom(const Runtime& runtime,
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
    const Authorised& caller, const eventstore::DirectoryEntry& customer,
    const api::GetTimelineRequest& request, api::GetTimelineResponse& response) const {
  const Runtime& runtime = backend_.runtime;
  auto may_open = [&caller](absl::string_view category) { return caller.MayOpen(category); };
  ASSIGN_OR_RETURN(auto query, QueryFrom(runtime, caller, customer.root, request));
  ASSIGN_OR_RETURN(auto page, reader_.GetPage(query, may_open));
  projections::OpenedForAnswer opened = page.opened;
  for (projections::OpenedEntry& entry : page.entries) {
    ASSIGN_OR_RETURN(*response.add_entries(), EntryFrom(runtime, std::move(entry)));
  }
  if (!page.next_cursor.empty()) {
    ASSIGN_OR_RETURN(*response.mutable_next_page_token(),
                     SealPageToken(runtime, caller, ArgumentsOf(request), page.next_cursor));
  }
  if (request.page_token().empty()) {
    ASSIGN_OR_RETURN(auto header, reader_.GetHeader(customer.root, runtime.clock.Now(), may_open));
    *response.mutable_header() = HeaderFrom(header);
    Merge(header.opened, opened);
  }
  return opened;
}

void TimelineServiceImpl::Answer(const Authorised& caller, const api::GetTimelineRequest& request,
                                 api::GetTimelineResponse& response,
                                 std::function<void(absl::Status)> finish) {
  auto customer = ExistingCustomer(backend_.runtime, request.customer());
  if (absl::IsPermissionDenied(customer.status())) {
    return backend_.authoriser.Refuse(caller, request.customer(), std::move(finish));
  }
  if (!customer.ok()) return finish(customer.status());
  auto opened = Fill(caller, *customer, request, response);
  if (!opened.ok()) {
    response.Clear();
    return finish(opened.status());
  }
  const auto trace = TraceOf(caller, Sorted(opened->categories), opened->events);
  backend_.tracer.Trace(*customer, kCustomers, trace,
                        [&response, finish = std::move(finish)](absl::Status traced) {
                          if (!traced.ok()) response.Clear();  // no trace, no answer
                          finish(traced);
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
  backend_.authoriser.Authorise(
      *context, kGetTimeline, request->customer(),
      [this, request, response, finish, deadline](absl::StatusOr<Authorised> caller) {
        if (!caller.ok()) return finish(caller.status());
        if (request->read_your_write().empty()) return Answer(*caller, *request, *response, finish);
        auto position = OpenWriteToken(backend_.runtime, *caller, request->read_your_write());
        if (!position.ok()) return finish(position.status());
        // No thread waits: a view that is far behind must not hold up those who need a thread.
        runner_.WhenApplied(
            *position, deadline,
            [this, request, response, finish, caller = *std::move(caller)](absl::Status reached) {
              if (!reached.ok()) return finish(reached);
              auto answer = [this, request, response, finish, caller] {
                Answer(caller, *request, *response, finish);
              };
              if (!backend_.runtime.executor.Run(std::move(answer))) finish(ServerBusy());
            });
      });
  return reactor;
}

absl::Status TimelineServiceImpl::StartFollow(const Authorised& caller,
                                              const api::FollowTimelineRequest& request,
                                              const eventstore::DirectoryEntry& customer,
                                              std::shared_ptr<FollowReactor> reactor) {
  const Runtime& runtime = backend_.runtime;
  const uint32_t partition = eventstore::PartitionOf(customer.root, runtime.log.partition_count());
  eventstore::Position owed = runtime.log.Head(eventstore::Ledger::kEvents, partition);
  uint64_t after = owed.sequence;
  if (request.resume_token().empty()) {
    owed.sequence = 0;  // from now on
  } else {
    ASSIGN_OR_RETURN(after, TimelineFollow::OpenResumeToken(runtime, caller, request.customer(),
                                                            request.resume_token()));
  }
  auto follow = std::make_shared<TimelineFollow>(backend_, reader_, std::move(reactor), caller,
                                                 request.customer(), customer, after);
  return follow->Start(runner_, owed);
}

grpc::ServerWriteReactor<api::FollowTimelineResponse>* TimelineServiceImpl::FollowTimeline(
    grpc::CallbackServerContext* context, const api::FollowTimelineRequest* request) {
  auto reactor = FollowReactor::Create();
  backend_.authoriser.Authorise(
      *context, kFollowTimeline, request->customer(),
      [this, reactor, request = *request](absl::StatusOr<Authorised> caller) {
        if (!caller.ok()) return reactor->End(caller.status());
        auto customer = ExistingCustomer(backend_.runtime, request.customer());
        if (absl::IsPermissionDenied(customer.status())) {
          return backend_.authoriser.Refuse(
              *caller, request.customer(),
              [reactor](absl::Status status) { reactor->End(status); });
        }
        absl::Status started =
            customer.ok() ? StartFollow(*caller, request, *customer, reactor) : customer.status();
        if (!started.ok()) reactor->End(started);
      });
  return reactor.get();
}

}  // namespace records::services
