#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"
#include "tests/eventstore/fake_tail.h"

namespace records::faults {

// One append that was sent: noted before it goes out, so that whatever comes back it is known what
// may be there.
struct SentAppend {
  eventstore::Append append;
  std::vector<std::string> ids;    // of its events
  std::vector<std::string> texts;  // what they say, opened
  // Set when it was acknowledged: from then on it must be there, and there.
  std::optional<eventstore::Appended> outcome;
};

// What the test was told, and so what every later state of the store must hold. A value: a scenario
// starts from a copy.
struct Acknowledgements {
  std::vector<SentAppend> appends;
  std::vector<std::string> checkpoints;  // signed notes that were given out
  std::string verifier_key;              // that they are signed with
  // References that were claimed, and what for; nothing when no answer came.
  std::map<std::string, std::optional<eventstore::DirectoryEntry>> claims;
  // Ended keys and fenced subjects, and whether that was acknowledged.
  std::map<eventstore::KeyPurpose, bool> ended_keys;
  std::map<eventstore::SubjectId, bool> fenced;
  // Subjects whose erasure began, and whether its end was told.
  std::map<eventstore::SubjectId, bool> erased;
  // Bytes that must stand in no file once a subject is erased: keys and rows of the key store, as
  // they are there and opened.
  std::map<eventstore::SubjectId, std::vector<std::string>> secrets;
  // Backups that were made, by name, and how many of `appends` had been sent before.
  std::map<std::string, size_t> backups;
  size_t backups_begun = 0;
  bool restore_begun = false;
  // What the topic of the log has, where it is published, and how many of `appends` that are.
  std::optional<eventstore::testing_support::FakeTail> tail;
  size_t published = 0;
  uint32_t master_key_generation = 1;
  // The time of the test, which goes on over restarts.
  absl::Time now = absl::FromUnixSeconds(1'767'225'600);  // 2026-01-01
};

}  // namespace records::faults
