// Who may back up, and what is refused before anything is copied. What is copied: tests/eventstore.

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "records/api/v1/backup_service.grpc.pb.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::Who;

class BackupServiceTest : public testing::ServiceTest {
 protected:
  absl::Status Create(const Who& who, const std::string& name) {
    grpc::ClientContext context;
    testing::TestServer::PrepareStream(context, who);
    api::CreateBackupRequest request;
    request.set_name(name);
    const auto stub = api::BackupService::NewStub(server_.Channel());
    const auto stream = stub->CreateBackup(&context, request);
    api::CreateBackupResponse message;
    while (stream->Read(&message)) {
    }
    return FromGrpcStatus(stream->Finish());
  }
  testing::Answer<api::ListBackupsResponse> List(const Who& who) {
    return server_.Send<api::ListBackupsResponse>(who, "BackupService/ListBackups",
                                                  api::ListBackupsRequest());
  }
  void MakeFolders() {
    for (const char* name : {"backup-log", "backup-keys"}) {
      fs::create_directories(server_.folder.path() / name);
    }
  }

  const Who root_ = server_.Officer("root", {"system-administrator"}, "system-operation");
};

// CR-3.1.2a
TEST_F(BackupServiceTest, OnlyASystemAdministratorBacksUp) {
  MakeFolders();
  EXPECT_TRUE(List(root_).ok());
  EXPECT_EQ(List(amy_).status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Create(amy_, "mine").code(), absl::StatusCode::kPermissionDenied);
  const Who auditor = server_.Officer("olive", {"auditor"}, "audit");
  EXPECT_EQ(Create(auditor, "mine").code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(BackupServiceTest, ANameThatLeadsElsewhereIsAFieldThatIsWrong) {
  MakeFolders();
  for (const char* name : {"", "../x", "A", "-x", "a/b"}) {
    const absl::Status refused = Create(root_, name);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(ReasonOf(refused), "FIELD_INVALID");
  }
}

TEST_F(BackupServiceTest, AFolderThatIsNotThereIsNamed) {
  const absl::Status refused = Create(root_, "first");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("backup-log"));
  EXPECT_EQ(List(root_).status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(BackupServiceTest, OneThatFailsLeavesNothing) {
  MakeFolders();
  EXPECT_EQ(Create(root_, "first").code(), absl::StatusCode::kUnimplemented);  // no files in memory
  EXPECT_TRUE(fs::is_empty(server_.folder.path() / "backup-log"));
  EXPECT_TRUE(fs::is_empty(server_.folder.path() / "backup-keys"));
  EXPECT_FALSE(fs::exists(server_.folder.path() / "backup.staging"));
  EXPECT_EQ(List(root_).reply.backups_size(), 0);
}

TEST_F(BackupServiceTest, WhoListsAndCreatesLeavesATrace) {
  MakeFolders();
  const size_t before = server_.AllEvents(eventstore::Ledger::kAccess).size();
  ASSERT_TRUE(List(root_).ok());
  Create(root_, "first").IgnoreError();
  EXPECT_EQ(server_.AllEvents(eventstore::Ledger::kAccess).size(), before + 2);
}

}  // namespace
}  // namespace records::services
