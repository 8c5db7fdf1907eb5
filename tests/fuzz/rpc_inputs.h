#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

// The inputs of the target for all rpcs: calls one after the other, and how they are mutated.
namespace records::fuzz {

// All methods of the services in the method table's files: a new rpc is among them by itself.
const std::vector<const google::protobuf::MethodDescriptor*>& Methods();

struct Call {
  const google::protobuf::MethodDescriptor* method = nullptr;
  uint8_t who = 0;                  // which caller, with which role
  uint8_t purpose = 0;              // which purpose
  std::vector<std::string> frames;  // messages; all but streams send them as one
};

inline constexpr size_t kCallsMax = 6;
inline constexpr size_t kFramesMax = 8;

// For each call: method (2 bytes), who, purpose, number of frames, frames as chunks. The method is
// the one whose name's hash is next on the ring of 65,536: with a new rpc the inputs of the others
// keep their meaning.
std::vector<Call> CallsOf(absl::string_view input);
std::string InputOf(const std::vector<Call>& calls);

// An empty message of a type that is linked in.
std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor& type);

// Calls `change` for each string of the message, however deep: to read it or to write it anew.
void ForEachString(
    google::protobuf::Message* message,
    const std::function<void(const google::protobuf::FieldDescriptor&, std::string&)>& change);

// Changes one thing in the message: a field set, cleared, added or taken from what tends to matter.
// `mutate_text` changes a text as the fuzzer does.
void MutateMessage(std::minstd_rand& random, google::protobuf::Message* message,
                   const std::function<std::string(std::string)>& mutate_text);

}  // namespace records::fuzz
