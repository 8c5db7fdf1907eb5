#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eventstore/limits.h"
#include "eventstore/sealing.h"
#include "eventstore/sealing_fields.h"
#include "eventstore/sealing_padding.h"
#include "eventstore/sealing_plan.h"
#include "eventstore/start_of_day.h"
#include "eventstore/status_macros.h"
#include "google/protobuf/arena.h"

namespace records::eventstore {
namespace {

using ::google::protobuf::Arena;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::records::log::v1::Event;
using ::records::log::v1::PartContent;
using ::records::log::v1::SealedHeader;
using ::records::log::v1::SealedPart;

// Years that a scope's epoch can name.
constexpr int64_t kFirstYear = 1900;
constexpr int64_t kLastYear = 9999;

struct Part {
  KeyPurpose purpose;
  Message* message;
  // Open types: no field of the category is set. Looks like a part, and needs no key.
  bool empty = false;
};

// Takes a message apart into what stays clear and the parts.
class Taker {
 public:
  Taker(const EventHeader& header, const TypePlan& plan, const Message& message, Arena* arena)
      : header_(header), plan_(plan), message_(message), arena_(arena) {}

  absl::Status Take() {
    for (const CategoryRule* category : plan_.own_categories) {
      RETURN_IF_ERROR(PartFor(header_.subject, *category).status());
    }
    clear_ = message_.New(arena_);
    Message* rest = Copy();
    RETURN_IF_ERROR(TakeFields(plan_.root, rest));
    // Nothing is stored that no annotation speaks for.
    if (rest->ByteSizeLong() != 0) {
      return absl::InvalidArgumentError("the event has fields that this build does not know");
    }
    RETURN_IF_ERROR(TakeFold());
    // In a restricted type an empty part tells its readers the real type, so it is a real one.
    if (plan_.restricted) return absl::OkStatus();
    for (Part& part : parts_) part.empty = part.message->ByteSizeLong() == 0;
    return absl::OkStatus();
  }

  const Message& clear() const { return *clear_; }
  const std::vector<Part>& parts() const { return parts_; }

 private:
  Message* Copy() const {
    Message* copy = message_.New(arena_);
    copy->CopyFrom(message_);
    return copy;
  }

