#include "tests/simulation/writers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace records::simulation {
namespace {

using eventstore::Expectation;
using eventstore::StreamName;

constexpr char kName[] = "writers";
constexpr uint8_t kContent = 1;
constexpr uint8_t kOtherContent = 2;

eventstore::RootId RootIn(uint32_t partition, uint64_t number) {
  eventstore::IdBytes bytes{};
  bytes[7] = static_cast<uint8_t>(partition);
  bytes[15] = static_cast<uint8_t>(number + 1);
  return eventstore::RootId(bytes);
}

// Whether a stream with so many events is as expected: written here again, apart from the log's.
bool Holds(const Expectation& expectation, uint64_t events) {
  switch (expectation.kind) {
    case Expectation::Kind::kAny:
      return true;
    case Expectation::Kind::kNoStream:
      return events == 0;
    case Expectation::Kind::kStreamExists:
      return events > 0;
    case Expectation::Kind::kRevision:
      return events == expectation.revision.value + 1;
  }
  return false;
}

}  // namespace

Writers::Writers(const Options& options, Machine& machine, Report& report)
    : options_(options), machine_(machine), report_(report), dice_(options.seed ^ 0x3717) {}

void Writers::Act(Process& process) {
  const auto open = std::count_if(requests_.begin(), requests_.end(),
                                  [this](const auto& request) { return IsOpen(*request); });
  if (requests_.empty() ||
      (static_cast<uint64_t>(open) < options_.open_requests_max && !dice_.OneIn(3))) {
    return Begin(process);
  }
  Request& request = *dice_.Pick(requests_);
  if (!request.has_key) return;
  if (request.acknowledged && dice_.OneIn(4)) return SendOtherContent(process, request);
  if (request.sends_left == 0) return;
  --request.sends_left;
  Send(process, request);
}

StreamName Writers::PickStream(uint32_t partition) {
  return {kOrganisation, "notes", RootIn(partition, dice_.Below(3)), dice_.OneIn(2) ? "" : "sub"};
}

Expectation Writers::PickExpectation(Process& process, const StreamName& stream) {
  Expectation expectation{.stream = stream};
  switch (dice_.Below(4)) {
    case 0:
      expectation.kind = Expectation::Kind::kNoStream;
      break;
    case 1:
      expectation.kind = Expectation::Kind::kStreamExists;
      break;
    default: {
      const auto head = process.log().StreamHead(eventstore::Ledger::kEvents, stream);
      if (!head.ok() || !head->has_value()) break;
      expectation.kind = Expectation::Kind::kRevision;
      expectation.revision.value = (*head)->value + (dice_.OneIn(6) ? 1 : 0);
    }
  }
  return expectation;
}

void Writers::Begin(Process& process) {
  auto request = std::make_unique<Request>();
  request->name = absl::StrCat("w", requests_.size());
  request->has_key = !dice_.OneIn(8);
  for (size_t i = 0; i < 8; ++i)
    request->key[i] = static_cast<uint8_t>(requests_.size() >> (8 * i));
  request->key[31] = 1;
  if (request->has_key) {
    ledger_.HasKey(request->name, std::string(request->key.begin(), request->key.end()));
  }
  request->sends_left = dice_.Between(1, 5);
  request->from_reserve = dice_.OneIn(10);
  const auto partition = static_cast<uint32_t>(dice_.Below(options_.partitions));
  for (uint64_t i = dice_.Between(1, options_.append_events_max); i > 0; --i) {
    request->streams.push_back(PickStream(partition));
  }
  if (dice_.OneIn(2)) {
    request->expectations.push_back(PickExpectation(process, request->streams[0]));
  }
  if (dice_.OneIn(6)) {
    request->expectations.push_back(PickExpectation(process, PickStream(partition)));
  }
  requests_.push_back(std::move(request));
  Send(process, *requests_.back());
}

eventstore::Append Writers::MakeAppend(const Request& request, uint8_t digest) {
  eventstore::Append append;
  if (request.has_key) append.request_key = request.key;
  append.request_digest.fill(digest);
  append.expectations = request.expectations;
  append.from_reserve = request.from_reserve;
  for (const StreamName& stream : request.streams) {
    records::log::v1::Event event;
    event.set_id(std::string(eventstore::EventId::Generate(machine_.random)->bytes()));
    *event.mutable_stream() = stream.ToProto();
    event.set_type(dice_.OneIn(2) ? "simulation.A" : "simulation.B");
    event.set_occurred_at_us(absl::ToUnixMicros(machine_.clock.Now()));
    event.set_facts(request.name);
    append.events.push_back({.stream = stream, .body = event.SerializeAsString()});
  }
  return append;
}

