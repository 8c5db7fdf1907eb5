#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "tests/faults/damage_run.h"

// Files deleted, and put back to an older copy of themselves.
namespace records::faults {
namespace {

namespace fs = std::filesystem;

struct Store {
  friend void PrintTo(const Store& store, std::ostream* out) { *out << store.name; }

  std::string name;
  SubjectMaker maker;
  StoreState state;
};

class LostFilesTest : public testing::TestWithParam<Store> {
 protected:
  LostFilesTest() : folder_(MakeWorkFolder()) {}
  ~LostFilesTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  // Text of RocksDB for people; nothing reads it.
  static bool IsRead(const std::string& file) {
    const std::string kind = KindOf(file);
    return kind != "OPTIONS" && kind != "IDENTITY";
  }

  const std::string folder_;
};

TEST_P(LostFilesTest, ADeletedFileIsNamedAndPutBackGivesEverything) {
  const auto run = DamageRun::Create(GetParam().maker, GetParam().state, folder_);
  ASSERT_TRUE(run.ok()) << run.status();
  std::vector<Damage> damages;
  for (const auto& [file, bytes] : (*run)->pristine()) {
    if (IsRead(file)) damages.push_back({.kind = Damage::Kind::kDelete, .file = file});
  }
  const std::vector<Judgement> judgements = (*run)->Judge(damages);
  for (size_t i = 0; i < damages.size(); ++i) {
    const Judgement& judgement = judgements[i];
    std::cout << "  " << damages[i].Describe() << ": " << NameOf(judgement.verdict) << "\n";
    // What was given out last is only missed: the log and its anchor are whole without it.
    const Verdict expected =
        damages[i].file == "checkpoint.latest" ? Verdict::kNoted : Verdict::kNamedByStart;
    EXPECT_EQ(judgement.verdict, expected) << damages[i].Describe() << ": " << judgement.why;
  }
  EXPECT_GE(damages.size(), 5u);
}

TEST_P(LostFilesTest, AnOlderCopyOfAFileIsNamedOrLosesNothing) {
  const auto run = DamageRun::Create(GetParam().maker, GetParam().state, folder_);
  ASSERT_TRUE(run.ok()) << run.status();
  std::vector<Damage> damages;
  for (const auto& [file, bytes] : (*run)->pristine()) {
    const auto older = (*run)->older().find(file);
    if (!IsRead(file) || older == (*run)->older().end() || older->second == bytes) continue;
    damages.push_back({.kind = Damage::Kind::kReplace, .file = file, .replacement = older->second});
  }
  const std::vector<Judgement> judgements = (*run)->Judge(damages);
  for (size_t i = 0; i < damages.size(); ++i) {
    const Judgement& judgement = judgements[i];
    std::cout << "  " << damages[i].Describe() << ": " << NameOf(judgement.verdict) << "\n";
    // An older checkpoint was signed by the same log and is a prefix of it: nothing to see.
    const bool may_pass = damages[i].file == "checkpoint.latest";
    EXPECT_TRUE(judgement.verdict == Verdict::kNamedByStart ||
                judgement.verdict == Verdict::kNamedByVerify ||
                (may_pass && judgement.verdict == Verdict::kNothing))
        << damages[i].Describe() << ": " << NameOf(judgement.verdict) << " " << judgement.why;
  }
  EXPECT_GE(damages.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Stores, LostFilesTest,
    testing::Values(Store{"ClosedLog", [] { return MakeLogSubject(8); }, StoreState::kClosed},
                    Store{"KilledLog", [] { return MakeLogSubject(8); }, StoreState::kKilled},
                    Store{"ClosedKeyStore", MakeKeyStoreSubject, StoreState::kClosed},
                    Store{"KilledKeyStore", MakeKeyStoreSubject, StoreState::kKilled}),
    [](const auto& store) { return store.param.name; });

}  // namespace
}  // namespace records::faults
