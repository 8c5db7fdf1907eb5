#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "eventstore/log.h"
#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// What callers were told of their requests, held against each other and against the log: an
// acknowledged append is there, at its place, under one request key, whatever crashed; each reply
// to one request says the same; one reply at most says that the append was made just now; what was
// refused for good, and never acknowledged, is not there. Not thread-safe.
class AcknowledgementLedger {
 public:
  // A caller got OK for request `name`.
  void Acknowledged(const std::string& name, const eventstore::Appended& appended, Report& report);

  // The log must say so of every request.
  void Check(const LogSnapshot& snapshot, Report& report);

  // nullptr: not acknowledged so far.
  const eventstore::Appended* Find(const std::string& name) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    eventstore::Appended appended;
    int fresh_replies = 0;
    std::string event_id;  // of the first event, once it was looked at
  };

  std::map<std::string, Entry> entries_;
};

}  // namespace records::simulation
