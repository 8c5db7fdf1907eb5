// Reading an extract: bytes, CSV, times, and what becomes of a row.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "absl/strings/str_join.h"
#include "tests/seed.h"
#include "tests/tools/recordsctl/program.h"
#include "tools/recordsctl/import/csv_reader.h"
#include "tools/recordsctl/import/mended_text.h"
#include "tools/recordsctl/import/new_york_time.h"
#include "tools/recordsctl/import/nyc311.h"
#include "tools/recordsctl/import/progress.h"
#include "tools/recordsctl/import/rejects.h"
#include "tools/recordsctl/import/synthetic_people.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
namespace events = records::events::v1;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::vector<CsvRecord> ReadAll(const std::string& text, CsvLimits limits = {}, size_t chunk = 7) {
  CsvReader reader(StringSource(text, chunk), limits);
  std::vector<CsvRecord> records;
  while (true) {
    auto record = reader.Next();
    EXPECT_TRUE(record.ok()) << record.status();
    if (!record.ok() || !record->has_value()) return records;
    records.push_back(**record);
  }
}

std::string Gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// Everything in a file, or the error it ends with.
absl::StatusOr<std::string> Drain(const std::string& path) {
  auto source = OpenByteSource(path);
  if (!source.ok()) return source.status();
  std::string all;
  char buffer[11];
  while (true) {
    auto bytes = (*source)->Read(absl::MakeSpan(buffer));
    if (!bytes.ok()) return bytes.status();
    if (*bytes == 0) return all;
    all.append(buffer, *bytes);
  }
}

TEST(ByteSourceTest, GzipIsKnownByItsFirstBytesAndMayHaveSeveralMembers) {
  TestFolder folder;
  EXPECT_EQ(*Drain(folder.Write("plain.gz", "not packed")), "not packed");
  EXPECT_EQ(*Drain(folder.Write("packed.csv", Gzip("one,") + Gzip("two"))), "one,two");
  EXPECT_EQ(*Drain(folder.Write("empty", "")), "");
  EXPECT_EQ(*Drain(folder.Write("one", "x")), "x");
}

TEST(ByteSourceTest, DamagedOrShortGzipIsAnErrorAndNeverAnEnd) {
  TestFolder folder;
  const std::string packed = Gzip(std::string(5000, 'x') + "end");
  EXPECT_TRUE(
      absl::IsDataLoss(Drain(folder.Write("short", packed.substr(0, packed.size() - 5))).status()));
  std::string flipped = packed;
  flipped[flipped.size() - 6] ^= 1;  // in the checksum
  EXPECT_TRUE(absl::IsDataLoss(Drain(folder.Write("flipped", flipped)).status()));
  EXPECT_TRUE(absl::IsNotFound(Drain(folder.path("absent")).status()));
}

TEST(CsvReaderTest, FieldsAreTakenAsRfc4180Says) {
  const auto records = ReadAll("a,b\r\n\"x, \"\"y\"\"\nz\",\n,\n");
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_THAT(records[0].fields, ElementsAre("a", "b"));
  EXPECT_THAT(records[1].fields, ElementsAre("x, \"y\"\nz", ""));
  EXPECT_EQ(records[1].first_line, 2u);
  EXPECT_EQ(records[1].last_line, 3u);
  EXPECT_THAT(records[2].fields, ElementsAre("", ""));
}

TEST(CsvReaderTest, TheLastLineNeedsNoEndAndEmptyLinesAreSkipped) {
  const auto records = ReadAll("a,b\n\n\r\nc,d");
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_THAT(records[1].fields, ElementsAre("c", "d"));
  EXPECT_EQ(records[1].first_line, 4u);
}

TEST(CsvReaderTest, AByteOrderMarkIsSkippedAlsoBeforeAQuote) {
  EXPECT_THAT(ReadAll("\xef\xbb\xbf\"a\",b\n")[0].fields, ElementsAre("a", "b"));
  EXPECT_THAT(ReadAll("\xef\xbb", {}, 1)[0].reason, "NOT_UTF8");
}

