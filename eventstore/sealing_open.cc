#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/sealing.h"
#include "eventstore/sealing_fields.h"
#include "eventstore/sealing_padding.h"
#include "eventstore/sealing_plan.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::Message;
using ::google::protobuf::MessageFactory;
using ::records::log::v1::Event;
using ::records::log::v1::PartContent;
using ::records::log::v1::SealedHeader;
using ::records::log::v1::SealedPart;

// What opening meets that sealing cannot have made.
absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("a stored event is damaged: ", what));
}

template <typename IdType>
absl::Status ReadId(const std::string& bytes, IdType* id) {
  *id = IdType();
  if (bytes.empty()) return absl::OkStatus();
  const auto read = IdType::FromBytes(bytes);
  if (!read.ok()) return Damaged("an id in its header");
  *id = *read;
  return absl::OkStatus();
}

template <typename IdType>
absl::Status ReadId(const std::string& bytes, std::optional<IdType>* id) {
  if (bytes.empty()) return absl::OkStatus();
  return ReadId(bytes, &id->emplace());
}

// `Header` is Event or SealedHeader: both carry the same five fields.
template <typename Header>
absl::Status ReadHeader(const Header& header, OpenedEvent* opened) {
  RETURN_IF_ERROR(ReadId(header.actor(), &opened->actor));
  RETURN_IF_ERROR(ReadId(header.causation(), &opened->causation));
  RETURN_IF_ERROR(ReadId(header.correlation(), &opened->correlation));
  opened->purpose = header.purpose();
  opened->lawful_basis = header.lawful_basis();
  return absl::OkStatus();
}

// The padded plaintext of a part, to be wiped; nullopt when its key has ended.
absl::StatusOr<std::optional<std::string>> DecryptPart(KeyStore& keys,
                                                       const std::string& associated_data,
                                                       const SealedPart& part,
                                                       const KeyReference& reference) {
  ASSIGN_OR_RETURN(const std::optional<LeasedKey> key, keys.FindReferencedKey(reference));
  if (!key.has_value()) return std::nullopt;
  if (part.nonce().size() != kAeadNonceSize) return Damaged("a nonce");
  return key->aead->Open(part.nonce(), part.ciphertext(),
                         AssociatedDataOf(associated_data, part.key_reference()));
}

absl::StatusOr<std::string> TypeInside(absl::string_view padded) {
  ASSIGN_OR_RETURN(const absl::string_view plaintext, Unpad(padded));
  PartContent content;
  if (!content.ParseFromArray(plaintext.data(), static_cast<int>(plaintext.size())) ||
      content.type().empty()) {
    return Damaged("the content of a part");
  }
  WipeString(*content.mutable_message());
  return content.type();
}

// Opens the parts of one event and puts them together. Each part's fields replace those that are
// there: a field is in one part, or the same in several (fold parts), so the order means nothing.
class Opener {
 public:
  Opener(KeyStore& keys, const CategoryTable& categories, SealingPlans& plans, const Event& event,
         absl::FunctionRef<bool(absl::string_view)> may_open)
      : keys_(keys),
        categories_(categories),
        plans_(plans),
        event_(event),
        may_open_(may_open),
        restricted_(event.type() == kRestrictedType) {}

  absl::StatusOr<OpenedEvent> Open() {
    if (static_cast<size_t>(event_.sealed_size()) > kSealedPartsMax) return Damaged("its parts");
    if (restricted_ && !event_.facts().empty()) return Damaged("facts in a restricted event");
    if (!restricted_) {
      RETURN_IF_ERROR(StartMessage(event_.type()));
      RETURN_IF_ERROR(ReadHeader(event_, &opened_));
      if (!opened_.message->ParseFromString(event_.facts())) return Damaged("its facts");
    }
    associated_data_ = AssociatedDataOf(event_);
    keys_.Expect({&event_});
    for (const SealedPart& part : event_.sealed()) RETURN_IF_ERROR(OpenPart(part));
    return std::move(opened_);
  }

