#include "tests/simulation/tree_checker.h"

#include "absl/strings/str_cat.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/merkle.h"
#include "eventstore/signed_note.h"
#include "eventstore/status_macros.h"
#include "eventstore/tree_reader.h"

namespace records::simulation {
namespace {

using eventstore::Hash;
using eventstore::TreeHead;

constexpr char kName[] = "trees";

absl::StatusOr<std::vector<TreeHead>> Open(const std::string& note,
                                           const eventstore::EventLog& log) {
  ASSIGN_OR_RETURN(const auto verifier, eventstore::NoteVerifier::Parse(log.VerifierKey()));
  ASSIGN_OR_RETURN(const auto opened, eventstore::OpenNote(note, {verifier}));
  ASSIGN_OR_RETURN(const auto checkpoint, eventstore::ParseCheckpoint(opened.text));
  return eventstore::TreesOf(checkpoint, log.store_id());
}

// Roots of all prefixes of a tree, from none to all events.
std::vector<Hash> Roots(const std::vector<eventstore::StoredEvent>& events) {
  eventstore::Frontier frontier;
  std::vector<Hash> roots = {frontier.Root()};
  for (const auto& event : events) {
    frontier.Append(eventstore::HashLeaf(event.bytes));
    roots.push_back(frontier.Root());
  }
  return roots;
}

absl::Status CheckProof(const eventstore::Storage& storage, uint32_t partitions, size_t tree,
                        const TreeHead& old_head, const TreeHead& now) {
  const auto ledger = tree < partitions ? eventstore::Ledger::kEvents : eventstore::Ledger::kAccess;
  auto source =
      eventstore::OpenTree(storage, ledger, static_cast<uint32_t>(tree % partitions), now.size);
  ASSIGN_OR_RETURN(const auto proof, eventstore::ConsistencyProof(source, old_head.size, now.size));
  return eventstore::VerifyConsistency(old_head.size, now.size, proof, old_head.root, now.root);
}

}  // namespace

void TreeChecker::Signed(const std::string& note, const eventstore::EventLog& log, Report& report) {
  auto trees = Open(note, log);
  if (!trees.ok()) {
    report.Broken(kName,
                  absl::StrCat("a signed checkpoint does not open: ", trees.status().message()));
    return;
  }
  if (signed_.empty() || signed_.back() != *trees) signed_.push_back(*std::move(trees));
}

void TreeChecker::Check(const LogSnapshot& snapshot, const eventstore::Storage& storage,
                        Report& report) const {
  for (size_t tree = 0; tree < snapshot.trees.size(); ++tree) {
    const std::vector<Hash> roots = Roots(snapshot.trees[tree]);
    const TreeHead now{roots.size() - 1, roots.back()};
    for (size_t i = 0; i < signed_.size(); ++i) {
      const TreeHead& old_head = signed_[i][tree];
      if (old_head.size >= roots.size()) {
        report.Broken(kName, absl::StrCat("checkpoint ", i, " has more events than tree ", tree));
      } else if (old_head.root != roots[old_head.size]) {
        report.Broken(kName, absl::StrCat("checkpoint ", i, " has another root for tree ", tree));
      } else if (old_head.size > 0) {
        const absl::Status proof =
            CheckProof(storage, snapshot.partition_count, tree, old_head, now);
        if (!proof.ok()) {
          report.Broken(kName, absl::StrCat("no proof from checkpoint ", i, ": ", proof.message()));
        }
      }
    }
  }
}

}  // namespace records::simulation