TEST(CsvReaderTest, AWrongLineIsNamedAndTheNextOneRead) {
  const auto records = ReadAll("a\"b,c\n\"a\"b\na\rb\n\xff\ngood,row\n\"open");
  ASSERT_THAT(records, SizeIs(6));
  EXPECT_EQ(records[0].reason, "QUOTE_IN_FIELD");
  EXPECT_EQ(records[1].reason, "TEXT_AFTER_QUOTE");
  EXPECT_EQ(records[2].reason, "CARRIAGE_RETURN");
  EXPECT_EQ(records[3].reason, "NOT_UTF8");
  EXPECT_THAT(records[4].fields, ElementsAre("good", "row"));
  EXPECT_EQ(records[4].first_line, 5u);
  EXPECT_EQ(records[5].reason, "QUOTE_NOT_CLOSED");
  for (const size_t wrong : {0, 1, 2, 3, 5}) EXPECT_THAT(records[wrong].fields, IsEmpty());
}

TEST(CsvReaderTest, EachLimitHoldsAtOneLessAtItAndAtOneMore) {
  const CsvLimits limits{.field_bytes_max = 5, .record_bytes_max = 12, .fields_max = 3};
  EXPECT_EQ(ReadAll("1234\n", limits)[0].reason, "");
  EXPECT_EQ(ReadAll("12345\n", limits)[0].reason, "");
  EXPECT_EQ(ReadAll("123456\n", limits)[0].reason, "TOO_LONG");
  EXPECT_EQ(ReadAll("\"12345\"\n", limits)[0].reason, "");
  EXPECT_EQ(ReadAll("\"123456\"\n", limits)[0].reason, "TOO_LONG");
  EXPECT_EQ(ReadAll("a,b,c\n", limits)[0].reason, "");
  EXPECT_EQ(ReadAll("a,b,c,d\n", limits)[0].reason, "TOO_LONG");
  EXPECT_EQ(ReadAll("1234,1234,1\n", limits)[0].reason, "");
  EXPECT_EQ(ReadAll("1234,1234,12\n", limits)[0].reason, "");
  EXPECT_EQ(ReadAll("1234,1234,123\nx\n", limits)[0].reason, "TOO_LONG");
  EXPECT_THAT(ReadAll("1234,1234,123\nx\n", limits)[1].fields, ElementsAre("x"));
}

TEST(CsvReaderTest, WhatIsWrittenIsReadBackWhateverTheChunks) {
  std::mt19937 random(SeedOfRun());
  const std::string letters = "ab,\"\r\n é";
  for (int round = 0; round < 500; ++round) {
    std::vector<std::vector<std::string>> rows(1 + random() % 5);
    std::string text;
    for (auto& row : rows) {
      row.resize(2 + random() % 3);
      for (std::string& field : row) {
        for (size_t i = random() % 6; i > 0; --i) {
          const char letter = letters[random() % 7];
          field += letter;
        }
      }
      std::vector<std::string> written;
      for (const std::string& field : row) {
        const bool must = field.find_first_of(",\"\r\n") != std::string::npos;
        written.push_back(must ? CsvField(field) : random() % 2 ? "\"" + field + "\"" : field);
      }
      text += absl::StrJoin(written, ",") + (random() % 2 ? "\r\n" : "\n");
    }
    const auto records = ReadAll(text, {}, 1 + random() % 9);
    ASSERT_EQ(records.size(), rows.size()) << text;
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(records[i].reason, "") << text;
      ASSERT_EQ(records[i].fields, rows[i]) << text;
    }
  }
}

TEST(CsvReaderTest, RandomBytesNeverBreakItNorTheLimits) {
  std::mt19937 random(SeedOfRun());
  const CsvLimits limits{.field_bytes_max = 8, .record_bytes_max = 20, .fields_max = 4};
  const std::string letters = "\"\",\n\r\xff\xc3\xa9xy";
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 60, ' ');
    for (char& byte : text) byte = letters[random() % letters.size()];
    uint64_t line = 0;
    for (const CsvRecord& record : ReadAll(text, limits, 1 + random() % 4)) {
      ASSERT_GT(record.first_line, line) << text;
      ASSERT_GE(record.last_line, record.first_line);
      line = record.last_line;
      ASSERT_LE(record.fields.size(), 4u);
      for (const std::string& field : record.fields) ASSERT_LE(field.size(), 8u);
    }
  }
}

