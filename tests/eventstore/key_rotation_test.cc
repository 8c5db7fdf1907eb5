#include <map>
#include <string>

#include "eventstore/store_secrets.h"
#include "tests/eventstore/key_store_fixture.h"

namespace records::eventstore {
namespace {

class KeyRotationTest : public testing_support::KeyStoreFixture {
 protected:
  void SetUp() override {
    Open();
    for (int i = 0; i < 20; ++i) {
      const KeyPurpose purpose = NewPurpose();
      keys_[purpose] = store_->GetOrCreateKey(purpose)->id;
    }
    entry_ = *store_->Claim("north", "customer", "C-1");
    fenced_ = NewSubject();
    ASSERT_TRUE(store_->Fence(fenced_).ok());
    token_ = *store_->SealToken("label", "caller", "data");
    reference_ = *store_->MakeReference({keys_.begin()->first, {}});
  }

  void ExpectAllThere() {
    for (const auto& [purpose, id] : keys_) {
      const auto key = store_->FindKey(purpose);
      ASSERT_TRUE(key.ok()) << key.status();
      ASSERT_TRUE(key->has_value());
      EXPECT_EQ((*key)->id, id);
    }
    EXPECT_EQ((*store_->Resolve("north", "customer", "C-1"))->subject, entry_.subject);
    EXPECT_TRUE(store_->IsFenced(fenced_));
    EXPECT_EQ(*store_->OpenToken("label", "caller", token_), "data");
    EXPECT_EQ(store_->OpenReference(reference_)->purpose, keys_.begin()->first);
    EXPECT_EQ(store_->GetStatus().keys, keys_.size());
  }

  // All rows are under this generation, and the master key file holds no other.
  void ExpectGeneration(char generation) {
    for (const Table table : {kKeysTable, kDirectoryTable, kFencesTable}) {
      for (const StorageEntry& row : Rows(table)) EXPECT_EQ(row.value[3], generation);
    }
    ASSERT_EQ(master_keys_.keys()->size(), 1u);
    EXPECT_EQ(master_keys_.keys()->front().generation, static_cast<uint32_t>(generation));
    EXPECT_EQ(store_->GetStatus().master_key_generation, static_cast<uint32_t>(generation));
  }

  std::map<KeyPurpose, KeyId> keys_;
  DirectoryEntry entry_;
  SubjectId fenced_;
  std::string token_;
  std::string reference_;
};

TEST_F(KeyRotationTest, WrapsEverythingAnewAndForgetsTheOldKey) {
  const MasterKeys old = testing_support::MemoryMasterKeys::CopyOf(*master_keys_.keys());
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(*store_->RotateMasterKey(), keys_.size());
  ExpectGeneration(2);
  EXPECT_EQ(store_->GetStatus().master_key_created_at, clock_.Now());
  ExpectAllThere();
  Open();
  ExpectAllThere();
  ASSERT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  EXPECT_EQ(*store_->RotateMasterKey(), keys_.size() + 1);
  ExpectGeneration(3);
  const MasterKeys newest = testing_support::MemoryMasterKeys::CopyOf(*master_keys_.keys());
  master_keys_.Set(testing_support::MemoryMasterKeys::CopyOf(old));
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kFailedPrecondition);
}

// Every write of a rotation fails once, before or after it took effect, and the process starts
// anew.
TEST_F(KeyRotationTest, ACrashAtAnyWriteIsGoneOnWith) {
  for (const bool effect : {false, true}) {
    bool finished = false;
    for (int step = 0; !finished; ++step) {
      SCOPED_TRACE(step);
      ASSERT_LT(step, 20);
      const uint32_t before = store_->GetStatus().master_key_generation;
      (effect ? writes_until_lost_sync_ : writes_until_failure_) = step;
      finished = store_->RotateMasterKey().ok();
      writes_until_lost_sync_ = -1;
      writes_until_failure_ = -1;
      if (!finished) storage_.Crash(effect ? 1 : 0);
      Open();
      ExpectAllThere();
      ExpectGeneration(static_cast<char>(before + 1));
    }
  }
}

TEST_F(KeyRotationTest, ACrashAtTheAnchorIsGoneOnWith) {
  anchors_.FailNextSync(absl::UnknownError("disk"));
  EXPECT_FALSE(store_->RotateMasterKey().ok());
  Open();
  ExpectAllThere();
  ExpectGeneration(2);
}

TEST_F(KeyRotationTest, ACrashAtTheFirstSaveOfTheMasterKeyIsGoneOnWith) {
  master_keys_.FailBefore(true);
  EXPECT_FALSE(store_->RotateMasterKey().ok());
  ExpectAllThere();
  master_keys_.FailBefore(false);
  Open();
  ExpectAllThere();
  ExpectGeneration(1);
  master_keys_.FailAfter(true);
  EXPECT_FALSE(store_->RotateMasterKey().ok());
  // Goes on under the old key; the start then finds two.
  const KeyPurpose purpose = NewPurpose();
  keys_[purpose] = store_->GetOrCreateKey(purpose)->id;
  master_keys_.FailAfter(false);
  Open();
  ExpectAllThere();
  ExpectGeneration(2);
}

// The last save is the second one.
TEST_F(KeyRotationTest, ACrashAtTheLastSaveOfTheMasterKeyIsGoneOnWith) {
  for (const bool effect : {false, true}) {
    // Fails the rotation after the first save, then goes on in the same process up to the last.
    before_status_ = absl::ResourceExhaustedError("full");
    writes_until_failure_ = 0;
    EXPECT_EQ(store_->RotateMasterKey().status().code(), absl::StatusCode::kResourceExhausted);
    ExpectAllThere();
    (effect ? master_keys_.FailAfter(true) : master_keys_.FailBefore(true));
    EXPECT_FALSE(store_->RotateMasterKey().ok());
    ExpectAllThere();
    master_keys_.FailAfter(false);
    master_keys_.FailBefore(false);
    Open();
    ExpectAllThere();
    ExpectGeneration(effect ? 3 : 2);
  }
}

TEST_F(KeyRotationTest, ADamagedRowStopsItAndNothingIsLost) {
  StorageEntry row = Rows(kKeysTable).back();
  const std::string good = row.value;
  row.value.back() ^= 1;
  Write(kKeysTable, row.key, row.value);
  EXPECT_EQ(store_->RotateMasterKey().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(master_keys_.keys()->size(), 2u);
  Write(kKeysTable, row.key, good);
  Open();
  ExpectAllThere();
  ExpectGeneration(2);
}

}  // namespace
}  // namespace records::eventstore
