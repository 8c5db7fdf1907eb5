// The registers of processing, roles and purposes: whatever text they hold, a register is refused
// or whole, and what was taken serves the decision.
//
// Input: mode, then for
//   0, 1, 2  one of the three texts; the others are those of deploy/policy
//   3        all three, as chunks
//   4        a register in the wire form of its message

#include <string>

#include "services/policy/decide.h"
#include "services/policy/embedded.h"
#include "services/policy/register.h"
#include "tests/fuzz/fuzz_target.h"

namespace records::fuzz {
namespace {

using policy::v1::Register;
namespace embedded = services::internal;

// A register that was taken works.
void Use(const Register& reg) {
  const auto valid = services::ValidateRegister(reg);
  FUZZ_EXPECT(valid.ok(), valid.ToString());
  const auto categories = services::MakeCategoryTable(reg);
  FUZZ_EXPECT(categories.ok(), categories.status().ToString());
  const auto table = services::DecisionTable::Create(reg);
  FUZZ_EXPECT(table.ok(), table.status().ToString());
  policy::v1::MethodAccess access;
  access.set_view("timeline");
  access.set_action(policy::v1::ACTION_READ);
  for (const auto& role : reg.roles()) {
    const std::string offered[] = {role.id()};
    const absl::flat_hash_set<std::string> granted = {role.id()};
    for (const auto& purpose : reg.purposes()) {
      const auto decided = services::Decide({offered, granted, access, purpose.id(), {}}, *table);
      const auto* yes = std::get_if<services::Decision>(&decided);
      if (yes == nullptr) continue;
      FUZZ_EXPECT(!yes->allowed.empty());
      for (const std::string& name : yes->allowed.Names()) FUZZ_EXPECT(yes->allowed.contains(name));
    }
    const auto nobody = services::Decide({offered, {}, access, "service-delivery", {}}, *table);
    FUZZ_EXPECT(std::holds_alternative<services::RefusalReason>(nobody));
  }
}

services::RegisterTexts Embedded() {
  return {embedded::kEmbeddedCategories, embedded::kEmbeddedRoles, embedded::kEmbeddedPurposes};
}

services::RegisterTexts Small() {
  return {.categories = R"(categories {
  id: "identity" number: 1 description: "Who."
  lawful_basis: LAWFUL_BASIS_CONTRACT sensitivity: CATEGORY_SENSITIVITY_PERSONAL
  retention { days: 2192 counted_from: RETENTION_START_CONTRACT_END scope: SCOPE_KIND_SUBJECT }
  readers { role: "officer" relation: RELATION_ANYBODY purposes: "audit" }
  traced: true policy_document: "CR" impact_assessment: "DPIA" clauses: "CR-1.5.1"
})",
          .roles = R"(roles {
  id: "officer" description: "Speaks." stands_for: "Staff"
  permissions { view: "timeline" action: ACTION_READ purposes: "audit" }
})",
          .purposes = R"(purposes { id: "audit" description: "Checking." })"};
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  const uint8_t mode = in.Byte() % 5;
  if (mode == 4) {
    Register reg;
    if (reg.ParseFromString(std::string(in.Rest())) && services::ValidateRegister(reg).ok())
      Use(reg);
    return;
  }
  services::RegisterTexts texts = Embedded();
  if (mode == 0) texts.categories = std::string(in.Rest());
  if (mode == 1) texts.roles = std::string(in.Rest());
  if (mode == 2) texts.purposes = std::string(in.Rest());
  if (mode == 3) {
    texts.categories = std::string(in.Chunk());
    texts.roles = std::string(in.Chunk());
    texts.purposes = std::string(in.Rest());
  }
  const auto reg = services::RegisterFromTexts(texts);
  FUZZ_EXPECT(reg.ok() || absl::IsInvalidArgument(reg.status()), reg.status().ToString());
  if (reg.ok()) Use(*reg);
}

void WriteSeeds(const SeedSink& sink) {
  sink("roles", Byte(1) + Embedded().roles);
  sink("purposes", Byte(2) + Embedded().purposes);
  const services::RegisterTexts small = Small();
  sink("small", Byte(3) + Chunk(small.categories) + Chunk(small.roles) + small.purposes);
  const auto reg = services::RegisterFromTexts(small);
  FUZZ_EXPECT(reg.ok(), reg.status().ToString());
  sink("wire", Byte(4) + reg->SerializeAsString());
  sink("wire-whole", Byte(4) + services::EmbeddedRegister()->SerializeAsString());
}

}  // namespace records::fuzz
