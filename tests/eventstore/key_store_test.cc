#include "eventstore/key_store.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "eventstore/key_cache.h"
#include "eventstore/limits.h"
#include "eventstore/store_secrets.h"
#include "tests/eventstore/key_store_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;

class KeyStoreTest : public testing_support::KeyStoreFixture {
 protected:
  void SetUp() override { Open(); }

  // Whether what one sealed the other opens.
  static bool SameKey(const LeasedKey& one, const LeasedKey& other) {
    const std::string nonce(kAeadNonceSize, 'n');
    return one.id == other.id &&
           other.aead->Open(nonce, *one.aead->Seal(nonce, "text", ""), "").ok();
  }

  static std::string Reason(const absl::Status& status) {
    return std::string(status.message()).substr(0, status.message().find(':'));
  }
};

TEST_F(KeyStoreTest, AKeyIsMadeOnceAndLastsOverARestart) {
  const KeyPurpose purpose = NewPurpose();
  EXPECT_FALSE(store_->FindKey(purpose)->has_value());
  const LeasedKey made = *store_->GetOrCreateKey(purpose);
  EXPECT_TRUE(SameKey(made, *store_->GetOrCreateKey(purpose)));
  EXPECT_TRUE(SameKey(made, **store_->FindKey(purpose)));
  EXPECT_EQ(store_->GetStatus().keys, 1u);
  Open();
  EXPECT_TRUE(SameKey(made, **store_->FindKey(purpose)));
  EXPECT_TRUE(SameKey(made, *store_->GetOrCreateKey(purpose)));
  EXPECT_EQ(store_->GetStatus().keys, 1u);
}

TEST_F(KeyStoreTest, EachSubjectCategoryAndScopeHasAKeyOfItsOwn) {
  const SubjectId subject = NewSubject();
  const RootId root = *RootId::Generate(random_);
  const std::vector<KeyPurpose> purposes = {{subject, 1, {}},
                                            {NewSubject(), 1, {}},
                                            {subject, 2, {}},
                                            {subject, 1, {KeyScopeKind::kYear, 2026, {}}},
                                            {subject, 1, {KeyScopeKind::kYear, 2027, {}}},
                                            {subject, 1, {KeyScopeKind::kMonth, 2026, {}}},
                                            {subject, 1, {KeyScopeKind::kRoot, 0, root}}};
  const auto keys = *store_->GetOrCreateKeys(purposes);
  std::set<KeyId> ids;
  for (const LeasedKey& key : keys) ids.insert(key.id);
  EXPECT_EQ(ids.size(), purposes.size());
  EXPECT_EQ(store_->GetStatus().keys, purposes.size());
}

TEST_F(KeyStoreTest, TheKeysOfOneCallAreMadeInOneBatch) {
  const uint64_t before = store_->Sequence();
  const KeyPurpose twice = NewPurpose();
  const auto keys = *store_->GetOrCreateKeys({twice, NewPurpose(), NewPurpose(), twice});
  EXPECT_EQ(store_->Sequence(), before + 1);
  EXPECT_EQ(keys[0].id, keys[3].id);
  EXPECT_EQ(store_->GetStatus().keys, 3u);
}

TEST_F(KeyStoreTest, RowsOfDifferentKeysHaveNothingInCommonButTheSubject) {
  const SubjectId subject = NewSubject();
  ASSERT_TRUE(
      store_->GetOrCreateKeys({{subject, 1, {}}, {subject, 2, {}}, {NewSubject(), 1, {}}}).ok());
  const auto rows = Rows(kKeysTable);
  std::set<std::string> heads;
  std::set<std::string> tails;
  std::set<size_t> sizes;
  for (const StorageEntry& row : rows) {
    heads.insert(row.key.substr(0, 16));
    tails.insert(row.key.substr(16));
    sizes.insert(row.value.size());
  }
  EXPECT_EQ(heads.size(), 2u);
  EXPECT_EQ(tails.size(), 3u);  // not even the category shows
  EXPECT_EQ(sizes.size(), 1u);
}

