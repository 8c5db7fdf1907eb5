#include <gmock/gmock.h>

#include <cinttypes>
#include <cstdio>
#include <sstream>

#include "eventstore/checkpoint_signer.h"
#include "eventstore/erasure_ledger.h"
#include "records/events/v1/erasure.pb.h"
#include "services/erasure/certificate.h"
#include "tests/eventstore/backup_fixture.h"
#include "tools/recordsctl/app.h"

// The erasure ledger and certificates, as `log verify`, `backup verify` and `subject certificate
// verify` meet them.
namespace records::tools::verify {
namespace {

using eventstore::PosixAnchorFiles;
using eventstore::testing_support::AppendTo;
using eventstore::testing_support::BackupFixture;
using eventstore::testing_support::ReadFile;
using eventstore::testing_support::RootIn;
using eventstore::testing_support::Stream;
using eventstore::testing_support::SubjectOf;
using ::testing::HasSubstr;
using ::testing::Not;

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

class ErasureVerifyTest : public BackupFixture {
 protected:
  void SetUp() override {
    Serve();
    auto seed = *eventstore::OpenCheckpointFiles(data())->ReadKey();
    ledger_ = *eventstore::ErasureLedger::Open(
        PosixAnchorFiles(), ledger_file(), log_->store_id(),
        *eventstore::Ed25519PrivateKey::FromSeed(std::move(seed)), {});
    vkey_ = log_->VerifierKey();
    for (uint32_t i = 0; i < 10; ++i) AppendEvent(i);
  }

  std::string ledger_file() const { return safe() + "/erasure.ledger"; }

  // A record of the ledger, and a certificate that names it after `change`.
  eventstore::Position Erase(
      uint32_t number,
      const std::function<void(records::events::v1::SubjectErased&)>& change = {}) {
    const auto record = *ledger_->Append(SubjectOf(number), RootIn(1), absl::Now());
    keys_->SetErasureHead(ledger_->head());
    log_->SetErasureHead(ledger_->head());
    records::events::v1::SubjectErased erased;
    erased.set_erasure(std::string(16, 'e'));
    erased.set_subject(std::string(SubjectOf(number).bytes()));
    erased.set_keys_destroyed(1);
    erased.set_byte_strings_searched(1);
    erased.set_ledger_index(record.index);
    erased.set_ledger_head(std::string(eventstore::AsBytes(ledger_->HeadAt(record.index).hash)));
    if (change) change(erased);
    const auto appended =
        *log_->AppendAndWait(AppendTo(Stream(RootIn(2)), {.type = "records.events.v1.SubjectErased",
                                                          .facts = erased.SerializeAsString()}));
    EXPECT_TRUE(keys_->Fence(SubjectOf(number)).ok());
    return appended.first;
  }

  int RunCommand(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "recordsctl");
    std::vector<const char*> pointers;
    for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
    out_.str("");
    err_.str("");
    return RunCommandLine(static_cast<int>(pointers.size()), pointers.data(), out_, err_);
  }

  int VerifyBackups(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"backup", "verify", "--log", log_home() + "/first", "--keys",
                                 keys_home() + "/first", "--vkey", vkey_});
    return RunCommand(std::move(flags));
  }

  int VerifyLog() {
    return RunCommand({"log", "verify", "--data", data(), "--erasure-ledger", ledger_file()});
  }

  std::unique_ptr<eventstore::ErasureLedger> ledger_;
  std::string vkey_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(ErasureVerifyTest, ABackupAfterAnErasureIsCleanWithAndWithoutTheLedger) {
  Erase(3);
  ASSERT_TRUE(Create("first").ok());
  EXPECT_EQ(VerifyBackups({}), 0) << out_.str() << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("the erasure ledger, which lies in no backup"));
  EXPECT_EQ(VerifyBackups({"--erasure-ledger", ledger_file()}), 0) << out_.str() << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("which lies in no backup")));
  // One that has gone on is that of the backup still.
  Erase(4);
  EXPECT_EQ(VerifyBackups({"--erasure-ledger", ledger_file()}), 0) << out_.str() << err_.str();
}

