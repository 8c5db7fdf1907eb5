#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::tools::verify {

// The type of the event that certifies an erasure.
inline constexpr char kCertificateType[] = "records.events.v1.SubjectErased";

// Sizes of one sealed part.
struct PartSizes {
  size_t key_reference = 0;
  size_t nonce = 0;
  size_t ciphertext = 0;
};

// A stored event as proto/records/log/v1/event.proto numbers its fields. The views point into the
// bytes that it was decoded from.
struct DecodedEvent {
  absl::string_view id;
  absl::string_view organisation;
  absl::string_view collection;
  absl::string_view root;
  absl::string_view sub_stream;
  uint64_t revision = 0;
  uint64_t partition = 0;
  uint64_t sequence = 0;
  absl::string_view request_key;
  absl::string_view digest;
  uint64_t index = 0;
  uint64_t count = 0;
  absl::string_view type;
  int64_t occurred_at_us = 0;
  int64_t recorded_at_us = 0;
  uint64_t time_precision = 0;
  absl::string_view actor;
  absl::string_view purpose;
  absl::string_view lawful_basis;
  absl::string_view causation;
  absl::string_view correlation;
  absl::string_view facts;
  std::vector<PartSizes> sealed;
  // Fields that this program does not know: of a newer server, covered by the tree all the same.
  bool has_unknown_fields = false;
};

// Decodes the wire form of one stored event. Stricter than a protobuf library: a field that stands
// there twice is damage, and the committer's fields must end the bytes as FORMAT.md says.
// kInvalidArgument, saying what is wrong, without any of the content.
absl::StatusOr<DecodedEvent> DecodeEvent(absl::string_view bytes);

// What the certificate of an erasure says.
struct DecodedErasure {
  std::string subject;
  uint64_t ledger_index = 0;
  std::string ledger_head;  // hash of that record
  uint64_t byte_strings_searched = 0;
};

// Decodes it from the facts of a records.events.v1.SubjectErased, which are in the clear.
// kInvalidArgument as above.
absl::StatusOr<DecodedErasure> DecodeErasure(absl::string_view facts);

// The fields `append`, revision, position and recorded_at_us as they end a stored event.
std::string CommitterFields(const DecodedEvent& event);

}  // namespace records::tools::verify
