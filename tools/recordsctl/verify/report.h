#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/recordsctl/verify/finding.h"
#include "tools/recordsctl/verify/note_reader.h"
#include "tools/recordsctl/verify/partition_walk.h"

namespace records::tools::verify {

// A checkpoint that the log was compared with.
struct ComparedCheckpoint {
  std::string source;
  uint64_t size = 0;      // events in all trees
  std::string signed_by;  // which key verified it; empty when none could
};

// What a verification found.
struct Report {
  explicit Report(size_t findings_kept_per_kind) : findings(findings_kept_per_kind) {}

  std::string store_id;  // hexadecimal; empty when it could not be read
  uint64_t created_at_us = 0;
  std::vector<TreeResult> trees;
  uint64_t anchored_events = 0;  // in all trees
  std::vector<ComparedCheckpoint> checkpoints;
  bool has_key_store = false;
  uint64_t keys = 0;
  uint64_t key_store_sequence = 0;
  TreeHead key_store_erasures;  // as the anchor of the key store knows them
  uint64_t erasures = 0;        // records of the erasure ledger
  bool is_live = false;
  // What is worth knowing and no damage.
  std::vector<std::string> notes;
  // What a clean result does not say.
  std::vector<std::string> not_checked;
  Findings findings;

  bool is_clean() const { return findings.empty(); }
  uint64_t CountOf(Ledger ledger) const;
};

// For people: what was read, the findings, the most important line last.
std::string RenderText(const Report& report);

// One JSON object and a line feed. Stable: fields are only added.
std::string RenderJson(const Report& report);
std::string RenderCouldNotRunAsJson(const std::string& message);

}  // namespace records::tools::verify
