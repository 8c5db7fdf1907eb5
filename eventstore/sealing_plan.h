#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/categories.h"
#include "google/protobuf/descriptor.h"

namespace records::eventstore {

// A field that is sealed as one, with all below it.
struct SealedField {
  const google::protobuf::FieldDescriptor* field = nullptr;
  const CategoryRule* category = nullptr;
  // Sibling that holds the subject's id; null: the subject of the event.
  const google::protobuf::FieldDescriptor* subject_field = nullptr;
  bool fold = false;
};

// What becomes of the fields of one message.
struct MessagePlan {
  std::vector<const google::protobuf::FieldDescriptor*> clear;
  std::vector<SealedField> sealed;
  // Messages without annotation: their fields have their own.
  std::vector<std::pair<const google::protobuf::FieldDescriptor*, std::unique_ptr<MessagePlan>>>
      nested;
};

// The annotations of one event type, read once.
struct TypePlan {
  bool restricted = false;
  // Categories of the event's own subject, in the order of the fields: each always gets a part.
  std::vector<const CategoryRule*> own_categories;
  std::vector<const CategoryRule*> fold_categories;
  MessagePlan root;

  // Whether a part must not tell by its size what it is, or whether it holds anything.
  bool parts_look_alike() const { return restricted || own_categories.size() > 1; }
};

// Reads and checks the annotations of `type`. Pure. kInvalidArgument: as CheckAnnotations().
// The plan points into `categories`.
[[nodiscard]] absl::StatusOr<TypePlan> CompilePlan(const google::protobuf::Descriptor& type,
                                                   const CategoryTable& categories);

// The plans of a sealer, compiled when first asked for.
//
// Thread-safe. Must not outlive the categories; plans live as long as it does.
class SealingPlans {
 public:
  explicit SealingPlans(const CategoryTable& categories) : categories_(categories) {}

  // kInvalidArgument: as CheckAnnotations().
  [[nodiscard]] absl::StatusOr<const TypePlan*> Find(const google::protobuf::Descriptor& type);

 private:
  const CategoryTable& categories_;
  absl::Mutex mutex_;
  absl::flat_hash_map<const google::protobuf::Descriptor*, std::unique_ptr<const TypePlan>> plans_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
