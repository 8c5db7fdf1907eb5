#include "eventstore/restore.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/erasure_ledger.h"
#include "eventstore/event_log.h"
#include "eventstore/master_keys.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/backup_fixture.h"
#include "tests/eventstore/fake_tail.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_support::AppendTo;
using testing_support::BackupFixture;
using testing_support::EntriesOf;
using testing_support::FakeTail;
using testing_support::Key;
using testing_support::PurposeOf;
using testing_support::ReadFile;
using testing_support::RootIn;
using testing_support::Stream;
using testing_support::SubjectOf;
using testing_support::WithRequest;

namespace fs = std::filesystem;

class RestoreTest : public BackupFixture {
 protected:
  std::string ledger_file() const { return safe() + "/erasure.ledger"; }
  std::string to() const { return folder_ / "restored"; }

  void ServeWithLedger() {
    Serve();
    OpenLedger();
  }

  void OpenLedger() {
    auto seed = *OpenCheckpointFiles(data())->ReadKey();
    ledger_ = *ErasureLedger::Open(PosixAnchorFiles(), ledger_file(), log_->store_id(),
                                   *Ed25519PrivateKey::FromSeed(std::move(seed)), {});
  }

  // What the service does, without its events: ledger, fence, destruction.
  void Erase(uint32_t number) {
    ASSERT_TRUE(ledger_->Append(SubjectOf(number), RootIn(1, 1), absl::Now()).ok());
    ASSERT_TRUE(keys_->Fence(SubjectOf(number)).ok());
    keys_->SetErasureHead(ledger_->head());
    log_->SetErasureHead(ledger_->head());
    ASSERT_TRUE(keys_->DestroySubject(SubjectOf(number)).ok());
    ASSERT_TRUE(keys_->CompactDestroyed().ok());
  }

  // The backup "first" of 20 events, then 10 events more.
  void MakeFirst() {
    ServeWithLedger();
    for (uint32_t i = 0; i < 20; ++i) AppendEvent(i);
    ASSERT_TRUE(Create("first").ok());
    for (uint32_t i = 20; i < 30; ++i) AppendEvent(i);
  }

  RestoreOptions Options(const std::string& name = "first") {
    RestoreOptions options;
    options.log_backup = log_home() + "/" + name;
    options.keys_backup = keys_home() + "/" + name;
    options.erasure_ledger = ledger_file();
    options.master_key_file = master_key_file();
    options.to = to();
    return options;
  }

  void OpenRestored() {
    Stop();
    auto keys = OpenKeys(to());
    ASSERT_TRUE(keys.ok()) << keys.status();
    keys_ = *std::move(keys);
    auto log = OpenEvents(to(), keys_.get());
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  uint64_t EventsThere() const {
    uint64_t events = 0;
    for (uint32_t p = 0; p < log_->partition_count(); ++p) {
      events += log_->Head(Ledger::kEvents, p).sequence;
    }
    return events;
  }

  // The backup that a file of "first" belongs to.
  std::string HomeOf(const std::string& path) const {
    return (absl::StartsWith(path, log_home()) ? log_home() : keys_home()) + "/first";
  }

  // Files of both backups: all with RECORDS_FULL, else a seeded few.
  std::vector<std::string> SomeFiles() const {
    std::vector<std::string> files;
    for (const std::string& home : {log_home() + "/first", keys_home() + "/first"}) {
      for (const auto& entry : fs::recursive_directory_iterator(home)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    }
    EXPECT_GE(files.size(), 12u);
    if (std::getenv("RECORDS_FULL") != nullptr) return files;
    std::sort(files.begin(), files.end());
    std::shuffle(files.begin(), files.end(), std::mt19937_64(SeedOfRun()));
    // First one that nothing but its digest guards.
    std::stable_partition(files.begin(), files.end(), [](const std::string& path) {
      return absl::StrContains(path, "/OPTIONS-");
    });
    files.resize(5);
    return files;
  }

  void FlipByte(const std::string& path, size_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char was = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(was ^ 1));
  }

  // The master key's file as a rotation leaves it that was cut short right after its start.
  void BeginRotation() {
    MasterKeyFile file(master_key_file());
    MasterKeys both = **file.Load();
    ASSERT_EQ(both.size(), 1u);
    both.push_back(
        *MasterKey::Generate(both[0].generation + 1, absl::FromUnixSeconds(7), SystemRandom()));
    ASSERT_TRUE(file.Save(both).ok());
  }

  std::unique_ptr<ErasureLedger> ledger_;
};

// DP-C6, DP-I5
TEST_F(RestoreTest, EveryEventUpToThePositionIsThereAndNoneAfterIt) {
  MakeFirst();
  const StoreId store = log_->store_id();
  const std::string vkey = log_->VerifierKey();
  const auto restored = Restore(Options());
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->log.events, 20u);
  EXPECT_EQ(restored->erasures, 0u);
  OpenRestored();
  EXPECT_EQ(log_->store_id(), store);
  EXPECT_EQ(log_->VerifierKey(), vkey);  // who kept it can go on verifying
  EXPECT_EQ(EventsThere(), 20u);
  for (uint32_t i = 0; i < 30; ++i) {
    const auto found = *log_->FindRequest(Key(i));
    ASSERT_EQ(found.has_value(), i < 20) << i;
    EXPECT_EQ((*keys_->FindKey(PurposeOf(i))).has_value(), i < 20) << i;
    if (i >= 20) continue;
    EXPECT_EQ((*found)[0].event.facts(), absl::StrCat("event ", i, " end"));
  }
  // And it goes on: a request that was lost may be made again.
  AppendEvent(25);
  EXPECT_EQ(EventsThere(), 21u);
}

