#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/ids.h"
#include "services/runtime/runtime.h"

namespace records::services {

// An opaque id of an event, for callers: its position, sealed, so that gaps tell nothing. The same
// for everybody, since colleagues hand it on.
absl::StatusOr<std::string> EntryIdOf(const ReadRuntime& runtime, eventstore::Position position);

// What that id is a token of, for KeyStore::ExpectTokens().
eventstore::TokenContent EntryIdContent(const ReadRuntime& runtime, eventstore::Position position);

// INVALID_ARGUMENT for `field`: not an entry id of this log.
absl::StatusOr<eventstore::Position> PositionOfEntry(const ReadRuntime& runtime,
                                                     absl::string_view field,
                                                     absl::string_view entry_id);

// A position as bytes, big-endian, and back. kInvalidArgument: not twelve bytes.
std::string EncodePosition(eventstore::Position position);
absl::StatusOr<eventstore::Position> DecodePosition(absl::string_view bytes);

}  // namespace records::services
