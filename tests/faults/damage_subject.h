#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Small stores that tests damage, and everything that can be asked of them.
namespace records::faults {

// What a store said when it was opened and asked for everything that it holds.
struct Reading {
  absl::Status start;
  std::vector<absl::StatusOr<std::string>> answers;  // in one order, whatever they are
  std::string mended;  // what the start did about damage, when it did not refuse
};

// One kind of store. Not thread-safe; its methods start threads, so it is only used in processes
// that nobody forks from.
class DamageSubject {
 public:
  virtual ~DamageSubject() = default;

  // Where a store is left in different states.
  struct Folders {
    std::string closed;  // ended cleanly
    std::string killed;  // as a kill right before would have left it
    std::string older;   // as a kill some time before that would have left it
  };
  // Builds the store with the product's code.
  virtual absl::Status Make(const Folders& folders) = 0;

  // Whether everybody who reads `file`, a small one that is read at once, takes the same from it in
  // the whole store and in the damaged one: then nothing that is done with it can differ. False
  // when in doubt.
  virtual bool TakesTheSame(const std::string& whole, const std::string& damaged,
                            const std::string& file) = 0;

  // Starts the store as the server does, and reads all of it.
  virtual Reading ReadEverything(const std::string& folder) = 0;

  // What `recordsctl log verify` says of the folder: findings, and notes apart. Empty where it
  // does not look at such a store.
  struct Verified {
    std::vector<std::string> findings;
    std::vector<std::string> notes;
  };
  virtual Verified Verify(const std::string& folder) = 0;
};

// The log with both ledgers, its anchor, checkpoint and signing key. With 256 events or more in one
// partition it has a complete tile.
std::unique_ptr<DamageSubject> MakeLogSubject(int events_in_first_partition);

// Keys, directory, fences, their anchor and the master key.
std::unique_ptr<DamageSubject> MakeKeyStoreSubject();

// A view and its marker, over a log in memory that is the same each time.
std::unique_ptr<DamageSubject> MakeViewSubject();

}  // namespace records::faults
