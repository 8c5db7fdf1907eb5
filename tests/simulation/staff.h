#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/access_checker.h"
#include "tests/simulation/acknowledgement_ledger.h"
#include "tests/simulation/actor.h"
#include "tests/simulation/contacts.h"
#include "tests/simulation/dice.h"
#include "tests/simulation/options.h"

namespace records::simulation {

// Members of staff who are granted a role and lose it again, and meanwhile ask for timelines:
// decided by the product's decision over the view of grants, traced before they are answered.
class Staff final : public Actor {
 public:
  // `contacts` must outlive it.
  Staff(const Options& options, Machine& machine, Contacts& contacts, Report& report);

  void Act(Process& process) override;
  bool Settle(Process& process) override;
  void ProcessEnds() override;
  void Check(Process& process, const LogSnapshot& snapshot) override;

 private:
  struct Member {
    std::string subject;
    bool granted = false;  // as last acknowledged
    // The change that is under way.
    std::string request_id;  // empty: none
    std::string name;
    bool grants = false;
    bool in_flight = false;
    std::optional<eventstore::Position> made_at;  // waits for the view
  };

  void BeginChange(Process& process, Member& member);
  void SendChange(Process& process, Member& member);
  void AcknowledgeChange(Process& process, Member& member);
  void Ask(Process& process, const Member& member);
  absl::StatusOr<services::Authorised> Decide(Process& process, const Member& member);
  void Answer(Process& process, const services::Authorised& caller, size_t customer);

  const Options& options_;
  Machine& machine_;
  Contacts& contacts_;
  Report& report_;
  Dice dice_;
  AccessChecker access_;
  AcknowledgementLedger ledger_;
  std::vector<Member> members_;
  uint64_t changes_ = 0;
  uint64_t questions_ = 0;
};

}  // namespace records::simulation
