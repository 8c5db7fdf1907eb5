#include "services/timeline/timeline_entries.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/runtime/entry_id.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using google::protobuf::FieldDescriptor;

struct Content {
  const FieldDescriptor* field;
  api::EntryKind kind;
};

// The contents of an entry by event type. A field `service_request` of the oneof is of the kind
// ENTRY_KIND_SERVICE_REQUEST: the descriptors say it, so no list can lag behind them.
const absl::flat_hash_map<std::string, Content>& Contents() {
  static const auto& contents = *[] {
    auto* by_type = new absl::flat_hash_map<std::string, Content>();
    const auto* oneof = api::TimelineEntry::descriptor()->FindOneofByName("content");
    for (int i = 0; i < oneof->field_count(); ++i) {
      const FieldDescriptor* field = oneof->field(i);
      api::EntryKind kind = api::ENTRY_KIND_UNSPECIFIED;
      api::EntryKind_Parse(absl::StrCat("ENTRY_KIND_", absl::AsciiStrToUpper(field->name())),
                           &kind);
      (*by_type)[field->message_type()->full_name()] = {field, kind};
    }
    return by_type;
  }();
  return contents;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> TypesOfKinds(
    const google::protobuf::RepeatedField<int>& kinds) {
  std::vector<std::string> types;
  for (int kind : kinds) {
    if (!api::EntryKind_IsValid(kind)) return InvalidField("kinds", "must be kinds of entries");
    if (kind == api::ENTRY_KIND_UNSPECIFIED) return std::vector<std::string>();
    for (const auto& [type, content] : Contents()) {
      if (content.kind == kind) types.push_back(type);
    }
  }
  return types;
}

void ExpectEntries(const ReadRuntime& runtime, const std::vector<projections::OpenedEntry>& entries,
                   std::vector<eventstore::TokenContent> tokens) {
  std::vector<eventstore::SubjectId> actors;
  for (const projections::OpenedEntry& entry : entries) {
    tokens.push_back(EntryIdContent(runtime, entry.position));
    if (!entry.actor.is_nil()) actors.push_back(entry.actor);
  }
  runtime.keys.ExpectTokens(tokens);
  runtime.keys.ExpectNames(actors);
}

absl::StatusOr<api::TimelineEntry> EntryFrom(const ReadRuntime& runtime,
                                             projections::OpenedEntry entry) {
  auto content = Contents().find(entry.type);
  if (content == Contents().end() || entry.message == nullptr) {
    return absl::DataLossError(absl::StrCat("no entry of a timeline has the type ", entry.type));
  }
  api::TimelineEntry out;
  ASSIGN_OR_RETURN(*out.mutable_entry_id(), EntryIdOf(runtime, entry.position));
  out.set_kind(content->second.kind);
  out.set_occurred_at_us(absl::ToUnixMicros(entry.occurred_at));
  out.set_recorded_at_us(absl::ToUnixMicros(entry.recorded_at));
  out.set_corrected(entry.corrected);
  if (!entry.actor.is_nil()) {
    ASSIGN_OR_RETURN(auto reference, runtime.keys.ReferenceOf(entry.actor));
    // Issuer, line feed, subject: people know each other by the subject.
    if (reference.has_value()) {
      out.set_recorded_by(reference->substr(reference->find('\n') + 1));
    }
  }
  out.GetReflection()->SetAllocatedMessage(&out, entry.message.release(), content->second.field);
  return out;
}

api::TimelineHeader HeaderFrom(const projections::OpenedHeader& header) {
  api::TimelineHeader out;
  if (header.person.has_value()) *out.mutable_person() = *header.person;
  if (header.tenancy.has_value()) *out.mutable_tenancy() = *header.tenancy;
  if (header.needs.has_value()) *out.mutable_needs() = *header.needs;
  if (header.safety.has_value()) *out.mutable_safety() = *header.safety;
  out.set_confidential_address(header.confidential_address);
  for (const auto& authority : header.authorities) *out.add_authorities() = authority;
  out.set_synthetic(header.synthetic);
  return out;
}

}  // namespace records::services
