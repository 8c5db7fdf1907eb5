#pragma once

// What each method of the services is to the decision, read from its option in the protos.

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "records/policy/v1/access.pb.h"
#include "records/policy/v1/register.pb.h"

namespace records::services {

// The files of records.api.v1 and of records.events.v1, in the order of their names. A new proto
// file is added here; a test compares the lists with the folders.
std::vector<const google::protobuf::FileDescriptor*> ApiFiles();
std::vector<const google::protobuf::FileDescriptor*> EventFiles();
// The event types of files, in their order; and of EventFiles().
std::vector<const google::protobuf::Descriptor*> EventTypesOf(
    absl::Span<const google::protobuf::FileDescriptor* const> files);
std::vector<const google::protobuf::Descriptor*> EventTypes();

// View and action of every method, by the full name of its descriptor:
// "records.api.v1.ContactService.RecordContact".
//
// Immutable, thread-safe.
class MethodTable {
 public:
  // kFailedPrecondition: a method has no access option, or one without view or action; all such
  // methods are named.
  static absl::StatusOr<MethodTable> Create(
      absl::Span<const google::protobuf::FileDescriptor* const> files);

  // Returns nullptr for a name that is no method: such a call is refused.
  const records::policy::v1::MethodAccess* Find(absl::string_view full_name) const;

  // Returns all names, sorted.
  std::vector<std::string> Names() const;

  // Paths of the methods of ACTION_SERVE, "/records.api.v1.LedgerService/Resolve": on the port of
  // services, and on no other.
  absl::flat_hash_set<std::string> ServicePaths() const;

 private:
  absl::flat_hash_map<std::string, records::policy::v1::MethodAccess> methods_;
};

// Checks services and register against each other, for the start of a server:
//   - each method has an access option whose view and action some role is permitted, but for those
//     of ACTION_SERVE, which none can be;
//   - each permission and each fold view names a view that a method has;
//   - each work stream that a role takes is one that an event type names; a role takes some when
//     it may read the view "work", and only then;
//   - each category in the annotations of events is in the register: of a sealed field one that is
//     no fold part, of an event type's fold parts one that is;
//   - each event type keeps the rules of sealing (eventstore::CheckAnnotations).
// kFailedPrecondition: one line for each fault, with the name of the method, row or field.
[[nodiscard]] absl::Status CheckServices(
    const records::policy::v1::Register& reg,
    absl::Span<const google::protobuf::FileDescriptor* const> api_files,
    absl::Span<const google::protobuf::FileDescriptor* const> event_files);

}  // namespace records::services