TEST_F(ErasureVerifyTest, ALedgerOlderThanTheBackupIsNamed) {
  Erase(3);
  const std::string old = safe() + "/old.ledger";
  WriteFile(old, ReadFile(ledger_file()));
  Erase(4);
  ASSERT_TRUE(Create("first").ok());
  EXPECT_EQ(VerifyBackups({"--erasure-ledger", old}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("keys/first/backup.manifest knows of 2"));
  EXPECT_THAT(out_.str(), HasSubstr("log/first/backup.manifest knows of 2"));
  EXPECT_EQ(VerifyBackups({"--erasure-ledger", safe() + "/none"}), 1);
}

TEST_F(ErasureVerifyTest, EachCertificateInTheLogIsHeldAgainstTheLedger) {
  Erase(3);
  Stop();
  EXPECT_EQ(VerifyLog(), 0) << out_.str() << err_.str();
  Serve();
  log_->SetErasureHead(ledger_->head());
  keys_->SetErasureHead(ledger_->head());
  const auto expect_named = [&](const auto& change, const std::string& what) {
    const eventstore::Position at = Erase(5, change);
    EXPECT_EQ(VerifyLog(), 1) << what;
    EXPECT_THAT(out_.str(), HasSubstr(absl::StrCat("partition ", at.partition,
                                                   " of events, sequence ", at.sequence)));
    EXPECT_THAT(out_.str(), HasSubstr(what));
  };
  using Erased = records::events::v1::SubjectErased;
  expect_named([](Erased& erased) { erased.set_subject(std::string(16, 's')); },
               "record 2 of the erasure ledger is of another subject");
  expect_named([](Erased& erased) { erased.set_ledger_head(std::string(32, 'h')); },
               "record 2 of the erasure ledger is another one");
  expect_named([](Erased& erased) { erased.set_ledger_index(7); },
               "the erasure ledger has no record 7");
}

TEST_F(ErasureVerifyTest, ACertificateIsHeldAgainstALedgerThatIsNamed) {
  const std::string file = folder_ / "certificate";
  WriteFile(file, *services::CertificateText(*log_, Erase(3)));
  const std::vector<std::string> command = {"subject", "certificate", "verify", file};
  const auto run = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), command.begin(), command.end());
    return RunCommand(std::move(flags));
  };
  EXPECT_EQ(run({"--vkey", vkey_}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("not looked at: name the ledger with --erasure-ledger"));
  EXPECT_EQ(run({"--vkey", vkey_, "--erasure-ledger", ledger_file()}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("record 1, of this subject"));
  EXPECT_EQ(run({"--data", data(), "--erasure-ledger", ledger_file()}), 0) << err_.str();
  // The ledger does not lie in this data folder.
  EXPECT_NE(run({"--data", data()}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("--erasure-ledger"));
  EXPECT_NE(run({"--vkey", vkey_, "--erasure-ledger", safe() + "/none"}), 0);
}

TEST_F(ErasureVerifyTest, ACertificateOfAnotherSubjectThanItsRecordProvesNothing) {
  const std::string file = folder_ / "certificate";
  const auto position = Erase(3, [](records::events::v1::SubjectErased& erased) {
    erased.set_subject(std::string(16, 's'));
  });
  WriteFile(file, *services::CertificateText(*log_, position));
  EXPECT_NE(RunCommand({"subject", "certificate", "verify", file, "--data", data(),
                        "--erasure-ledger", ledger_file()}),
            0);
  EXPECT_THAT(err_.str(), HasSubstr("another subject"));
}

TEST_F(ErasureVerifyTest, ASmallLedgerTakesLittleMemory) {
  Erase(3);
  Stop();
  // The peak of what this process had in memory, from here on.
  WriteFile("/proc/self/clear_refs", "5");
  const auto peak_kib = [] {
    const std::string status = ReadFile("/proc/self/status");
    int64_t kib = 0;
    const size_t line = status.find("VmHWM:");
    EXPECT_NE(line, std::string::npos);
    EXPECT_EQ(std::sscanf(status.c_str() + line, "VmHWM: %" SCNd64, &kib), 1);
    return kib;
  };
  const int64_t before = peak_kib();
  EXPECT_EQ(VerifyLog(), 0) << out_.str() << err_.str();
  // It is 272 bytes long; a ledger may have 1 GiB.
  EXPECT_LT(peak_kib() - before, 400 << 10);
}

}  // namespace
}  // namespace records::tools::verify
