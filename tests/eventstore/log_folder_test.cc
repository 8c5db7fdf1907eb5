#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "eventstore/anchor.h"
#include "eventstore/log_tables.h"
#include "eventstore/rocks_storage.h"
#include "eventstore/signed_note.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/temp_folder.h"

// The log in a data folder: its bytes as FORMAT.md says, its files, its start.
namespace records::eventstore {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)

class LogFolderTest : public testing::Test {
 protected:
  LogFolderTest() {
    options_.data_dir = folder_ / "data";
    options_.clock = &clock_;
    options_.disk_reserve_bytes = 0;
    options_.disk_floor_bytes = 0;
  }

  absl::StatusOr<std::unique_ptr<EventLog>> TryOpen() { return OpenLog(options_); }
  std::unique_ptr<EventLog> Open() {
    auto log = TryOpen();
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }

  std::string Data(const std::string& name) const { return options_.data_dir + "/" + name; }

  TempFolder folder_;
  ManualClock clock_{TestStart()};
  LogOptions options_;
};

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

// One event of FORMAT.md's worked example.
NewEvent ExampleEvent(char id, const std::string& type, int64_t occurred_at_us) {
  IdBytes root{};
  root[7] = 5;
  root[15] = 1;
  NewEvent event;
  event.stream = {"north", "customers", RootId(root), ""};
  records::log::v1::Event body;
  body.set_id(std::string(16, id));
  *body.mutable_stream() = event.stream.ToProto();
  body.set_type(type);
  body.set_occurred_at_us(occurred_at_us);
  event.body = body.SerializeAsString();
  return event;
}

Append ExampleAppend() {
  Append append;
  append.events.push_back(ExampleEvent('\x11', "records.events.v1.A", 1'767'225'600'000'000));
  append.events.push_back(ExampleEvent('\x22', "records.events.v1.B", 1'767'225'600'000'001));
  append.request_key.emplace().fill(0xAA);
  append.request_digest.fill(0xBB);
  return append;
}

constexpr absl::string_view kExampleFirst =
    "0a10111111111111111111111111111111111224"
    "0a056e6f7274681209637573746f6d6572731a1000000000000000050000000000000001"
    "32137265636f7264732e6576656e74732e76312e4138808081b184e99103"
    "2a460a20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "1220bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb2002"
    "2204080510014080"
    "89fbb184e99103";
constexpr absl::string_view kExampleSecond =
    "0a10222222222222222222222222222222221224"
    "0a056e6f7274681209637573746f6d6572731a1000000000000000050000000000000001"
    "32137265636f7264732e6576656e74732e76312e4238818081b184e99103"
    "2a480a20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "1220bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb18012002"
    "180122040805100240"
    "8089fbb184e99103";

TEST_F(LogFolderTest, TheBytesAreThoseOfTheWorkedExampleInTheFormat) {
  clock_.Set(TestStart() + absl::Seconds(2));
  {
    const auto log = Open();
    ASSERT_TRUE(log->AppendAndWait(ExampleAppend()).ok());
    const std::string note = *log->SignedCheckpoint();
    EXPECT_THAT(note, HasSubstr("\n2\nk+IieRIwCfKI5cgWw3XjO01xYXv8ummNtcnc1SwaSrs=\nevents/0 0 "
                                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"));
    EXPECT_THAT(note, HasSubstr("\nevents/5 2 fDzuaYrjMARyPcb5DH9nEloVPvQGeK2P5mQ7mnua2Cc=\n"));
    const NoteVerifier verifier = *NoteVerifier::Parse(log->VerifierKey());
    EXPECT_TRUE(OpenNote(note, {verifier}).ok());
  }
  const auto store = RocksStorage::Open(
      {.path = Data("log"), .tables = LogTables(), .mode = RocksMode::kReadOnly});
  ASSERT_TRUE(store.ok()) << store.status();
  std::vector<std::string> rows;
  for (const Table table :
       {kEventsTable, kAccessTable, kStreamsTable, kRequestsTable, kTreeTable}) {
    const auto cursor = (*store)->NewCursor(table);
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      rows.push_back(Hex(cursor->key()) + " -> " + Hex(cursor->value()));
    }
  }
  const std::string stream = "00000000000000050000000000000001fbc55ddc5104eb9200";
  EXPECT_THAT(rows,
              testing::ElementsAre(absl::StrCat("00050000000000000001 -> ", kExampleFirst),
                                   absl::StrCat("00050000000000000002 -> ", kExampleSecond),
                                   stream + "0000000000000000 -> 0000000000000001",
                                   stream + "0000000000000001 -> 0000000000000002",
                                   Hex(std::string(32, '\xAA')) + " -> 0000050000000000000001"));
  EXPECT_EQ(Hex(**(*store)->Get(kMetaTable, "format_version")), "00000001");
  EXPECT_EQ(Hex(**(*store)->Get(kMetaTable, "partition_count")), "00000010");
}

TEST_F(LogFolderTest, ALogOnRocksIsOpenedAgainAndCarriesOn) {
  const StreamName stream = Stream(RootIn(3));
  PartitionCheckpoint checkpoint;
  {
    const auto log = Open();
    for (uint32_t i = 0; i < 600; ++i) {
      ASSERT_TRUE(log->AppendAndWait(WithRequest(AppendTo(stream), i)).ok());
    }
    checkpoint = *log->CheckpointAt(Ledger::kEvents, {3, 599});
    ASSERT_TRUE(log->SignedCheckpoint().ok());
  }
  const auto log = Open();
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(ReadAll(*log, 3).size(), 600u);
  EXPECT_TRUE(log->VerifyCheckpoint(Ledger::kEvents, checkpoint).ok());
  const auto repeated = log->AppendAndWait(WithRequest(AppendTo(stream), 17));
  ASSERT_TRUE(repeated.ok());
  EXPECT_TRUE(repeated->repeated);
  EXPECT_EQ(repeated->first.sequence, 18u);
  EXPECT_EQ(log->AppendAndWait(AppendTo(stream))->first.sequence, 601u);
}

TEST_F(LogFolderTest, ASecondOpeningIsRefusedAndSaysWhatToDo) {
  const auto log = Open();
  const auto second = TryOpen();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("Stop that one, or use another folder"));
  EXPECT_TRUE(log->AppendAndWait(AppendTo(Stream(RootIn(1)))).ok());
}

TEST_F(LogFolderTest, TheKeyOfCheckpointsIsTheOwnersOnly) {
  Open().reset();
  struct stat about {};
  ASSERT_EQ(stat(Data("checkpoint.key").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  ASSERT_EQ(chmod(Data("checkpoint.key").c_str(), 0644), 0);
  EXPECT_EQ(TryOpen().status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace records::eventstore
