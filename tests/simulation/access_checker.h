#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "tests/simulation/report.h"

namespace records::simulation {

// No answer under a revoked grant, and none without its trace. Each caller has one role here, and
// one change of it at a time. Not thread-safe.
class AccessChecker {
 public:
  // A change was asked for; until it is acknowledged, both states may be seen.
  void ChangeBegins(const std::string& caller) { changing_.insert(caller); }
  void ChangeAcknowledged(const std::string& caller, bool granted);

  // A decision was made: yes or no.
  void Decided(const std::string& caller, bool allowed, Report& report) const;

  // A question was answered; its trace carries `trace`.
  void Answered(const std::string& trace) { answered_.insert(trace); }

  // `traces`: all that stand in the log.
  void Check(const std::set<std::string>& traces, Report& report) const;

  size_t answers() const { return answered_.size(); }

 private:
  std::set<std::string> changing_;
  std::map<std::string, bool> granted_;
  std::set<std::string> answered_;
};

}  // namespace records::simulation
