#include "eventstore/bus/work_streams.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/part_keys.h"
#include "eventstore/planted_bug.h"
#include "eventstore/sealing_plan.h"
#include "eventstore/start_of_day.h"
#include "eventstore/status_macros.h"
#include "records/log/v1/options.pb.h"

namespace records::eventstore {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Labels of what is made for a stream; the stream's name follows, so that each has keys of its own.
constexpr absl::string_view kIdLabel = "work-id/";
constexpr absl::string_view kSubjectLabel = "work-subject/";
constexpr absl::string_view kReferenceLabel = "work-reference/";
constexpr size_t kNameBytes = 16;
constexpr uint8_t kErasedKind = 1;

template <typename Bytes>
std::string ShortHex(const Bytes& hash) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(hash.data()), kNameBytes));
}

std::string PositionBytes(Position position) {
  std::string bytes;
  internal::AppendBigEndian(bytes, static_cast<uint16_t>(position.partition));
  internal::AppendBigEndian(bytes, position.sequence);
  return bytes;
}

absl::Status NoReference() {
  return absl::InvalidArgumentError("not a reference of this work stream");
}

}  // namespace

absl::StatusOr<WorkStreams> WorkStreams::Create(KeyStore& keys, const Sealer& sealer,
                                                const CategoryTable& categories,
                                                absl::Span<const Descriptor* const> event_types) {
  WorkStreams streams(keys, sealer);
  std::set<std::string> topics;
  for (const Descriptor* type : event_types) {
    RETURN_IF_ERROR(streams.AddType(*type, categories));
    const auto& routed = streams.routes_[type->full_name()].topics;
    topics.insert(routed.begin(), routed.end());
  }
  streams.topics_.assign(topics.begin(), topics.end());
  return streams;
}

absl::Status WorkStreams::AddType(const Descriptor& type, const CategoryTable& categories) {
  ASSIGN_OR_RETURN(const TypePlan plan, CompilePlan(type, categories));
  const auto& options = type.options().GetExtension(records::log::v1::event_type);
  Route route;
  route.topics.assign(options.topics().begin(), options.topics().end());
  for (const CategoryRule* category : plan.own_categories) {
    route.own_categories.push_back(category->number);
  }
  if (!options.erased_subjects_field().empty()) {
    const FieldDescriptor* field = type.FindFieldByName(options.erased_subjects_field());
    const auto sealed = absl::c_find_if(plan.root.sealed,
                                        [&](const SealedField& one) { return one.field == field; });
    if (field == nullptr || sealed == plan.root.sealed.end() || plan.restricted ||
        field->message_type() != records::log::v1::ErasedSubjects::descriptor()) {
      return absl::InvalidArgumentError(
          absl::StrCat(type.full_name(), ": '", options.erased_subjects_field(),
                       "' is no sealed field of type ErasedSubjects in an open type"));
    }
    route.erased_subjects = field;
    route.erased_category = sealed->category->id;
  }
  routes_[type.full_name()] = std::move(route);
  return absl::OkStatus();
}

absl::StatusOr<const WorkStreams::Route*> WorkStreams::RouteOf(const StoredEvent& event) const {
  ASSIGN_OR_RETURN(const std::string type, sealer_.TypeOf(event.event));
  if (type.empty()) return nullptr;
  const auto found = routes_.find(type);
  if (found != routes_.end()) return &found->second;
  return absl::DataLossError(absl::StrCat("partition ", event.position.partition, ", sequence ",
                                          event.position.sequence, " has the type ", type,
                                          ", which this program does not know"));
}

absl::StatusOr<std::vector<WorkItem>> WorkStreams::ItemsOf(const StoredEvent& event) const {
  ASSIGN_OR_RETURN(const Route* route, RouteOf(event));
  std::vector<WorkItem> items;
  if (route == nullptr) return items;
  if (!route->topics.empty()) {
    ASSIGN_OR_RETURN(const SubjectId whose, DataSubjectOf(*route, event));
    for (const std::string& topic : route->topics) {
      ASSIGN_OR_RETURN(std::optional<std::string> subject, SubjectOf(whose, event, topic));
      if (!subject) continue;
      ASSIGN_OR_RETURN(WorkItem item, ItemOn(topic, event, *std::move(subject), false));
      item.data_subject = whose;
      items.push_back(std::move(item));
    }
  }
  if (route->erased_subjects != nullptr) RETURN_IF_ERROR(AddErased(*route, event, items));
  return items;
}

absl::StatusOr<bool> WorkStreams::IsErasedFrom(absl::string_view topic,
                                               const StoredEvent& event) const {
  ASSIGN_OR_RETURN(const Route* route, RouteOf(event));
  return route == nullptr || absl::c_linear_search(route->topics, topic);
}

