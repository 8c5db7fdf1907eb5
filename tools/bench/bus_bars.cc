#include "tools/bench/bus_bars.h"

namespace records::bench {

std::vector<Bar> BusBars() {
  const auto bar = [](const char* name, const char* what, auto measure) {
    return Bar{name, what, measure, /*needs_peers=*/false, /*needs_broker=*/true};
  };
  return {bar("bus-relay", "the relay against librdkafka's own transactions, the same records",
              MeasureRelay),
          bar("bus-catch-up", "a view that catches up from Kafka, against a plain consumer",
              MeasureCatchUp),
          bar("bus-consumer-lag", "from the call to a consumer that has the event, 5,000 events/s",
              MeasureConsumerLag),
          bar("bus-append", "p99 of appends with the relay and without, at half the greatest rate",
              MeasureRelayedAppends),
          bar("bus-maximum", "how far behind the relay says it is at the greatest rate",
              MeasureRelayAtMaximum)};
}

}  // namespace records::bench
