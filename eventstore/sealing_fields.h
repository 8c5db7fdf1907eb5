#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "eventstore/sealing_plan.h"
#include "google/protobuf/message.h"
#include "records/log/v1/event.pb.h"

namespace records::eventstore {

// The clear type of restricted events.
inline constexpr absl::string_view kRestrictedType = "records.events.v1.Restricted";

// Associated data of the parts of `event`, to which each part adds its key reference: id, clear
// type and stream, each with its length, so that no part fits another event, type or stream.
[[nodiscard]] std::string AssociatedDataOf(const records::log::v1::Event& event);
[[nodiscard]] std::string AssociatedDataOf(absl::string_view of_event,
                                           absl::string_view key_reference);

// Whether the field holds anything.
[[nodiscard]] bool IsSet(const google::protobuf::Message& message,
                         const google::protobuf::FieldDescriptor& field);

// Where a nested message lies below the message of the event.
using FieldPath = std::vector<const google::protobuf::FieldDescriptor*>;

// Moves a field of `from`, which lies at `path` below the event's message, to the same place below
// `to_root`, replacing what was there; moving never copies text.
void MoveField(google::protobuf::Message* from, const google::protobuf::FieldDescriptor& field,
               const FieldPath& path, google::protobuf::Message* to_root);

// Moves all sealed fields that `from` holds to their places below `to_root`.
void MoveSealedFields(const MessagePlan& plan, google::protobuf::Message* from, FieldPath* path,
                      google::protobuf::Message* to_root);

}  // namespace records::eventstore
