#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/acknowledgement_ledger.h"
#include "tests/simulation/actor.h"
#include "tests/simulation/dice.h"
#include "tests/simulation/options.h"

namespace records::simulation {

// Callers of the log itself: appends of several events to several streams, with expectations, sent
// again one to five times, out of order, across crashes, some with another content.
class Writers final : public Actor {
 public:
  Writers(const Options& options, Machine& machine, Report& report);

  void Act(Process& process) override;
  bool Settle(Process& process) override;
  void ProcessEnds() override;
  void Check(Process& process, const LogSnapshot& snapshot) override;

 private:
  struct Request {
    std::string name;
    bool has_key = true;
    eventstore::RequestKey key{};
    std::vector<eventstore::StreamName> streams;  // of its events, in order
    std::vector<eventstore::Expectation> expectations;
    bool from_reserve = false;
    uint64_t sends_left = 0;
    int in_flight = 0;
    bool acknowledged = false;
    bool refused = false;  // for good, by an expectation
  };

  void Begin(Process& process);
  void Send(Process& process, Request& request);
  void SendOtherContent(Process& process, const Request& request);
  eventstore::Append MakeAppend(const Request& request, uint8_t digest);
  void Done(Request& request, uint64_t sending,
            const absl::StatusOr<eventstore::Appended>& outcome);
  void Refused(Request& request, uint64_t sending, const absl::Status& status);
  eventstore::StreamName PickStream(uint32_t partition);
  eventstore::Expectation PickExpectation(Process& process, const eventstore::StreamName& stream);
  void CheckStream(const Request& request, const eventstore::StoredEvent& stored);
  void CheckExpectations(const LogSnapshot& snapshot);
  bool IsOpen(const Request& request) const {
    return !request.acknowledged && !request.refused && request.has_key;
  }

  const Options& options_;
  Machine& machine_;
  Report& report_;
  Dice dice_;
  AcknowledgementLedger ledger_;
  std::vector<std::unique_ptr<Request>> requests_;
};

}  // namespace records::simulation
