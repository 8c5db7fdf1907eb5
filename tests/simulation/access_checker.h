#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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

  // A question about a customer was answered; its trace carries `trace`.
  void Answered(const std::string& trace, size_t customer) { answered_[trace] = customer; }

  // `traces`: all that stand in the log and open. `may_be_closed`: whether those of a customer may
  // not open any more; then nobody can tell.
  void Check(const std::set<std::string>& traces,
             const std::function<bool(size_t customer)>& may_be_closed, Report& report) const;

  size_t answers() const { return answered_.size(); }

 private:
  std::set<std::string> changing_;
  std::map<std::string, bool> granted_;
  std::map<std::string, size_t> answered_;  // about whom
};

}  // namespace records::simulation