TEST_F(KeyStoreTest, ALeaseEndsAfterItsTime) {
  const KeyPurpose purpose = NewPurpose();
  EXPECT_EQ(store_->GetOrCreateKey(purpose)->lease_ends, clock_.Now() + kKeyLease);
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ((*store_->FindKey(purpose))->lease_ends, clock_.Now() + kKeyLease);
}

TEST_F(KeyStoreTest, MoreKeysThanAreCachedWork) {
  Open(/*cached_keys=*/2);
  std::vector<KeyPurpose> purposes;
  std::vector<LeasedKey> keys;
  for (int i = 0; i < 10; ++i) {
    purposes.push_back(NewPurpose());
    keys.push_back(*store_->GetOrCreateKey(purposes.back()));
  }
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(SameKey(keys[i], **store_->FindKey(purposes[i])));
}

TEST_F(KeyStoreTest, AnEndedKeyIsGoneAndItsAppendsAreRefused) {
  const KeyPurpose purpose = NewPurpose();
  const KeyPurpose other{purpose.subject, 2, {}};
  const LeasedKey ended = *store_->GetOrCreateKey(purpose);
  const LeasedKey kept = *store_->GetOrCreateKey(other);
  ASSERT_TRUE(store_->EndKey(purpose).ok());
  EXPECT_FALSE(store_->FindKey(purpose)->has_value());
  EXPECT_TRUE(store_->FindKey(other)->has_value());
  EXPECT_EQ(store_->GetStatus().keys, 1u);
  Append append;
  append.keys = {kept.id};
  EXPECT_TRUE(store_->Check(append).ok());
  append.keys = {kept.id, ended.id};
  EXPECT_EQ(Reason(store_->Check(append)), "KEY_ENDED");
  EXPECT_FALSE(SameKey(ended, *store_->GetOrCreateKey(purpose)));
  EXPECT_TRUE(store_->EndKey(NewPurpose()).ok());
  Open();
  EXPECT_EQ(store_->GetStatus().keys, 2u);
}

TEST_F(KeyStoreTest, AFenceRefusesWhatTheSubjectCouldBeReachedBy) {
  const KeyPurpose purpose = NewPurpose();
  const KeyPurpose other = NewPurpose();
  ASSERT_TRUE(store_->GetOrCreateKeys({purpose, other}).ok());
  ASSERT_TRUE(store_->SubjectHash(purpose.subject, "label", "data").ok());
  ASSERT_TRUE(store_->Fence(purpose.subject).ok());
  ASSERT_TRUE(store_->Fence(purpose.subject).ok());
  for (int start = 0; start < 2; ++start) {
    EXPECT_TRUE(store_->IsFenced(purpose.subject));
    EXPECT_EQ(Reason(store_->GetOrCreateKey(purpose).status()), "SUBJECT_FENCED");
    EXPECT_EQ(Reason(store_->GetOrCreateKeys({other, {purpose.subject, 9, {}}}).status()),
              "SUBJECT_FENCED");
    EXPECT_FALSE(store_->FindKey(purpose)->has_value());
    EXPECT_EQ(Reason(store_->SubjectHash(purpose.subject, "label", "data").status()),
              "SUBJECT_FENCED");
    Append append;
    append.subjects = {other.subject};
    EXPECT_TRUE(store_->Check(append).ok());
    append.subjects = {other.subject, purpose.subject};
    EXPECT_EQ(Reason(store_->Check(append)), "SUBJECT_FENCED");
    EXPECT_TRUE(store_->FindKey(other)->has_value());
    EXPECT_EQ(store_->GetStatus().fenced_subjects, 1u);
    EXPECT_EQ(store_->GetStatus().keys, 3u);
    Open();
  }
}

