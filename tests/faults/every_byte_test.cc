#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "tests/faults/damage_run.h"
#include "tests/seed.h"

// Every byte of every file of small stores flipped, and every file cut at every length: named by
// the start, a read or `log verify`, or shown to change nothing. Nothing is ever served changed or
// destroyed.
namespace records::faults {
namespace {

namespace fs = std::filesystem;

bool Full() { return std::getenv("RECORDS_FULL") != nullptr; }

struct Store {
  friend void PrintTo(const Store& store, std::ostream* out) { *out << store.name; }

  std::string name;
  SubjectMaker maker;
  StoreState state;
  // RECORDS_FULL: each so many-th byte is flipped; cuts go 16 times as far.
  uint64_t step = 1;
};

class EveryByteTest : public testing::TestWithParam<Store> {
 protected:
  EveryByteTest() : folder_(MakeWorkFolder()), random_(SeedOfRun()) {}
  ~EveryByteTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  // The offsets of a file that are damaged in this run: all, or about `sampled` of them.
  std::vector<uint64_t> Offsets(const std::string& file, const std::string& bytes,
                                uint64_t full_step) {
    const uint64_t size = bytes.size();
    uint64_t step = full_step;
    // RocksDB writes OPTIONS, 30 kB of them, and never reads them: a sample shows it.
    if (KindOf(file) == "OPTIONS") step = std::max<uint64_t>(step, 256);
    if (!Full()) step = std::max<uint64_t>(1, size / kSampled);
    std::vector<uint64_t> offsets;
    for (uint64_t at = step == 1 ? 0 : random_() % step; at < size; at += step) {
      offsets.push_back(at);
    }
    // An anchor is mostly padding: what is not deserves a sample of its own.
    for (int i = 0; !Full() && absl::StrContains(bytes, std::string(64, 0)) && i < kSampled; ++i) {
      const uint64_t at = random_() % size;
      if (bytes[at] != 0) offsets.push_back(at);
    }
    return offsets;
  }

  std::vector<Damage> Flips(const FolderContent& pristine) {
    std::vector<Damage> damages;
    for (const auto& [file, bytes] : pristine) {
      for (const uint64_t at : Offsets(file, bytes, GetParam().step)) {
        const auto mask = static_cast<uint8_t>(1 + random_() % 255);
        damages.push_back({.kind = Damage::Kind::kFlip, .file = file, .offset = at, .mask = mask});
      }
    }
    return damages;
  }

  std::vector<Damage> Cuts(const FolderContent& pristine) {
    std::vector<Damage> damages;
    for (const auto& [file, bytes] : pristine) {
      for (const uint64_t at : Offsets(file, bytes, 16 * GetParam().step)) {
        damages.push_back({.kind = Damage::Kind::kCut, .file = file, .offset = at});
      }
    }
    return damages;
  }

  void JudgeAndReport(const DamageRun& run, const std::vector<Damage>& damages) {
    const std::vector<Judgement> judgements = run.Judge(damages);
    std::map<std::string, std::array<size_t, kVerdicts>> counts;
    std::set<std::string> said;
    size_t wrong = 0;
    size_t crashes = 0;
    for (size_t i = 0; i < damages.size(); ++i) {
      const Judgement& judgement = judgements[i];
      const std::string kind = KindOf(damages[i].file);
      ++counts[kind][static_cast<int>(judgement.verdict)];
      ++total_[static_cast<int>(judgement.verdict)];
      if (judgement.verdict == Verdict::kWrong || judgement.verdict == Verdict::kNotRun) {
        if (++wrong <= 20) ADD_FAILURE() << damages[i].Describe() << ": " << judgement.why;
      }
      if (judgement.verdict == Verdict::kNamedByCrash) {
        ++crashes;
        std::cout << "  ended by RocksDB: " << damages[i].Describe() << ": " << judgement.why
                  << "\n";
      }
    }
    PrintTable(counts);
    PrintUnread(damages, judgements);
    EXPECT_EQ(wrong, 0u);
    const size_t of_sst = std::count_if(damages.begin(), damages.end(), [](const Damage& damage) {
      return KindOf(damage.file) == "SST";
    });
    EXPECT_LE(crashes, 2 + of_sst / kDamagesPerCrash)
        << "RocksDB ends the process more often than it is known to";
  }

  static void PrintTable(const std::map<std::string, std::array<size_t, kVerdicts>>& counts) {
    for (const auto& [kind, by_verdict] : counts) {
      std::cout << "  " << kind << ":";
      for (int v = 0; v < kVerdicts; ++v) {
        if (by_verdict[v] != 0) {
          std::cout << " " << NameOf(static_cast<Verdict>(v)) << " " << by_verdict[v];
        }
      }
      std::cout << "\n";
    }
  }

  // The runs of bytes that nobody reads.
  static void PrintUnread(const std::vector<Damage>& damages,
                          const std::vector<Judgement>& judgements) {
    std::map<std::string, size_t> shown;
    for (size_t i = 0; i < damages.size();) {
      size_t end = i + 1;
      if (judgements[i].verdict == Verdict::kNothing) {
        while (end < damages.size() && damages[end].file == damages[i].file &&
               judgements[end].verdict == Verdict::kNothing) {
          ++end;
        }
        if (Full() && ++shown[damages[i].file] <= 12) {
          std::cout << "  changes nothing: " << damages[i].file << " " << damages[i].offset
                    << " to " << damages[end - 1].offset << "\n";
        }
      }
      i = end;
    }
  }

  // Flips or cuts of each file in a run of tools/test.
  static constexpr int kSampled = 12;

  // A whole run knows 14 crashes in 43,436 flips of table files.
  static constexpr size_t kDamagesPerCrash = 1000;

  const std::string folder_;
  std::mt19937_64 random_;
  std::array<size_t, kVerdicts> total_{};
};

TEST_P(EveryByteTest, AFlippedOrMissingByteIsNamedOrReadByNobody) {
  const auto run = DamageRun::Create(GetParam().maker, GetParam().state, folder_);
  ASSERT_TRUE(run.ok()) << run.status();
  std::cout << " flips\n";
  JudgeAndReport(**run, Flips((*run)->pristine()));
  std::cout << " cuts\n";
  JudgeAndReport(**run, Cuts((*run)->pristine()));
  // A test that damages nothing sees nothing.
  const bool derived = GetParam().name.find("View") != std::string::npos;
  if (!derived) {
    EXPECT_GT(total_[static_cast<int>(Verdict::kNamedByStart)], 20u);
  }
  EXPECT_GT(total_[static_cast<int>(Verdict::kNothing)], 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Stores, EveryByteTest,
    testing::Values(Store{"ClosedLog", [] { return MakeLogSubject(8); }, StoreState::kClosed},
                    Store{"KilledLog", [] { return MakeLogSubject(8); }, StoreState::kKilled},
                    Store{"LogWithATile", [] { return MakeLogSubject(264); }, StoreState::kClosed,
                          16},
                    Store{"ClosedKeyStore", MakeKeyStoreSubject, StoreState::kClosed},
                    Store{"KilledKeyStore", MakeKeyStoreSubject, StoreState::kKilled},
                    Store{"ClosedView", MakeViewSubject, StoreState::kClosed, 4},
                    Store{"KilledView", MakeViewSubject, StoreState::kKilled, 4}),
    [](const auto& store) { return store.param.name; });

}  // namespace
}  // namespace records::faults
