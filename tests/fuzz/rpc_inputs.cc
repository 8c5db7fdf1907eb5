#include "tests/fuzz/rpc_inputs.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "services/policy/method_table.h"
#include "tests/fuzz/fuzz_target.h"

namespace records::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::Reflection;

// FNV-1a, folded: fixed for ever, as inputs in the corpus rest on it.
uint16_t PlaceOnRing(absl::string_view name) {
  uint32_t hash = 2166136261u;
  for (const char byte : name) hash = (hash ^ static_cast<uint8_t>(byte)) * 16777619u;
  return static_cast<uint16_t>(hash ^ hash >> 16);
}

const MethodDescriptor* MethodAt(uint16_t place) {
  const MethodDescriptor* next = nullptr;
  uint32_t least = 0x10000;
  for (const MethodDescriptor* method : Methods()) {
    const uint32_t distance = static_cast<uint16_t>(PlaceOnRing(method->full_name()) - place);
    if (distance >= least) continue;
    least = distance;
    next = method;
  }
  return next;
}

// Words that matter to the handlers. What is in braces stands for what the server gave out last.
constexpr const char* kWords[] = {
    "",
    "R1",
    "R2",
    "R-new",
    "{write}",
    "{page}",
    "{entry}",
    "{resume}",
    "{new}",
    "contact-officer",
    "auditor",
    "asb-officer",
    "officer-contact-officer",
    "nobody",
    "noise",
    "heating",
    "en",
    "CANARY-7c1d personal",
    "4111 1111 1111 1111",
    "identity",
    "document-index",
    "T-1",
    "daily",
    "records-development",
    "\xC3\xA9t\xC3\xA9",
    "\xE2\x80\xAE",
};
constexpr const char* kRequestIds[] = {"{new}", "8c5b3a2e-5a43-4be0-9c1d-2f61b27a9d10",
                                       "00000000-0000-0000-0000-000000000000",
                                       "8C5B3A2E-5A43-4BE0-9C1D-2F61B27A9D10", "not-a-uuid"};
constexpr int64_t kNumbers[] = {0,
                                1,
                                2,
                                -1,
                                12,
                                31,
                                50,
                                200,
                                201,
                                1000,
                                1001,
                                13,
                                29,
                                1980,
                                2026,
                                2027,
                                10000,
                                65535,
                                65536,
                                2147483647,
                                -2147483648,
                                1'795'348'800'000'000,
                                1'795'348'800'000'001,
                                INT64_MAX,
                                INT64_MIN,
                                86'400'000'000};

template <size_t kSize>
const char* Pick(std::minstd_rand& random, const char* const (&words)[kSize]) {
  return words[random() % kSize];
}

std::string TextFor(std::minstd_rand& random, const FieldDescriptor& field, std::string before,
                    const std::function<std::string(std::string)>& mutate_text) {
  const uint32_t way = random() % 8;
  if (way == 0) {
    std::string text = mutate_text(std::move(before));
    // Text that is not UTF-8 stops at gRPC, so most is made to pass.
    if (random() % 8 != 0) {
      for (char& byte : text) byte = static_cast<char>(byte & 0x7F);
    }
    return text;
  }
  if (way == 1) return std::string(random() % 5000, way == 1 ? 'a' : ' ');
  if (way <= 5) {
    if (field.name() == "request_id") return Pick(random, kRequestIds);
    if (field.name() == "customer" || field.name() == "reference")
      return random() % 2 ? "R1" : "R2";
    if (field.name() == "page_token") return "{page}";
    if (field.name() == "read_your_write") return "{write}";
    if (field.name() == "resume_token") return "{resume}";
    if (field.name() == "plan_token") return "{plan}";
    if (field.name() == "erasure") return "{erasure}";
    if (field.name() == "references") return "{reference}";
    if (field.name() == "stream") return random() % 2 ? "repairs.v1" : "asb.v1";
    if (absl::EndsWith(field.name(), "_id")) return "{entry}";
    if (field.type() == FieldDescriptor::TYPE_BYTES)
      return std::string(random() % 2 ? 32 : 16, 'h');
  }
  return Pick(random, kWords);
}

// Sets a field, or adds to it.
void SetField(std::minstd_rand& random, Message* message, const FieldDescriptor& field,
              const std::function<std::string(std::string)>& mutate_text) {
  const Reflection& reflection = *message->GetReflection();
  const bool adds = field.is_repeated();
  const int64_t number = kNumbers[random() % std::size(kNumbers)];
  switch (field.cpp_type()) {
#define RECORDS_SET(type, Method, value)                     \
  case FieldDescriptor::CPPTYPE_##type:                      \
    adds ? reflection.Add##Method(message, &field, (value))  \
         : reflection.Set##Method(message, &field, (value)); \
    break
    RECORDS_SET(INT32, Int32, static_cast<int32_t>(number));
    RECORDS_SET(INT64, Int64, number);
    RECORDS_SET(UINT32, UInt32, static_cast<uint32_t>(number));
    RECORDS_SET(UINT64, UInt64, static_cast<uint64_t>(number));
    RECORDS_SET(BOOL, Bool, random() % 4 != 0);
    RECORDS_SET(DOUBLE, Double, static_cast<double>(number));
    RECORDS_SET(FLOAT, Float, static_cast<float>(number));
    RECORDS_SET(ENUM, EnumValue,
                random() % 8 == 0
                    ? 99
                    : field.enum_type()
                          ->value(static_cast<int>(
                              random() % static_cast<uint32_t>(field.enum_type()->value_count())))
                          ->number());
#undef RECORDS_SET
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string before = adds ? "" : reflection.GetString(*message, &field);
      std::string text = TextFor(random, field, before, mutate_text);
      adds ? reflection.AddString(message, &field, std::move(text))
           : reflection.SetString(message, &field, std::move(text));
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      MutateMessage(random,
                    adds ? reflection.AddMessage(message, &field)
                         : reflection.MutableMessage(message, &field),
                    mutate_text);
      break;
  }
}

}  // namespace