// Design 8: a log found behind its topics. DP-C6
TEST_F(RestoreTest, TheTailBringsBackWhatCameAfterTheBackup) {
  MakeFirst();
  FakeTail tail(*log_);
  RestoreOptions options = Options();
  options.keys_backup = keys_home() + "/second";
  ASSERT_TRUE(Create("second").ok());
  options.tail = &tail;
  const auto restored = Restore(options);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->log.events, 20u);
  ASSERT_TRUE(restored->tail.has_value());
  EXPECT_EQ(restored->tail->events, 10u);
  OpenRestored();
  EXPECT_EQ(EventsThere(), 30u);
  for (uint32_t i = 0; i < 30; ++i) {
    const auto found = *log_->FindRequest(Key(i));
    ASSERT_TRUE(found.has_value()) << i;
    EXPECT_EQ((*found)[0].event.facts(), absl::StrCat("event ", i, " end"));
  }
  for (const TailPartition& end : tail.ends) {
    EXPECT_TRUE(log_->VerifyCheckpoint(Ledger::kEvents, end.published).ok());
  }
  AppendEvent(25);  // a retry: its first outcome
  EXPECT_EQ(EventsThere(), 30u);
  AppendEvent(31);
  EXPECT_EQ(EventsThere(), 31u);
}

// What is restored from the topic is signed before anything is served: it cannot be lost unseen.
TEST_F(RestoreTest, TheLastCheckpointOfARestoreCoversTheTail) {
  MakeFirst();
  FakeTail tail(*log_);
  RestoreOptions options = Options();
  options.tail = &tail;
  ASSERT_TRUE(Restore(options).ok());
  const std::string note = ReadFile(to() + "/checkpoint.latest");
  const Checkpoint checkpoint = *ParseCheckpoint(note.substr(0, note.find("\n\n") + 1));
  EXPECT_EQ(checkpoint.size, 30u);
}

TEST_F(RestoreTest, EventsOfTheTailWhoseKeysAreGoneAreNamed) {
  MakeFirst();
  // Parts as the sealer makes them, as far as keys go: of a customer, of one who is erased later,
  // of one who came after the backup of the keys, and a dummy.
  const auto seal = [&](records::log::v1::Event& event, const KeyPurpose& purpose) {
    KeyReference reference{.purpose = purpose, .tag = {}};
    if (purpose.category != 0) reference.tag = TagOf(keys_->GetOrCreateKey(purpose)->id);
    event.add_sealed()->set_key_reference(*keys_->MakeReference(reference));
  };
  const auto append = [&](uint32_t number, const std::vector<KeyPurpose>& purposes) {
    Append made = AppendTo(Stream(RootIn(1, 200)));
    records::log::v1::Event event;
    ASSERT_TRUE(event.ParseFromString(made.events[0].body));
    for (const KeyPurpose& purpose : purposes) seal(event, purpose);
    made.events[0].body = event.SerializeAsString();
    ASSERT_TRUE(log_->AppendAndWait(WithRequest(std::move(made), number)).ok());
  };
  append(100, {PurposeOf(2), {}});
  append(101, {PurposeOf(3)});
  append(102, {PurposeOf(2), PurposeOf(500)});
  append(103, {});
  Erase(3);
  FakeTail tail(*log_);
  RestoreOptions options = Options();
  options.tail = &tail;
  const auto restored = Restore(options);
  ASSERT_TRUE(restored.ok()) << restored.status();
  const TailKeys& keys = restored->tail->keys;
  EXPECT_EQ(keys.erased, 1u);
  EXPECT_EQ(keys.unopened, 1u);
  ASSERT_EQ(keys.named.size(), 1u);
  EXPECT_EQ(keys.named[0].collection, "customers");
  EXPECT_EQ((*log_->FindRequest(Key(102)))->front().position, keys.named[0].position);
  // The ciphertext of who was erased is back, and no key of theirs.
  OpenRestored();
  EXPECT_TRUE((*log_->FindRequest(Key(101))).has_value());
  EXPECT_TRUE(keys_->IsFenced(SubjectOf(3)));
  EXPECT_FALSE(keys_->FindKey(PurposeOf(3))->has_value());
}