 private:
  absl::Status StartMessage(const std::string& type) {
    const Descriptor* descriptor = DescriptorPool::generated_pool()->FindMessageTypeByName(type);
    if (descriptor == nullptr) return Damaged("a type that this build does not know");
    const auto plan = plans_.Find(*descriptor);
    if (!plan.ok() || (*plan)->restricted != restricted_) return Damaged("not a type of its kind");
    plan_ = *plan;
    opened_.type = type;
    opened_.message.reset(MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
    return absl::OkStatus();
  }

  absl::Status OpenPart(const SealedPart& part) {
    ASSIGN_OR_RETURN(const KeyReference reference, keys_.OpenReference(part.key_reference()));
    const KeyPurpose& purpose = reference.purpose;
    if (purpose.category == 0) return absl::OkStatus();
    const CategoryRule* category = categories_.Find(purpose.category);
    if (category == nullptr) return Damaged("a category that the register does not have");
    if (!may_open_(category->id)) return absl::OkStatus();
    if (std::find(seen_.begin(), seen_.end(), purpose) != seen_.end()) {
      return Damaged("two parts for one key");
    }
    seen_.push_back(purpose);
    ASSIGN_OR_RETURN(std::optional<std::string> padded,
                     DecryptPart(keys_, associated_data_, part, reference));
    if (!padded.has_value()) return absl::OkStatus();
    const absl::Status status = Merge(*padded);
    WipeString(*padded);
    RETURN_IF_ERROR(status);
    opened_.categories.insert(category->id);
    return absl::OkStatus();
  }

  absl::Status Merge(absl::string_view padded) {
    ASSIGN_OR_RETURN(const absl::string_view plaintext, Unpad(padded));
    PartContent content;
    if (!content.ParseFromArray(plaintext.data(), static_cast<int>(plaintext.size()))) {
      return Damaged("the content of a part");
    }
    RETURN_IF_ERROR(TakeTypeAndHeader(content));
    const std::unique_ptr<Message> fields(opened_.message->New());
    const bool parsed = fields->ParseFromString(content.message());
    WipeString(*content.mutable_message());
    if (!parsed) return Damaged("the fields of a part");
    FieldPath path;
    MoveSealedFields(plan_->root, fields.get(), &path, opened_.message.get());
    return absl::OkStatus();
  }

  // All parts of an event say the same of it.
  absl::Status TakeTypeAndHeader(const PartContent& content) {
    if (!restricted_) {
      if (!content.type().empty()) return Damaged("a sealed type in an open event");
      if (!content.header().actor().empty()) {
        RETURN_IF_ERROR(ReadId(content.header().actor(), &opened_.actor));
      }
      return absl::OkStatus();
    }
    if (opened_.message == nullptr) {
      RETURN_IF_ERROR(StartMessage(content.type()));
      return ReadHeader(content.header(), &opened_);
    }
    return content.type() == opened_.type ? absl::OkStatus() : Damaged("parts of two types");
  }

  KeyStore& keys_;
  const CategoryTable& categories_;
  SealingPlans& plans_;
  const Event& event_;
  const absl::FunctionRef<bool(absl::string_view)> may_open_;
  const bool restricted_;
  std::string associated_data_;
  const TypePlan* plan_ = nullptr;
  std::vector<KeyPurpose> seen_;
  OpenedEvent opened_;
};

}  // namespace

absl::StatusOr<OpenedEvent> Sealer::Open(
    const Event& event, absl::FunctionRef<bool(absl::string_view category)> may_open) const {
  return Opener(keys_, categories_, *plans_, event, may_open).Open();
}

absl::StatusOr<std::string> Sealer::TypeOf(const Event& event) const {
  if (event.type() != kRestrictedType) return event.type();
  if (static_cast<size_t>(event.sealed_size()) > kSealedPartsMax) return Damaged("its parts");
  const std::string associated_data = AssociatedDataOf(event);
  for (const SealedPart& part : event.sealed()) {
    ASSIGN_OR_RETURN(const KeyReference reference, keys_.OpenReference(part.key_reference()));
    if (reference.purpose.category == 0) continue;
    ASSIGN_OR_RETURN(std::optional<std::string> padded,
                     DecryptPart(keys_, associated_data, part, reference));
    if (!padded.has_value()) continue;
    absl::StatusOr<std::string> type = TypeInside(*padded);
    WipeString(*padded);
    return type;
  }
  return std::string();
}

}  // namespace records::eventstore
