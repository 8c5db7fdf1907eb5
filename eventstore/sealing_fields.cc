#include "eventstore/sealing_fields.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"

namespace records::eventstore {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

void AppendWithLength(absl::string_view bytes, std::string* to) {
  internal::AppendBigEndian(*to, static_cast<uint32_t>(bytes.size()));
  to->append(bytes.data(), bytes.size());
}

}  // namespace

std::string AssociatedDataOf(const records::log::v1::Event& event) {
  std::string data;
  data.reserve(256);
  AppendWithLength("records sealed part v1", &data);
  AppendWithLength(event.id(), &data);
  AppendWithLength(event.type(), &data);
  AppendWithLength(event.stream().organisation(), &data);
  AppendWithLength(event.stream().collection(), &data);
  AppendWithLength(event.stream().root(), &data);
  AppendWithLength(event.stream().sub_stream(), &data);
  return data;
}

std::string AssociatedDataOf(absl::string_view of_event, absl::string_view key_reference) {
  return absl::StrCat(of_event, key_reference);
}

bool IsSet(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  return field.is_repeated() ? reflection->FieldSize(message, &field) > 0
                             : reflection->HasField(message, &field);
}

void MoveField(Message* from, const FieldDescriptor& field, const FieldPath& path,
               Message* to_root) {
  Message* to = to_root;
  for (const FieldDescriptor* step : path) to = to->GetReflection()->MutableMessage(to, step);
  to->GetReflection()->ClearField(to, &field);
  from->GetReflection()->SwapFields(from, to, {&field});
}

void MoveSealedFields(const MessagePlan& plan, Message* from, FieldPath* path, Message* to_root) {
  for (const SealedField& sealed : plan.sealed) {
    if (IsSet(*from, *sealed.field)) MoveField(from, *sealed.field, *path, to_root);
  }
  const auto* reflection = from->GetReflection();
  for (const auto& [field, nested] : plan.nested) {
    if (!reflection->HasField(*from, field)) continue;
    path->push_back(field);
    MoveSealedFields(*nested, reflection->MutableMessage(from, field), path, to_root);
    path->pop_back();
  }
}

}  // namespace records::eventstore
