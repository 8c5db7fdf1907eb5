#include "services/policy/view_policy.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "absl/algorithm/container.h"
#include "eventstore/crypto.h"
#include "records/log/v1/options.pb.h"
#include "records/policy/v1/access.pb.h"

namespace records::services {

namespace policy = records::policy::v1;
using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;

namespace {

// Goes through all that a message can hold.
void CollectCategories(const Descriptor& type, absl::flat_hash_set<const Descriptor*>& seen,
                       absl::flat_hash_set<std::string>& categories) {
  if (!seen.insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *type.field(i);
    const auto& personal = field.options().GetExtension(records::log::v1::personal);
    if (!personal.category().empty()) categories.insert(personal.category());
    if (field.message_type() != nullptr) CollectCategories(*field.message_type(), seen, categories);
  }
}

absl::flat_hash_set<std::string> CategoriesShown(absl::Span<const FileDescriptor* const> api_files,
                                                 absl::string_view view) {
  absl::flat_hash_set<const Descriptor*> seen;
  absl::flat_hash_set<std::string> categories;
  for (const FileDescriptor* file : api_files) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        const policy::MethodAccess& access = method->options().GetExtension(policy::access);
        if (access.view() != view || access.action() != policy::ACTION_READ) continue;
        CollectCategories(*method->output_type(), seen, categories);
      }
    }
  }
  return categories;
}

}  // namespace

absl::flat_hash_set<uint32_t> CategoriesOfView(const policy::Register& reg,
                                               absl::Span<const FileDescriptor* const> api_files,
                                               absl::string_view view) {
  const absl::flat_hash_set<std::string> shown = CategoriesShown(api_files, view);
  absl::flat_hash_set<std::string> readers;
  for (const policy::Role& role : reg.roles()) {
    for (const policy::Permission& permission : role.permissions()) {
      if (permission.view() == view && permission.action() == policy::ACTION_READ) {
        readers.insert(role.id());
      }
    }
  }
  absl::flat_hash_set<uint32_t> numbers;
  for (const policy::Category& category : reg.categories()) {
    const bool is_read = shown.contains(category.id()) &&
                         absl::c_any_of(category.readers(), [&readers](const auto& reader) {
                           return readers.contains(reader.role());
                         });
    if (is_read || category.fold_view() == view) numbers.insert(category.number());
  }
  return numbers;
}

bool StillCovers(const Decision& now, const Decision& before) {
  return absl::c_all_of(before.allowed.Names(), [&now](const std::string& category) {
    return now.allowed.contains(category);
  });
}

std::string RegisterDigest(const policy::Register& reg) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    reg.SerializeToCodedStream(&out);
  }
  return std::string(eventstore::AsBytes(eventstore::Sha256(bytes)));
}

}  // namespace records::services