TEST_F(KeyStoreTest, AFenceBetweenLookingAndMakingIsSeen) {
  const KeyPurpose kept = NewPurpose();
  const KeyPurpose fenced = NewPurpose();
  hooked_.OnNextGet(kKeysTable, [&] { EXPECT_TRUE(store_->Fence(fenced.subject).ok()); });
  EXPECT_EQ(Reason(store_->GetOrCreateKey(fenced).status()), "SUBJECT_FENCED");
  EXPECT_EQ(store_->GetStatus().keys, 0u);
  // All or nothing: the other key of the call is not made either.
  const KeyPurpose later = NewPurpose();
  hooked_.OnNextGet(kKeysTable, [&] {
    hooked_.OnNextGet(kKeysTable, [&] { EXPECT_TRUE(store_->Fence(later.subject).ok()); });
  });
  EXPECT_EQ(Reason(store_->GetOrCreateKeys({kept, later}).status()), "SUBJECT_FENCED");
  EXPECT_EQ(store_->GetStatus().keys, 0u);
  EXPECT_FALSE(store_->FindKey(kept)->has_value());
}

TEST_F(KeyStoreTest, AKeyThatEndsWhileItIsReadIsNotCached) {
  const KeyPurpose purpose = NewPurpose();
  ASSERT_TRUE(store_->GetOrCreateKey(purpose).ok());
  Open();
  hooked_.OnNextGet(kKeysTable, [&] { EXPECT_TRUE(store_->EndKey(purpose).ok()); });
  ASSERT_TRUE(store_->FindKey(purpose).ok());
  EXPECT_FALSE(store_->FindKey(purpose)->has_value());
}

