#include "tools/recordsctl/import/request_types.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/import/csv_reader.h"

namespace records::tools {

// The content of data/request_types.csv; CMake writes the definition.
extern const char* const kBuiltInRequestTypes;

namespace {

constexpr size_t kTypesMax = 100'000;

absl::Status WrongLine(const CsvRecord& record, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("line ", record.first_line, " of the map of request types: ", why));
}

absl::StatusOr<WorkKind> ParseKind(const CsvRecord& record) {
  const std::string& text = record.fields[1];
  if (text == "asb") return WorkKind::kAsb;
  if (text == "repair") return WorkKind::kRepair;
  if (text == "general") return WorkKind::kGeneral;
  return WrongLine(record, "contact_kind must be asb, repair or general");
}

}  // namespace

RequestTypes RequestTypes::BuiltIn() {
  auto types = Read(StringSource(kBuiltInRequestTypes));
  return types.ok() ? *std::move(types) : RequestTypes();  // a test sees that it is not empty
}

absl::StatusOr<RequestTypes> RequestTypes::Read(std::unique_ptr<ByteSource> source) {
  CsvReader reader(std::move(source));
  RequestTypes types;
  for (bool is_header = true;; is_header = false) {
    ASSIGN_OR_RETURN(const std::optional<CsvRecord> record, reader.Next());
    if (!record.has_value()) break;
    if (!record->reason.empty()) return WrongLine(*record, record->reason);
    if (record->fields.size() != 3) {
      return WrongLine(*record, "must be request_type,contact_kind,sub_kind");
    }
    if (is_header) {
      if (record->fields[0] != "request_type" || record->fields[1] != "contact_kind") {
        return WrongLine(*record, "must be request_type,contact_kind,sub_kind");
      }
      continue;
    }
    ASSIGN_OR_RETURN(const WorkKind kind, ParseKind(*record));
    types.types_[absl::AsciiStrToLower(record->fields[0])] = {kind, record->fields[2]};
    if (types.types_.size() > kTypesMax) return WrongLine(*record, "too many types");
  }
  return types;
}

RequestType RequestTypes::Find(absl::string_view type) const {
  const auto found = types_.find(absl::AsciiStrToLower(absl::StripAsciiWhitespace(type)));
  return found == types_.end() ? RequestType() : found->second;
}

}  // namespace records::tools
