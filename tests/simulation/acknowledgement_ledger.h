#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "eventstore/log.h"
#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// What callers were told of their requests, held against each other and against the log: an
// acknowledged append is there, at its place, under its request key, and says what was sent,
// whatever crashed; each reply to one request says the same; one reply at most says that the append
// was made just now; what was refused for good, and never acknowledged, is not there. Not
// thread-safe.
class AcknowledgementLedger {
 public:
  // The name of the request that an event tells of; nullopt: of none, or nobody can tell any more.
  using NameIn = std::function<std::optional<std::string>(const eventstore::StoredEvent&)>;

  // Request `name` is sent. Returns the number of this sending, from 1.
  uint64_t Sent(const std::string& name) { return ++entries_[name].sendings; }
  // The key that the log keeps for the request. Without it, it is told by its events alone.
  void HasKey(const std::string& name, std::string key) { entries_[name].key = std::move(key); }

  // A caller got OK for request `name`.
  void Acknowledged(const std::string& name, const eventstore::Appended& appended, Report& report);
  // A caller was told that a sending made nothing, which holds for those before it too. A later one
  // may still make something.
  void Refused(const std::string& name, uint64_t sending) { entries_[name].refused = sending; }

  // The log must say so of every request.
  void Check(const LogSnapshot& snapshot, const NameIn& name_in, Report& report);

 private:
  struct Entry {
    std::optional<eventstore::Appended> appended;  // none: not acknowledged so far
    int fresh_replies = 0;
    uint64_t sendings = 0;
    uint64_t refused = 0;  // the last sending that was; 0: none
    std::string key;       // empty: none
    std::string event_id;  // of the first event, once it was looked at
  };

  void CheckMade(const std::string& name, Entry& entry, const LogSnapshot& snapshot,
                 const NameIn& name_in, Report& report);
  void CheckRefused(const LogSnapshot& snapshot, const NameIn& name_in, Report& report) const;

  std::map<std::string, Entry> entries_;
};

}  // namespace records::simulation