TEST_F(RestoreTest, ATailThatIsRefusedOrStoppedLeavesAnEmptyFolder) {
  MakeFirst();
  FakeTail tail(*log_);
  RestoreOptions options = Options();
  options.tail = &tail;
  options.go_on_tail = [](uint64_t, uint64_t) { return false; };
  EXPECT_EQ(Restore(options).status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(EntriesOf(to()), IsEmpty());
  options.go_on_tail = [](uint64_t, uint64_t) { return true; };
  tail.ends[2].published.root[0] ^= 1;
  const auto refused = Restore(options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(refused.status().message(), HasSubstr("TOPIC_DIFFERS"));
  EXPECT_THAT(EntriesOf(to()), IsEmpty());
  tail.ends[2].published.root[0] ^= 1;
  EXPECT_TRUE(Restore(options).ok());
}

TEST_F(RestoreTest, ACheckpointKeptElsewhereTellsWhatIsMissing) {
  MakeFirst();
  for (uint32_t i = 0; i < 3; ++i) {
    Append trace = AppendTo(Stream(RootIn(i, 300)));
    trace.ledger = Ledger::kAccess;
    ASSERT_TRUE(log_->AppendAndWait(std::move(trace)).ok());
  }
  FakeTail tail(*log_);
  AppendEvent(40);
  RestoreOptions options = Options();
  options.checkpoint = *log_->SignedCheckpoint();
  auto restored = Restore(options);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->lost->events, 11u);
  EXPECT_EQ(restored->lost->traces, 3u);
  fs::remove_all(to());
  options.tail = &tail;
  restored = Restore(options);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->lost->events, 1u);
  EXPECT_EQ(restored->lost->traces, 3u);
}

