#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::eventstore {

// For what span one key is used.
enum class KeyScopeKind : uint8_t { kSubject = 1, kYear = 2, kMonth = 3, kRoot = 4 };

// Category numbers are two bytes in key references.
inline constexpr uint32_t kCategoryNumberMax = 65'535;

// What the event store must know of a data category. The register of processing is the source.
struct CategoryRule {
  std::string id;       // as in the annotations of events
  uint32_t number = 0;  // in key references, from 1 to 65,535
  KeyScopeKind scope = KeyScopeKind::kSubject;
};

// The categories, by id and by number. Immutable, thread-safe.
class CategoryTable {
 public:
  // kInvalidArgument: an id or number twice, or a number outside its range.
  static absl::StatusOr<CategoryTable> Create(std::vector<CategoryRule> rules);

  // nullptr: unknown.
  const CategoryRule* Find(absl::string_view id) const;
  const CategoryRule* Find(uint32_t number) const;

 private:
  std::vector<CategoryRule> rules_;
  absl::flat_hash_map<std::string, size_t> by_id_;
  absl::flat_hash_map<uint32_t, size_t> by_number_;
};

}  // namespace records::eventstore
