#include "services/ledger/unseal.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using eventstore::DirectoryEntry;
using eventstore::StoredEvent;
using eventstore::SubjectId;
using eventstore::WorkItem;

// Far below what a client takes by default (4 MiB), with an event of any size as the last.
constexpr size_t kAnswerBytesMax = 1024 * 1024;

api::UnsealResult ResultOf(api::UnsealState state) {
  api::UnsealResult result;
  result.set_state(state);
  return result;
}

// What was read under one root: one trace.
struct RootRead {
  DirectoryEntry whom;
  std::string collection;
  std::set<std::string> categories;
  std::vector<int> results;  // by index in the response
};

// One answer while its traces are under way. Thread-safe.
class PendingAnswer : public std::enable_shared_from_this<PendingAnswer> {
 public:
  PendingAnswer(const Backend& backend, api::UnsealResponse& response,
                std::function<void(absl::Status)> finish)
      : backend_(backend), response_(response), finish_(std::move(finish)) {}

  // All traces at once: the log writes them together.
  void TraceAndFinish(const Authorised& caller, std::vector<RootRead> reads) {
    if (PLANTED_BUG("work-unsealed-untraced")) reads.clear();
    left_ = reads.size() + 1;
    for (RootRead& read : reads) {
      const std::vector<std::string> categories(read.categories.begin(), read.categories.end());
      const auto trace = TraceOf(caller, categories, static_cast<uint32_t>(read.results.size()));
      const auto shared = std::make_shared<const RootRead>(std::move(read));
      backend_.tracer.Trace(shared->whom, shared->collection, trace,
                            [self = shared_from_this(), shared](absl::Status traced) {
                              self->Traced(*shared, std::move(traced));
                            });
    }
    Leave();
  }

 private:
  void Traced(const RootRead& read, absl::Status traced) {
    if (absl::IsFailedPrecondition(traced) && backend_.runtime.keys.IsFenced(read.whom.subject)) {
      absl::MutexLock lock(&mutex_);
      for (const int index : read.results) {
        *response_.mutable_results(index) = ResultOf(api::UNSEAL_STATE_ERASED);
      }
    } else if (!traced.ok()) {
      absl::MutexLock lock(&mutex_);
      status_.Update(traced);
    }
    Leave();
  }

  void Leave() {
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      if (--left_ > 0) return;
      status = status_;
    }
    if (!status.ok()) response_.Clear();  // no trace, no answer
    finish_(status);
  }

  const Backend backend_;
  api::UnsealResponse& response_;
  const std::function<void(absl::Status)> finish_;
  absl::Mutex mutex_;
  size_t left_ = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// Opens references one after the other, and keeps what is to be traced.
class Unsealer {
 public:
  Unsealer(const Runtime& runtime, const Authorised& caller) : runtime_(runtime), caller_(caller) {}

  absl::Status Run(const api::UnsealRequest& request, api::UnsealResponse& response) {
    size_t bytes = 0;
    for (const std::string& reference : request.references()) {
      opened_.reset();
      ASSIGN_OR_RETURN(api::UnsealResult result, ResultFor(reference));
      bytes += result.ByteSizeLong();
      if (bytes > kAnswerBytesMax && response.results_size() > 0) return absl::OkStatus();
      if (opened_.has_value()) Keep(response.results_size());
      *response.add_results() = std::move(result);
    }
    return absl::OkStatus();
  }

  std::vector<RootRead> TakeReads() {
    std::vector<RootRead> reads;
    for (auto& [key, read] : reads_) reads.push_back(std::move(read));
    return reads;
  }

 private:
  // What was opened last.
  struct Opened {
    StoredEvent stored;
    SubjectId whose;  // nil: nobody's
    absl::flat_hash_set<std::string> categories;
  };

