#include "services/contact/contact_rules.h"

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/errors/errors.h"
#include "tests/services/contact_examples.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using testing::GoodContact;

absl::Status Checked(const ev::Contact& contact) {
  FieldChecker check;
  CheckContact("contact", contact, check);
  return check.Finish();
}

// The fields that a contact is refused for.
std::vector<std::string> Wrong(const ev::Contact& contact) {
  std::vector<std::string> fields;
  for (const auto& field : DetailsOf(Checked(contact)).fields) fields.push_back(field.field);
  return fields;
}

using Change = std::function<void(ev::Contact&)>;

ev::Contact Changed(const Change& change) {
  ev::Contact contact = GoodContact();
  change(contact);
  return contact;
}

ev::Contact By(ev::Channel channel, ev::Direction direction, const Change& change = nullptr) {
  ev::Contact contact = GoodContact();
  contact.set_channel(channel);
  contact.set_direction(direction);
  if (change) change(contact);
  return contact;
}

constexpr auto kIn = ev::DIRECTION_INBOUND;
constexpr auto kOut = ev::DIRECTION_OUTBOUND;

// CR-2.2, CR-1.5.2, CR-3.1a
TEST(ContactRulesTest, EveryChannelOfTheListCanBeRecordedAndNoOther) {
  for (int channel = ev::Channel_MIN; channel <= ev::Channel_MAX + 1; ++channel) {
    ev::Contact contact = By(static_cast<ev::Channel>(channel), kOut);
    contact.set_place("Customer Access Centre");
    contact.set_third_party(std::string(16, 't'));
    if (channel == ev::CHANNEL_OTHER) contact.set_other_channel("fax");
    if (channel == ev::CHANNEL_SYSTEM_LETTER) contact.set_generated_by("rent accounts");
    if (channel == ev::CHANNEL_APPOINTMENT) contact.set_outcome(ev::OUTCOME_APPOINTMENT_KEPT);
    const bool known = channel != ev::CHANNEL_UNSPECIFIED && ev::Channel_IsValid(channel);
    EXPECT_EQ(Checked(contact).ok(), known) << channel << Checked(contact);
  }
  EXPECT_EQ(Wrong(By(ev::CHANNEL_PHONE, ev::DIRECTION_UNSPECIFIED)),
            std::vector<std::string>{"contact.direction"});
}

// CR-3.2.1a, CR-3.2.1b, CR-CHANNEL-TELEPHONE-INBOUND, CR-CHANNEL-TELEPHONE-OUTBOUND
TEST(ContactRulesTest, TelephoneConversationsGoEitherWay) {
  EXPECT_TRUE(Checked(By(ev::CHANNEL_PHONE, kIn)).ok());
  EXPECT_TRUE(Checked(By(ev::CHANNEL_PHONE, kOut)).ok());
}

// CR-3.2.1c, CR-CHANNEL-TELEPHONE-ATTEMPTED
TEST(ContactRulesTest, AnAttemptedCallSaysWhetherAVoicemailWasLeft) {
  const auto attempt = [](ev::Voicemail voicemail) {
    return By(ev::CHANNEL_PHONE, kOut, [voicemail](ev::Contact& contact) {
      contact.set_outcome(ev::OUTCOME_NOT_ANSWERED);
      contact.set_voicemail(voicemail);
    });
  };
  EXPECT_TRUE(Checked(attempt(ev::VOICEMAIL_LEFT)).ok());
  EXPECT_TRUE(Checked(attempt(ev::VOICEMAIL_NOT_LEFT)).ok());
  const std::vector<std::string> voicemail = {"contact.voicemail"};
  EXPECT_EQ(Wrong(attempt(ev::VOICEMAIL_UNSPECIFIED)), voicemail);
  EXPECT_EQ(Wrong(attempt(static_cast<ev::Voicemail>(7))), voicemail);
  // Answered: there is no voicemail to speak of.
  EXPECT_EQ(Wrong(By(ev::CHANNEL_PHONE, kOut,
                     [](ev::Contact& contact) { contact.set_voicemail(ev::VOICEMAIL_LEFT); })),
            voicemail);
  // Nobody fails to answer a letter, or their own call.
  for (const auto& [channel, direction] :
       {std::pair{ev::CHANNEL_LETTER, kOut}, std::pair{ev::CHANNEL_PHONE, kIn}}) {
    EXPECT_EQ(Wrong(By(channel, direction,
                       [](ev::Contact& contact) {
                         contact.set_outcome(ev::OUTCOME_NOT_ANSWERED);
                         contact.set_voicemail(ev::VOICEMAIL_LEFT);
                       })),
              std::vector<std::string>{"contact.outcome"});
  }
}

