// Extracts of other systems: CSV, compressed or not, times and broken text.
//
// Input: mode, then for
//   0  a CSV file of rows: read, mapped to rows of an import
//   1  the same, as the lines after a good header
//   2  a file as it lies on the disk: compressed when it says so
//   3  text to be mended
//   4  a local time of New York
//   5  a map of request types

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/internal/utf8.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/recordsctl/import/byte_source.h"
#include "tools/recordsctl/import/csv_reader.h"
#include "tools/recordsctl/import/mended_text.h"
#include "tools/recordsctl/import/new_york_time.h"
#include "tools/recordsctl/import/nyc311.h"
#include "tools/recordsctl/import/request_types.h"
#include "zlib.h"

namespace records::fuzz {
namespace {

using tools::CsvReader;
using tools::CsvRecord;

constexpr char kHeader[] =
    "Unique Key,Created Date,Agency,Complaint Type,Descriptor,Location Type,Incident Address,"
    "Borough,BBL,Status,Due Date,Resolution Description,Open Data Channel Type\n";
constexpr char kRow[] =
    "40612345,10/21/2018 01:02:03 AM,HPD,HEAT/HOT WATER,ENTIRE BUILDING,RESIDENTIAL BUILDING,"
    "1 HIGH STREET,BRONX,2034567890,Open,10/25/2018 12:00:00 PM,\"He said \"\"no\"\", "
    "twice\",PHONE\n";

const tools::NewYorkClock& Clock() {
  static const tools::NewYorkClock clock = *tools::NewYorkClock::Create();
  return clock;
}

std::vector<CsvRecord> Read(std::unique_ptr<tools::ByteSource> source, size_t bytes) {
  CsvReader reader(std::move(source));
  std::vector<CsvRecord> records;
  uint64_t last = 0;
  while (true) {
    auto record = reader.Next();
    FUZZ_EXPECT(record.ok(), record.status().ToString());
    if (!record->has_value()) break;
    FUZZ_EXPECT((*record)->first_line > last && (*record)->last_line >= (*record)->first_line);
    FUZZ_EXPECT((*record)->reason.empty() != (*record)->fields.empty() ||
                !(*record)->reason.empty());
    last = (*record)->last_line;
    records.push_back(**std::move(record));
    FUZZ_EXPECT(records.size() <= bytes + 1);
  }
  return records;
}

void ExpectSame(const std::vector<CsvRecord>& left, const std::vector<CsvRecord>& right) {
  FUZZ_EXPECT(left.size() == right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    FUZZ_EXPECT(left[i].fields == right[i].fields && left[i].reason == right[i].reason);
    FUZZ_EXPECT(left[i].first_line == right[i].first_line);
  }
}

void ReadRows(const std::string& text) {
  const auto records = Read(tools::StringSource(text), text.size());
  ExpectSame(records, Read(tools::StringSource(text, 1), text.size()));
  if (records.empty() || !records[0].reason.empty()) return;
  static const tools::RequestTypes types = tools::RequestTypes::BuiltIn();
  const auto mapper = tools::Nyc311Mapper::Create(records[0].fields, types, Clock());
  FUZZ_EXPECT(mapper.ok() || absl::IsInvalidArgument(mapper.status()));
  if (!mapper.ok()) return;
  for (size_t i = 1; i < records.size(); ++i) {
    const auto result = mapper->Map(records[i]);
    FUZZ_EXPECT(result.row.has_value() != !result.reject.reason.empty());
    if (!result.row.has_value()) continue;
    FUZZ_EXPECT(!result.row->key.empty());
    FUZZ_EXPECT(!result.row->request.request_id().empty());
    // What is not UTF-8 no request can carry.
    api::v1::ImportContactsRequest again;
    FUZZ_EXPECT(again.ParseFromString(result.row->request.SerializeAsString()));
  }
}

void ReadFile(absl::string_view content) {
  static MemoryFile file;
  file.Write(content);
  auto source = tools::OpenByteSource(file.path());
  FUZZ_EXPECT(source.ok() || absl::IsDataLoss(source.status()), source.status().ToString());
  if (!source.ok()) return;
  char buffer[997];
  // A small file may unpack to much; a reader stops where it likes.
  for (int reads = 0; reads < 4096; ++reads) {
    const auto size = (*source)->Read(absl::MakeSpan(buffer));
    FUZZ_EXPECT(size.ok() || absl::IsDataLoss(size.status()), size.status().ToString());
    if (!size.ok() || *size == 0) break;
    FUZZ_EXPECT(*size <= sizeof(buffer));
  }
}

void Mend(absl::string_view text) {
  const auto mended = tools::MendText(text);
  if (!mended.has_value()) return;
  FUZZ_EXPECT(eventstore::internal::IsUtf8(*mended));
  FUZZ_EXPECT(!tools::MendText(*mended).has_value(), "mended twice");
}

void ReadTime(absl::string_view text) {
  const auto time = Clock().Parse(text);
  FUZZ_EXPECT(time.ok() || absl::IsInvalidArgument(time.status()));
  if (!time.ok()) return;
  FUZZ_EXPECT(time->day.year() >= 0 && time->day.year() <= 9999);
  FUZZ_EXPECT(absl::AbsDuration(time->time - absl::FromCivil(time->day, absl::UTCTimeZone())) <
              absl::Hours(48));
}

void ReadTypes(absl::string_view text) {
  const auto types = tools::RequestTypes::Read(tools::StringSource(std::string(text)));
  FUZZ_EXPECT(types.ok() || absl::IsInvalidArgument(types.status()), types.status().ToString());
  if (types.ok()) (void)types->Find("noise");
}

std::string Gzip(absl::string_view text) {
  z_stream stream{};
  FUZZ_EXPECT(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  FUZZ_EXPECT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  switch (in.Byte() % 6) {
    case 0:
      return ReadRows(std::string(in.Rest()));
    case 1:
      return ReadRows(absl::StrCat(kHeader, in.Rest()));
    case 2:
      return ReadFile(in.Rest());
    case 3:
      return Mend(in.Rest());
    case 4:
      return ReadTime(in.Rest());
    default:
      return ReadTypes(in.Rest());
  }
}

void WriteSeeds(const SeedSink& sink) {
  sink("file", absl::StrCat(Byte(0), "\xEF\xBB\xBF", kHeader, kRow));
  sink("rows", absl::StrCat(Byte(1), kRow,
                            "40612346,2026-08-01T00:00:14,NYPD,Noise - Residential,Loud "
                            "Music/Party,,2 HIGH STREET,QUEENS,,Closed,,,ONLINE\r\n"));
  sink("gzip", Byte(2) + Gzip(kRow));
  sink("gzip-members", Byte(2) + Gzip("one") + Gzip("two"));
  sink("plain", absl::StrCat(Byte(2), kRow));
  sink("mend", Byte(3) + "caf\xC3\x83\xC2\xA9 it\xC3\xA2\xC2\x80\xC2\x99s\x01");
  sink("time", Byte(4) + "10/21/2018 01:02:03 PM");
  sink("time-iso", Byte(4) + "2026-08-01T00:00:14.000");
  sink("types", Byte(5) + "request_type,contact_kind,sub_kind\nNoise,asb,noise\n");
}

}  // namespace records::fuzz
