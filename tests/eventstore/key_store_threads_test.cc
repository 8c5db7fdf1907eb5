#include <map>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/eventstore/key_store_fixture.h"

namespace records::eventstore {
namespace {

constexpr int kThreads = 8;

class KeyStoreThreadsTest : public testing_support::KeyStoreFixture {
 protected:
  void SetUp() override { Open(/*cached_keys=*/16); }

  template <typename Work>
  static void InThreads(Work work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
  }
};

TEST_F(KeyStoreThreadsTest, ManyWhoMakeTheSameKeyGetOne) {
  std::vector<KeyPurpose> purposes;
  for (int i = 0; i < 50; ++i) purposes.push_back(NewPurpose());
  absl::Mutex mutex;
  std::map<KeyPurpose, std::set<KeyId>> seen;
  InThreads([&](int thread) {
    for (size_t i = 0; i < purposes.size(); ++i) {
      const KeyPurpose& purpose = purposes[(i * 7 + static_cast<size_t>(thread)) % purposes.size()];
      const auto key = store_->GetOrCreateKey(purpose);
      ASSERT_TRUE(key.ok()) << key.status();
      absl::MutexLock lock(&mutex);
      seen[purpose].insert(key->id);
    }
  });
  EXPECT_EQ(seen.size(), purposes.size());
  for (const auto& [purpose, ids] : seen) EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(store_->GetStatus().keys, purposes.size());
  Open();
  EXPECT_EQ(store_->GetStatus().keys, purposes.size());
}

TEST_F(KeyStoreThreadsTest, ManyWhoClaimTheSameReferenceGetOneSubject) {
  absl::Mutex mutex;
  std::map<std::string, std::set<SubjectId>> seen;
  InThreads([&](int) {
    for (int i = 0; i < 30; ++i) {
      const std::string reference = "C-" + std::to_string(i);
      const auto entry = store_->Claim("north", "customer", reference);
      ASSERT_TRUE(entry.ok()) << entry.status();
      absl::MutexLock lock(&mutex);
      seen[reference].insert(entry->subject);
    }
  });
  for (const auto& [reference, subjects] : seen) EXPECT_EQ(subjects.size(), 1u) << reference;
}

// Whoever made a key before the fence has it; nobody makes one after.
TEST_F(KeyStoreThreadsTest, NoKeyIsMadeAfterAFence) {
  for (int round = 0; round < 30; ++round) {
    const SubjectId subject = NewSubject();
    absl::Mutex mutex;
    bool fenced = false;
    InThreads([&](int thread) {
      if (thread == 0) {
        EXPECT_TRUE(store_->Fence(subject).ok());
        absl::MutexLock lock(&mutex);
        fenced = true;
        return;
      }
      for (uint32_t i = 1; i < 10; ++i) {
        bool after;
        {
          absl::MutexLock lock(&mutex);
          after = fenced;
        }
        const auto key =
            store_->GetOrCreateKey({subject, static_cast<uint32_t>(thread) * 10 + i, {}});
        const auto found = store_->FindKey({subject, static_cast<uint32_t>(thread) * 10 + i, {}});
        if (after) {
          EXPECT_EQ(key.status().code(), absl::StatusCode::kFailedPrecondition);
          EXPECT_FALSE(found->has_value());
        }
      }
    });
  }
}

TEST_F(KeyStoreThreadsTest, RotationsDoNotDisturbOthers) {
  std::vector<KeyPurpose> purposes;
  std::vector<KeyId> ids;
  for (int i = 0; i < 40; ++i) {
    purposes.push_back(NewPurpose());
    ids.push_back(store_->GetOrCreateKey(purposes.back())->id);
  }
  absl::Mutex mutex;
  bool done = false;
  InThreads([&](int thread) {
    if (thread == 0) {
      for (int i = 0; i < 5; ++i) {
        const auto wrapped = store_->RotateMasterKey();
        EXPECT_TRUE(wrapped.ok()) << wrapped.status();
      }
      absl::MutexLock lock(&mutex);
      done = true;
      return;
    }
    for (size_t i = 0;; ++i) {
      {
        absl::MutexLock lock(&mutex);
        if (done) return;
      }
      const size_t which = i % purposes.size();
      const auto key = store_->FindKey(purposes[which]);
      ASSERT_TRUE(key.ok()) << key.status();
      EXPECT_EQ((*key)->id, ids[which]);
      const KeyPurpose other{purposes[which].subject, 2, {}};
      if (thread == 1) {
        EXPECT_TRUE(store_->GetOrCreateKey(other).ok());
      } else if (thread == 2) {
        EXPECT_TRUE(store_->EndKey(other).ok());
      }
    }
  });
  EXPECT_EQ(store_->GetStatus().master_key_generation, 6u);
  Open();
  for (size_t i = 0; i < purposes.size(); ++i)
    EXPECT_EQ((*store_->FindKey(purposes[i]))->id, ids[i]);
}

}  // namespace
}  // namespace records::eventstore
