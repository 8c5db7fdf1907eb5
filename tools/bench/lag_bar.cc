// How long after its acknowledgement a contact is in the timeline, under half the greatest load.

#include <thread>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "records/api/v1/timeline_service.grpc.pb.h"
#include "tools/bench/bars.h"
#include "tools/bench/methods.h"
#include "tools/bench/open_load.h"
#include "tools/bench/profile.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;

// One acknowledgement in so many is followed.
constexpr double kSamplesPerSecond = 100;

// Asks, at an acknowledgement, for a page that contains the write, and times the answer. What it
// measures is above the lag: the question, its trace and the answer are in it.
class LagSampler {
 public:
  LagSampler(const std::string& address, CallIdentity identity)
      : identity_(std::move(identity)),
        stub_(api::TimelineService::NewStub(MakeLocalChannel(address))),
        reader_([this] { Read(); }) {}

  void Ask(const std::string& customer, const std::string& token, absl::Time acknowledged) {
    auto slot = std::make_unique<Slot>();
    slot->request.set_customer(customer);
    slot->request.set_page_size(1);
    slot->request.set_read_your_write(token);
    slot->context.emplace();
    internal::AddIdentity(identity_, *slot->context);
    slot->context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    slot->started = acknowledged;
    slot->reader = stub_->AsyncGetTimeline(&*slot->context, slot->request, &queue_);
    auto* kept = slot.release();
    kept->reader->Finish(&kept->response, &kept->status, kept);
  }

  // Waits for the answers under way. Once.
  absl::StatusOr<Histogram> Finish() {
    queue_.Shutdown();
    reader_.join();
    if (!error_.ok()) return error_;
    return times_;
  }

 private:
  using Slot = internal::CallSlot<api::GetTimelineRequest, api::GetTimelineResponse>;

  void Read() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      const std::unique_ptr<Slot> slot(static_cast<Slot*>(tag));
      if (slot->status.ok()) {
        times_.Record(absl::Now() - slot->started);
      } else {
        error_.Update(absl::UnavailableError(slot->status.error_message()));
      }
    }
  }

  const CallIdentity identity_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<api::TimelineService::Stub> stub_;
  Histogram times_;
  absl::Status error_;
  std::thread reader_;  // last: it uses the others
};

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureViewLag(const BenchOptions& options) {
  ASSIGN_OR_RETURN(auto folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(auto server, RecordsServer::Start(options.programs, folder->path() / "records"));
  RETURN_IF_ERROR(server->RegisterCustomers(options.customers));
  ASSIGN_OR_RETURN(const LoadResult greatest, RunRecordContact(options, *server, server->identity(),
                                                               options.in_flight, options.seed));
  const double most = greatest.Rate();
  BarResult result{.bar = "view-lag", .unit = "ms p99", .better = Better::kLower, .target = 50};
  std::vector<double> p50, rates;
  for (int run = 0; run < options.runs; ++run) {
    OpenLoadOptions open{.calls_per_second = most / 2};
    open.load = {.address = server->address(), .identity = server->identity()};
    open.load.warm_up = options.warm_up;
    open.load.duration = options.seconds;
    open.load.seed = options.seed + static_cast<uint64_t>(run) + 1000;
    const Profile profile(options, "view-lag", server->process().pid());
    LagSampler sampler(server->address(), server->identity());
    const auto every = std::max<uint64_t>(1, static_cast<uint64_t>(most / 2 / kSamplesPerSecond));
    uint64_t answers = 0;
    const LoadResult load = RunOpenLoop<api::RecordContactRequest, api::RecordContactResponse>(
        open, RecordContacts(options.customers),
        [&](const auto& request, const auto& response, absl::Time now) {
          if (answers++ % every == 0) sampler.Ask(request.customer(), response.token(), now);
        });
    ASSIGN_OR_RETURN(const Histogram times, sampler.Finish());
    if (interrupted) return absl::CancelledError("interrupted");
    if (load.errors > 0) return absl::UnavailableError(load.first_error);
    if (times.count() == 0) return absl::InternalError("no lag was sampled");
    result.runs.push_back(absl::ToDoubleMilliseconds(times.Quantile(0.99)));
    p50.push_back(absl::ToDoubleMilliseconds(times.Quantile(0.5)));
    rates.push_back(load.Rate());
  }
  result.measured = Median(result.runs);
  result.details["p50_ms"] = Median(p50);
  result.details["appends_per_second"] = Median(rates);
  result.details["maximum_appends_per_second"] = most;
  return std::vector<BarResult>{std::move(result)};
}

}  // namespace records::bench
