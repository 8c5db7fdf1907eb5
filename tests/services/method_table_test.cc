#include "services/policy/method_table.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "records/log/v1/options.pb.h"
#include "services/policy/register.h"

namespace records::services {
namespace {

namespace policy = records::policy::v1;
using google::protobuf::FileDescriptor;
using ::testing::HasSubstr;

std::set<std::string> ProtosOf(const std::string& package) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("proto/" + package)) {
    if (entry.path().extension() == ".proto") {
      names.insert(package + "/" + entry.path().filename().string());
    }
  }
  return names;
}

std::set<std::string> NamesOf(const std::vector<const FileDescriptor*>& files) {
  std::set<std::string> names;
  for (const FileDescriptor* file : files) names.insert(file->name());
  return names;
}

policy::Register Shipped() {
  absl::StatusOr<policy::Register> reg = EmbeddedRegister();
  EXPECT_TRUE(reg.ok()) << reg.status();
  return *std::move(reg);
}

// A proto file made up by a test, in a pool of its own above that of the program.
class MadeUpFile {
 public:
  explicit MadeUpFile(const std::string& text) {
    google::protobuf::FileDescriptorProto proto;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &proto));
    file_ = pool_.BuildFile(proto);
    EXPECT_NE(file_, nullptr);
  }

  const FileDescriptor* get() const { return file_; }

 private:
  google::protobuf::DescriptorPool pool_{google::protobuf::DescriptorPool::generated_pool()};
  const FileDescriptor* file_ = nullptr;
};

// A service with one method, declared by `options` ("" for none).
MadeUpFile ServiceWith(const std::string& options) {
  return MadeUpFile(absl::StrCat(R"(name: "made_up.proto" package: "made.up"
    dependency: "records/policy/v1/access.proto"
    dependency: "records/api/v1/access_service.proto"
    service { name: "DiaryService" method {
      name: "ReadDiary"
      input_type: ".records.api.v1.GrantRoleRequest"
      output_type: ".records.api.v1.GrantRoleResponse" )",
                                 options, " } }"));
}

constexpr char kReadDiary[] =
    "options { [records.policy.v1.access] { view: \"diary\" action: ACTION_READ } }";

// CR-3.1.2a
TEST(MethodTableTest, EveryProtoFileOfTheServicesAndOfTheEventsIsWalked) {
  EXPECT_EQ(NamesOf(ApiFiles()), ProtosOf("records/api/v1"));
  EXPECT_EQ(NamesOf(EventFiles()), ProtosOf("records/events/v1"));
}

// CR-3.1.2a
TEST(MethodTableTest, EveryMethodIsInTheListThatPeopleHaveAgreedTo) {
  const absl::StatusOr<MethodTable> table = MethodTable::Create(ApiFiles());
  ASSERT_TRUE(table.ok()) << table.status();
  std::string actual;
  for (const std::string& name : table->Names()) {
    const policy::MethodAccess& access = *table->Find(name);
    absl::StrAppend(&actual, name, " ", access.view(), " ", policy::Action_Name(access.action()),
                    "\n");
  }
  std::stringstream agreed;
  agreed << std::ifstream("tests/services/methods.txt").rdbuf();
  EXPECT_EQ(actual, agreed.str())
      << "A method was added or changed. Decide who may call it, then write the list anew.";
}

TEST(MethodTableTest, ANameThatIsNoMethodHasNoAccess) {
  const absl::StatusOr<MethodTable> table = MethodTable::Create(ApiFiles());
  ASSERT_TRUE(table.ok());
  EXPECT_NE(table->Find("records.api.v1.ContactService.RecordContact"), nullptr);
  EXPECT_EQ(table->Find("records.api.v1.ContactService.NoSuchMethod"), nullptr);
  EXPECT_EQ(table->Find(""), nullptr);
}

// CR-3.1.2a, DP-G1
TEST(CheckServicesTest, TheShippedRegisterFitsTheServicesAndTheStoredEvents) {
  EXPECT_TRUE(CheckServices(Shipped(), ApiFiles(), EventFiles()).ok())
      << CheckServices(Shipped(), ApiFiles(), EventFiles());
}

// CR-3.1.2a
TEST(CheckServicesTest, AMethodWithoutAccessStopsTheStart) {
  for (const char* options : {"", "options { [records.policy.v1.access] { action: ACTION_READ } }",
                              "options { [records.policy.v1.access] { view: \"timeline\" } }"}) {
    const MadeUpFile file = ServiceWith(options);
    std::vector<const FileDescriptor*> files = ApiFiles();
    files.push_back(file.get());
    const absl::Status status = CheckServices(Shipped(), files, EventFiles());
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << options;
    EXPECT_THAT(std::string(status.message()), HasSubstr("made.up.DiaryService.ReadDiary"));
  }
}

TEST(CheckServicesTest, AMethodThatNoRoleMayCallStopsTheStart) {
  const MadeUpFile file = ServiceWith(kReadDiary);
  std::vector<const FileDescriptor*> files = ApiFiles();
  files.push_back(file.get());
  const absl::Status status = CheckServices(Shipped(), files, EventFiles());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("made.up.DiaryService.ReadDiary: no role is permitted ACTION_READ on view "
                        "'diary'"));
}