TEST_F(KeyStoreTest, ReferencesToOneKeyCannotBeToldFromOthers) {
  const KeyPurpose purpose = NewPurpose();
  const KeyTag tag{1, 2, 3, 4, 5, 6};
  const std::string first = *store_->MakeReference({purpose, tag});
  const std::string second = *store_->MakeReference({purpose, tag});
  const std::string dummy = *store_->MakeReference({});
  EXPECT_NE(first, second);
  EXPECT_EQ(first.size(), kKeyReferenceSize);
  EXPECT_EQ(second.size(), kKeyReferenceSize);
  EXPECT_EQ(dummy.size(), kKeyReferenceSize);
  Open();
  EXPECT_EQ(*store_->OpenReference(first), (KeyReference{purpose, tag}));
  EXPECT_EQ(*store_->OpenReference(second), (KeyReference{purpose, tag}));
  EXPECT_EQ(store_->OpenReference(dummy)->purpose.category, 0u);
  for (size_t i = 0; i < first.size(); ++i) {
    std::string changed = first;
    changed[i] ^= 1;
    EXPECT_EQ(store_->OpenReference(changed).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(store_->OpenReference("short").status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(KeyStoreTest, AClaimIsTheSameForEver) {
  const DirectoryEntry entry = *store_->Claim("north", "customer", "C-1");
  const auto same = [&entry](const DirectoryEntry& other) {
    return entry.subject == other.subject && entry.root == other.root;
  };
  EXPECT_TRUE(same(*store_->Claim("north", "customer", "C-1")));
  EXPECT_FALSE(same(*store_->Claim("north", "staff", "C-1")));
  EXPECT_FALSE(same(*store_->Claim("south", "customer", "C-1")));
  EXPECT_FALSE(same(*store_->Claim("north", "customer", "C-2")));
  EXPECT_FALSE(same(*store_->Claim("northc", "ustomer", "C-1")));
  Open();
  EXPECT_TRUE(same(*store_->Claim("north", "customer", "C-1")));
  EXPECT_TRUE(same(**store_->Resolve("north", "customer", "C-1")));
  EXPECT_FALSE(store_->Resolve("north", "customer", "C-3")->has_value());
  EXPECT_EQ(**store_->ReferenceOf(entry.subject), "C-1");
  EXPECT_FALSE(store_->ReferenceOf(NewSubject())->has_value());
}

TEST_F(KeyStoreTest, ReferencesHaveALimit) {
  EXPECT_TRUE(store_->Claim("north", "customer", std::string(kReferenceLengthMax - 1, 'x')).ok());
  EXPECT_TRUE(store_->Claim("north", "customer", std::string(kReferenceLengthMax, 'x')).ok());
  EXPECT_EQ(
      store_->Claim("north", "customer", std::string(kReferenceLengthMax + 1, 'x')).status().code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(store_->Claim("", "customer", "C-1").ok());
  EXPECT_FALSE(store_->Resolve("north", "", "C-1").ok());
  EXPECT_FALSE(store_->PseudoEntry("north", "customer", "").ok());
}

TEST_F(KeyStoreTest, SizesOfDirectoryRowsSayLittle) {
  ASSERT_TRUE(store_->Claim("north", "customer", "C-1").ok());
  ASSERT_TRUE(store_->Claim("north", "customer", "a reference of another length").ok());
  std::set<size_t> sizes;
  for (const StorageEntry& row : Rows(kDirectoryTable)) sizes.insert(row.value.size());
  EXPECT_EQ(sizes.size(), 1u);
}

TEST_F(KeyStoreTest, APseudoEntryLooksLikeOneAndIsAlwaysTheSame) {
  const DirectoryEntry pseudo = *store_->PseudoEntry("north", "customer", "C-1");
  EXPECT_TRUE(SubjectId::FromUuid(pseudo.subject.ToUuid()).ok());
  EXPECT_EQ(pseudo.subject.ToUuid()[14], '4');
  EXPECT_NE(pseudo.subject.bytes(), pseudo.root.bytes());
  const DirectoryEntry claimed = *store_->Claim("north", "customer", "C-1");
  EXPECT_NE(claimed.subject, pseudo.subject);
  Open();
  EXPECT_EQ(store_->PseudoEntry("north", "customer", "C-1")->root, pseudo.root);
  EXPECT_NE(store_->PseudoEntry("north", "customer", "C-2")->root, pseudo.root);
}

TEST_F(KeyStoreTest, HashesDependOnStoreLabelAndSubject) {
  const SubjectId subject = NewSubject();
  const Digest keyed = store_->KeyedHash("label", "data");
  const Digest hashed = *store_->SubjectHash(subject, "label", "data");
  EXPECT_NE(keyed, store_->KeyedHash("labe", "ldata"));
  EXPECT_NE(hashed, *store_->SubjectHash(subject, "labe", "ldata"));
  EXPECT_NE(hashed, *store_->SubjectHash(NewSubject(), "label", "data"));
  Open();
  EXPECT_EQ(keyed, store_->KeyedHash("label", "data"));
  EXPECT_EQ(hashed, *store_->SubjectHash(subject, "label", "data"));
}

TEST_F(KeyStoreTest, ATokenIsForOneLabelAndCaller) {
  const std::string token = *store_->SealToken("position", "caller", "data");
  EXPECT_EQ(token, *store_->SealToken("position", "caller", "data"));
  EXPECT_EQ(token.find_first_of("+/=\n"), std::string::npos);
  Open();
  EXPECT_EQ(*store_->OpenToken("position", "caller", token), "data");
  const auto refused = [this](absl::string_view label, absl::string_view caller,
                              const std::string& text) {
    return store_->OpenToken(label, caller, text).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused("position", "other", token));
  EXPECT_TRUE(refused("page", "caller", token));
  EXPECT_TRUE(refused("positio", "ncaller", token));
  EXPECT_TRUE(refused("position", "caller", token + "="));
  EXPECT_TRUE(refused("position", "caller", token + "\n"));
  EXPECT_TRUE(refused("position", "caller", ""));
  EXPECT_TRUE(refused("position", "caller", std::string(1 << 20, 'A')));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(refused("position", "caller", changed)) << i;
  }
  EXPECT_TRUE(store_->SealToken("a", "b", std::string(kTokenBytesMax, 'x')).ok());
  EXPECT_FALSE(store_->SealToken("a", "b", std::string(kTokenBytesMax + 1, 'x')).ok());
}

TEST_F(KeyStoreTest, APurposeMustBeWhole) {
  const auto refused = [this](const KeyPurpose& purpose) {
    return store_->GetOrCreateKey(purpose).status().code() == absl::StatusCode::kInvalidArgument &&
           store_->FindKey(purpose).status().code() == absl::StatusCode::kInvalidArgument;
  };
  KeyPurpose purpose = NewPurpose();
  purpose.category = 0;
  EXPECT_TRUE(refused(purpose));
  purpose.category = kCategoryNumberMax + 1;
  EXPECT_TRUE(refused(purpose));
  purpose = NewPurpose();
  purpose.subject = SubjectId();
  EXPECT_TRUE(refused(purpose));
  purpose = NewPurpose();
  purpose.scope.kind = KeyScopeKind::kYear;
  EXPECT_TRUE(refused(purpose));
  purpose.scope = {KeyScopeKind::kRoot, 0, {}};
  EXPECT_TRUE(refused(purpose));
  purpose.scope = {KeyScopeKind::kSubject, 2026, {}};
  EXPECT_TRUE(refused(purpose));
}

// What is damaged.

TEST_F(KeyStoreTest, ADamagedKeyRowIsNamedAndNotServed) {
  const KeyPurpose purpose = NewPurpose();
  ASSERT_TRUE(store_->GetOrCreateKey(purpose).ok());
  const StorageEntry row = Rows(kKeysTable).front();
  for (size_t i = 0; i < row.value.size(); ++i) {
    std::string changed = row.value;
    changed[i] ^= 4;
    Write(kKeysTable, row.key, changed);
    Open();
    const absl::Status status = store_->FindKey(purpose).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << i;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::BytesToHexString(row.key)));
    EXPECT_EQ(store_->GetOrCreateKey(purpose).status().code(), absl::StatusCode::kDataLoss);
  }
  ASSERT_TRUE(store_->EndKey(purpose).ok());
  EXPECT_TRUE(store_->GetOrCreateKey(purpose).ok());
}

TEST_F(KeyStoreTest, ARowFitsItsOwnPlaceOnly) {
  const KeyPurpose purpose = NewPurpose();
  ASSERT_TRUE(store_->GetOrCreateKeys({purpose, NewPurpose()}).ok());
  ASSERT_TRUE(store_->Claim("north", "customer", "C-1").ok());
  const auto rows = Rows(kKeysTable);
  Write(kKeysTable, rows[0].key, rows[1].value);
  Write(kKeysTable, rows[1].key, rows[0].value);
  const auto entries = Rows(kDirectoryTable);
  Write(kDirectoryTable, entries[0].key, entries[1].value);
  Write(kDirectoryTable, entries[1].key, entries[0].value);
  Open();
  EXPECT_EQ(store_->FindKey(purpose).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_->Resolve("north", "customer", "C-1").status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(KeyStoreTest, ADamagedFenceStopsTheStart) {
  ASSERT_TRUE(store_->Fence(NewSubject()).ok());
  StorageEntry row = Rows(kFencesTable).front();
  row.value.back() ^= 1;
  Write(kFencesTable, row.key, row.value);
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::BytesToHexString(row.key)));
}

TEST_F(KeyStoreTest, ALostRowStopsTheStartAndIsNamed) {
  ASSERT_TRUE(store_->GetOrCreateKeys({NewPurpose(), NewPurpose(), NewPurpose()}).ok());
  ASSERT_TRUE(store_->Claim("north", "customer", "C-1").ok());
  ASSERT_TRUE(store_->Fence(NewSubject()).ok());
  ASSERT_TRUE(store_->EndKey(NewPurpose()).ok());
  ASSERT_TRUE(store_->RotateMasterKey().ok());
  const auto remove = [this](Table table, const std::string& row) {
    StorageBatch batch;
    batch.Delete(table, row);
    ASSERT_TRUE(storage_.Write(batch, Storage::Durability::kSynced).ok());
  };
  const std::string anchor = anchors_.Get(kAnchor);
  for (const auto& [table, said] : std::vector<std::pair<Table, std::string>>{
           {kKeysTable, "table keys has 2 rows, its state says 3: 1 missing"},
           {kDirectoryTable, "table directory has 1 rows, its state says 2: 1 missing"},
           {kFencesTable, "table fences has 0 rows, its state says 1: 1 missing"}}) {
    const StorageEntry row = Rows(table).back();
    remove(table, row.key);
    const absl::Status status = TryOpen();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(said));
    EXPECT_EQ(anchors_.Get(kAnchor), anchor);
    Write(table, row.key, row.value);
    Open();
  }
}

TEST_F(KeyStoreTest, AnEndedKeyThatCameBackStopsTheStart) {
  const KeyPurpose purpose = NewPurpose();
  ASSERT_TRUE(store_->GetOrCreateKey(purpose).ok());
  const StorageEntry row = Rows(kKeysTable).front();
  ASSERT_TRUE(store_->EndKey(purpose).ok());
  Open();
  Write(kKeysTable, row.key, row.value);
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 too many"));
}

// Failures of the disk.

TEST_F(KeyStoreTest, ACrashBetweenBatchAndAnchorIsMadeGood) {
  const KeyPurpose purpose = NewPurpose();
  anchors_.FailNextWrite(absl::UnknownError("disk"));
  EXPECT_EQ(store_->GetOrCreateKey(purpose).status().code(), absl::StatusCode::kUnavailable);
  // Outcome unknown: nothing more is taken, nor is the key handed out.
  EXPECT_EQ(store_->GetOrCreateKey(purpose).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->Claim("north", "customer", "C-1").status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->Fence(purpose.subject).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(store_->IsFenced(purpose.subject));
  Open();
  EXPECT_TRUE(store_->FindKey(purpose)->has_value());
  ASSERT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  Open();
  EXPECT_EQ(store_->GetStatus().keys, 2u);
}

TEST_F(KeyStoreTest, AfterAFailedSyncNothingIsTaken) {
  const KeyPurpose purpose = NewPurpose();
  writes_until_lost_sync_ = 0;
  EXPECT_EQ(store_->GetOrCreateKey(purpose).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->GetOrCreateKey(purpose).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(told_fatal_, 1) << "the owner is told once, so that the process ends";
  storage_.Crash(0);
  Open();
  EXPECT_FALSE(store_->FindKey(purpose)->has_value());
  EXPECT_TRUE(store_->GetOrCreateKey(purpose).ok());
}

TEST_F(KeyStoreTest, AFullDiskRefusesAndGoesOnWhenThereIsRoom) {
  const KeyPurpose purpose = NewPurpose();
  before_status_ = absl::ResourceExhaustedError("full");
  writes_until_failure_ = 0;
  EXPECT_EQ(store_->GetOrCreateKey(purpose).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(store_->FindKey(purpose)->has_value());
  EXPECT_EQ(store_->GetStatus().keys, 0u);
  EXPECT_TRUE(store_->GetOrCreateKey(purpose).ok());
}

// Starts that do not fit together.

TEST_F(KeyStoreTest, AStoreBehindItsAnchorIsRefused) {
  const StorageEntry meta = Rows(kKeyStoreMetaTable)[1];
  ASSERT_EQ(meta.key, "state");
  ASSERT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  Write(kKeyStoreMetaTable, meta.key, meta.value);
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("change 1, but its anchor says 2"));
}

TEST_F(KeyStoreTest, AStoreMoreThanOneBatchAheadIsRefused) {
  const std::string anchor = anchors_.Get(kAnchor);
  ASSERT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  ASSERT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  anchors_.Set(kAnchor, anchor);
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kDataLoss);
}

TEST_F(KeyStoreTest, AStoreOfAnotherHistoryIsRefused) {
  ASSERT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  StorageEntry state = Rows(kKeyStoreMetaTable)[1];
  state.value[10] ^= 1;
  Write(kKeyStoreMetaTable, state.key, state.value);
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kDataLoss);
}

TEST_F(KeyStoreTest, AMissingAnchorIsRefused) {
  ASSERT_TRUE(store_->GetOrCreateKey(NewPurpose()).ok());
  const std::string anchor = anchors_.Get(kAnchor);
  store_.reset();
  KeyStorePorts ports{&storage_, &anchors_, "elsewhere", &master_keys_, &clock_, &random_};
  EXPECT_EQ(OpenKeyStoreOver(ports).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(KeyStoreTest, AMissingDatabaseIsRefused) {
  store_.reset();
  MemoryStorage empty(kKeyStoreTables);
  KeyStorePorts ports{&empty, &anchors_, kAnchor, &master_keys_, &clock_, &random_};
  EXPECT_EQ(OpenKeyStoreOver(ports).status().code(), absl::StatusCode::kDataLoss);
  const std::unique_ptr<Cursor> cursor = empty.NewCursor(kKeyStoreMetaTable);
  cursor->Seek("");
  EXPECT_FALSE(cursor->Valid());
}

TEST_F(KeyStoreTest, AMissingMasterKeyIsRefusedAndNotMadeAnew) {
  master_keys_.Set(std::nullopt);
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("missing"));
  EXPECT_FALSE(master_keys_.keys().has_value());
}

TEST_F(KeyStoreTest, AnotherMasterKeyIsRefused) {
  const KeyPurpose purpose = NewPurpose();
  ASSERT_TRUE(store_->GetOrCreateKey(purpose).ok());
  MasterKeys right = testing_support::MemoryMasterKeys::CopyOf(*master_keys_.keys());
  MasterKeys wrong;
  wrong.push_back(*MasterKey::Generate(1, clock_.Now(), random_));
  master_keys_.Set(std::move(wrong));
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kFailedPrecondition);
  master_keys_.Set(std::move(right));
  Open();
  EXPECT_TRUE(store_->FindKey(purpose)->has_value());
}

TEST_F(KeyStoreTest, AFirstStartThatWasCutShortIsGoneOnWith) {
  for (int step = 0; step < 4; ++step) {
    MemoryStorage storage(kKeyStoreTables);
    testing_support::MemoryMasterKeys masters;
    const std::string path = "anchor" + std::to_string(step);
    KeyStorePorts ports{&storage, &anchors_, path, &masters, &clock_, &random_};
    masters.FailBefore(step == 0);
    masters.FailAfter(step == 1);
    if (step == 2) storage.set_after_write([] { return absl::UnknownError("sync"); });
    if (step == 3) anchors_.FailNextCreate(absl::UnknownError("disk"));
    EXPECT_FALSE(OpenKeyStoreOver(ports).ok());
    masters.FailBefore(false);
    masters.FailAfter(false);
    storage.set_after_write(nullptr);
    const auto opened = OpenKeyStoreOver(ports);
    EXPECT_TRUE(opened.ok()) << step << opened.status();
  }
}

// The cache.

TEST(KeyCacheTest, HoldsAtMostItsCapacityAndDropsWhatWasUsedLongestAgo) {
  SeededRandom random(1);
  const auto new_key = [&] {
    return std::make_shared<const ReadyKey>(
        ReadyKey{*KeyId::Generate(random), *Aead::Create(*SecretBytes::Generate(random, 32)), {}});
  };
  KeyCache cache(2);
  const KeyPurpose a{*SubjectId::Generate(random), 1, {}};
  const KeyPurpose b{*SubjectId::Generate(random), 1, {}};
  const KeyPurpose c{a.subject, 2, {}};
  cache.Insert(a, new_key(), cache.epoch());
  cache.Insert(b, new_key(), cache.epoch());
  EXPECT_NE(cache.Find(a), nullptr);
  cache.Insert(c, new_key(), cache.epoch());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find(b), nullptr);
  std::weak_ptr<const ReadyKey> held = cache.Find(a);
  cache.EvictSubject(a.subject);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_TRUE(held.expired());  // wiped with its last holder
  // A key that was read before an eviction may be the evicted one.
  const uint64_t before = cache.epoch();
  cache.Evict(b);
  cache.Insert(b, new_key(), before);
  EXPECT_EQ(cache.Find(b), nullptr);
  cache.Insert(b, new_key(), cache.epoch());
  EXPECT_NE(cache.Find(b), nullptr);
}

}  // namespace
}  // namespace records::eventstore