  absl::Status TakeFields(const MessagePlan& plan, Message* rest) {
    // Whose keys: asked before anything is moved, as the id itself may be sealed.
    std::vector<std::pair<const SealedField*, Message*>> sealed;
    for (const SealedField& field : plan.sealed) {
      if (!IsSet(*rest, *field.field)) continue;
      ASSIGN_OR_RETURN(const SubjectId subject, SubjectOf(field, *rest));
      ASSIGN_OR_RETURN(Message * part, PartFor(subject, *field.category));
      sealed.emplace_back(&field, part);
    }
    for (const FieldDescriptor* field : plan.clear) {
      if (IsSet(*rest, *field)) MoveField(rest, *field, path_, clear_);
    }
    for (const auto& [field, part] : sealed) MoveField(rest, *field->field, path_, part);
    const auto* reflection = rest->GetReflection();
    for (const auto& [field, nested] : plan.nested) {
      if (!reflection->HasField(*rest, field)) continue;
      Message* below = reflection->MutableMessage(rest, field);
      path_.push_back(field);
      RETURN_IF_ERROR(TakeFields(*nested, below));
      path_.pop_back();
      if (below->ByteSizeLong() == 0) reflection->ClearField(rest, field);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<SubjectId> SubjectOf(const SealedField& field, const Message& message) const {
    if (field.subject_field == nullptr) return header_.subject;
    std::string scratch;
    const auto id = SubjectId::FromBytes(
        message.GetReflection()->GetStringReference(message, field.subject_field, &scratch));
    if (id.ok()) return *id;
    return absl::InvalidArgumentError(
        absl::StrCat(field.subject_field->full_name(), " is not the id of a data subject"));
  }

  absl::StatusOr<Message*> PartFor(const SubjectId& subject, const CategoryRule& category) {
    ASSIGN_OR_RETURN(const KeyScope scope, ScopeOf(category));
    const KeyPurpose purpose{.subject = subject, .category = category.number, .scope = scope};
    for (const Part& part : parts_) {
      if (part.purpose == purpose) return part.message;
    }
    parts_.push_back({purpose, message_.New(arena_)});
    return parts_.back().message;
  }

  absl::StatusOr<KeyScope> ScopeOf(const CategoryRule& category) const {
    KeyScope scope{.kind = category.scope};
    if (category.scope == KeyScopeKind::kRoot) scope.root = header_.stream.root;
    if (category.scope == KeyScopeKind::kYear || category.scope == KeyScopeKind::kMonth) {
      const absl::CivilMonth month = absl::ToCivilMonth(header_.scope_time, absl::UTCTimeZone());
      // The default time is refused too: it would give the event the keys of 1970.
      if (month.year() < kFirstYear || month.year() > kLastYear ||
          header_.scope_time == absl::UnixEpoch()) {
        return absl::InvalidArgumentError("the scope time of the event is missing or out of range");
      }
      const auto year = static_cast<uint32_t>(month.year());
      scope.epoch = category.scope == KeyScopeKind::kYear
                        ? year
                        : year * 100 + static_cast<uint32_t>(month.month());
    }
    return scope;
  }

  absl::Status TakeFold() {
    for (const CategoryRule* category : plan_.fold_categories) {
      ASSIGN_OR_RETURN(Message * part, PartFor(header_.subject, *category));
      MoveFold(plan_.root, Copy(), part);
    }
    return absl::OkStatus();
  }

  void MoveFold(const MessagePlan& plan, Message* from, Message* part) {
    for (const SealedField& field : plan.sealed) {
      if (field.fold && IsSet(*from, *field.field)) MoveField(from, *field.field, path_, part);
    }
    const auto* reflection = from->GetReflection();
    for (const auto& [field, nested] : plan.nested) {
      if (!reflection->HasField(*from, field)) continue;
      path_.push_back(field);
      MoveFold(*nested, reflection->MutableMessage(from, field), part);
      path_.pop_back();
    }
  }

  const EventHeader& header_;
  const TypePlan& plan_;
  const Message& message_;
  Arena* const arena_;
  Message* clear_ = nullptr;
  std::vector<Part> parts_;
  FieldPath path_;
};

absl::Status Fill(Random& random, size_t size, std::string* bytes) {
  bytes->resize(size);
  return random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes->data()), size));
}

// A number below `bound`. The bias of the remainder is below 2^-57 for the bounds used here.
absl::StatusOr<size_t> Below(Random& random, size_t bound) {
  std::array<uint8_t, sizeof(uint64_t)> bytes;
  RETURN_IF_ERROR(random.Fill(absl::MakeSpan(bytes)));
  uint64_t number;
  std::memcpy(&number, bytes.data(), sizeof(number));
  return static_cast<size_t>(number % bound);
}

// Seals the parts of one event.
class PartSealer {
 public:
  PartSealer(KeyStore& keys, Random& random, Event* event, SealedEvent* sealed)
      : keys_(keys),
        random_(random),
        event_(event),
        sealed_(sealed),
        associated_data_(AssociatedDataOf(*event)) {}

  // `content` is wiped.
  absl::Status Seal(const KeyPurpose& purpose, const LeasedKey& key, std::string content,
                    size_t minimum) {
    PadToSizeClass(content, minimum);
    const absl::Status status = SealPadded(purpose, key, content);
    WipeString(content);
    return status;
  }

  // Adds what looks like a part of an empty content and is none: nobody can open it.
  absl::Status AddEmpty(size_t minimum) {
    return AddDummy(std::max(PaddedSize(0), minimum) + kAeadTagSize);
  }

