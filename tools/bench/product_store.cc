#include "tools/bench/product_store.h"

#include <atomic>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "services/contact/contact_decisions.h"
#include "services/customer/customers.h"
#include "services/customer/registration.h"
#include "services/policy/method_table.h"
#include "tools/bench/load.h"
#include "tools/bench/requests.h"

namespace records::bench {
namespace {

constexpr char kOrganisation[] = "landlord";
constexpr char kRecorder[] = "bench";
constexpr int kThreads = 4;
constexpr int kExecutorThreads = 4;
// Each thread has this many appends under way, so that batches are as large as under full load.
constexpr int kAppendsInFlight = 64;

// Counts what is under way of one thread, and keeps the first error.
class Flight {
 public:
  explicit Flight(int most) : most_(most) {}
  bool Enter() {
    const absl::MutexLock lock(
        &mutex_, absl::Condition(
                     +[](Flight* flight) { return flight->under_way_ < flight->most_; }, this));
    ++under_way_;
    return error_.ok();
  }
  void Leave(const absl::Status& status) {
    const absl::MutexLock lock(&mutex_);
    --under_way_;
    error_.Update(status);
  }
  absl::Status Wait() {
    const absl::MutexLock lock(&mutex_,
                               absl::Condition(
                                   +[](Flight* flight) { return flight->under_way_ == 0; }, this));
    return error_;
  }

