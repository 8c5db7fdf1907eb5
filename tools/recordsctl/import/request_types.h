#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/import/byte_source.h"

namespace records::tools {

// What kind of work a request is.
enum class WorkKind { kGeneral, kRepair, kAsb };

struct RequestType {
  WorkKind kind = WorkKind::kGeneral;
  std::string sub_kind;  // "noise", "heating_hot_water"
};

// Which type of request is which kind of work. Types match without regard to case.
//
// Immutable and thread-safe.
class RequestTypes {
 public:
  // The map that is built in: tools/recordsctl/data/request_types.csv.
  static RequestTypes BuiltIn();

  // Reads a map: CSV with the columns request_type, contact_kind (asb, repair or general) and
  // sub_kind. kInvalidArgument names the line that is wrong.
  static absl::StatusOr<RequestTypes> Read(std::unique_ptr<ByteSource> source);

  // The kind of a type; general for one that is not in the map.
  RequestType Find(absl::string_view type) const;

  size_t size() const { return types_.size(); }

 private:
  absl::flat_hash_map<std::string, RequestType> types_;
};

}  // namespace records::tools
