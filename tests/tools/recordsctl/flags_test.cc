#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/errors/errors.h"
#include "tools/recordsctl/client.h"
#include "tools/recordsctl/contact_flags.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/problem.h"
#include "tools/recordsctl/timeline_follow.h"

namespace records::tools {
namespace {

namespace events = records::events::v1;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

ContactFlags PhoneCall() {
  ContactFlags flags;
  flags.channel = "phone";
  flags.direction = "inbound";
  flags.subjects = {"heating"};
  flags.summary = "boiler out";
  flags.actions = {"engineer booked"};
  return flags;
}

TEST(FlagValuesTest, EnumsAreNamedAsPeopleWriteThem) {
  EXPECT_EQ(*ParseEnum<events::Channel>("--channel", "web-form"), events::CHANNEL_WEB_FORM);
  EXPECT_EQ(EnumText(events::CHANNEL_WEB_FORM), "web form");
  EXPECT_EQ(EnumHelp<events::Tenure>(), "rent|shared-ownership|outright-sale");
}

TEST(FlagValuesTest, AnUnknownValueIsRefusedWithWhatWasProbablyMeant) {
  const auto channel = ParseEnum<events::Channel>("--channel", "phnoe");
  EXPECT_THAT(std::string(channel.status().message()), HasSubstr("did you mean 'phone'"));
  EXPECT_FALSE(ParseEnum<events::Channel>("--channel", "unspecified").ok());
  EXPECT_FALSE(ParseEnum<events::Channel>("--channel", "").ok());
}

TEST(FlagValuesTest, AValueOfANewerServerIsShownAsANumber) {
  EXPECT_EQ(EnumText(static_cast<events::Channel>(99)), "value 99");
}

TEST(FlagValuesTest, OnlyDatesOfTheCalendarAreTaken) {
  EXPECT_EQ(FormatDate(*ParseDate("--born", "1980-01-31")), "1980-01-31");
  EXPECT_TRUE(ParseDate("--born", "2024-02-29").ok());
  for (const char* text : {"2023-02-29", "1980-13-01", "1980-1-31", "31/01/1980", "1980-01-311",
                           "0000-01-01", "", "19 0-01-31"}) {
    EXPECT_FALSE(ParseDate("--born", text).ok()) << text;
  }
}

TEST(FlagValuesTest, MomentsAreTakenWithAndWithoutAZone) {
  EXPECT_EQ(*ParseMoment("--at", "1970-01-01T00:00:01Z"), 1'000'000);
  EXPECT_EQ(*ParseMoment("--at", "1970-01-01T01:00:00+01:00"), 0);
  EXPECT_TRUE(ParseMoment("--at", "2026-08-01").ok());
  EXPECT_TRUE(ParseMoment("--at", "2026-08-01T14:30").ok());
  EXPECT_FALSE(ParseMoment("--at", "yesterday").ok());
}

TEST(ContactFlagsTest, AnActionNeedsNothingElse) {
  events::Contact contact;
  ASSERT_TRUE(FillContact(PhoneCall(), contact).ok());
  EXPECT_EQ(contact.channel(), events::CHANNEL_PHONE);
  ASSERT_EQ(contact.actions_size(), 1);
  EXPECT_EQ(contact.actions(0).description(), "engineer booked");
  EXPECT_FALSE(contact.actions(0).has_due());
  EXPECT_FALSE(contact.has_identity_check());
}

// CR-3.2.2
TEST(ContactFlagsTest, NeitherActionNorNoActionIsRefused) {
  ContactFlags flags = PhoneCall();
  flags.actions.clear();
  events::Contact contact;
  EXPECT_FALSE(FillContact(flags, contact).ok());
  flags.no_further_action = true;
  EXPECT_TRUE(FillContact(flags, contact).ok());
}

TEST(ContactFlagsTest, OwnersAndDatesGoWithTheirActions) {
  ContactFlags flags = PhoneCall();
  flags.actions = {"one", "two"};
  flags.owners = {"bea"};
  flags.due_dates = {"2026-01-01", "2026-02-01"};
  events::Contact contact;
  ASSERT_TRUE(FillContact(flags, contact).ok());
  EXPECT_EQ(contact.actions(1).owner(), "bea");
  EXPECT_EQ(contact.actions(1).due().month(), 2);
  flags.owners = {"a", "b", "c"};
  EXPECT_FALSE(FillContact(flags, contact).ok());
}

TEST(ContactFlagsTest, DisclosureNeedsTheIdentityCheckToBeTold) {
  ContactFlags flags = PhoneCall();
  flags.disclosed = true;
  events::Contact contact;
  EXPECT_FALSE(FillContact(flags, contact).ok());
  flags.identity_check = "security-questions";
  ASSERT_TRUE(FillContact(flags, contact).ok());
  EXPECT_TRUE(contact.identity_check().passed());
  flags.identity_failed = true;
  ASSERT_TRUE(FillContact(flags, contact).ok());
  EXPECT_FALSE(contact.identity_check().passed());
}

TEST(ContactFlagsTest, AThirdPartyIsNamedByItsId) {
  ContactFlags flags = PhoneCall();
  flags.third_party = "00112233445566778899aabbccddeeff";
  events::Contact contact;
  ASSERT_TRUE(FillContact(flags, contact).ok());
  EXPECT_EQ(contact.third_party().size(), 16u);
  flags.third_party = "0011";
  EXPECT_FALSE(FillContact(flags, contact).ok());
}

TEST(ProblemTest, ARefusalSaysWhatWhyTheFieldsAndLastWhatToDo) {
  const absl::Status status = services::InvalidField("contact.summary", "must not be empty");
  const std::string text = RenderProblem("record the contact", status);
  EXPECT_THAT(text, HasSubstr("could not record the contact (INVALID_ARGUMENT, FIELD_INVALID)"));
  EXPECT_THAT(text, HasSubstr("field contact.summary: must not be empty"));
  EXPECT_GT(text.find("what to do:"), text.find("field "));
}

TEST(ProblemTest, AnErrorCannotDriveTheTerminal) {
  EXPECT_THAT(RenderProblem("x", absl::AbortedError("\x1b[2J")), Not(HasSubstr("\x1b")));
}

TEST(ProblemTest, TheExitCodeTellsARefusalFromAServerThatIsNotThere) {
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), kExitUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("")), kExitUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), kExitRefused);
}

TEST(ClientTest, OnlyThisMachineCountsAsLoopback) {
  EXPECT_TRUE(IsLoopback("127.0.0.1:7400"));
  EXPECT_TRUE(IsLoopback("localhost:7400"));
  EXPECT_TRUE(IsLoopback("[::1]:7400"));
  EXPECT_FALSE(IsLoopback("127.example.org:7400"));
  EXPECT_FALSE(IsLoopback("10.0.0.1:7400"));
  EXPECT_FALSE(IsLoopback("records.example.org:7400"));
}

TEST(FollowTest, WaitsDoubleUpToTenSeconds) {
  EXPECT_EQ(BackOff(1), absl::Milliseconds(250));
  EXPECT_EQ(BackOff(3), absl::Seconds(1));
  EXPECT_EQ(BackOff(100), absl::Seconds(10));
}

}  // namespace
}  // namespace records::tools
