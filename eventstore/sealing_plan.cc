#include "eventstore/sealing_plan.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "eventstore/sealing.h"
#include "eventstore/status_macros.h"
#include "records/log/v1/options.pb.h"

namespace records::eventstore {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::records::log::v1::PersonalData;

absl::Status Refuse(const FieldDescriptor& field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(field.full_name(), ": ", why));
}

bool IsAnnotated(const FieldDescriptor& field) {
  return field.options().HasExtension(records::log::v1::personal) ||
         field.options().HasExtension(records::log::v1::clear_because);
}

class Compiler {
 public:
  explicit Compiler(const CategoryTable& categories) : categories_(categories) {}

  absl::Status Compile(const Descriptor& type, TypePlan* plan) {
    if (!type.options().HasExtension(records::log::v1::event_type)) {
      return absl::InvalidArgumentError(absl::StrCat(type.full_name(), " is not an event type"));
    }
    const auto& options = type.options().GetExtension(records::log::v1::event_type);
    plan_ = plan;
    plan->restricted = options.restricted();
    for (const std::string& id : options.fold_categories()) {
      RETURN_IF_ERROR(AddFoldCategory(type, id));
    }
    return AddMessage(type, &plan->root);
  }

 private:
  absl::Status AddFoldCategory(const Descriptor& type, const std::string& id) {
    const CategoryRule* category = categories_.Find(id);
    if (!plan_->restricted || category == nullptr || IsFoldCategory(category)) {
      return absl::InvalidArgumentError(
          absl::StrCat(type.full_name(), ": fold category '", id,
                       "' is unknown, there twice, or on a type that is not restricted"));
    }
    plan_->fold_categories.push_back(category);
    return absl::OkStatus();
  }

  bool IsFoldCategory(const CategoryRule* category) const {
    const auto& fold = plan_->fold_categories;
    return std::find(fold.begin(), fold.end(), category) != fold.end();
  }

  absl::Status AddMessage(const Descriptor& type, MessagePlan* message) {
    if (!open_.insert(&type).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(type.full_name(), " contains itself: annotate the field that holds it"));
    }
    for (int i = 0; i < type.field_count(); ++i) {
      RETURN_IF_ERROR(AddField(*type.field(i), message));
    }
    open_.erase(&type);
    return absl::OkStatus();
  }

  absl::Status AddField(const FieldDescriptor& field, MessagePlan* message) {
    const bool personal = field.options().HasExtension(records::log::v1::personal);
    const bool clear = field.options().HasExtension(records::log::v1::clear_because);
    if (personal && clear) return Refuse(field, "is both personal and clear");
    if (personal) return AddSealed(field, message);
    if (clear) return AddClear(field, message);
    if (field.is_repeated() || field.message_type() == nullptr) {
      return Refuse(field, "has neither a category nor a reason to be clear");
    }
    auto nested = std::make_unique<MessagePlan>();
    RETURN_IF_ERROR(AddMessage(*field.message_type(), nested.get()));
    message->nested.emplace_back(&field, std::move(nested));
    return absl::OkStatus();
  }

  absl::Status AddClear(const FieldDescriptor& field, MessagePlan* message) {
    if (field.options().GetExtension(records::log::v1::clear_because).empty()) {
      return Refuse(field, "is clear without a reason");
    }
    if (plan_->restricted) return Refuse(field, "is clear in a restricted type");
    RETURN_IF_ERROR(CheckNoneBelow(field));
    message->clear.push_back(&field);
    return absl::OkStatus();
  }

  absl::Status AddSealed(const FieldDescriptor& field, MessagePlan* message) {
    const PersonalData& options = field.options().GetExtension(records::log::v1::personal);
    SealedField sealed{
        .field = &field, .category = categories_.Find(options.category()), .fold = options.fold()};
    if (sealed.category == nullptr) {
      return Refuse(field, absl::StrCat("unknown category '", options.category(), "'"));
    }
    if (IsFoldCategory(sealed.category)) return Refuse(field, "is in a category of a fold part");
    RETURN_IF_ERROR(FindSubjectField(options, &sealed));
    if (sealed.fold && plan_->fold_categories.empty()) {
      return Refuse(field, "is marked fold, but its type has no fold category");
    }
    if (sealed.fold && sealed.subject_field != nullptr) {
      return Refuse(field, "is another subject's: a fold part would keep it under the wrong key");
    }
    RETURN_IF_ERROR(CheckNoneBelow(field));
    auto& own = plan_->own_categories;
    if (sealed.subject_field == nullptr &&
        std::find(own.begin(), own.end(), sealed.category) == own.end()) {
      own.push_back(sealed.category);
    }
    message->sealed.push_back(sealed);
    return absl::OkStatus();
  }

  static absl::Status FindSubjectField(const PersonalData& options, SealedField* sealed) {
    if (options.subject_field().empty()) return absl::OkStatus();
    const FieldDescriptor* sibling =
        sealed->field->containing_type()->FindFieldByName(options.subject_field());
    if (sibling == nullptr || sibling == sealed->field || sibling->is_repeated() ||
        sibling->type() != FieldDescriptor::TYPE_BYTES) {
      return Refuse(*sealed->field, "its subject field is not a single bytes field beside it");
    }
    sealed->subject_field = sibling;
    return absl::OkStatus();
  }

  // What lies below an annotated field goes with it: an annotation there would have no effect.
  static absl::Status CheckNoneBelow(const FieldDescriptor& field) {
    absl::flat_hash_set<const Descriptor*> seen;
    std::vector<const Descriptor*> waiting;
    if (field.message_type() != nullptr) waiting.push_back(field.message_type());
    while (!waiting.empty()) {
      const Descriptor* type = waiting.back();
      waiting.pop_back();
      if (!seen.insert(type).second) continue;
      for (int i = 0; i < type->field_count(); ++i) {
        if (IsAnnotated(*type->field(i))) {
          return Refuse(*type->field(i), absl::StrCat("is annotated below ", field.full_name(),
                                                      ", which is sealed or clear as a whole"));
        }
        if (type->field(i)->message_type() != nullptr) {
          waiting.push_back(type->field(i)->message_type());
        }
      }
    }
    return absl::OkStatus();
  }

  const CategoryTable& categories_;
  TypePlan* plan_ = nullptr;
  absl::flat_hash_set<const Descriptor*> open_;
};

}  // namespace

absl::StatusOr<TypePlan> CompilePlan(const Descriptor& type, const CategoryTable& categories) {
  TypePlan plan;
  RETURN_IF_ERROR(Compiler(categories).Compile(type, &plan));
  return plan;
}

absl::StatusOr<const TypePlan*> SealingPlans::Find(const Descriptor& type) {
  {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = plans_.find(&type);
    if (found != plans_.end()) return found->second.get();
  }
  ASSIGN_OR_RETURN(TypePlan plan, CompilePlan(type, categories_));
  absl::MutexLock lock(&mutex_);
  auto& slot = plans_[&type];
  if (slot == nullptr) slot = std::make_unique<const TypePlan>(std::move(plan));
  return slot.get();
}

absl::Status CheckAnnotations(const Descriptor& type, const CategoryTable& categories) {
  return CompilePlan(type, categories).status();
}

}  // namespace records::eventstore