// A topic and its progress that somebody forged fit each other; what the log signed does not.
TEST_F(RestoreTest, ATailThatACheckpointKeptElsewhereDidNotSignIsRefused) {
  MakeFirst();
  RestoreOptions options = Options();
  options.checkpoint = *log_->SignedCheckpoint();
  ASSERT_TRUE(Restore(options).ok());
  OpenRestored();
  for (uint32_t i = 20; i < 30; ++i) AppendEvent(100 + i);
  FakeTail forged(*log_);
  Stop();
  fs::remove_all(to());
  options.tail = &forged;
  const auto refused = Restore(options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(refused.status().message(), HasSubstr("CHECKPOINT_DIFFERS"));
  EXPECT_THAT(EntriesOf(to()), IsEmpty());
}

TEST_F(RestoreTest, ACheckpointOfAnotherLogIsRefused) {
  MakeFirst();
  RestoreOptions options = Options();
  testing_support::MemoryLog other;
  options.checkpoint = *other.Open().SignedCheckpoint();
  EXPECT_EQ(Restore(options).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(EntriesOf(to()), IsEmpty());
}

TEST_F(RestoreTest, AKeyMadeBeforeAndUsedAfterTheBackupIsTheSame) {
  ServeWithLedger();
  AppendEvent(1);
  const KeyId before = keys_->GetOrCreateKey(PurposeOf(1))->id;
  ASSERT_TRUE(Create("first").ok());
  ASSERT_TRUE(Restore(Options()).ok());
  OpenRestored();
  EXPECT_EQ((*keys_->FindKey(PurposeOf(1)))->id, before);
}

// RC-3
TEST_F(RestoreTest, WhatWasErasedAfterTheBackupStaysErased) {
  ServeWithLedger();
  for (uint32_t i = 0; i < 10; ++i) AppendEvent(i);
  ASSERT_TRUE(keys_->Claim("north", "customer", "reference-3").ok());
  const DirectoryEntry claimed = *keys_->Claim("north", "customer", "reference-4");
  ASSERT_TRUE(keys_->GetOrCreateKey({claimed.subject, 3, {}}).ok());
  ASSERT_TRUE(Create("first").ok());
  Erase(3);
  ASSERT_TRUE(ledger_->Append(claimed.subject, claimed.root, absl::Now()).ok());
  const auto restored = Restore(Options());
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->erasures, 2u);
  EXPECT_EQ(restored->erased_anew, 2u);
  OpenRestored();
  EXPECT_TRUE(keys_->IsFenced(SubjectOf(3)));
  EXPECT_FALSE(keys_->FindKey(PurposeOf(3))->has_value());
  EXPECT_FALSE(keys_->FindKey({claimed.subject, 3, {}})->has_value());
  EXPECT_FALSE(keys_->Resolve("north", "customer", "reference-4")->has_value());
  EXPECT_TRUE(keys_->Resolve("north", "customer", "reference-3")->has_value());
  EXPECT_TRUE(keys_->FindKey(PurposeOf(4))->has_value());
  // The anchor knows the ledger now: an older one is refused by the next start.
  EXPECT_EQ(log_->KnownErasures()[0].head, ledger_->head());
}

// The wrapped key of somebody erased is in no file of a restored store. In the backup it was made
// from it still is, until the master key is rotated: deploy/README.md says so.
TEST_F(RestoreTest, TheBytesOfErasedKeysAreInNoFileOfTheRestoredStore) {
  ServeWithLedger();
  for (uint32_t i = 0; i < 10; ++i) AppendEvent(i);
  ASSERT_TRUE(Create("first").ok());
  ASSERT_TRUE(ledger_->Append(SubjectOf(3), RootIn(1, 1), absl::Now()).ok());
  ASSERT_TRUE(keys_->Fence(SubjectOf(3)).ok());
  const DestroyedSubject destroyed = *keys_->DestroySubject(SubjectOf(3));
  ASSERT_FALSE(destroyed.bytes.empty());
  ASSERT_TRUE(keys_->CompactDestroyed().ok());
  Stop();
  ASSERT_TRUE(Restore(Options()).ok());
  const auto files_with = [](const std::string& folder, absl::string_view bytes) {
    int found = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      found += entry.is_regular_file() && absl::StrContains(ReadFile(entry.path()), bytes) ? 1 : 0;
    }
    return found;
  };
  int in_backup = 0;
  for (const SecretBytes& bytes : destroyed.bytes) {
    EXPECT_EQ(files_with(to(), bytes.view()), 0);
    EXPECT_EQ(files_with(data(), bytes.view()), 0);
    EXPECT_EQ(files_with(log_home(), bytes.view()), 0);
    in_backup += files_with(keys_home(), bytes.view());
  }
  EXPECT_GE(in_backup, 1);
}

TEST_F(RestoreTest, AnErasureBeforeTheBackupIsNotCarriedOutAnew) {
  ServeWithLedger();
  for (uint32_t i = 0; i < 10; ++i) AppendEvent(i);
  Erase(3);
  ASSERT_TRUE(Create("first").ok());
  const auto restored = Restore(Options());
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->erasures, 1u);
  EXPECT_EQ(restored->erased_anew, 0u);
}

