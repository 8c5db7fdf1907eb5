#include "services/runtime/lawful_bases.h"

#include "records/log/v1/options.pb.h"
#include "services/policy/register.h"

namespace records::services {

LawfulBases::LawfulBases(const records::policy::v1::Register& policy) {
  for (const auto& category : policy.categories()) {
    by_category_[category.id()] = std::string(LawfulBasisName(category.lawful_basis()));
  }
}

std::string LawfulBases::Of(const google::protobuf::Descriptor& event_type) const {
  for (int i = 0; i < event_type.field_count(); ++i) {
    const auto& options = event_type.field(i)->options();
    if (!options.HasExtension(records::log::v1::personal)) continue;
    auto basis = by_category_.find(options.GetExtension(records::log::v1::personal).category());
    if (basis != by_category_.end()) return basis->second;
  }
  return std::string(LawfulBasisName(records::policy::v1::LAWFUL_BASIS_LEGAL_OBLIGATION));
}

}  // namespace records::services
