#include "services/policy/method_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "records/api/v1/access_service.pb.h"
#include "records/api/v1/backup_service.pb.h"
#include "records/api/v1/contact_service.pb.h"
#include "records/api/v1/customer_service.pb.h"
#include "records/api/v1/erasure_service.pb.h"
#include "records/api/v1/ledger_service.pb.h"
#include "records/api/v1/timeline_service.pb.h"
#include "records/api/v1/view_service.pb.h"
#include "records/events/v1/access.pb.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"
#include "records/events/v1/erasure.pb.h"
#include "records/events/v1/restricted.pb.h"
#include "records/log/v1/options.pb.h"

namespace records::services {

namespace api = records::api::v1;
namespace events = records::events::v1;
namespace policy = records::policy::v1;

// A message of each file, so that the linker keeps the file's descriptor.
std::vector<const google::protobuf::FileDescriptor*> ApiFiles() {
  return {api::GrantRoleRequest::descriptor()->file(),
          api::RecordContactRequest::descriptor()->file(),
          api::RegisterCustomerRequest::descriptor()->file(),
          api::PlanErasureRequest::descriptor()->file(),
          api::TailLogRequest::descriptor()->file(),
          api::CreateBackupRequest::descriptor()->file(),
          api::GetTimelineRequest::descriptor()->file(),
          api::ListViewsRequest::descriptor()->file()};
}

std::vector<const google::protobuf::FileDescriptor*> EventFiles() {
  return {events::RoleGranted::descriptor()->file(),
          events::AsbReported::descriptor()->file(),
          events::ContactRecorded::descriptor()->file(),
          events::CustomerRegistered::descriptor()->file(),
          events::SubjectErased::descriptor()->file(),
          events::Restricted::descriptor()->file()};
}

std::vector<const google::protobuf::Descriptor*> EventTypesOf(
    absl::Span<const google::protobuf::FileDescriptor* const> files) {
  std::vector<const google::protobuf::Descriptor*> types;
  for (const google::protobuf::FileDescriptor* file : files) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      const google::protobuf::Descriptor* type = file->message_type(i);
      if (type->options().HasExtension(records::log::v1::event_type)) types.push_back(type);
    }
  }
  return types;
}

std::vector<const google::protobuf::Descriptor*> EventTypes() { return EventTypesOf(EventFiles()); }

absl::StatusOr<MethodTable> MethodTable::Create(
    absl::Span<const google::protobuf::FileDescriptor* const> files) {
  MethodTable table;
  std::vector<std::string> undeclared;
  for (const google::protobuf::FileDescriptor* file : files) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const google::protobuf::MethodDescriptor* method = file->service(s)->method(m);
        const policy::MethodAccess& access = method->options().GetExtension(policy::access);
        if (access.view().empty() || access.action() == policy::ACTION_UNSPECIFIED ||
            !policy::Action_IsValid(access.action())) {
          undeclared.push_back(absl::StrCat(method->full_name(), ": declares no view and action"));
        }
        table.methods_.emplace(method->full_name(), access);
      }
    }
  }
  if (undeclared.empty()) return table;
  return absl::FailedPreconditionError(absl::StrJoin(undeclared, "\n"));
}

const policy::MethodAccess* MethodTable::Find(absl::string_view full_name) const {
  const auto found = methods_.find(full_name);
  return found == methods_.end() ? nullptr : &found->second;
}

std::vector<std::string> MethodTable::Names() const {
  std::vector<std::string> names;
  names.reserve(methods_.size());
  for (const auto& [name, access] : methods_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

absl::flat_hash_set<std::string> MethodTable::ServicePaths() const {
  absl::flat_hash_set<std::string> paths;
  for (const auto& [name, access] : methods_) {
    if (access.action() != policy::ACTION_SERVE) continue;
    const size_t dot = name.rfind('.');
    paths.insert(absl::StrCat("/", name.substr(0, dot), "/", name.substr(dot + 1)));
  }
  return paths;
}

}  // namespace records::services