TEST(CheckServicesTest, AViewThatNoMethodHasIsRefusedByName) {
  policy::Register reg = Shipped();
  policy::Permission* permission = reg.mutable_roles(0)->add_permissions();
  *permission = reg.roles(0).permissions(0);
  permission->set_view("dairy");
  EXPECT_THAT(std::string(CheckServices(reg, ApiFiles(), EventFiles()).message()),
              HasSubstr("role 'contact-officer': no method is ACTION_READ on view 'dairy'"));

  reg = Shipped();
  for (policy::Category& category : *reg.mutable_categories()) {
    if (category.id() == "timeline-fold") category.set_fold_view("dairy");
  }
  EXPECT_THAT(std::string(CheckServices(reg, ApiFiles(), EventFiles()).message()),
              HasSubstr("category 'timeline-fold': unknown view 'dairy'"));
}

// CR-3.1.2b
TEST(CheckServicesTest, AWorkStreamThatNoEventGoesOnAndOneThatNobodyMayReadAreRefusedByName) {
  const auto message = [](const std::function<void(policy::Role&)>& change) {
    policy::Register reg = Shipped();
    for (policy::Role& role : *reg.mutable_roles()) {
      if (role.id() == "repairs-system") change(role);
    }
    return std::string(CheckServices(reg, ApiFiles(), EventFiles()).message());
  };
  EXPECT_EQ(message([](policy::Role& role) { role.add_work_streams("repair.v1"); }),
            "role 'repairs-system': no event type is on the work stream 'repair.v1'");
  EXPECT_EQ(message([](policy::Role& role) { role.mutable_permissions()->RemoveLast(); }),
            "role 'repairs-system': takes work streams and may not read work");
  EXPECT_EQ(message([](policy::Role& role) { role.clear_work_streams(); }),
            "role 'repairs-system': may read work and takes no work stream");
}

// DP-G1
TEST(CheckServicesTest, AnEventOfACategoryWithoutARowIsRefusedByName) {
  policy::Register reg = Shipped();
  for (int i = 0; i < reg.categories_size(); ++i) {
    if (reg.categories(i).id() == "contact") reg.mutable_categories()->DeleteSubrange(i--, 1);
  }
  const std::string message(CheckServices(reg, ApiFiles(), EventFiles()).message());
  EXPECT_THAT(message, HasSubstr("records.events.v1.ContactRecorded.contact: 'contact' is no "
                                 "category of the register"));
}

TEST(CheckServicesTest, AFieldUnderAFoldPartAndAFoldPartUnderAnOrdinaryCategoryAreRefused) {
  const MadeUpFile file(R"(name: "made_up_event.proto" package: "made.up"
    dependency: "records/log/v1/options.proto"
    message_type {
      name: "DiaryKept"
      options { [records.log.v1.event_type] { restricted: true fold_categories: "contact" } }
      field {
        name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL
        options { [records.log.v1.personal] { category: "timeline-fold" } }
      }
    })");
  const FileDescriptor* const files[] = {file.get()};
  const std::string message(CheckServices(Shipped(), ApiFiles(), files).message());
  EXPECT_THAT(message, HasSubstr("made.up.DiaryKept: 'contact' is no fold part"));
  EXPECT_THAT(message, HasSubstr("made.up.DiaryKept.text: 'timeline-fold' is no category"));
}

TEST(CheckServicesTest, AnEventWithAFieldThatIsNeitherSealedNorDeclaredClearIsRefused) {
  const MadeUpFile file(R"(name: "made_up_event.proto" package: "made.up"
    dependency: "records/log/v1/options.proto"
    message_type {
      name: "DiaryKept"
      options { [records.log.v1.event_type] { } }
      field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    })");
  const FileDescriptor* const files[] = {file.get()};
  const absl::Status status = CheckServices(Shipped(), ApiFiles(), files);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("made.up.DiaryKept.text"));
}

}  // namespace
}  // namespace records::services
