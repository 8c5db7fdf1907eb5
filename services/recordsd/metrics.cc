#include "services/recordsd/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <utility>

#include "absl/container/node_hash_map.h"
#include "absl/strings/str_cat.h"

namespace records::services {
namespace {

using Clock = std::chrono::steady_clock;

// Seconds; from a cached read to a slow disk.
const prometheus::Histogram::BucketBoundaries& DurationBuckets() {
  static const auto& buckets = *new prometheus::Histogram::BucketBoundaries{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30};
  return buckets;
}

// Reads gauges when they are scraped.
class GaugeCollector final : public prometheus::Collectable {
 public:
  explicit GaugeCollector(std::vector<Gauge> gauges) : gauges_(std::move(gauges)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    std::map<std::string, prometheus::MetricFamily> families;
    for (const Gauge& gauge : gauges_) {
      auto& family = families[gauge.name];
      family.name = gauge.name;
      family.help = gauge.help;
      family.type = prometheus::MetricType::Gauge;
      prometheus::ClientMetric metric;
      for (const auto& [name, value] : gauge.labels) metric.label.push_back({name, value});
      metric.gauge.value = gauge.read();
      family.metric.push_back(std::move(metric));
    }
    std::vector<prometheus::MetricFamily> collected;
    for (auto& [name, family] : families) collected.push_back(std::move(family));
    return collected;
  }

 private:
  const std::vector<Gauge> gauges_;
};

}  // namespace

namespace {

// What is measured of one method. Finding a counter by its labels costs more than counting.
struct MethodMeters {
  std::string path;
  prometheus::Histogram* duration = nullptr;
  std::array<std::atomic<prometheus::Counter*>, grpc::StatusCode::UNAUTHENTICATED + 1> calls{};
};

}  // namespace

struct Metrics::Internals {
  std::unique_ptr<prometheus::Exposer> exposer;
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::shared_ptr<GaugeCollector> gauges;
  prometheus::Family<prometheus::Counter>* calls = nullptr;
  // By path "/package.Service/Method"; only methods of ours, so a stranger cannot make labels.
  absl::node_hash_map<std::string, MethodMeters> methods;

  // Of a method of ours; nullptr for any other path.
  MethodMeters* MetersOf(absl::string_view path) {
    const auto found = methods.find(path);
    return found == methods.end() ? nullptr : &found->second;
  }

  void Count(MethodMeters* meters, int code, double seconds) {
    if (meters == nullptr) return CounterOf("other", code).Increment();
    meters->duration->Observe(seconds);
    if (code < 0 || static_cast<size_t>(code) >= meters->calls.size()) {
      return CounterOf(meters->path, code).Increment();
    }
    std::atomic<prometheus::Counter*>& known = meters->calls[static_cast<size_t>(code)];
    prometheus::Counter* counter = known.load(std::memory_order_acquire);
    if (counter == nullptr) known.store(counter = &CounterOf(meters->path, code));
    counter->Increment();
  }

  // The family gives the same counter for the same labels.
  prometheus::Counter& CounterOf(const std::string& method, int code) {
    return calls->Add({{"method", method}, {"code", std::to_string(code)}});
  }
};

namespace {

using CountCall = std::function<void(MethodMeters*, int code, double seconds)>;

class CallTimer final : public grpc::experimental::Interceptor {
 public:
  CallTimer(MethodMeters* meters, const CountCall& count)
      : meters_(meters), count_(count), start_(Clock::now()) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Point = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Point::PRE_SEND_STATUS)) {
      const std::chrono::duration<double> took = Clock::now() - start_;
      count_(meters_, methods->GetSendStatus().error_code(), took.count());
    }
    methods->Proceed();
  }

 private:
  MethodMeters* const meters_;
  const CountCall& count_;
  const Clock::time_point start_;
};

// Outlives its timers: the server owns it.
class CallTimerFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  CallTimerFactory(std::function<MethodMeters*(absl::string_view path)> find, CountCall count)
      : find_(std::move(find)), count_(std::move(count)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    return new CallTimer(find_(info->method()), count_);
  }

 private:
  const std::function<MethodMeters*(absl::string_view path)> find_;
  const CountCall count_;
};

// "package.Service.Method" as gRPC writes it on the wire.
std::string PathOf(const std::string& full_name) {
  const size_t dot = full_name.rfind('.');
  return absl::StrCat("/", full_name.substr(0, dot), "/", full_name.substr(dot + 1));
}

}  // namespace

Metrics::Metrics(std::unique_ptr<Internals> internals) : internals_(std::move(internals)) {}
Metrics::~Metrics() = default;

absl::StatusOr<std::unique_ptr<Metrics>> Metrics::Create(const std::string& address,
                                                         std::vector<Gauge> gauges,
                                                         std::vector<std::string> methods) {
  auto internals = std::make_unique<Internals>();
  internals->calls = &prometheus::BuildCounter()
                          .Name("records_calls_total")
                          .Help("Calls by method and gRPC code")
                          .Register(*internals->registry);
  auto& durations = prometheus::BuildHistogram()
                        .Name("records_call_seconds")
                        .Help("Duration of calls, from their arrival to their status")
                        .Register(*internals->registry);
  for (const std::string& method : methods) {
    MethodMeters& meters = internals->methods[PathOf(method)];
    meters.path = PathOf(method);
    meters.duration = &durations.Add({{"method", meters.path}}, DurationBuckets());
  }
  internals->gauges = std::make_shared<GaugeCollector>(std::move(gauges));
  if (!address.empty()) {
    try {
      internals->exposer = std::make_unique<prometheus::Exposer>(address, 1);
    } catch (const std::exception& error) {
      return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address,
                                                 "; is another server running? Use --metrics"));
    }
    internals->exposer->RegisterCollectable(internals->registry);
    internals->exposer->RegisterCollectable(internals->gauges);
  }
  return std::unique_ptr<Metrics>(new Metrics(std::move(internals)));
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Metrics::Interceptor() {
  return std::make_unique<CallTimerFactory>(
      [internals = internals_.get()](absl::string_view path) { return internals->MetersOf(path); },
      [internals = internals_.get()](MethodMeters* meters, int code, double seconds) {
        internals->Count(meters, code, seconds);
      });
}

}  // namespace records::services
