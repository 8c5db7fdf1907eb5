#include <atomic>
#include <thread>

#include "tests/eventstore/key_store_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;

// As a store with very many keys: they are counted while it serves.
class KeyStoreCountTest : public testing_support::KeyStoreFixture {
 protected:
  KeyStoreCountTest() { rows_counted_at_start_max_ = 0; }

  void SetUp() override {
    Open();
    there_ = NewPurpose();
    id_ = store_->GetOrCreateKey(there_)->id;
    const std::string other = Rows(kKeysTable).front().key;
    lost_ = NewPurpose();
    ASSERT_TRUE(store_->GetOrCreateKey(lost_).ok());
    for (const StorageEntry& row : Rows(kKeysTable)) {
      if (row.key != other) lost_row_ = row.key;
    }
    ASSERT_TRUE(store_->Claim("north", "customer", "C-1").ok());
  }

  void Remove(Table table, const std::string& row) {
    StorageBatch batch;
    batch.Delete(table, row);
    ASSERT_TRUE(storage_.Write(batch, Storage::Durability::kSynced).ok());
  }

  KeyPurpose there_;
  KeyPurpose lost_;
  std::string lost_row_;
  KeyId id_;
};

TEST_F(KeyStoreCountTest, WhatIsThereIsServedBeforeTheCountEnds) {
  hooked_.HoldWalks(kKeysTable);
  Open();
  const auto found = store_->FindKey(there_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ((*found)->id, id_);
  EXPECT_TRUE(store_->Resolve("north", "customer", "C-1")->has_value());
  hooked_.LetWalk();
}

TEST_F(KeyStoreCountTest, WhatIsAbsentIsToldAfterTheCount) {
  hooked_.HoldWalks(kKeysTable);
  Open();
  std::atomic<bool> let_walk = false;
  std::thread release([&] {
    hooked_.WaitForWalk();
    let_walk = true;
    hooked_.LetWalk();
  });
  const auto found = store_->FindKey(NewPurpose());
  EXPECT_TRUE(let_walk);
  release.join();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->has_value());
  EXPECT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  EXPECT_EQ(told_fatal_, 0);
}

// A lost row never passes for one that was ended, and no new key is made in silence.
TEST_F(KeyStoreCountTest, ALostRowIsFoundAfterACleanStopAndNothingIsWritten) {
  store_.reset();
  Remove(kKeysTable, lost_row_);
  const std::string anchor = anchors_.Get(kAnchor);
  const auto keys = Rows(kKeysTable).size();
  ASSERT_TRUE(TryOpen().ok());
  EXPECT_EQ((*store_->FindKey(there_))->id, id_);
  const absl::Status lost = store_->FindKey(lost_).status();
  EXPECT_EQ(lost.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(lost.message()),
              HasSubstr("table keys has 1 rows, its state says 2: 1 missing"));
  EXPECT_TRUE(absl::IsDataLoss(store_->GetOrCreateKey(lost_).status()));
  EXPECT_TRUE(absl::IsDataLoss(store_->EndKey(lost_)));
  EXPECT_TRUE(absl::IsDataLoss(store_->Claim("north", "customer", "C-2").status()));
  EXPECT_TRUE(absl::IsDataLoss(store_->Fence(NewSubject())));
  EXPECT_TRUE(absl::IsDataLoss(store_->HoldingsOf(lost_.subject).status()));
  EXPECT_TRUE(absl::IsDataLoss(store_->ReferenceOf(NewSubject()).status()));
  EXPECT_TRUE(absl::IsDataLoss(store_->RotateMasterKey().status()));
  store_.reset();
  EXPECT_EQ(told_fatal_, 1);
  EXPECT_EQ(Rows(kKeysTable).size(), keys);
  EXPECT_EQ(anchors_.Get(kAnchor), anchor);
}

TEST_F(KeyStoreCountTest, ALostFenceStillStopsTheStart) {
  ASSERT_TRUE(store_->Fence(NewSubject()).ok());
  store_.reset();
  Remove(kFencesTable, Rows(kFencesTable).front().key);
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("table fences has 0 rows"));
}

TEST_F(KeyStoreCountTest, AStoreThatIsClosedBeforeItIsCountedSaysNothing) {
  hooked_.HoldWalks(kKeysTable);
  Open();
  std::thread release([&] {
    hooked_.WaitForWalk();
    hooked_.LetWalk();
  });
  store_.reset();
  release.join();
  EXPECT_EQ(told_fatal_, 0);
}

}  // namespace
}  // namespace records::eventstore
