#include "tools/bench/bars.h"

#include <algorithm>
#include <utility>

namespace records::bench {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

std::optional<double> BarResult::Ratio() const {
  if (!reference.has_value() || *reference == 0) return std::nullopt;
  return measured / *reference;
}

std::optional<bool> BarResult::IsMet() const {
  if (!not_judged.empty()) return std::nullopt;
  if (reference_name.empty()) {
    return better == Better::kHigher ? measured >= target : measured <= target;
  }
  const auto ratio = Ratio();
  if (!ratio.has_value()) return false;
  return better == Better::kHigher ? *ratio >= target : *ratio <= target;
}

namespace {

std::vector<Bar> MakeBars() {
  std::vector<Bar> bars = {
      {"record-contact", "durable RecordContact, 64 in flight, against a no-op gRPC echo",
       MeasureRecordContact},
      {"one-client", "one client, one event: p99 against echo + synced put + anchor sync",
       MeasureOneClient},
      {"import", "bulk import, streamed, against raw RocksDB batches of the same puts",
       MeasureImport},
      {"fold", "fold of the log into the timeline, and its cost at two lengths", MeasureFold},
      {"view-lag", "from acknowledgement to visible, appending at half the greatest rate",
       MeasureViewLag},
      {"timeline-page", "a page of 50, 1,000 pages/s, open loop", MeasureTimeline},
      {"scale", "memory and start after a clean stop, against the length of the log", MeasureScale},
      {"peers", "RecordContact against PostgreSQL, message-db and NATS JetStream; with --peers",
       MeasurePeers, /*needs_peers=*/true},
  };
  for (Bar& bar : BusBars()) bars.push_back(std::move(bar));
  return bars;
}

}  // namespace

const std::vector<Bar>& AllBars() {
  static const auto* bars = new std::vector<Bar>(MakeBars());
  return *bars;
}

}  // namespace records::bench