// CR-3.2.1d, CR-CHANNEL-OFFICE-VISIT
TEST(ContactRulesTest, AnOfficeVisitNamesTheOffice) {
  EXPECT_EQ(Wrong(By(ev::CHANNEL_OFFICE_VISIT, kIn)), std::vector<std::string>{"contact.place"});
  EXPECT_TRUE(Checked(By(ev::CHANNEL_OFFICE_VISIT, kIn, [](ev::Contact& contact) {
                contact.set_place("Customer Access Centre");
              })).ok());
}

// CR-3.2.1e, CR-CHANNEL-APPOINTMENT
TEST(ContactRulesTest, AnAppointmentIsMadeKeptWithoutAccessOrNotAttended) {
  for (int outcome = 0; outcome <= ev::Outcome_MAX + 1; ++outcome) {
    const auto with = [outcome](ev::Contact& contact) {
      contact.set_outcome(static_cast<ev::Outcome>(outcome));
    };
    const bool of_appointment =
        outcome >= ev::OUTCOME_APPOINTMENT_MADE && outcome <= ev::OUTCOME_DID_NOT_ATTEND;
    EXPECT_EQ(Checked(By(ev::CHANNEL_APPOINTMENT, kOut, with)).ok(), of_appointment) << outcome;
    // And no other contact has such an outcome.
    EXPECT_EQ(Checked(By(ev::CHANNEL_FACE_TO_FACE, kOut, with)).ok(), outcome == 0) << outcome;
  }
}

// CR-3.2.1f, CR-CHANNEL-DOOR-KNOCK, CR-CHANNEL-FACE-TO-FACE
TEST(ContactRulesTest, DoorKnocksAndOtherMeetingsAreRecorded) {
  EXPECT_TRUE(Checked(By(ev::CHANNEL_DOOR_KNOCK, kOut)).ok());
  EXPECT_TRUE(Checked(By(ev::CHANNEL_FACE_TO_FACE, kIn)).ok());
}

// CR-3.3.1a, CR-3.3.2, CR-CHANNEL-LETTER-RECEIVED, CR-CHANNEL-LETTER-SENT, CR-CHANNEL-EMAIL,
// CR-CHANNEL-SMS, CR-CHANNEL-WEB-CHAT, CR-CHANNEL-WEB-FORM
TEST(ContactRulesTest, WrittenCommunicationGoesEitherWay) {
  for (ev::Channel channel : {ev::CHANNEL_LETTER, ev::CHANNEL_EMAIL, ev::CHANNEL_SMS,
                              ev::CHANNEL_WEB_CHAT, ev::CHANNEL_WEB_FORM}) {
    EXPECT_TRUE(Checked(By(channel, kIn)).ok()) << channel;
    EXPECT_TRUE(Checked(By(channel, kOut)).ok()) << channel;
  }
}

// CR-3.3.1c, CR-CHANNEL-LETTER-GENERATED
TEST(ContactRulesTest, ASystemLetterIsOutboundAndNamesItsSystem) {
  const Change made = [](ev::Contact& contact) { contact.set_generated_by("rent accounts"); };
  EXPECT_TRUE(Checked(By(ev::CHANNEL_SYSTEM_LETTER, kOut, made)).ok());
  EXPECT_EQ(Wrong(By(ev::CHANNEL_SYSTEM_LETTER, kIn, made)),
            std::vector<std::string>{"contact.direction"});
  EXPECT_EQ(Wrong(By(ev::CHANNEL_SYSTEM_LETTER, kOut)),
            std::vector<std::string>{"contact.generated_by"});
}

// CR-CHANNEL-THIRD-PARTY
TEST(ContactRulesTest, AContactWithAThirdPartyNamesThem) {
  const auto with = [](std::string id) {
    return By(ev::CHANNEL_THIRD_PARTY, kIn,
              [id = std::move(id)](ev::Contact& contact) { contact.set_third_party(id); });
  };
  EXPECT_TRUE(Checked(with(std::string(16, 't'))).ok());
  EXPECT_EQ(Wrong(with("")), std::vector<std::string>{"contact.third_party"});
  EXPECT_EQ(Wrong(with(std::string(15, 't'))), std::vector<std::string>{"contact.third_party"});
}