  absl::StatusOr<api::UnsealResult> ResultFor(const std::string& reference) {
    const auto found = runtime_.work.OpenReference(caller_.work_stream, reference);
    if (!found.ok()) return ResultOf(api::UNSEAL_STATE_NOT_READABLE);
    if (found->erased) return ResultOf(api::UNSEAL_STATE_ERASED);
    auto stored = runtime_.log.ReadAt(eventstore::Ledger::kEvents, found->position);
    // The reference is ours, and the log is not as long any more: it was restored.
    if (absl::IsNotFound(stored.status())) return ResultOf(api::UNSEAL_STATE_NOT_READABLE);
    RETURN_IF_ERROR(stored.status());
    ASSIGN_OR_RETURN(const std::vector<WorkItem> items, runtime_.work.ItemsOf(*stored));
    const auto item = absl::c_find_if(items, [this](const WorkItem& one) {
      return one.topic == caller_.work_stream && !one.erased;
    });
    if (item != items.end()) return Open(*std::move(stored), *item);
    ASSIGN_OR_RETURN(const bool erased, runtime_.work.IsErasedFrom(caller_.work_stream, *stored));
    return ResultOf(erased ? api::UNSEAL_STATE_ERASED : api::UNSEAL_STATE_NOT_READABLE);
  }

  absl::StatusOr<api::UnsealResult> Open(StoredEvent stored, const WorkItem& item) {
    const auto may_open = [this](absl::string_view category) { return caller_.MayOpen(category); };
    ASSIGN_OR_RETURN(eventstore::OpenedEvent event, runtime_.sealer.Open(stored.event, may_open));
    if (event.categories.empty()) {
      ASSIGN_OR_RETURN(const bool has_readable, HasReadablePart(stored));
      if (has_readable) return ResultOf(api::UNSEAL_STATE_ERASED);
    }
    // Restricted, and nothing of it is for this caller: its type is not, either.
    if (event.message == nullptr) return ResultOf(api::UNSEAL_STATE_NOT_READABLE);
    api::UnsealResult result = ResultOf(api::UNSEAL_STATE_OPENED);
    api::OpenedWork& opened = *result.mutable_opened();
    opened.set_type(event.type);
    opened.mutable_event()->PackFrom(*event.message);
    opened.set_subject(item.subject);
    opened.set_occurred_at_us(stored.event.occurred_at_us());
    opened.set_recorded_at_us(stored.event.recorded_at_us());
    opened_ = Opened{std::move(stored), item.data_subject, std::move(event.categories)};
    return result;
  }

  // Whether a part is of a category that the caller may open, be its key there or not.
  absl::StatusOr<bool> HasReadablePart(const StoredEvent& stored) const {
    for (const auto& part : stored.event.sealed()) {
      ASSIGN_OR_RETURN(const auto reference, runtime_.keys.OpenReference(part.key_reference()));
      const auto* category = runtime_.categories.Find(reference.purpose.category);
      if (category != nullptr && caller_.MayOpen(category->id)) return true;
    }
    return false;
  }

  void Keep(int index) {
    const auto& stream = opened_->stored.event.stream();
    RootRead read{.whom = caller_.staff, .collection = std::string(kStaff)};
    const auto root = eventstore::RootId::FromBytes(stream.root());
    if (!opened_->whose.is_nil() && root.ok()) {
      read = {.whom = {opened_->whose, *root}, .collection = stream.collection()};
    }
    const auto [kept, fresh] =
        reads_.try_emplace({read.whom.root, read.whom.subject}, std::move(read));
    kept->second.categories.insert(opened_->categories.begin(), opened_->categories.end());
    kept->second.results.push_back(index);
  }

  const Runtime& runtime_;
  const Authorised& caller_;
  std::optional<Opened> opened_;
  std::map<std::pair<eventstore::RootId, SubjectId>, RootRead> reads_;
};

}  // namespace

void Unseal(const Backend& backend, const Authorised& caller, const api::UnsealRequest& request,
            api::UnsealResponse& response, std::function<void(absl::Status)> finish) {
  if (request.references().empty() || request.references_size() > kUnsealReferencesMax) {
    return finish(InvalidField("references", "must be 1 to 100 references"));
  }
  Unsealer unsealer(backend.runtime, caller);
  const absl::Status run = unsealer.Run(request, response);
  if (!run.ok()) {
    response.Clear();
    return finish(run);
  }
  std::make_shared<PendingAnswer>(backend, response, std::move(finish))
      ->TraceAndFinish(caller, unsealer.TakeReads());
}

}  // namespace records::services
