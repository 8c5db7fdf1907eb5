#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "records/api/v1/contact_service.pb.h"
#include "tools/recordsctl/import/csv_reader.h"
#include "tools/recordsctl/import/new_york_time.h"
#include "tools/recordsctl/import/request_types.h"

namespace records::tools {

// One row of the extract as a row of the import.
struct MappedRow {
  records::api::v1::ImportContactsRequest request;
  WorkKind kind = WorkKind::kGeneral;
  std::string key;
  bool repeated_time = false;
  bool skipped_time = false;
  bool mended_text = false;
  int tries = 0;  // how often the server put it off
};

// Why a row cannot be taken. Neither holds what the row says.
struct RowReject {
  uint64_t first_line = 0;
  uint64_t last_line = 0;
  std::string key;     // the row's unique key, "" when it has none that can be told
  std::string reason;  // FIELD_COUNT, or of CsvReader, or KEY_, CREATED_, TYPE_ and what is wrong
  std::string message;
};

// The columns that are used.
enum class Nyc311Column {
  kUniqueKey,
  kCreatedDate,
  kComplaintType,
  kDescriptor,
  kLocationType,
  kIncidentAddress,
  kBorough,
  kBbl,
  kAgency,
  kStatus,
  kDueDate,
  kResolution,
  kChannel,
};
inline constexpr size_t kNyc311Columns = 13;

// Turns rows of New York City's 311 extracts into rows of an import.
//
// Columns are found by name, without regard to case and with a space or an underscore; what is not
// known is ignored. Customers are buildings (BBL, else address and borough, else none), their
// tenants invented. A report of anti-social behaviour has no customer: the place is the one
// complained of, not where the caller lives. Immutable and thread-safe.
class Nyc311Mapper {
 public:
  // kInvalidArgument: the header lacks unique key, created date or complaint type, or has one
  // twice.
  static absl::StatusOr<Nyc311Mapper> Create(const std::vector<std::string>& header,
                                             RequestTypes types, NewYorkClock clock);

  // Maps one record, its text mended where it must be; a reject when it cannot be taken.
  struct Result {
    std::optional<MappedRow> row;
    RowReject reject;
  };
  Result Map(const CsvRecord& record) const;

 private:
  using Column = Nyc311Column;

  Nyc311Mapper(RequestTypes types, NewYorkClock clock)
      : types_(std::move(types)), clock_(std::move(clock)) {}

  Result MapWhole(const CsvRecord& record) const;
  absl::string_view Get(const CsvRecord& record, Column column) const;
  std::string Describe(const CsvRecord& record) const;
  std::string PlaceOf(const CsvRecord& record) const;
  void FillCustomer(const CsvRecord& record, MappedRow& row) const;
  void FillChannel(const CsvRecord& record, records::events::v1::Contact& contact) const;
  void FillContact(const CsvRecord& record, MappedRow& row) const;
  void FillFollowUp(const CsvRecord& record, records::events::v1::Contact& contact) const;
  void FillRepair(const CsvRecord& record, const RequestType& type, MappedRow& row) const;
  void FillAsb(const CsvRecord& record, const RequestType& type, MappedRow& row) const;

  RequestTypes types_;
  NewYorkClock clock_;
  std::array<std::optional<size_t>, kNyc311Columns> columns_;  // by Nyc311Column
  size_t width_ = 0;
};

// The hazard that a repair request names, if any; by sub-kind and descriptor.
std::optional<records::events::v1::Hazard> HazardOf(absl::string_view sub_kind,
                                                    absl::string_view type,
                                                    absl::string_view descriptor);

}  // namespace records::tools