// CR-CHANNEL-OTHER, CR-2.2
TEST(ContactRulesTest, AnotherChannelSaysWhichAndOnlyThatOneDoes) {
  const auto text = [](ev::Channel channel, const std::string& name) {
    return By(channel, kIn, [&](ev::Contact& contact) { contact.set_other_channel(name); });
  };
  EXPECT_TRUE(Checked(text(ev::CHANNEL_OTHER, std::string(100, 'x'))).ok());
  for (const auto& contact : {text(ev::CHANNEL_OTHER, ""), text(ev::CHANNEL_PHONE, "fax"),
                              text(ev::CHANNEL_OTHER, std::string(101, 'x'))}) {
    EXPECT_EQ(Wrong(contact), std::vector<std::string>{"contact.other_channel"});
  }
}

// CR-3.2.2
TEST(ContactRulesTest, AContactWithoutItsMinimumContentIsRefusedForEachPartThatIsMissing) {
  EXPECT_EQ(Wrong({}),
            (std::vector<std::string>{"contact.channel", "contact.direction", "contact.subjects",
                                      "contact.summary", "contact.actions"}));
  EXPECT_EQ(Wrong(Changed([](auto& contact) { contact.set_summary("  "); })),
            std::vector<std::string>{"contact.summary"});
  EXPECT_EQ(Wrong(Changed([](auto& contact) { contact.set_subjects(0, ""); })),
            std::vector<std::string>{"contact.subjects[0]"});
}

// CR-3.2.2
TEST(ContactRulesTest, FurtherActionsAreNamedOrExpresslyNone) {
  const std::vector<std::string> actions = {"contact.actions"};
  EXPECT_EQ(Wrong(Changed([](auto& contact) { contact.set_no_further_action(false); })), actions);
  EXPECT_EQ(Wrong(Changed(
                [](auto& contact) { contact.add_actions()->set_description("engineer booked"); })),
            actions);
  EXPECT_TRUE(Checked(Changed([](auto& contact) {
                contact.set_no_further_action(false);
                contact.add_actions()->set_description("engineer booked");
              })).ok());
  EXPECT_EQ(Wrong(Changed([](auto& contact) {
              contact.set_no_further_action(false);
              contact.add_actions()->mutable_due()->set_month(13);
            })),
            (std::vector<std::string>{"contact.actions[0].description", "contact.actions[0].due"}));
}

// CR-3.2.2, CR-2.3
TEST(ContactRulesTest, EachLimitHoldsAtTheLimitAndNotOneBeyond) {
  const auto many = [](ev::Contact& contact, int count) {
    contact.set_no_further_action(false);
    for (int i = 0; i < count; ++i) contact.add_actions()->set_description("call");
  };
  const struct {
    const char* field;
    int limit;
    std::function<void(ev::Contact&, int)> set;
  } kLimits[] = {
      {"contact.summary", 4000, [](auto& c, int n) { c.set_summary(std::string(n, 's')); }},
      {"contact.subjects[0]", 100, [](auto& c, int n) { c.set_subjects(0, std::string(n, 's')); }},
      {"contact.subjects", 20,
       [](auto& c, int n) {
         while (c.subjects_size() < n) c.add_subjects("rent");
       }},
      {"contact.place", 200, [](auto& c, int n) { c.set_place(std::string(n, 'p')); }},
      {"contact.generated_by", 100,
       [](auto& c, int n) { c.set_generated_by(std::string(n, 'g')); }},
      {"contact.source_key", 100, [](auto& c, int n) { c.set_source_key(std::string(n, 'k')); }},
      {"contact.actions", 20, many},
      {"contact.actions[0].description", 500,
       [&many](auto& c, int n) {
         many(c, 1);
         c.mutable_actions(0)->set_description(std::string(n, 'd'));
       }},
      {"contact.actions[0].owner", 100,
       [&many](auto& c, int n) {
         many(c, 1);
         c.mutable_actions(0)->set_owner(std::string(n, 'o'));
       }},
  };
  for (const auto& limit : kLimits) {
    const auto at = [&limit](int count) {
      return Changed([&](ev::Contact& contact) { limit.set(contact, count); });
    };
    EXPECT_TRUE(Checked(at(limit.limit - 1)).ok()) << limit.field;
    EXPECT_TRUE(Checked(at(limit.limit)).ok()) << limit.field;
    EXPECT_EQ(Wrong(at(limit.limit + 1)), std::vector<std::string>{limit.field});
  }
}

