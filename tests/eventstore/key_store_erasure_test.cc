#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/byte_search.h"
#include "eventstore/erasure_head.h"
#include "eventstore/key_cache.h"
#include "eventstore/key_store_open.h"
#include "tests/eventstore/key_store_fixture.h"
#include "tests/eventstore/temp_folder.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing_support::KeyStoreFixture;
using testing_support::TempFolder;

class KeyStoreErasureTest : public KeyStoreFixture {
 protected:
  KeyStoreErasureTest() { Open(); }

  // A customer with keys of two categories and a key of keyed hashes.
  DirectoryEntry MakeCustomer(const std::string& reference) {
    const DirectoryEntry entry = *store_->Claim("north", "customer", reference);
    EXPECT_TRUE(store_
                    ->GetOrCreateKeys({{entry.subject, 1, {KeyScopeKind::kYear, 2026, {}}},
                                       {entry.subject, 1, {KeyScopeKind::kYear, 2025, {}}},
                                       {entry.subject, 2, {}}})
                    .ok());
    EXPECT_TRUE(store_->SubjectHash(entry.subject, "label", "data").ok());
    return entry;
  }
};

// DP-C4, DP-E4
TEST_F(KeyStoreErasureTest, DestructionTakesEveryKeyAndRowOfTheSubjectAndNoOther) {
  const DirectoryEntry erased = MakeCustomer("R1");
  const DirectoryEntry other = MakeCustomer("R2");
  EXPECT_THAT(store_->HoldingsOf(erased.subject)->keys,
              ElementsAre(Pair(1, 2), Pair(2, 1), Pair(65'536, 1)));
  // Looked up before, and so remembered.
  EXPECT_EQ((*store_->Resolve("north", "customer", "R1"))->subject, erased.subject);
  ASSERT_TRUE(store_->Fence(erased.subject).ok());
  const auto destroyed = store_->DestroySubject(erased.subject);
  ASSERT_TRUE(destroyed.ok()) << destroyed.status();
  EXPECT_EQ(destroyed->holdings.key_count(), 4u);
  EXPECT_EQ(destroyed->holdings.directory_rows, 2u);
  EXPECT_EQ(destroyed->bytes.size(), 4u * 2 + 2);
  EXPECT_EQ(store_->HoldingsOf(erased.subject)->key_count(), 0u);
  EXPECT_FALSE(store_->Resolve("north", "customer", "R1")->has_value());
  EXPECT_FALSE(store_->ReferenceOf(erased.subject)->has_value());
  EXPECT_EQ(store_->HoldingsOf(other.subject)->key_count(), 4u);
  EXPECT_EQ((*store_->Resolve("north", "customer", "R2"))->subject, other.subject);
  Open();
  EXPECT_TRUE(store_->IsFenced(erased.subject));
  EXPECT_EQ(store_->HoldingsOf(erased.subject)->key_count(), 0u);
}

TEST_F(KeyStoreErasureTest, TheSameReferenceMakesANewSubjectAfterwards) {
  const DirectoryEntry erased = MakeCustomer("R1");
  ASSERT_TRUE(store_->Fence(erased.subject).ok());
  ASSERT_TRUE(store_->DestroySubject(erased.subject).ok());
  const DirectoryEntry anew = *store_->Claim("north", "customer", "R1");
  EXPECT_NE(anew.subject, erased.subject);
  EXPECT_NE(anew.root, erased.root);
  EXPECT_TRUE(store_->GetOrCreateKeys({{anew.subject, 2, {}}}).ok());
}

TEST_F(KeyStoreErasureTest, DestroyingAgainFindsNothingAndStillNamesTheRows) {
  const DirectoryEntry erased = MakeCustomer("R1");
  ASSERT_TRUE(store_->Fence(erased.subject).ok());
  ASSERT_TRUE(store_->DestroySubject(erased.subject).ok());
  const uint64_t sequence = store_->GetStatus().sequence;
  const auto again = store_->DestroySubject(erased.subject);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->holdings.key_count(), 0u);
  EXPECT_THAT(again->bytes, IsEmpty());
  EXPECT_EQ(again->row_names.size(), 2u);
  EXPECT_EQ(store_->GetStatus().sequence, sequence);
}

TEST_F(KeyStoreErasureTest, WhoIsNotFencedIsNotDestroyed) {
  const DirectoryEntry customer = MakeCustomer("R1");
  EXPECT_EQ(store_->DestroySubject(customer.subject).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->HoldingsOf(customer.subject)->key_count(), 4u);
}

TEST_F(KeyStoreErasureTest, LeasesEndWithTheirLastHolderWhereverTheKeyWasHeld) {
  Open(1);  // a cache of one: all but the last key are held outside of it
  const SubjectId subject = NewSubject();
  auto keys = store_->GetOrCreateKeys({{subject, 1, {}}, {subject, 2, {}}, {subject, 3, {}}});
  ASSERT_TRUE(keys.ok());
  auto found = store_->FindKey({subject, 1, {}});
  ASSERT_TRUE(found->has_value());
  ASSERT_TRUE(store_->Fence(subject).ok());
  EXPECT_FALSE(store_->LeasesEnded(subject));
  keys->clear();
  EXPECT_FALSE(store_->LeasesEnded(subject));
  found->reset();
  EXPECT_TRUE(store_->LeasesEnded(subject));
}

TEST_F(KeyStoreErasureTest, WhatIsHeldOutsideTheCacheIsForgottenWhenNobodyHoldsIt) {
  KeyCache cache(2);
  const auto make = [] {
    return std::make_shared<const ReadyKey>(
        ReadyKey{KeyId(), *Aead::Create(SecretBytes::CopyOf(std::string(kAeadKeySize, 'k'))), {}});
  };
  const KeyPurpose kept = NewPurpose();
  const ReadyKeyPointer key = make();
  cache.Insert(kept, key, cache.epoch());
  for (int i = 0; i < 10'000; ++i) {
    cache.Insert(kept, key, cache.epoch());      // is there
    cache.Insert(kept, key, cache.epoch() + 1);  // is there, and an eviction came between
    cache.Insert(NewPurpose(), make(), cache.epoch() + 1);
  }
  EXPECT_LE(cache.noted_outside(), 64u);
}

TEST_F(KeyStoreErasureTest, AFenceThatComesWhileAKeyIsReadKeepsItBack) {
  const DirectoryEntry customer = MakeCustomer("R1");
  Open();
  hooked_.OnNextGet(kKeysTable, [&] { ASSERT_TRUE(store_->Fence(customer.subject).ok()); });
  const auto found = store_->FindKey({customer.subject, 2, {}});
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->has_value());
  EXPECT_TRUE(store_->LeasesEnded(customer.subject));
}

TEST_F(KeyStoreErasureTest, TheHeadOfTheErasureLedgerIsInTheAnchorFromTheNextChangeOn) {
  const ErasureHead head{3, Sha256("three")};
  store_->SetErasureHead(head);
  EXPECT_TRUE(store_->Fence(NewSubject()).ok());
  Open();
  EXPECT_EQ(store_->KnownErasures(), head);
  EXPECT_TRUE(store_->Fence(NewSubject()).ok());
  Open();
  EXPECT_EQ(store_->KnownErasures(), head);
}

// DP-E4
TEST(KeyStoreErasureFilesTest, AfterCompactionNoByteOfThemIsInAnyFile) {
  TempFolder folder;
  auto store = *OpenKeyStore({.data_dir = folder.path()});
  std::vector<DirectoryEntry> customers;
  for (int i = 0; i < 200; ++i) {
    customers.push_back(*store->Claim("north", "customer", "R" + std::to_string(i)));
    ASSERT_TRUE(store->GetOrCreateKeys({{customers.back().subject, 1, {}}}).ok());
  }
  const SubjectId erased = customers[100].subject;
  ASSERT_TRUE(store->Fence(erased).ok());
  const auto destroyed = store->DestroySubject(erased);
  ASSERT_TRUE(destroyed.ok());
  std::vector<absl::string_view> needles;
  for (const SecretBytes& bytes : destroyed->bytes) needles.push_back(bytes.view());
  for (const std::string& name : destroyed->row_names) {
    needles.push_back(absl::string_view(name).substr(4));
  }
  const ByteSearchOptions where{.paths = {folder.path() + "/keys", folder.path() + "/keys.anchor"},
                                .skipped_names = {"MANIFEST"}};
  // The search can see them: before the compaction they are there.
  EXPECT_FALSE(SearchFiles(where, needles)->found_in.empty());
  ASSERT_TRUE(store->CompactDestroyed().ok());
  EXPECT_THAT(SearchFiles(where, needles)->found_in, IsEmpty());
  EXPECT_TRUE((*store->FindKey({customers[101].subject, 1, {}})).has_value());
  store.reset();
  store = *OpenKeyStore({.data_dir = folder.path()});
  EXPECT_THAT(SearchFiles(where, needles)->found_in, IsEmpty());
  EXPECT_EQ(store->GetStatus().keys, 199u);
}

}  // namespace
}  // namespace records::eventstore
