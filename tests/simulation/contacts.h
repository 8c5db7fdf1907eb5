#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/acknowledgement_ledger.h"
#include "tests/simulation/actor.h"
#include "tests/simulation/dice.h"
#include "tests/simulation/options.h"

namespace records::simulation {

// Callers who record contacts of customers by commands, sealed as in the product, with retries; and
// the officer who fences customers and ends keys. Knows what a reader of each customer may see.
class Contacts final : public Actor {
 public:
  Contacts(const Options& options, Machine& machine, Report& report);

  void Act(Process& process) override;
  bool Settle(Process& process) override;
  void ProcessEnds() override {}
  void Check(Process& process, const LogSnapshot& snapshot) override;

  // Fences, or ends a key, by chance.
  void Erase(Process& process);

  size_t customers() const { return customers_.size(); }
  // Who a customer is; nullopt: nobody ever recorded one, or the key store does not answer.
  std::optional<eventstore::DirectoryEntry> Find(Process& process, size_t customer) const;
  // Fenced, or perhaps.
  bool MayBeFenced(size_t customer) const {
    return customers_[customer].fenced_at.has_value() || customers_[customer].fence_uncertain;
  }

  // Holds what a reader of the customer saw against what was recorded and what was erased.
  void CheckSeen(Process& process, size_t customer, const projections::TimelinePage& page);

 private:
  struct Customer {
    std::string reference;
    std::optional<eventstore::DirectoryEntry> entry;  // as first claimed
    // How far the log had come when it happened. What is later was not touched by it.
    std::optional<uint64_t> key_ended_at;
    std::optional<uint64_t> fenced_at;
    // Begun, and nobody knows whether it was done.
    bool key_uncertain = false;
    bool fence_uncertain = false;
  };
  struct Request {
    std::string name;  // and summary of the contact
    std::string request_id;
    size_t customer = 0;
    std::optional<size_t> first_customer;  // has a step of their own before
    uint64_t sends_left = 0;
    bool refused = false;
    std::optional<eventstore::Position> at;
  };

  void Begin(Process& process);
  void Send(Process& process, Request& request, bool other_content);
  absl::StatusOr<services::Plan> MakePlan(Process& process, const Request& request);
  absl::StatusOr<services::Step> MakeStep(Process& process, size_t customer,
                                          const std::string& summary);
  absl::StatusOr<eventstore::DirectoryEntry> Claim(Process& process, size_t customer);
  void Done(Request& request, uint64_t sending, const absl::StatusOr<services::Outcome>& outcome);
  void Fence(Process& process, Customer& customer);
  void EndKey(Process& process, Customer& customer);
  uint64_t HeadOf(Process& process, const Customer& customer) const;
  void CheckFence(const LogSnapshot& snapshot, const Customer& customer);
  void CheckRequest(const Request& request, const Customer& customer, int seen, bool folded);

  const Options& options_;
  Machine& machine_;
  Report& report_;
  Dice dice_;
  AcknowledgementLedger ledger_;
  std::vector<Customer> customers_;
  std::vector<std::unique_ptr<Request>> requests_;
};

}  // namespace records::simulation
