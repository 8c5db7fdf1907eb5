#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "google/protobuf/message.h"
#include "records/log/v1/options.pb.h"

namespace records::eventstore::testing {

// Every text that RandomMessage() makes contains this, so that a search for it finds a leak.
inline constexpr char kCanary[] = "CaNaRy";

// Fills messages with random content by reflection: each field is set with a chance of three in
// four, fields of type bytes that hold a subject always.
class RandomMessage {
 public:
  explicit RandomMessage(uint64_t seed) : generator_(seed) {}

  void Fill(google::protobuf::Message* message, int depth = 0) {
    const auto* descriptor = message->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const auto& field = *descriptor->field(i);
      // Map keys always, as a map holds one entry without a key at most.
      const bool map_key = descriptor->options().map_entry() && field.number() == 1;
      const bool set = HoldsSubject(field) || map_key || Below(4) != 0;
      if (!set || (depth > 3 && field.message_type() != nullptr)) continue;
      const int count = field.is_repeated() ? 1 + static_cast<int>(Below(3)) : 1;
      for (int n = 0; n < count; ++n) FillField(field, message, depth);
    }
  }

  uint64_t Below(uint64_t bound) { return generator_() % bound; }

  std::string Text() {
    std::string text = kCanary;
    for (uint64_t size = Below(200); size > 0; --size) {
      text.push_back(static_cast<char>('a' + Below(26)));
    }
    return text;
  }

  std::string Id() {
    std::string id;
    for (int i = 0; i < 16; ++i) id.push_back(static_cast<char>(1 + Below(255)));
    return id;
  }

 private:
  using FieldDescriptor = google::protobuf::FieldDescriptor;

  static bool HoldsSubject(const FieldDescriptor& field) {
    for (int i = 0; i < field.containing_type()->field_count(); ++i) {
      const auto& options = field.containing_type()->field(i)->options();
      if (options.GetExtension(records::log::v1::personal).subject_field() == field.name()) {
        return true;
      }
    }
    return false;
  }

  // One value of a scalar type, by Set... or Add...
#define RECORDS_SET_OR_ADD(type, value)                          \
  (field.is_repeated() ? reflection.Add##type(to, &field, value) \
                       : reflection.Set##type(to, &field, value))

  void FillField(const FieldDescriptor& field, google::protobuf::Message* to, int depth) {
    const auto& reflection = *to->GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return RECORDS_SET_OR_ADD(Int32, static_cast<int32_t>(generator_()));
      case FieldDescriptor::CPPTYPE_INT64:
        return RECORDS_SET_OR_ADD(Int64, static_cast<int64_t>(generator_()));
      case FieldDescriptor::CPPTYPE_UINT32:
        return RECORDS_SET_OR_ADD(UInt32, static_cast<uint32_t>(generator_()));
      case FieldDescriptor::CPPTYPE_UINT64:
        return RECORDS_SET_OR_ADD(UInt64, generator_());
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return RECORDS_SET_OR_ADD(Double, static_cast<double>(Below(1000)) / 8);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return RECORDS_SET_OR_ADD(Float, static_cast<float>(Below(1000)) / 8);
      case FieldDescriptor::CPPTYPE_BOOL:
        return RECORDS_SET_OR_ADD(Bool, Below(2) == 1);
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto& values = *field.enum_type();
        const int index = static_cast<int>(Below(static_cast<uint64_t>(values.value_count())));
        return RECORDS_SET_OR_ADD(EnumValue, values.value(index)->number());
      }
      case FieldDescriptor::CPPTYPE_STRING:
        return RECORDS_SET_OR_ADD(String,
                                  field.type() == FieldDescriptor::TYPE_BYTES ? Id() : Text());
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(field.is_repeated() ? reflection.AddMessage(to, &field)
                                        : reflection.MutableMessage(to, &field),
                    depth + 1);
    }
  }
#undef RECORDS_SET_OR_ADD

  std::mt19937_64 generator_;
};

}  // namespace records::eventstore::testing