class NewYorkTimeTest : public testing::Test {
 protected:
  // The time in UTC, or "refused".
  std::string Utc(const std::string& text) const {
    const auto time = clock_.Parse(text);
    return time.ok() ? absl::FormatTime("%Y-%m-%d %H:%M:%S", time->time, absl::UTCTimeZone())
                     : "refused";
  }

  NewYorkClock clock_ = *NewYorkClock::Create();
};

TEST_F(NewYorkTimeTest, EveryFormOfTheExtractsIsTaken) {
  EXPECT_EQ(Utc("2026-08-01T00:00:14"), "2026-08-01 04:00:14");
  EXPECT_EQ(Utc("2026-08-01T00:00:14.000"), "2026-08-01 04:00:14");
  EXPECT_EQ(Utc("2026-08-01 00:00:14"), "2026-08-01 04:00:14");
  EXPECT_EQ(Utc("10/21/18 0:59"), "2018-10-21 04:59:00");
  EXPECT_EQ(Utc("10/21/2018 01:02:03 PM"), "2018-10-21 17:02:03");
  EXPECT_EQ(Utc("10/21/2018 12:00:00 AM"), "2018-10-21 04:00:00");
  EXPECT_EQ(Utc("10/21/2018 12:00:00 PM"), "2018-10-21 16:00:00");
  EXPECT_EQ(Utc("1/2/2018 03:04:05 AM"), "2018-01-02 08:04:05");
}

TEST_F(NewYorkTimeTest, WhatIsNotATimeOfTheCalendarIsRefused) {
  for (const char* text :
       {"", "2026-02-29T00:00:00", "2026-08-01", "2026-08-01T24:00:00", "2026-08-01T00:61:00",
        "13/01/2018 01:00:00 PM", "10/21/18", "10/21/118 0:59", "10/21/2018 13:00:00 PM",
        "10/21/2018 00:30:00 AM", "2026-08-01T00:00:14Z", "2026-08-01T00:00:14 x", "21.10.2018",
        "10/21/2018 01:02:03 XM"}) {
    EXPECT_EQ(Utc(text), "refused") << text;
  }
}

TEST_F(NewYorkTimeTest, OfAnHourThatComesTwiceTheFirstIsTakenAndTold) {
  EXPECT_EQ(Utc("2018-11-04T01:30:00"), "2018-11-04 05:30:00");
  EXPECT_TRUE(clock_.Parse("2018-11-04T01:30:00")->repeated);
  EXPECT_FALSE(clock_.Parse("2018-11-04T02:00:00")->repeated);
}

TEST_F(NewYorkTimeTest, AnHourThatIsLeftOutIsTakenAnHourLaterAndTold) {
  EXPECT_EQ(Utc("2018-03-11T02:30:00"), "2018-03-11 07:30:00");  // 03:30 of summer time
  EXPECT_TRUE(clock_.Parse("2018-03-11T02:30:00")->skipped);
  EXPECT_FALSE(clock_.Parse("2018-03-11T03:00:00")->skipped);
}

const std::vector<std::string> kHeader = {"Unique Key",
                                          "created_date",
                                          "COMPLAINT TYPE",
                                          "Descriptor",
                                          "Incident Address",
                                          "Borough",
                                          "BBL",
                                          "Status",
                                          "Due Date",
                                          "Agency",
                                          "Open Data Channel Type",
                                          "extra"};

class MapperTest : public testing::Test {
 protected:
  Nyc311Mapper::Result Map(std::vector<std::string> fields) const {
    CsvRecord record{.first_line = 2, .last_line = 2, .fields = std::move(fields)};
    record.fields.resize(kHeader.size());
    return mapper_.Map(record);
  }

  api::ImportContactsRequest Request(std::vector<std::string> fields) const {
    auto result = Map(std::move(fields));
    EXPECT_TRUE(result.row.has_value()) << result.reject.reason;
    return result.row.has_value() ? result.row->request : api::ImportContactsRequest();
  }

  Nyc311Mapper mapper_ =
      *Nyc311Mapper::Create(kHeader, RequestTypes::BuiltIn(), *NewYorkClock::Create());
};