  // Fills up with parts that look like the others and hold nothing, and mixes them, so that neither
  // number nor place nor size tells which is which.
  absl::Status AddDummiesAndShuffle() {
    const int real = event_->sealed_size();
    const size_t wanted =
        (static_cast<size_t>(real) + kRestrictedPartsClass - 1) / kRestrictedPartsClass;
    while (static_cast<size_t>(event_->sealed_size()) <
           std::max<size_t>(wanted, 1) * kRestrictedPartsClass) {
      ASSIGN_OR_RETURN(const size_t size, SizeOfOneOf(real));
      RETURN_IF_ERROR(AddDummy(size));
    }
    for (int i = event_->sealed_size() - 1; i > 0; --i) {
      ASSIGN_OR_RETURN(const size_t other, Below(random_, static_cast<size_t>(i) + 1));
      event_->mutable_sealed()->SwapElements(i, static_cast<int>(other));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status SealPadded(const KeyPurpose& purpose, const LeasedKey& key,
                          const std::string& padded) {
    SealedPart& part = *event_->add_sealed();
    ASSIGN_OR_RETURN(*part.mutable_key_reference(), keys_.MakeReference({purpose, TagOf(key.id)}));
    RETURN_IF_ERROR(Fill(random_, kAeadNonceSize, part.mutable_nonce()));
    ASSIGN_OR_RETURN(*part.mutable_ciphertext(),
                     key.aead->Seal(part.nonce(), padded,
                                    AssociatedDataOf(associated_data_, part.key_reference())));
    sealed_->keys.push_back(key.id);
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> SizeOfOneOf(int parts) {
    if (parts == 0) return kAlikePartBytesMin + kAeadTagSize;
    ASSIGN_OR_RETURN(const size_t model, Below(random_, static_cast<size_t>(parts)));
    return event_->sealed(static_cast<int>(model)).ciphertext().size();
  }

  // `size`: of the ciphertext with its tag.
  absl::Status AddDummy(size_t size) {
    SealedPart& part = *event_->add_sealed();
    ASSIGN_OR_RETURN(*part.mutable_key_reference(), keys_.MakeReference(KeyReference{}));
    RETURN_IF_ERROR(Fill(random_, kAeadNonceSize, part.mutable_nonce()));
    return Fill(random_, size, part.mutable_ciphertext());
  }

  KeyStore& keys_;
  Random& random_;
  Event* const event_;
  SealedEvent* const sealed_;
  const std::string associated_data_;
};

absl::Status CheckHeader(const EventHeader& header) {
  if (header.id.is_nil() || header.subject.is_nil()) {
    return absl::InvalidArgumentError("an event needs an id and a data subject");
  }
  return header.stream.Validate();
}

int64_t ClearTime(const EventHeader& header) {
  const bool day_only = header.time_precision == records::log::v1::TIME_PRECISION_DAY;
  return absl::ToUnixMicros(day_only ? StartOfDay(header.occurred_at) : header.occurred_at);
}

void SetClearHeader(const EventHeader& header, Event* event) {
  if (!header.seal_actor && !header.actor.is_nil()) {
    event->set_actor(std::string(header.actor.bytes()));
  }
  event->set_purpose(header.purpose);
  event->set_lawful_basis(header.lawful_basis);
  if (header.causation) event->set_causation(std::string(header.causation->bytes()));
  if (header.correlation) event->set_correlation(std::string(header.correlation->bytes()));
}

void SetSealedHeader(const EventHeader& header, bool restricted, SealedHeader* sealed) {
  if (!header.actor.is_nil()) sealed->set_actor(std::string(header.actor.bytes()));
  if (!restricted) return;
  sealed->set_purpose(header.purpose);
  sealed->set_lawful_basis(header.lawful_basis);
  if (header.causation) sealed->set_causation(std::string(header.causation->bytes()));
  if (header.correlation) sealed->set_correlation(std::string(header.correlation->bytes()));
}

absl::StatusOr<std::vector<LeasedKey>> KeysOf(const std::vector<Part>& parts, KeyStore& keys) {
  std::vector<KeyPurpose> purposes;
  purposes.reserve(parts.size());
  for (const Part& part : parts) {
    if (!part.empty) purposes.push_back(part.purpose);
  }
  return keys.GetOrCreateKeys(purposes);
}

absl::Status SealParts(const EventHeader& header, const TypePlan& plan, const Message& message,
                       const std::vector<Part>& parts, KeyStore& keys, PartSealer* sealer) {
  if (parts.size() > kSealedPartsMax) {
    return absl::InvalidArgumentError("the event has too many sealed parts");
  }
  const auto is_empty = [](const Part& part) { return part.empty; };
  if (header.seal_actor && std::all_of(parts.begin(), parts.end(), is_empty)) {
    return absl::InvalidArgumentError("an event without sealed parts cannot seal its actor");
  }
  PartContent content;
  if (plan.restricted) content.set_type(message.GetDescriptor()->full_name());
  if (plan.restricted || header.seal_actor) {
    SetSealedHeader(header, plan.restricted, content.mutable_header());
  }
  const size_t minimum = plan.parts_look_alike() ? kAlikePartBytesMin : 0;
  ASSIGN_OR_RETURN(const std::vector<LeasedKey> leased, KeysOf(parts, keys));
  auto key = leased.begin();
  for (const Part& part : parts) {
    if (part.empty) {
      RETURN_IF_ERROR(sealer->AddEmpty(minimum));
      continue;
    }
    if (!part.message->SerializeToString(content.mutable_message())) {
      return absl::InvalidArgumentError("the event cannot be serialised");
    }
    RETURN_IF_ERROR(sealer->Seal(part.purpose, *key++, content.SerializeAsString(), minimum));
    WipeString(*content.mutable_message());
  }
  return plan.restricted ? sealer->AddDummiesAndShuffle() : absl::OkStatus();
}

std::vector<SubjectId> SubjectsOf(const EventHeader& header, const std::vector<Part>& parts) {
  std::vector<SubjectId> subjects = {header.subject};
  for (const Part& part : parts) {
    if (std::find(subjects.begin(), subjects.end(), part.purpose.subject) == subjects.end()) {
      subjects.push_back(part.purpose.subject);
    }
  }
  return subjects;
}

}  // namespace

Sealer::Sealer(KeyStore& keys, const CategoryTable& categories, Random& random)
    : keys_(keys),
      categories_(categories),
      random_(random),
      plans_(std::make_unique<SealingPlans>(categories)) {}

Sealer::~Sealer() = default;

absl::StatusOr<SealedEvent> Sealer::Seal(const EventHeader& header, const Message& message) {
  RETURN_IF_ERROR(CheckHeader(header));
  if (message.GetDescriptor()->file()->pool() !=
      google::protobuf::DescriptorPool::generated_pool()) {
    return absl::InvalidArgumentError("not an event type of this build");
  }
  ASSIGN_OR_RETURN(const TypePlan* plan, plans_->Find(*message.GetDescriptor()));
  alignas(8) char block[4096];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof(block);
  Arena arena(options);
  Taker taker(header, *plan, message, &arena);
  RETURN_IF_ERROR(taker.Take());

  Event event;
  event.set_id(std::string(header.id.bytes()));
  *event.mutable_stream() = header.stream.ToProto();
  event.set_type(plan->restricted ? std::string(kRestrictedType)
                                  : message.GetDescriptor()->full_name());
  event.set_occurred_at_us(ClearTime(header));
  event.set_time_precision(header.time_precision);
  if (!plan->restricted) {
    SetClearHeader(header, &event);
    event.set_facts(taker.clear().SerializeAsString());
  }
  SealedEvent sealed;
  PartSealer sealer(keys_, random_, &event, &sealed);
  RETURN_IF_ERROR(SealParts(header, *plan, message, taker.parts(), keys_, &sealer));
  sealed.subjects = SubjectsOf(header, taker.parts());
  sealed.event = {.stream = header.stream,
                  .time_precision = header.time_precision,
                  .body = event.SerializeAsString()};
  if (sealed.event.body.size() > kEventBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the event has ", sealed.event.body.size(),
                                                   " bytes; at most ", kEventBytesMax));
  }
  return sealed;
}

}  // namespace records::eventstore