const std::vector<const MethodDescriptor*>& Methods() {
  static const auto* const methods = [] {
    auto* all = new std::vector<const MethodDescriptor*>;
    for (const auto* file : services::ApiFiles()) {
      for (int s = 0; s < file->service_count(); ++s) {
        for (int m = 0; m < file->service(s)->method_count(); ++m) {
          all->push_back(file->service(s)->method(m));
        }
      }
    }
    return all;
  }();
  return *methods;
}

std::vector<Call> CallsOf(absl::string_view input) {
  std::vector<Call> calls;
  for (Input in(input); !in.empty() && calls.size() < kCallsMax;) {
    Call call{.method = MethodAt(static_cast<uint16_t>(in.Number(2)))};
    call.who = in.Byte();
    call.purpose = in.Byte();
    const size_t frames = in.Byte() % (kFramesMax + 1);
    for (size_t i = 0; i < frames; ++i) call.frames.emplace_back(in.Chunk());
    calls.push_back(std::move(call));
  }
  return calls;
}

std::string InputOf(const std::vector<Call>& calls) {
  std::string input;
  for (const Call& call : calls) {
    const uint16_t place = PlaceOnRing(call.method->full_name());
    absl::StrAppend(&input, Byte(place >> 8), Byte(place & 0xFF), Byte(call.who),
                    Byte(call.purpose), Byte(static_cast<int>(call.frames.size())));
    for (const std::string& frame : call.frames) {
      absl::StrAppend(&input, Chunk(absl::string_view(frame).substr(0, 0xFFFF)));
    }
  }
  return input;
}

std::unique_ptr<Message> NewMessage(const Descriptor& type) {
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

void ForEachString(Message* message,
                   const std::function<void(const FieldDescriptor&, std::string&)>& change) {
  const Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        ForEachString(field->is_repeated() ? reflection.MutableRepeatedMessage(message, field, i)
                                           : reflection.MutableMessage(message, field),
                      change);
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        std::string text = field->is_repeated() ? reflection.GetRepeatedString(*message, field, i)
                                                : reflection.GetString(*message, field);
        change(*field, text);
        field->is_repeated() ? reflection.SetRepeatedString(message, field, i, std::move(text))
                             : reflection.SetString(message, field, std::move(text));
      }
    }
  }
}

void MutateMessage(std::minstd_rand& random, Message* message,
                   const std::function<std::string(std::string)>& mutate_text) {
  const Descriptor& type = *message->GetDescriptor();
  const Reflection& reflection = *message->GetReflection();
  if (type.field_count() == 0) return;
  const FieldDescriptor& field =
      *type.field(static_cast<int>(random() % static_cast<uint32_t>(type.field_count())));
  const uint32_t way = random() % 8;
  if (way == 0) return reflection.ClearField(message, &field);
  if (field.is_repeated() && reflection.FieldSize(*message, &field) > 0 && way <= 2) {
    return reflection.RemoveLast(message, &field);
  }
  SetField(random, message, field, mutate_text);
}

}  // namespace records::fuzz
