#include "eventstore/stream_name.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eventstore/limits.h"

namespace records::eventstore {
namespace {

bool IsName(absl::string_view text, size_t length_min) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return text.size() >= length_min && text.size() <= kNameLengthMax &&
         std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace

absl::Status StreamName::Validate() const {
  if (!IsName(organisation, 1)) {
    return absl::InvalidArgumentError("a stream's organisation must be [a-z0-9-]{1,32}");
  }
  if (!IsName(collection, 1)) {
    return absl::InvalidArgumentError("a stream's collection must be [a-z0-9-]{1,32}");
  }
  if (!IsName(sub_stream, 0)) {
    return absl::InvalidArgumentError("a stream's sub-stream must be [a-z0-9-]{0,32}");
  }
  if (root.is_nil()) return absl::InvalidArgumentError("a stream must have a root");
  return absl::OkStatus();
}

records::log::v1::StreamName StreamName::ToProto() const {
  records::log::v1::StreamName proto;
  proto.set_organisation(organisation);
  proto.set_collection(collection);
  proto.set_root(std::string(root.bytes()));
  proto.set_sub_stream(sub_stream);
  return proto;
}

std::string StreamName::ToString() const {
  return absl::StrCat(organisation, "/", collection, "/", root.ToHex(),
                      sub_stream.empty() ? "" : "/", sub_stream);
}

uint32_t PartitionOf(const RootId& root, uint32_t partition_count) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | root.array()[i];
  return static_cast<uint32_t>(number % partition_count);
}

}  // namespace records::eventstore
