#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/faults/nth_operation.h"
#include "tests/faults/work_folder.h"
#include "tests/seed.h"

// Controls: a disk that says it has synced and has not, and one that loses what it had. No program
// can keep its promise on such a disk; it must not serve what is left in silence.
namespace records::faults {
namespace {

using Liar = std::function<bool(const std::string&)>;

struct Seen {
  size_t lies = 0;
  size_t views_folded_anew = 0;
  size_t refused = 0;          // starts, naming the loss
  size_t refused_unnamed = 0;  // starts, for another reason
  size_t wrong = 0;            // started with something lost
  std::string what;
};

const Scenario& ScenarioNamed(const std::string& name) {
  return *std::find_if(Scenarios().begin(), Scenarios().end(),
                       [&](const Scenario& one) { return one.name == name; });
}

// Lies from each sync of the scenario on, in turn; of every `sample`-th, unless all are asked for.
Seen LieInTurn(const std::string& scenario, uint64_t sample, const Liar& liar) {
  const WorkFolder folder;
  NthOperation loop(ScenarioNamed(scenario), folder.path());
  EXPECT_EQ(loop.wrong_without_fault(), "");
  const uint64_t seed = SeedOfRun();
  const uint64_t step = std::getenv("RECORDS_FULL") != nullptr ? 1 : sample;
  Seen seen;
  uint64_t syncs = 0;
  for (uint64_t at = 1; at <= loop.operations().size(); ++at) {
    if (!CanBefall(Fault::kLyingSync, loop.operations()[at - 1]) || ++syncs % step != 0) continue;
    const CaseResult result = loop.Run({Fault::kLyingSync, at, seed + at}, liar);
    seen.lies += result.fired ? 1 : 0;
    seen.views_folded_anew += result.view_folded_anew ? 1 : 0;
    if (absl::StrContains(result.start_refused, "DATA_LOSS")) {
      ++seen.refused;
    } else if (!result.start_refused.empty()) {
      ++seen.refused_unnamed;
      seen.what = result.start_refused;
    }
    if (result.wrong.empty()) continue;
    ++seen.wrong;
    seen.what = absl::StrCat(result.wrong, " (operation ", at, ", seed ", seed + at, ")");
  }
  std::printf(
      "%s, seed %llu: %zu lies, %zu starts refused as DATA_LOSS, %zu losses seen after a start, "
      "%zu views folded anew\n",
      scenario.c_str(), static_cast<unsigned long long>(seed), seen.lies, seen.refused, seen.wrong,
      seen.views_folded_anew);
  return seen;
}

TEST(LyingDiskTest, WhatTheLogsFilesLoseIsRefusedByTheAnchorAndNeverServed) {
  const Seen seen = LieInTurn(
      "append", 2, [](const std::string& path) { return absl::StrContains(path, "/data/log/"); });
  EXPECT_GT(seen.refused, 0u) << "the disk lied and nobody noticed";
  EXPECT_EQ(seen.refused_unnamed, 0u) << seen.what;
  EXPECT_EQ(seen.wrong, 0u) << seen.what;
}

TEST(LyingDiskTest, WhatTheKeyStoreLosesIsRefusedAndNeverTakenForErased) {
  const Seen seen = LieInTurn("new-keys", 2, [](const std::string& path) {
    return absl::StrContains(path, "/data/keys/");
  });
  EXPECT_GT(seen.refused, 0u) << "the disk lied and nobody noticed";
  EXPECT_EQ(seen.refused_unnamed, 0u) << seen.what;
  EXPECT_EQ(seen.wrong, 0u) << seen.what;
}

TEST(LyingDiskTest, AViewThatIsLostIsFoldedAgain) {
  const Seen seen = LieInTurn("view-fold", 1, [](const std::string& path) {
    return absl::StrContains(path, "/data/view");
  });
  EXPECT_GT(seen.lies, 0u);
  EXPECT_GT(seen.views_folded_anew, 0u) << "no view was ever found damaged";
  EXPECT_EQ(seen.refused + seen.refused_unnamed, 0u) << seen.what;
  EXPECT_EQ(seen.wrong, 0u) << seen.what;
}

// Store and anchor go back together: nobody inside can see it, which README says. The loop must,
// or it would see nothing.
TEST(LyingDiskTest, ADiskThatLiesAboutEverythingIsCaughtByTheLoop) {
  const Seen seen = LieInTurn("append", 2, nullptr);
  EXPECT_GT(seen.wrong, 0u) << "the checks of the loop see no loss";
}

TEST(LyingDiskTest, AnAcknowledgedTailThatIsTornOffIsRefusedAtEveryCut) {
  const WorkFolder folder;
  FaultFileSystem files(folder.path());
  RecordsUnderFault records({.folder = folder.path()});
  ASSERT_TRUE(records.Open().ok());
  const Customer customer = CustomerNumber(0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(records.Send({{customer}}));
  files.Arm({.fault = Fault::kCrash, .at = 1});
  records.Close();
  ASSERT_TRUE(files.crashed());
  files.Disarm();
  files.CutPower(1);
  const FileImage whole = files.Save();
  std::string log_name;
  for (const auto& [name, entry] : whole.entries) {
    const bool is_log = name.starts_with("data/log/") && name.ends_with(".log");
    if (is_log && !entry.content.empty()) log_name = name;
  }
  ASSERT_NE(log_name, "");
  const size_t size = whole.entries.at(log_name).content.size();
  const size_t step = std::getenv("RECORDS_FULL") != nullptr ? 7 : 97;
  size_t cuts = 0;
  for (size_t left = size - 1; left < size; left -= std::min(left + 1, step), ++cuts) {
    FileImage cut = whole;
    cut.entries.at(log_name).content.resize(left);
    files.Load(cut);
    const absl::Status status = records.Open();
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss)
        << left << " of " << size << ": " << status;
    ASSERT_EQ(files.Save().entries.at(log_name).content.size(), left) << "it was destroyed";
  }
  std::printf("%zu cuts\n", cuts);
  files.Load(whole);
  ASSERT_TRUE(records.Open().ok());
  EXPECT_EQ(FindWrong(records), "");
}

}  // namespace
}  // namespace records::faults