void Writers::Send(Process& process, Request& request) {
  ++request.in_flight;
  const uint64_t sending = ledger_.Sent(request.name);
  report_.Trace("writer: ", request.name, " with ", request.streams.size());
  process.log().AppendAsync(
      MakeAppend(request, kContent),
      process.WhileAlive<absl::StatusOr<eventstore::Appended>>(
          [this, &request, sending](absl::StatusOr<eventstore::Appended> outcome) {
            --request.in_flight;
            Done(request, sending, outcome);
          }));
}

void Writers::SendOtherContent(Process& process, const Request& request) {
  report_.Trace("writer: ", request.name, " with other content");
  process.log().AppendAsync(
      MakeAppend(request, kOtherContent),
      process.WhileAlive<absl::StatusOr<eventstore::Appended>>(
          [this, &request](absl::StatusOr<eventstore::Appended> outcome) {
            if (outcome.ok()) {
              report_.Broken(kName, request.name + " was taken again with other content");
            }
            if (absl::IsAlreadyExists(outcome.status())) report_.Fired("request-id-reused");
          }));
}

void Writers::Done(Request& request, uint64_t sending,
                   const absl::StatusOr<eventstore::Appended>& outcome) {
  report_.Trace("writer: ", request.name, " -> ", absl::StatusCodeToString(outcome.status().code()),
                outcome.ok() && outcome->repeated ? " repeated" : "");
  if (!outcome.ok()) return Refused(request, sending, outcome.status());
  request.acknowledged = true;
  ledger_.Acknowledged(request.name, *outcome, report_);
  if (outcome->repeated) report_.Fired("retry-answered");
}

void Writers::Refused(Request& request, uint64_t sending, const absl::Status& status) {
  if (absl::IsAlreadyExists(status)) {
    report_.Broken(kName, request.name + " was refused as another's request id");
  }
  if (absl::IsAborted(status)) {
    report_.Fired("expectation-refused");
    if (request.acknowledged) {
      report_.Broken(kName, request.name + " was acknowledged, and its retry refused");
    }
    request.refused = true;
    ledger_.Refused(request.name, sending);
  }
  if (absl::IsFailedPrecondition(status)) report_.Fired("clock-behind-refused");
  if (absl::IsResourceExhausted(status)) report_.Fired("disk-full-refused");
}

bool Writers::Settle(Process& process) {
  bool settled = true;
  for (const auto& request : requests_) {
    if (!IsOpen(*request)) continue;
    settled = false;
    if (request->in_flight == 0) Send(process, *request);
  }
  return settled;
}

void Writers::ProcessEnds() {
  for (const auto& request : requests_) request->in_flight = 0;
}

void Writers::Check(Process&, const LogSnapshot& snapshot) {
  const auto name_in = [](const eventstore::StoredEvent& stored) -> std::optional<std::string> {
    return stored.event.facts();
  };
  ledger_.Check(snapshot, name_in, report_);
  CheckExpectations(snapshot);
}

// An event stands in the stream that it was sent to.
void Writers::CheckStream(const Request& request, const eventstore::StoredEvent& stored) {
  const uint32_t index = stored.event.append().index();
  if (index < request.streams.size() && request.streams[index].ToProto().SerializeAsString() ==
                                            stored.event.stream().SerializeAsString()) {
    return;
  }
  report_.Broken(kName, request.name + " was written to another stream");
}

// Each append that was made found its streams as it expected them, at its place in the order.
void Writers::CheckExpectations(const LogSnapshot& snapshot) {
  std::map<std::string, const Request*> by_name;
  for (const auto& request : requests_) by_name[request->name] = request.get();
  for (uint32_t partition = 0; partition < snapshot.partition_count; ++partition) {
    std::map<std::string, uint64_t> events_of;
    for (const auto& stored : snapshot.Events(partition)) {
      const auto it = by_name.find(stored.event.facts());
      if (it != by_name.end()) CheckStream(*it->second, stored);
      if (it != by_name.end() && stored.event.append().index() == 0) {
        for (const Expectation& expectation : it->second->expectations) {
          const std::string stream = expectation.stream.ToProto().SerializeAsString();
          if (Holds(expectation, events_of[stream])) continue;
          report_.Broken(kName, it->first + " was made against what it expected");
        }
        if (it->second->streams.size() != stored.event.append().count()) {
          report_.Broken(kName, it->first + " is not there as a whole");
        }
      }
      ++events_of[stored.event.stream().SerializeAsString()];
    }
  }
}

}  // namespace records::simulation