TEST(ContactRulesTest, ValuesThatNoListHoldsAreRefused) {
  EXPECT_EQ(Wrong(Changed([](auto& c) { c.set_outcome(static_cast<ev::Outcome>(99)); })),
            std::vector<std::string>{"contact.outcome"});
  EXPECT_EQ(Wrong(Changed([](auto& c) {
              c.mutable_identity_check()->set_method(static_cast<ev::IdentityCheckMethod>(99));
            })),
            std::vector<std::string>{"contact.identity_check.method"});
}

std::string NeverReason(ev::Channel channel, const ContactCircumstances& circumstances) {
  const absl::Status status = RefuseNeverRecorded(By(channel, kIn), circumstances);
  EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status;
  return ReasonOf(status);
}

// CR-3.1b, CR-NEVER-MASS-MAILING
TEST(NeverRecordedTest, AMessageMeantForAllCustomersIsKeptOffByAnyChannel) {
  for (ev::Channel channel : {ev::CHANNEL_LETTER, ev::CHANNEL_EMAIL, ev::CHANNEL_SMS}) {
    EXPECT_EQ(NeverReason(channel, {.mass_mailing = true}), "MASS_MAILING");
    EXPECT_EQ(NeverReason(channel, {}), "");
  }
}

// CR-NEVER-INTERNAL-CALL
TEST(NeverRecordedTest, AContactWithoutAnybodyFromOutsideIsNotRecorded) {
  EXPECT_EQ(NeverReason(ev::CHANNEL_PHONE, {.internal = true}), "INTERNAL_CALL");
}

// CR-3.3.3, CR-NEVER-SOCIAL-MEDIA, CR-CHANNEL-SOCIAL-MEDIA
TEST(NeverRecordedTest, SocialMediaIsRecordedOnlyWithARequestThatIsDueAnAnswer) {
  for (bool request : {false, true}) {
    for (bool due : {false, true}) {
      EXPECT_EQ(NeverReason(ev::CHANNEL_SOCIAL_MEDIA,
                            {.has_service_request = request, .response_due = due}),
                request && due ? "" : "SOCIAL_MEDIA_WITHOUT_REQUEST");
    }
  }
}

// CR-3.2.1g, CR-NEVER-WALKABOUT, CR-CHANNEL-WALKABOUT
TEST(NeverRecordedTest, AWalkaboutIsRecordedOnlyWithAServiceRequest) {
  EXPECT_EQ(NeverReason(ev::CHANNEL_WALKABOUT, {.has_service_request = true}), "");
  EXPECT_EQ(NeverReason(ev::CHANNEL_WALKABOUT, {.response_due = true}),
            "WALKABOUT_WITHOUT_REQUEST");
}

// CR-2.3, CR-NEVER-VERBATIM
TEST(NeverRecordedTest, WordForWordTextNeedsOneOfTheFiveReasons) {
  for (int reason = -1; reason <= 7; ++reason) {
    ev::Verbatim verbatim;
    verbatim.set_text("he said it twice");
    verbatim.set_reason(static_cast<ev::VerbatimReason>(reason));
    const bool one_of_five = reason >= 1 && reason <= 5;
    const absl::Status status = RefuseVerbatimWithoutReason(verbatim);
    EXPECT_EQ(status.ok(), one_of_five) << reason;
    EXPECT_EQ(ReasonOf(status), one_of_five ? "" : "VERBATIM_REASON_MISSING");
  }
}

TEST(IdentityCheckTest, SomethingIsDisclosedOnlyAfterAPassedCheckByAKnownMethod) {
  for (int method = 0; method <= ev::IdentityCheckMethod_MAX + 1; ++method) {
    for (bool passed : {false, true}) {
      for (bool disclosed : {false, true}) {
        ev::Contact contact = GoodContact();
        auto& identity = *contact.mutable_identity_check();
        identity.set_method(static_cast<ev::IdentityCheckMethod>(method));
        identity.set_passed(passed);
        identity.set_disclosed(disclosed);
        const bool checked = passed && method >= ev::IDENTITY_CHECK_METHOD_SECURITY_QUESTIONS &&
                             method <= ev::IDENTITY_CHECK_METHOD_SIGNED_IN;
        const absl::Status status = RefuseDisclosureWithoutCheck(contact);
        EXPECT_EQ(status.ok(), !disclosed || checked) << contact.ShortDebugString();
        EXPECT_EQ(ReasonOf(status), status.ok() ? "" : "IDENTITY_NOT_CHECKED");
      }
    }
  }
}

}  // namespace
}  // namespace records::services
