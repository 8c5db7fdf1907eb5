#pragma once

// The register of processing: loaded, checked, and handed to who needs a part of it.
//
// A register is plain data (records.policy.v1.Register). What these functions return has passed
// every check here; a server that cannot get one does not start.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/categories.h"
#include "records/policy/v1/register.pb.h"

namespace records::services {

// Names of the three files in a folder of registers.
inline constexpr absl::string_view kCategoriesFile = "categories.textproto";
inline constexpr absl::string_view kRolesFile = "roles.textproto";
inline constexpr absl::string_view kPurposesFile = "purposes.textproto";

// Limits of a register. They keep the tables of the decision small; nobody reads a longer register.
inline constexpr size_t kRegisterFileBytesMax = 1024 * 1024;
inline constexpr size_t kRegisterCategoriesMax = 250;
inline constexpr size_t kRegisterRolesMax = 64;
inline constexpr size_t kRegisterPurposesMax = 64;
inline constexpr uint32_t kRetentionDaysMax = 36'525;  // a hundred years: more is a slip of the pen

// The text of the three files, each in the text format of records.policy.v1.Register and holding
// rows of its own kind only.
struct RegisterTexts {
  std::string categories;
  std::string roles;
  std::string purposes;
};

// Returns the register in the texts.
// kInvalidArgument: a text does not parse (the message names file, line and column), or holds rows
// of another kind, or the register is refused by ValidateRegister.
[[nodiscard]] absl::StatusOr<records::policy::v1::Register> RegisterFromTexts(
    const RegisterTexts& texts);

// Returns the register in the three files of `folder`.
// kNotFound: a file is missing or cannot be read. kInvalidArgument: as RegisterFromTexts, or a file
// above kRegisterFileBytesMax.
[[nodiscard]] absl::StatusOr<records::policy::v1::Register> LoadRegister(const std::string& folder);

// Returns the register of deploy/policy as it was when this program was built: the default of a
// server without --policy.
[[nodiscard]] absl::StatusOr<records::policy::v1::Register> EmbeddedRegister();

// kInvalidArgument: the register is incomplete or contradicts itself. The message has one line for
// each fault and names the row. Without lawful basis, period, condition where one is required, or
// a known name, nothing is processed (DP-G1, DP-N1, C18, C48).
[[nodiscard]] absl::Status ValidateRegister(const records::policy::v1::Register& reg);

// Returns what the event store must know of the categories. REQUIRES: a register from above.
[[nodiscard]] absl::StatusOr<eventstore::CategoryTable> MakeCategoryTable(
    const records::policy::v1::Register& reg);

// Returns the name of a lawful basis as events carry it, "legal-obligation"; empty for
// LAWFUL_BASIS_UNSPECIFIED and unknown numbers.
[[nodiscard]] absl::string_view LawfulBasisName(records::policy::v1::LawfulBasis basis);

}  // namespace records::services
