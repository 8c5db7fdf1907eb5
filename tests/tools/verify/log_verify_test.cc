#include <gmock/gmock.h>

#include <sstream>

#include "nlohmann/json.hpp"
#include "tests/tools/verify/store_fixture.h"
#include "tools/recordsctl/app.h"

// `recordsctl log verify` as a person or a script meets it.
namespace records::tools::verify {
namespace {

using ::testing::HasSubstr;

class LogVerifyTest : public StoreTest {
 protected:
  int RunCommand(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), {"recordsctl", "log", "verify"});
    out_.str("");
    err_.str("");
    return RunCommandLine(static_cast<int>(arguments.size()), arguments.data(), out_, err_);
  }

  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(LogVerifyTest, CleanStoreEndsWithZero) {
  const std::string note = folder_ / "kept.note";
  WriteWhole(note, late_checkpoint_);
  EXPECT_EQ(RunCommand({"--data", Data().c_str(), "--checkpoint", note.c_str(), "--vkey",
                        verifier_key_.c_str()}),
            0)
      << out_.str() << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("605 events, signature verified with the given key"));
  EXPECT_THAT(out_.str(), HasSubstr("\nclean: 602 events and 3 access traces"));
}

TEST_F(LogVerifyTest, DamagedStoreEndsWithOne) {
  RawLog(LogFolder()).Delete("events", EventKey(kFull, 77));
  EXPECT_EQ(RunCommand({"--data", (Data() + "/").c_str()}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("SEQUENCE_GAP  partition 1 of events, sequence 77"));
  EXPECT_EQ(RunCommand({"--json", "--data", Data().c_str()}), 1);
  const nlohmann::json json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["result"], "damaged");
  EXPECT_EQ(json["findings"].back()["code"], "SEQUENCE_GAP");
  EXPECT_EQ(json["findings"].back()["partition"], 1);
  EXPECT_EQ(json["findings"].back()["sequence"], 77);
}

TEST_F(LogVerifyTest, WhatCannotBeVerifiedEndsWithTwoAndSaysWhatToDo) {
  const std::string nothing = folder_ / "nothing";
  EXPECT_EQ(RunCommand({"--data", nothing.c_str()}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("name the server's data folder with --data"));
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(RunCommand({"--json", "--data", nothing.c_str()}), 2);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["result"], "could-not-run");
  EXPECT_EQ(RunCommand({"--data", Data().c_str(), "--vkey", "x"}), 2);
  EXPECT_EQ(RunCommand({"--no-such-flag"}), 2);
}

}  // namespace
}  // namespace records::tools::verify
