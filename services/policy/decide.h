#pragma once

// The one function that decides who may do and read what (design, section 7).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "records/policy/v1/access.pb.h"
#include "records/policy/v1/register.pb.h"

namespace records::services {

namespace internal {
struct DecisionTables;
struct ActionRule;
}  // namespace internal

// The register, arranged for deciding: a decision is a few lookups.
//
// Immutable, thread-safe. May be moved while decisions stand; must outlive them.
class DecisionTable {
 public:
  // kInvalidArgument: ValidateRegister refuses the register.
  static absl::StatusOr<DecisionTable> Create(const records::policy::v1::Register& reg);

  DecisionTable(DecisionTable&&) noexcept;
  DecisionTable& operator=(DecisionTable&&) noexcept;
  ~DecisionTable();

  const internal::DecisionTables& tables() const { return *tables_; }

 private:
  explicit DecisionTable(std::unique_ptr<const internal::DecisionTables> tables);

  std::unique_ptr<const internal::DecisionTables> tables_;
};

// In which relations the caller is proven to stand to the customer. RELATION_ANYBODY always holds.
// No source of the others exists yet: every caller of Decide leaves them absent.
struct Relations {
  bool assigned = false;
  bool same_team = false;
};

// The categories that a decision lets the caller open, each with the role that allows it. A view
// into the DecisionTable: cheap to copy, must not outlive it.
class AllowedCategories {
 public:
  // None.
  AllowedCategories() = default;

  bool contains(absl::string_view category) const { return RoleFor(category) != nullptr; }

  // Returns the role that allows the category: of several the first in the order of the register.
  // nullptr: not allowed, or not a category.
  const std::string* RoleFor(absl::string_view category) const;

  // Returns the ids of all allowed categories, in the order of the register.
  std::vector<std::string> Names() const;

  bool empty() const;

 private:
  friend class Decider;

  const internal::DecisionTables* tables_ = nullptr;
  const internal::ActionRule* rule_ = nullptr;
  uint64_t roles_ = 0;
  unsigned relations_ = 0;
};

// A yes.
struct Decision {
  AllowedCategories allowed;  // never empty for ACTION_READ, always empty for other actions
  std::string role;  // permitted the call: of several the first in the order of the register
};

// What of a decision counts on a work stream: of the roles that permitted the read those that take
// the stream, and what they may open. Another role of the caller adds nothing to it. nullopt: none
// takes it, or those that do open nothing.
[[nodiscard]] std::optional<Decision> OnWorkStream(const Decision& decision,
                                                   absl::string_view stream);

// A no. For traces and counters only: a caller learns nothing but that they were refused.
enum class RefusalReason {
  kPurposeUnknown,   // not of the closed list (DP-C2)
  kNoRoleCounts,     // no role is both offered and granted
  kNotPermitted,     // no counting role may do this to this view for this purpose
  kNothingReadable,  // a permitted read, but of no category
};

// Name of a reason for traces and metrics, "purpose-unknown".
absl::string_view RefusalReasonName(RefusalReason reason);

// What is decided on. The references must live through the call.
struct DecisionInput {
  absl::Span<const std::string> offered;            // roles that the caller's token offers
  const absl::flat_hash_set<std::string>& granted;  // roles whose grant to the caller stands
  const records::policy::v1::MethodAccess& access;  // of the method called
  absl::string_view purpose;                        // as the caller states it
  Relations relations;
};

// Decides. Pure: the same input and table always give the same answer; no I/O, no clock, no lock.
//
// A role counts when it is both offered and granted. The call is permitted when a counting role has
// a permission for view, action and purpose. A read may open the categories of which such a role is
// a reader for that purpose, in a relation that holds; a read of nothing is refused. Anything not
// known to the register is refused.
[[nodiscard]] std::variant<Decision, RefusalReason> Decide(const DecisionInput& input,
                                                           const DecisionTable& table);

}  // namespace records::services
