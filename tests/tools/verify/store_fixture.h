#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "eventstore/event_log.h"
#include "eventstore/key_store_open.h"
#include "records/log/v1/event.pb.h"
#include "rocksdb/db.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/temp_folder.h"
#include "tools/recordsctl/verify/verify.h"

// Small data folders that the real log and key store wrote, and a hand that damages them.
namespace records::tools::verify {

using eventstore::testing_support::TempFolder;

inline constexpr uint32_t kPartitions = 4;
// The partition with enough events for tiles.
inline constexpr uint32_t kFull = 1;
inline constexpr uint64_t kFullEvents = 600;

inline std::string EventKey(uint32_t partition, uint64_t sequence) {
  std::string key;
  WriteBigEndian(partition, 2, &key);
  WriteBigEndian(sequence, 8, &key);
  return key;
}

// The log of a data folder, open for writing past all of the log's own code.
class RawLog {
 public:
  explicit RawLog(const std::string& folder) {
    rocksdb::Options options;
    std::vector<std::string> names;
    EXPECT_TRUE(rocksdb::DB::ListColumnFamilies(options, folder, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, options);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, folder, families, &handles, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    db_.reset(db);
    for (size_t i = 0; i < handles.size(); ++i) tables_[names[i]] = handles[i];
  }
  ~RawLog() {
    for (const auto& [name, handle] : tables_) {
      EXPECT_TRUE(db_->Flush({}, handle).ok());
      db_->DestroyColumnFamilyHandle(handle);
    }
  }

  std::string Get(const std::string& table, const std::string& key) {
    std::string value;
    const rocksdb::Status status = db_->Get({}, tables_.at(table), key, &value);
    EXPECT_TRUE(status.ok()) << table << ": " << status.ToString();
    return value;
  }
  void Put(const std::string& table, const std::string& key, const std::string& value) {
    EXPECT_TRUE(db_->Put({}, tables_.at(table), key, value).ok());
  }
  void Delete(const std::string& table, const std::string& key) {
    EXPECT_TRUE(db_->Delete({}, tables_.at(table), key).ok());
  }
  // The keys of a table, in order.
  std::vector<std::string> Keys(const std::string& table) {
    const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator({}, tables_.at(table)));
    std::vector<std::string> keys;
    for (row->SeekToFirst(); row->Valid(); row->Next()) keys.push_back(row->key().ToString());
    return keys;
  }

  // Changes a stored event and writes it back in the layout of the format.
  void ChangeEvent(uint64_t sequence, const std::function<void(records::log::v1::Event&)>& change,
                   const std::string& table = "events") {
    records::log::v1::Event body;
    ASSERT_TRUE(body.ParseFromString(Get(table, EventKey(kFull, sequence))));
    change(body);
    records::log::v1::Event append;
    append.mutable_append()->Swap(body.mutable_append());
    body.clear_append();
    records::log::v1::Event place;
    place.set_revision(body.revision());
    place.mutable_position()->Swap(body.mutable_position());
    place.set_recorded_at_us(body.recorded_at_us());
    body.clear_revision();
    body.clear_position();
    body.clear_recorded_at_us();
    Put(table, EventKey(kFull, sequence),
        body.SerializeAsString() + append.SerializeAsString() + place.SerializeAsString());
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> tables_;
};

// Each test damages a copy of one folder, which is written once.
class StoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  StoreTest() { std::filesystem::copy(*original_ / "data", Data(), kAll); }

  std::string Data() const { return folder_ / "data"; }
  std::string LogFolder() const { return Data() + "/log"; }

  absl::StatusOr<Report> Run() const { return Verify(options_); }

  // The report of a run that could be made.
  Report MustRun() const {
    absl::StatusOr<Report> report = Run();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *std::move(report) : Report(1);
  }

  // Fails unless the report has a finding of that kind at that place.
  static void ExpectFinding(const Report& report, Code code, const Place& place);

  static constexpr auto kAll = std::filesystem::copy_options::recursive;
  static std::unique_ptr<TempFolder> original_;
  // Signed when partition kFull held 300 events; kept elsewhere.
  static std::string early_checkpoint_;
  static std::string late_checkpoint_;
  static std::string verifier_key_;

  TempFolder folder_;
  VerifyOptions options_{.data_dir = folder_ / "data"};
};

std::string ReadWhole(const std::string& path);
void WriteWhole(const std::string& path, const std::string& content);

}  // namespace records::tools::verify
