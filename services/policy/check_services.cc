#include <google/protobuf/descriptor.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eventstore/sealing.h"
#include "eventstore/status_macros.h"
#include "records/log/v1/options.pb.h"
#include "services/policy/method_table.h"
#include "services/policy/register.h"

namespace records::services {
namespace {

namespace policy = records::policy::v1;
using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;

// The view of the methods about work streams.
constexpr absl::string_view kWorkView = "work";

// View and action.
using Access = std::pair<std::string, policy::Action>;

// Collects the faults between register, services and stored events.
class ServiceChecker {
 public:
  explicit ServiceChecker(const policy::Register& reg) : reg_(reg) {
    for (const policy::Category& category : reg.categories()) {
      (category.fold_view().empty() ? categories_ : fold_parts_).insert(category.id());
    }
  }

  void CheckMethods(const MethodTable& methods) {
    std::set<Access> permitted;
    for (const policy::Role& role : reg_.roles()) {
      for (const policy::Permission& permission : role.permissions()) {
        permitted.insert({permission.view(), permission.action()});
      }
    }
    std::set<Access> declared;
    std::set<std::string> views;
    for (const std::string& name : methods.Names()) {
      const policy::MethodAccess& access = *methods.Find(name);
      if (access.action() == policy::ACTION_SERVE) continue;  // for services, not for roles
      declared.insert({access.view(), access.action()});
      views.insert(access.view());
      if (permitted.contains({access.view(), access.action()})) continue;
      Fault(name, "no role is permitted ", policy::Action_Name(access.action()), " on view '",
            access.view(), "'");
    }
    CheckRegisterViews(declared, views);
  }

  void CheckMessage(const Descriptor& type) {
    const auto& event = type.options().GetExtension(records::log::v1::event_type);
    for (const std::string& category : event.fold_categories()) {
      if (!fold_parts_.contains(category)) {
        Fault(type.full_name(), "'", category, "' is no fold part of the register");
      }
    }
    for (int i = 0; i < type.field_count(); ++i) {
      const google::protobuf::FieldOptions& options = type.field(i)->options();
      if (!options.HasExtension(records::log::v1::personal)) continue;
      const std::string& category = options.GetExtension(records::log::v1::personal).category();
      if (!categories_.contains(category)) {
        Fault(type.field(i)->full_name(), "'", category, "' is no category of the register");
      }
    }
    for (int i = 0; i < type.nested_type_count(); ++i) CheckMessage(*type.nested_type(i));
  }

  // A stream that no event goes on would be work that never comes.
  void CheckWorkStreams(absl::Span<const FileDescriptor* const> event_files) {
    const std::set<std::string> streams = WorkStreamsOf(event_files);
    for (const policy::Role& role : reg_.roles()) {
      const std::string row = absl::StrCat("role '", role.id(), "'");
      for (const std::string& stream : role.work_streams()) {
        if (streams.contains(stream)) continue;
        Fault(row, "no event type is on the work stream '", stream, "'");
      }
      const bool permitted = absl::c_any_of(role.permissions(), [](const auto& permission) {
        return permission.view() == kWorkView && permission.action() == policy::ACTION_READ;
      });
      if (permitted != role.work_streams().empty()) continue;
      Fault(row, permitted ? "may read work and takes no work stream"
                           : "takes work streams and may not read work");
    }
  }

  // The rules of sealing itself, for each event type.
  void CheckSealing(const Descriptor& type, const eventstore::CategoryTable& categories) {
    if (!type.options().HasExtension(records::log::v1::event_type)) return;
    const absl::Status status = eventstore::CheckAnnotations(type, categories);
    if (!status.ok()) faults_.emplace_back(status.message());
  }

  absl::Status Result() const {
    if (faults_.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrJoin(faults_, "\n"));
  }

 private:
  template <typename... Parts>
  void Fault(absl::string_view place, const Parts&... parts) {
    faults_.push_back(absl::StrCat(place, ": ", parts...));
  }

  static std::set<std::string> WorkStreamsOf(absl::Span<const FileDescriptor* const> event_files) {
    std::set<std::string> streams;
    for (const Descriptor* type : EventTypesOf(event_files)) {
      const auto& topics = type->options().GetExtension(records::log::v1::event_type).topics();
      streams.insert(topics.begin(), topics.end());
    }
    return streams;
  }

  // A name that no method has is a slip that would quietly permit nothing.
  void CheckRegisterViews(const std::set<Access>& declared, const std::set<std::string>& views) {
    for (const policy::Role& role : reg_.roles()) {
      for (const policy::Permission& permission : role.permissions()) {
        if (declared.contains({permission.view(), permission.action()})) continue;
        Fault(absl::StrCat("role '", role.id(), "'"), "no method is ",
              policy::Action_Name(permission.action()), " on view '", permission.view(), "'");
      }
    }
    for (const policy::Category& category : reg_.categories()) {
      if (category.fold_view().empty() || views.contains(category.fold_view())) continue;
      Fault(absl::StrCat("category '", category.id(), "'"), "unknown view '", category.fold_view(),
            "'");
    }
  }

  const policy::Register& reg_;
  std::set<std::string> categories_;
  std::set<std::string> fold_parts_;
  std::vector<std::string> faults_;
};

}  // namespace

absl::Status CheckServices(const policy::Register& reg,
                           absl::Span<const FileDescriptor* const> api_files,
                           absl::Span<const FileDescriptor* const> event_files) {
  ASSIGN_OR_RETURN(const MethodTable methods, MethodTable::Create(api_files));
  ASSIGN_OR_RETURN(const eventstore::CategoryTable categories, MakeCategoryTable(reg));
  ServiceChecker checker(reg);
  checker.CheckMethods(methods);
  checker.CheckWorkStreams(event_files);
  for (const FileDescriptor* file : event_files) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      checker.CheckMessage(*file->message_type(i));
      checker.CheckSealing(*file->message_type(i), categories);
    }
  }
  return checker.Result();
}

}  // namespace records::services