TEST_F(MapperTest, TheBuiltInMapKnowsEveryTypeOfTheLogsWhateverTheCase) {
  const RequestTypes types = RequestTypes::BuiltIn();
  EXPECT_GT(types.size(), 150u);
  EXPECT_EQ(types.Find("HEAT/HOT WATER").kind, WorkKind::kRepair);
  EXPECT_EQ(types.Find("noise - residential").kind, WorkKind::kAsb);
  EXPECT_EQ(types.Find("never heard of").kind, WorkKind::kGeneral);
}

TEST_F(MapperTest, ARepairIsAContactAndAServiceRequestOfABuilding) {
  const auto request =
      Request({"1", "10/21/18 0:59", "HEAT/HOT WATER", "ENTIRE BUILDING", "1 MAIN STREET", "BRONX",
               "2000010001", "Open", "10/30/18 8:00", "HPD", "PHONE"});
  EXPECT_EQ(request.line(), 2u);
  EXPECT_EQ(request.contact().channel(), events::CHANNEL_PHONE);
  EXPECT_EQ(request.contact().direction(), events::DIRECTION_INBOUND);
  EXPECT_THAT(request.contact().subjects(), ElementsAre("HEAT/HOT WATER"));
  EXPECT_EQ(request.contact().source_key(), "1");
  ASSERT_EQ(request.contact().actions_size(), 1);
  EXPECT_EQ(request.contact().actions(0).owner(), "HPD");
  EXPECT_EQ(request.contact().actions(0).due().day(), 30);
  const events::ServiceRequest& repair = request.service_request().request();
  EXPECT_EQ(repair.kind(), events::SERVICE_REQUEST_KIND_REPAIR);
  EXPECT_THAT(repair.hazards(), ElementsAre(events::HAZARD_EXCESS_COLD));
  EXPECT_EQ(repair.place(), "1 MAIN STREET, BRONX");
  EXPECT_TRUE(request.customer().synthetic());
  EXPECT_EQ(request.customer().person().reference().size(), 16u);
  EXPECT_EQ(request.customer().tenancy().property_reference(), "2000010001");
  EXPECT_FALSE(request.has_asb_report());
}

// CR-3.3.5
TEST_F(MapperTest, AnAsbRowIsAReportOnlyAndOfNoCustomer) {
  const auto request = Request({"1", "10/21/18 0:59", "Noise - Residential", "Banging/Pounding",
                                "1 MAIN STREET", "BRONX", "2000010001", "Closed"});
  EXPECT_FALSE(request.has_customer());
  EXPECT_FALSE(request.has_contact());
  EXPECT_EQ(request.asb_report().kind(), "noise");
  EXPECT_EQ(request.asb_report().place(), "1 MAIN STREET, BRONX");
  EXPECT_THAT(request.asb_report().description(), HasSubstr("Banging/Pounding"));
}

TEST_F(MapperTest, AClosedGeneralRowNeedsNothingMore) {
  const auto request =
      Request({"1", "10/21/18 0:59", "Taxi Complaint", "", "", "", "", "Closed", "", "TLC"});
  EXPECT_TRUE(request.contact().no_further_action());
  EXPECT_EQ(request.contact().actions_size(), 0);
  EXPECT_FALSE(request.has_service_request());
}

TEST_F(MapperTest, ChannelsAreMappedAndUnknownOnesSaidToBe) {
  const auto channel = [this](const std::string& name) {
    return Request({"1", "10/21/18 0:59", "Taxi", "", "", "", "", "", "", "", name}).contact();
  };
  EXPECT_EQ(channel("ONLINE").channel(), events::CHANNEL_WEB_FORM);
  EXPECT_EQ(channel("MOBILE").other_channel(), "app");
  for (const char* name : {"UNKNOWN", "OTHER", "Unspecified", ""}) {
    EXPECT_EQ(channel(name).channel(), events::CHANNEL_OTHER);
    EXPECT_EQ(channel(name).other_channel(), "not known");
  }
}

