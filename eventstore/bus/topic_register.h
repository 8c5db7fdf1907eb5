#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "records/bus/v1/topics.pb.h"

namespace records::eventstore {

// The topics of the bus and who may use them, as an operator writes them: text in, checked register
// out. Pure functions.

// Limits of a register, beside those in topics.proto.
inline constexpr size_t kTopicRegisterBytesMax = 1024 * 1024;
inline constexpr size_t kTopicsMax = 64;
inline constexpr size_t kBusPrincipalsMax = 256;

// Whether the name, without prefix, is one of a topic: "repairs.v1".
[[nodiscard]] bool IsTopicName(absl::string_view name);

// Name of the topic that has the whole log, without prefix.
inline constexpr absl::string_view kLogTopicName = "log.v1";

// Returns the register in the text format; `file` names it in errors.
// kInvalidArgument: does not parse (the message has line and column), is too long, or is refused by
// ValidateTopicRegister().
[[nodiscard]] absl::StatusOr<records::bus::v1::TopicRegister> ParseTopicRegister(
    absl::string_view file, const std::string& text);

// kInvalidArgument: the register contradicts itself or is over a limit. One line for each fault,
// which names the row.
[[nodiscard]] absl::Status ValidateTopicRegister(const records::bus::v1::TopicRegister& reg);

// Whether each work stream is named by an event type, and each name of an event type is one.
// kInvalidArgument: one line for each that is not. REQUIRES: a register from above.
[[nodiscard]] absl::Status CheckEventTopics(
    const records::bus::v1::TopicRegister& reg,
    absl::Span<const google::protobuf::Descriptor* const> event_types);

// kInvalidArgument: not [a-z][a-z0-9-]{0,31}. Without dots, so that nothing below one prefix is
// below another.
[[nodiscard]] absl::Status CheckBusPrefix(absl::string_view prefix);

}  // namespace records::eventstore