 private:
  const int most_;
  absl::Mutex mutex_;
  int under_way_ = 0;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProductStore>> ProductStore::Open(
    const std::filesystem::path& data) {
  std::unique_ptr<ProductStore> store(new ProductStore());
  std::error_code error;
  std::filesystem::create_directories(data, error);
  std::filesystem::permissions(data, std::filesystem::perms::owner_all, error);
  ASSIGN_OR_RETURN(store->policy_, services::EmbeddedRegister());
  ASSIGN_OR_RETURN(auto categories, services::MakeCategoryTable(store->policy_));
  store->categories_ = std::make_unique<eventstore::CategoryTable>(std::move(categories));
  store->lawful_bases_ = std::make_unique<services::LawfulBases>(store->policy_);
  store->executor_ = std::make_unique<services::Executor>(kExecutorThreads);
  ASSIGN_OR_RETURN(store->keys_, eventstore::OpenKeyStore({.data_dir = data.string()}));
  ASSIGN_OR_RETURN(store->log_,
                   eventstore::OpenLog({.data_dir = data.string(), .guard = store->keys_.get()}));
  store->sealer_ = std::make_unique<eventstore::Sealer>(*store->keys_, *store->categories_,
                                                        eventstore::SystemRandom());
  ASSIGN_OR_RETURN(auto work,
                   eventstore::WorkStreams::Create(*store->keys_, *store->sealer_,
                                                   *store->categories_, services::EventTypes()));
  store->work_ = std::make_unique<eventstore::WorkStreams>(std::move(work));
  store->timeline_keys_ =
      std::make_unique<projections::TimelineKeys>(*store->sealer_, *store->keys_);
  store->timeline_projection_ =
      std::make_unique<projections::TimelineProjection>(*store->timeline_keys_);
  store->runtime_ = std::make_unique<services::Runtime>(services::Runtime{
      {*store->log_, *store->keys_, eventstore::SystemClock(), *store->executor_, kOrganisation},
      *store->sealer_,
      *store->work_,
      eventstore::SystemRandom(),
      *store->executor_,
      *store->categories_,
      *store->lawful_bases_});
  store->commands_ = std::make_unique<services::CommandRunner>(*store->runtime_);
  ASSIGN_OR_RETURN(store->staff_,
                   store->keys_->Claim(kOrganisation, services::kStaffReferences, kRecorder));
  return store;
}

ProductStore::~ProductStore() {
  // What the log still calls back finds everything; the rest goes in the order of the members.
  commands_.reset();
}

uint64_t ProductStore::CountEvents() const {
  uint64_t events = 0;
  for (uint32_t p = 0; p < log_->partition_count(); ++p) {
    events += log_->Head(eventstore::Ledger::kEvents, p).sequence;
  }
  return events;
}

services::Command ProductStore::MakeCommand(std::mt19937_64& random,
                                            services::Planner planner) const {
  services::Command command;
  command.caller.caller.issuer = kRecorder;
  command.caller.caller.subject = kRecorder;
  command.caller.caller.purpose = "service-delivery";
  command.caller.method = "bench";
  command.caller.staff = staff_;
  command.request_id = RandomUuid(random);
  command.canonical = command.request_id;
  command.planner = std::move(planner);
  return command;
}

services::Command ProductStore::MakeContact(std::mt19937_64& random) const {
  records::api::v1::RecordContactRequest request;
  request.set_request_id(RandomUuid(random));
  *request.mutable_contact() = bench::MakeContact(random);
  const auto& entry = customers_[random() % customers_.size()];
  auto command =
      MakeCommand(random, [this, request, entry](const auto&) -> absl::StatusOr<services::Plan> {
        RETURN_IF_ERROR(services::CheckRecordContact(request, runtime_->clock.Now()));
        const services::CustomerTarget customer{entry, kOrganisation};
        const services::ContactTarget target{entry, customer.Stream(services::kContactsSubStream),
                                             customer.Stream()};
        ASSIGN_OR_RETURN(
            auto step, services::DecideContact(
                           request, target, {.recorder = kRecorder, .now = runtime_->clock.Now()}));
        services::Plan plan;
        plan.steps.push_back(std::move(step));
        return plan;
      });
  command.canonical = services::CanonicalBytes(request);
  return command;
}

absl::Status ProductStore::RunCommands(
    uint64_t count, uint64_t seed, int in_flight_each,
    const std::function<services::Command(uint64_t, std::mt19937_64&)>& make) {
  std::atomic<uint64_t> next = 0;
  std::vector<absl::Status> results(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(seed * kThreads + static_cast<uint64_t>(t));
      Flight flight(in_flight_each);
      while (!interrupted) {
        const uint64_t number = next++;
        if (number >= count) break;
        const bool going_well = flight.Enter();
        commands_->Run(make(number, random), [&flight](absl::StatusOr<services::Outcome> outcome) {
          flight.Leave(outcome.status());
        });
        if (!going_well) break;
      }
      results[static_cast<size_t>(t)] = flight.Wait();
    });
  }
  for (auto& thread : threads) thread.join();
  if (interrupted) return absl::CancelledError("interrupted");
  for (const auto& result : results) RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

absl::Status ProductStore::RegisterCustomers(uint64_t from, uint64_t count) {
  RETURN_IF_ERROR(RunCommands(
      count, from + 1, kAppendsInFlight, [this, from](uint64_t number, std::mt19937_64& random) {
        const uint64_t customer = from + number;
        return MakeCommand(random, [this, customer](const auto&) {
          return services::PlanRegistration(*runtime_, MakePerson(customer), MakeTenancy(customer),
                                            /*synthetic=*/true);
        });
      }));
  return FindCustomers(from + count);
}

absl::Status ProductStore::FindCustomers(uint64_t count) {
  for (uint64_t number = customers_.size(); number < count; ++number) {
    ASSIGN_OR_RETURN(auto entry, keys_->Resolve(kOrganisation, services::kCustomerReferences,
                                                CustomerReference(number)));
    if (!entry.has_value()) return absl::NotFoundError("a customer is not registered");
    customers_.push_back(*entry);
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> ProductStore::AppendContacts(uint64_t count, uint64_t seed) {
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(
      RunCommands(count, seed, kAppendsInFlight,
                  [this](uint64_t, std::mt19937_64& random) { return MakeContact(random); }));
  return absl::Now() - start;
}

}  // namespace records::bench