TEST_F(MapperTest, CustomersAreBuildingsAndNeverAnEmptyOne) {
  const auto reference = [this](const std::string& address, const std::string& borough,
                                const std::string& bbl) {
    const auto request = Request({"1", "10/21/18 0:59", "Taxi", "", address, borough, bbl});
    return request.has_customer() ? request.customer().person().reference() : "none";
  };
  EXPECT_EQ(reference("1 A ST", "BRONX", "2000010001"), reference("2 B ST", "", "2000010001"));
  EXPECT_EQ(reference("1 A ST", "BRONX", ""), reference("1 a st", "Bronx", "0000000000"));
  EXPECT_NE(reference("1 A ST", "BRONX", ""), reference("1 A ST", "QUEENS", ""));
  EXPECT_EQ(reference("", "BRONX", ""), "none");
  EXPECT_EQ(reference("1 A ST", "Unspecified", ""), "none");
  EXPECT_EQ(reference("", "", "0000000000"), "none");
}

TEST_F(MapperTest, TheSameRowGivesTheSameRequestAndAnotherKeyAnotherId) {
  const std::vector<std::string> row = {"42", "10/21/18 0:59", "HEAT/HOT WATER"};
  EXPECT_EQ(Request(row).SerializeAsString(), Request(row).SerializeAsString());
  EXPECT_NE(ImportRequestId("42"), ImportRequestId("43"));
  EXPECT_EQ(ImportRequestId("42")[14], '8');
  EXPECT_THAT(
      ImportRequestId("42"),
      testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
}

TEST_F(MapperTest, TextsAreCutAtTheLimitsOfTheServerBetweenCharacters) {
  std::string long_text;
  for (int i = 0; i < 5000; ++i) long_text += "é";
  const auto request = Request({"1", "10/21/18 0:59", long_text, long_text, long_text, "BRONX"});
  EXPECT_EQ(CharacterCount(request.contact().subjects(0)), 100u);
  EXPECT_EQ(CharacterCount(request.contact().summary()), 4000u);
  EXPECT_TRUE(IsUtf8(request.contact().summary()));
}

TEST_F(MapperTest, HazardsFollowTheDescriptorBeforeTheKind) {
  EXPECT_EQ(HazardOf("damp_mould_pests", "UNSANITARY CONDITION", "MOLD"),
            events::HAZARD_DAMP_AND_MOULD);
  EXPECT_EQ(HazardOf("damp_mould_pests", "UNSANITARY CONDITION", "PESTS"), events::HAZARD_HYGIENE);
  EXPECT_EQ(HazardOf("structure_finish", "GENERAL", "COOKING GAS"), events::HAZARD_GAS);
  EXPECT_EQ(HazardOf("lift", "ELEVATOR", ""), events::HAZARD_LIFT);
  EXPECT_EQ(HazardOf("structure_finish", "DOOR/WINDOW", "DOOR"), std::nullopt);
}

// Refusals.

TEST_F(MapperTest, AWrongRowIsRejectedByLineKeyAndReasonOnly) {
  const auto reason = [this](std::vector<std::string> fields) {
    return Map(std::move(fields)).reject.reason;
  };
  EXPECT_EQ(reason({"", "10/21/18 0:59", "Taxi"}), "KEY_MISSING");
  EXPECT_EQ(reason({std::string(101, '1'), "10/21/18 0:59", "Taxi"}), "KEY_TOO_LONG");
  EXPECT_EQ(reason({"1", "yesterday", "Taxi"}), "CREATED_INVALID");
  EXPECT_EQ(reason({"1", "10/21/18 0:59", " "}), "TYPE_MISSING");
  CsvRecord short_record{.first_line = 9, .last_line = 9, .fields = {"1", "2"}};
  const RowReject reject = mapper_.Map(short_record).reject;
  EXPECT_EQ(reject.reason, "FIELD_COUNT");
  EXPECT_EQ(reject.first_line, 9u);
}

TEST(MapperHeaderTest, ColumnsThatAreNeededMustBeThereOnce) {
  const auto create = [](std::vector<std::string> header) {
    return Nyc311Mapper::Create(header, RequestTypes::BuiltIn(), *NewYorkClock::Create()).status();
  };
  EXPECT_TRUE(create({"unique_key", "CREATED DATE", "Complaint Type"}).ok());
  EXPECT_FALSE(create({"unique_key", "created_date"}).ok());
  EXPECT_FALSE(create({"unique_key", "created_date", "complaint_type", "Unique Key"}).ok());
}

TEST(RequestTypesTest, AMapThatIsWrongIsRefusedWithItsLine) {
  const auto read = [](const std::string& text) {
    return std::string(RequestTypes::Read(StringSource(text)).status().message());
  };
  EXPECT_EQ(read("request_type,contact_kind,sub_kind\nA,asb,noise\n"), "");
  EXPECT_THAT(read("request_type,contact_kind,sub_kind\nA,other,x\n"), HasSubstr("line 2"));
  EXPECT_THAT(read("type,kind,sub\n"), HasSubstr("line 1"));
}

TEST(MendedTextTest, TextEncodedTwiceIsPutRightAndControlCharactersBecomeSpaces) {
  // An apostrophe, U+2019, whose three bytes were taken for three characters.
  EXPECT_EQ(MendText("Transportation\u00e2\u0080\u0099s \u00e2\u0080\u009cLearn\u00e2\u0080\u009d"),
            "Transportation\u2019s \u201cLearn\u201d");
  EXPECT_EQ(MendText("bell\x07, delete\x7f, next line\u0085."), "bell , delete , next line .");
  // Cut off within the character: what is left has no meaning.
  EXPECT_EQ(MendText("\u00e2\u0080"), "\u00e2 ");
  EXPECT_EQ(MendText("\u00e2\u0080 x"), "\u00e2  x");
}

TEST(MendedTextTest, TextWithoutControlCharactersStaysAsItIs) {
  for (const char* text :
       {"", "plain\ttext\n", "caf\u00e9 \u2019 \U0001f600", "\u00c3\u00a9", "\xff\x07"}) {
    EXPECT_EQ(MendText(text), std::nullopt) << text;
  }
}

TEST_F(MapperTest, ARowWithBrokenTextIsMendedAndToldSo) {
  const auto row = [this](const std::string& descriptor) {
    return Map({"1", "10/21/18 0:59", "HEAT/HOT WATER", descriptor, "1 MAIN STREET", "BRONX"}).row;
  };
  const auto mended = row("Tenant\u00e2\u0080\u0099s flat");
  ASSERT_TRUE(mended.has_value());
  EXPECT_TRUE(mended->mended_text);
  EXPECT_THAT(mended->request.contact().summary(), HasSubstr("Tenant\u2019s flat"));
  ASSERT_TRUE(row("Tenant's flat").has_value());
  EXPECT_FALSE(row("Tenant's flat")->mended_text);
}

TEST(RejectsTest, WhatTheRowSaysIsNotCopiedAndTheFileIsForItsOwnerOnly) {
  TestFolder folder;
  RejectsFile rejects(folder.path("rejects.csv"));
  rejects.Add({.first_line = 3, .last_line = 4, .key = "k,\"1", .reason = "FIELD_COUNT"});
  ASSERT_TRUE(rejects.Close().ok());
  EXPECT_EQ(folder.Read("rejects.csv"),
            "first_line,last_line,key,reason,what_to_do\n3,4,\"k,\"\"1\",FIELD_COUNT,\n");
}

TEST(RejectsTest, WithoutARejectTheFileOfAnEarlierRunGoesAndNoOther) {
  TestFolder folder;
  const std::string old =
      folder.Write("old.csv", "first_line,last_line,key,reason,what_to_do\n1\n");
  const std::string other = folder.Write("other.csv", "mine\n");
  EXPECT_TRUE(RejectsFile(old).Close().ok());
  EXPECT_TRUE(RejectsFile(other).Close().ok());
  EXPECT_EQ(folder.Read("old.csv"), "");
  EXPECT_EQ(folder.Read("other.csv"), "mine\n");
}

TEST(ProgressTest, TheLineTellsShareRateAndTimeLeftAndFitsTheTerminal) {
  const ProgressState state{.rows = 500, .fraction = 0.5, .elapsed = absl::Seconds(10)};
  EXPECT_THAT(ProgressLine(state, 100, false),
              HasSubstr("[############............]  50%  500 rows, 50 rows/s, 10 s left"));
  EXPECT_THAT(ProgressLine(state, 100, false), Not(HasSubstr("\x1b")));
  EXPECT_LE(ProgressLine(state, 20, false).size(), 20u);
  EXPECT_EQ(ProgressLine({.rows = 5, .elapsed = absl::Seconds(1)}, 80, false), "5 rows, 5 rows/s");
}

}  // namespace
}  // namespace records::tools