TEST_F(RestoreTest, WithoutTheErasureLedgerNothingIsRestored) {
  MakeFirst();
  fs::remove(ledger_file());
  const auto restored = Restore(Options());
  EXPECT_EQ(restored.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(restored.status().message(), HasSubstr("erasure ledger"));
  EXPECT_FALSE(fs::exists(to()));
}

TEST_F(RestoreTest, AnErasureLedgerOlderThanTheBackupIsRefused) {
  ServeWithLedger();
  for (uint32_t i = 0; i < 10; ++i) AppendEvent(i);
  const std::string before = ReadFile(ledger_file());
  Erase(3);
  ASSERT_TRUE(Create("first").ok());
  std::ofstream(ledger_file(), std::ios::binary | std::ios::trunc) << before;
  const auto restored = Restore(Options());
  EXPECT_EQ(restored.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(restored.status().message(), HasSubstr("erasure ledger"));
  EXPECT_THAT(EntriesOf(to()), IsEmpty());
}

TEST_F(RestoreTest, AnErasureLedgerOlderThanACheckpointKeptElsewhereIsRefused) {
  MakeFirst();
  const std::string before = ReadFile(ledger_file());
  Erase(3);
  const ErasureHead later = ledger_->head();
  std::ofstream(ledger_file(), std::ios::binary | std::ios::trunc) << before;
  // The backup alone cannot know.
  RestoreOptions options = Options();
  ASSERT_TRUE(Restore(options).ok());
  fs::remove_all(to());
  options.known_erasures.push_back({"kept.note", later});
  const auto restored = Restore(options);
  EXPECT_EQ(restored.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(restored.status().message(), HasSubstr("kept.note"));
}

TEST_F(RestoreTest, ARotationEndsTheBackupsOfTheKeysMadeBeforeIt) {
  MakeFirst();
  ASSERT_TRUE(keys_->RotateMasterKey().ok());
  const auto refused = Restore(Options());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.status().message(), HasSubstr("MASTER_KEY_ENDED"));
  EXPECT_THAT(refused.status().message(), HasSubstr("generation 1"));
  ASSERT_TRUE(Create("second").ok());
  EXPECT_TRUE(Restore(Options("second")).ok());
}

// A backup under generation g opens with g alone, and with a rotation cut short g lies beside g + 1
// in the operator's file: no restore may end it, least of all one that fails.
TEST_F(RestoreTest, ARestoreNeverChangesTheMasterKeysFile) {
  MakeFirst();
  Stop();
  BeginRotation();
  const std::string before = ReadFile(master_key_file());
  for (const int calls : {1, 8}) {
    int left = calls;
    RestoreOptions options = Options();
    options.go_on = [&left](uint64_t, uint64_t) { return left-- > 0; };
    ASSERT_EQ(Restore(options).status().code(), absl::StatusCode::kCancelled) << calls;
    ASSERT_EQ(ReadFile(master_key_file()), before) << calls;
  }
  // Refused after the keys were opened: its manifest is not signed by the log's key.
  const std::string path = log_home() + "/first/backup.manifest";
  const std::string note = ReadFile(path);
  std::string forged = note;
  forged.replace(forged.find("access: "), 9, "access: 7");
  std::ofstream(path, std::ios::binary | std::ios::trunc) << forged;
  ASSERT_EQ(Restore(Options()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadFile(master_key_file()), before);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << note;
  // All is there still, and the first start ends the rotation.
  const auto restored = Restore(Options());
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(ReadFile(master_key_file()), before);
  OpenRestored();
  EXPECT_EQ(EventsThere(), 20u);
  EXPECT_TRUE(keys_->FindKey(PurposeOf(4))->has_value());
  const MasterKeys after = **MasterKeyFile(master_key_file()).Load();
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0].generation, 2u);
}

// A folder with the mark of a restore is emptied by the next one, with all that is in it.
TEST_F(RestoreTest, WhatTheRestoreNeedsIsNeverInTheFolderThatItEmpties) {
  MakeFirst();
  Stop();
  fs::create_directories(to());
  std::ofstream(to() + "/restore.unfinished") << "as a crash leaves it";
  fs::create_directories(to() + "/kept");
  const auto expect_refused = [&](const RestoreOptions& options, const std::string& kept) {
    const auto refused = Restore(options);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << kept;
    EXPECT_THAT(refused.status().message(), HasSubstr(kept));
    EXPECT_TRUE(fs::exists(kept)) << kept;
  };
  RestoreOptions options = Options();
  options.master_key_file = to() + "/master.key";
  fs::copy(master_key_file(), options.master_key_file);
  expect_refused(options, options.master_key_file);
  options = Options();
  options.erasure_ledger = to() + "/kept/erasure.ledger";
  fs::copy(ledger_file(), options.erasure_ledger);
  expect_refused(options, options.erasure_ledger);
  options = Options();
  options.log_backup = to() + "/kept/log";
  fs::copy(log_home() + "/first", options.log_backup, fs::copy_options::recursive);
  expect_refused(options, options.log_backup);
  options = Options();
  options.keys_backup = to() + "/kept/keys";
  fs::copy(keys_home() + "/first", options.keys_backup, fs::copy_options::recursive);
  expect_refused(options, options.keys_backup);
  // By whatever name it goes.
  fs::create_directory_symlink(to(), folder_ / "alias");
  options = Options();
  options.to = folder_ / "alias";
  options.keys_backup = to() + "/kept/../kept/keys";
  expect_refused(options, options.keys_backup);
  EXPECT_TRUE(Restore(Options()).ok());
}

TEST_F(RestoreTest, AMasterKeyOfAnotherStoreIsRefused) {
  MakeFirst();
  const std::string other = folder_ / "other";
  fs::create_directories(other);
  ASSERT_TRUE(OpenKeyStore({.data_dir = other}).ok());
  RestoreOptions options = Options();
  options.master_key_file = other + "/master.key";
  EXPECT_EQ(Restore(options).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(EntriesOf(to()), IsEmpty());
  options.master_key_file = other + "/none";
  EXPECT_EQ(Restore(options).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RestoreTest, KeysOlderThanTheLogAreRefusedAndNewerOnesTaken) {
  MakeFirst();
  ASSERT_TRUE(Create("second").ok());
  RestoreOptions options = Options("second");
  options.keys_backup = keys_home() + "/first";
  const auto refused = Restore(options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.status().message(), HasSubstr("older"));
  options = Options("first");
  options.keys_backup = keys_home() + "/second";
  EXPECT_TRUE(Restore(options).ok());
}

TEST_F(RestoreTest, TwoBackupsTheWrongWayRoundAreNamed) {
  MakeFirst();
  RestoreOptions options = Options();
  std::swap(options.log_backup, options.keys_backup);
  const auto refused = Restore(options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.status().message(), HasSubstr("is a backup of the keys"));
}

TEST_F(RestoreTest, AFolderThatHoldsSomethingIsNeverTouched) {
  MakeFirst();
  fs::create_directories(to());
  std::ofstream(to() + "/letter.txt") << "mine";
  const auto refused = Restore(Options());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.status().message(), HasSubstr("not empty"));
  EXPECT_EQ(ReadFile(to() + "/letter.txt"), "mine");
}

TEST_F(RestoreTest, AFlippedByteInAnyFileIsNamedAndNothingIsRestored) {
  MakeFirst();
  Stop();
  for (const std::string& path : SomeFiles()) {
    if (fs::file_size(path) == 0) continue;
    const size_t offset = fs::file_size(path) / 2;
    FlipByte(path, offset);
    const auto refused = Restore(Options());
    EXPECT_FALSE(refused.ok()) << path;
    EXPECT_THAT(refused.status().message(), HasSubstr(HomeOf(path))) << path;
    FlipByte(path, offset);
    EXPECT_TRUE(!fs::exists(to()) || fs::is_empty(to())) << path;
  }
  EXPECT_TRUE(Restore(Options()).ok());
}

TEST_F(RestoreTest, AMissingFileIsNamedAndNothingIsRestored) {
  MakeFirst();
  Stop();
  for (const std::string& path : SomeFiles()) {
    fs::rename(path, folder_ / "aside");
    const auto refused = Restore(Options());
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss) << path;
    EXPECT_THAT(refused.status().message(), HasSubstr(fs::path(path).filename().string()));
    fs::rename(folder_ / "aside", path);
  }
}

TEST_F(RestoreTest, OneThatIsStoppedLeavesAnEmptyFolder) {
  MakeFirst();
  Stop();
  for (int calls = 0; calls < 4; ++calls) {
    int left = calls;
    RestoreOptions options = Options();
    options.go_on = [&left](uint64_t, uint64_t) { return left-- > 0; };
    ASSERT_EQ(Restore(options).status().code(), absl::StatusCode::kCancelled) << calls;
    EXPECT_THAT(EntriesOf(to()), IsEmpty());
  }
}

TEST_F(RestoreTest, AFolderWhoseRestoreWasCutShortIsRefusedAndCanBeRestoredAgain) {
  MakeFirst();
  Stop();
  ASSERT_TRUE(Restore(Options()).ok());
  std::ofstream(to() + "/restore.unfinished") << "as a crash leaves it";
  const auto keys = OpenKeys(to());
  EXPECT_EQ(keys.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(keys.status().message(), HasSubstr("restore"));
  const auto log = OpenEvents(to(), nullptr);
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Restore(Options()).ok());
  OpenRestored();
  EXPECT_EQ(EventsThere(), 20u);
}

TEST_F(RestoreTest, ManifestsOfAnotherSignerAreRefused) {
  MakeFirst();
  Stop();
  // Whoever can write the backup can make list and manifest agree, but not sign.
  const std::string path = log_home() + "/first/backup.manifest";
  std::string note = ReadFile(path);
  note.replace(note.find("access: "), 9, "access: 7");
  std::ofstream(path, std::ios::binary | std::ios::trunc) << note;
  const auto refused = Restore(Options());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(refused.status().message(), HasSubstr("signed"));
}

}  // namespace
}  // namespace records::eventstore
