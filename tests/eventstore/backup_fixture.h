#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/backup.h"
#include "eventstore/event_log.h"
#include "eventstore/key_store_open.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/temp_folder.h"

namespace records::eventstore::testing_support {

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

inline std::vector<std::string> EntriesOf(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A subject for each number.
inline SubjectId SubjectOf(uint32_t number) {
  IdBytes bytes{};
  bytes[0] = 0x77;
  for (int i = 0; i < 4; ++i) bytes[12 + i] = static_cast<uint8_t>(number >> (8 * i));
  return SubjectId(bytes);
}

inline KeyPurpose PurposeOf(uint32_t number) { return {SubjectOf(number), 3, {}}; }

// Log and key store on files, with folders for their backups and the master key apart.
class BackupFixture : public ::testing::Test {
 protected:
  BackupFixture() {
    for (const std::string& folder : {data(), log_home(), keys_home(), safe()}) {
      std::filesystem::create_directories(folder);
    }
  }

  std::string data() const { return folder_ / "data"; }
  std::string backups() const { return folder_ / "backups"; }
  std::string log_home() const { return backups() + "/log"; }
  std::string keys_home() const { return backups() + "/keys"; }
  std::string safe() const { return folder_ / "safe"; }
  std::string master_key_file() const { return safe() + "/master.key"; }

  absl::StatusOr<std::unique_ptr<KeyStore>> OpenKeys(const std::string& folder) {
    KeyStoreOptions options;
    options.data_dir = folder;
    options.master_key_file = master_key_file();
    return OpenKeyStore(options);
  }

  absl::StatusOr<std::unique_ptr<EventLog>> OpenEvents(const std::string& folder,
                                                       const KeyStore* keys) {
    LogOptions options;
    options.data_dir = folder;
    options.partition_count = 4;
    options.guard = keys;
    return OpenLog(options);
  }

  // Opens all in the data folder.
  void Serve(std::optional<std::pair<std::string, std::string>> homes) {
    Stop();
    keys_ = *OpenKeys(data());
    log_ = *OpenEvents(data(), keys_.get());
    BackupOptions options{.data_dir = data(), .env = backup_env_};
    if (homes) std::tie(options.log_folder, options.keys_folder) = *homes;
    backups_ = std::make_unique<Backups>(*log_, *keys_, options);
    const absl::Status cleaned = backups_->CleanUp();
    ASSERT_TRUE(cleaned.ok()) << cleaned;
  }
  void Serve() { Serve(std::make_pair(log_home(), keys_home())); }

  void Stop() {
    backups_.reset();
    log_.reset();
    keys_.reset();
  }

  // An event with a key of its own, made before it.
  void AppendEvent(uint32_t number) {
    const auto key = keys_->GetOrCreateKey(PurposeOf(number));
    ASSERT_TRUE(key.ok()) << key.status();
    Append append = WithRequest(AppendTo(Stream(RootIn(number % 4, 1 + number % 64)),
                                         {.facts = absl::StrCat("event ", number, " end")}),
                                number);
    append.keys.push_back(key->id);
    const auto appended = log_->AppendAndWait(std::move(append));
    ASSERT_TRUE(appended.ok()) << appended.status();
  }

  absl::StatusOr<MadeBackups> Create(const std::string& name) {
    return backups_->Create(name, [](const BackupProgress&) { return true; });
  }

  const TempFolder folder_;
  rocksdb::Env* backup_env_ = nullptr;  // what backups are written through
  std::unique_ptr<KeyStore> keys_;
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<Backups> backups_;
};

}  // namespace records::eventstore::testing_support