absl::StatusOr<SubjectId> WorkStreams::DataSubjectOf(const Route& route,
                                                     const StoredEvent& event) const {
  for (const auto& part : event.event.sealed()) {
    ASSIGN_OR_RETURN(const KeyReference reference, keys_.OpenReference(part.key_reference()));
    if (absl::c_linear_search(route.own_categories, reference.purpose.category)) {
      return reference.purpose.subject;
    }
  }
  return SubjectId();
}

absl::StatusOr<std::optional<std::string>> WorkStreams::SubjectOf(const SubjectId& subject,
                                                                  const StoredEvent& event,
                                                                  absl::string_view topic) const {
  if (PLANTED_BUG("work-one-key-for-all")) topic = "all";
  const std::string label = absl::StrCat(kSubjectLabel, topic);
  const std::string& root = event.event.stream().root();
  // About nobody's data: no key ends with it.
  if (subject.is_nil()) return ShortHex(keys_.KeyedHash(label, root));
  const auto hash = keys_.SubjectHash(subject, label, root);
  if (PLANTED_BUG("work-after-erasure") && !hash.ok())
    return ShortHex(keys_.KeyedHash(label, root));
  // Fenced: being erased.
  if (absl::IsFailedPrecondition(hash.status())) return std::nullopt;
  RETURN_IF_ERROR(hash.status());
  return ShortHex(*hash);
}

absl::StatusOr<WorkItem> WorkStreams::ItemOn(absl::string_view topic, const StoredEvent& event,
                                             std::string subject, bool erased) const {
  WorkItem item{.topic = std::string(topic),
                .id = IdOf(topic, event.position),
                .subject = std::move(subject),
                .type = erased ? std::string(kErasedType) : event.event.type(),
                .reference = {},
                .erased = erased,
                .day = StartOfDay(absl::FromUnixMicros(event.event.recorded_at_us())),
                .data_subject = {}};
  std::string content = PositionBytes(event.position);
  content.push_back(static_cast<char>(erased ? kErasedKind : 0));
  ASSIGN_OR_RETURN(item.reference,
                   keys_.SealToken(absl::StrCat(kReferenceLabel, topic), "", content));
  return item;
}

absl::Status WorkStreams::AddErased(const Route& route, const StoredEvent& event,
                                    std::vector<WorkItem>& items) const {
  ASSIGN_OR_RETURN(const OpenedEvent opened,
                   sealer_.Open(event.event, [&route](absl::string_view category) {
                     return category == route.erased_category;
                   }));
  const auto& names = dynamic_cast<const records::log::v1::ErasedSubjects&>(
      opened.message->GetReflection()->GetMessage(*opened.message, route.erased_subjects));
  for (const records::log::v1::ErasedSubject& name : names.subjects()) {
    // A stream of an older version, or one that has the event itself.
    if (!absl::c_binary_search(topics_, name.topic()) ||
        absl::c_linear_search(route.topics, name.topic())) {
      continue;
    }
    ASSIGN_OR_RETURN(items.emplace_back(),
                     ItemOn(name.topic(), event, absl::BytesToHexString(name.subject()), true));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> WorkStreams::HasKeysOf(const StoredEvent& event) const {
  ASSIGN_OR_RETURN(const PartKeys keys, FindPartKeys(event.event, keys_));
  return !keys.missing;
}

std::string WorkStreams::IdOf(absl::string_view topic, Position position) const {
  if (PLANTED_BUG("work-one-key-for-all")) topic = "all";
  if (position.sequence == 0) return "";
  return ShortHex(keys_.KeyedHash(absl::StrCat(kIdLabel, topic), PositionBytes(position)));
}

absl::StatusOr<WorkReference> WorkStreams::OpenReference(absl::string_view topic,
                                                         absl::string_view reference) const {
  ASSIGN_OR_RETURN(const std::string content,
                   keys_.OpenToken(absl::StrCat(kReferenceLabel, topic), "", reference));
  absl::string_view bytes = content;
  if (bytes.size() != sizeof(uint16_t) + sizeof(uint64_t) + 1) return NoReference();
  WorkReference found;
  found.position.partition = internal::TakeBigEndian<uint16_t>(bytes);
  found.position.sequence = internal::TakeBigEndian<uint64_t>(bytes);
  if (static_cast<uint8_t>(bytes[0]) > kErasedKind) return NoReference();
  found.erased = bytes[0] == kErasedKind;
  return found;
}

absl::StatusOr<records::log::v1::ErasedSubjects> WorkStreams::NamesOf(const SubjectId& subject,
                                                                      const RootId& root) const {
  records::log::v1::ErasedSubjects names;
  for (const std::string& topic : topics_) {
    ASSIGN_OR_RETURN(const auto hash,
                     keys_.SubjectHash(subject, absl::StrCat(kSubjectLabel, topic), root.bytes()));
    records::log::v1::ErasedSubject& name = *names.add_subjects();
    name.set_topic(topic);
    name.set_subject(hash.data(), kNameBytes);
  }
  return names;
}

}  // namespace records::eventstore
