#pragma once

#include <string>

#include "eventstore/anchor.h"
#include "eventstore/anchor_file.h"
#include "tools/recordsctl/verify/anchor_reader.h"

namespace records::faults {

// Whether everybody who reads an anchor, the store at its start and `log verify`, takes the same
// from both files, and finds both copies in each valid.
inline bool TakeTheSame(const std::string& one, const std::string& other) {
  const auto store = eventstore::Anchor::Read(eventstore::PosixAnchorFiles(), one);
  const auto store_other = eventstore::Anchor::Read(eventstore::PosixAnchorFiles(), other);
  const auto verifier = tools::verify::ReadAnchor(one);
  const auto verifier_other = tools::verify::ReadAnchor(other);
  if (!store.ok() || !store_other.ok() || !verifier.ok() || !verifier_other.ok()) return false;
  const auto same = [](const auto& reading, const auto& other_reading) {
    return reading.both_copies_valid && other_reading.both_copies_valid &&
           reading.generation == other_reading.generation &&
           reading.payload == other_reading.payload;
  };
  return same(*store, *store_other) && same(*verifier, *verifier_other);
}

}  // namespace records::faults
