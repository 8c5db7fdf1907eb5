#include "eventstore/sealing.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/sealing_padding.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/eventstore/sealing_fixture.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

namespace events = ::records::events::v1;
namespace cases = ::records::testing::v1;

using ::google::protobuf::Descriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MessageFactory;
using ::google::protobuf::util::MessageDifferencer;
using ::records::log::v1::Event;
using ::testing::HasSubstr;

class SealingTest : public testing::SealingFixture {};

// What a reader of `allowed` must see: written from the annotations alone, apart from the product.
void KeepOnly(const std::set<std::string>& allowed, const std::set<std::string>& folds,
              Message* message) {
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const auto* field = message->GetDescriptor()->field(i);
    const auto& personal = field->options().GetExtension(records::log::v1::personal);
    if (!personal.category().empty()) {
      bool folded = false;
      for (const std::string& fold : folds) folded |= personal.fold() && allowed.contains(fold);
      if (!allowed.contains(personal.category()) && !folded) reflection->ClearField(message, field);
    } else if (!field->options().HasExtension(records::log::v1::clear_because) &&
               reflection->HasField(*message, field)) {
      Message* below = reflection->MutableMessage(message, field);
      KeepOnly(allowed, folds, below);
      if (below->ByteSizeLong() == 0) reflection->ClearField(message, field);
    }
  }
}

std::set<std::string> CategoriesOf(const Descriptor& type) {
  std::set<std::string> categories;
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& personal = type.field(i)->options().GetExtension(records::log::v1::personal);
    if (!personal.category().empty()) {
      categories.insert(personal.category());
    } else if (type.field(i)->message_type() != nullptr) {
      categories.merge(CategoriesOf(*type.field(i)->message_type()));
    }
  }
  const auto& options = type.options().GetExtension(records::log::v1::event_type);
  categories.insert(options.fold_categories().begin(), options.fold_categories().end());
  return categories;
}

std::vector<const Descriptor*> AllTypes() {
  std::vector<const Descriptor*> types = testing::EventTypes();
  types.push_back(cases::Shapes::descriptor());
  types.push_back(cases::Folded::descriptor());
  return types;
}

// DP-B1, CR-3.1.2a: exactly what was allowed comes back.
TEST_F(SealingTest, ExactlyTheAllowedCategoriesOfEveryTypeComeBack) {
  testing::RandomMessage random(SeedOfRun());
  ASSERT_GT(AllTypes().size(), 15u);
  for (const Descriptor* type : AllTypes()) {
    const auto& options = type->options().GetExtension(records::log::v1::event_type);
    const std::set<std::string> folds(options.fold_categories().begin(),
                                      options.fold_categories().end());
    for (int round = 0; round < 30; ++round) {
      SCOPED_TRACE(absl::StrCat(type->full_name(), " round ", round));
      const std::unique_ptr<Message> message(
          MessageFactory::generated_factory()->GetPrototype(type)->New());
      random.Fill(message.get());
      const EventHeader header = Header();
      const Event event = SealToEvent(header, *message);
      std::set<std::string> allowed;
      for (const std::string& category : CategoriesOf(*type)) {
        if (random.Below(2) == 1) allowed.insert(category);
      }
      const auto opened = OpenOnly(event, allowed);
      ASSERT_TRUE(opened.ok()) << opened.status();
      for (const std::string& category : opened->categories)
        ASSERT_TRUE(allowed.contains(category));
      if (options.restricted() && opened->categories.empty()) {
        EXPECT_EQ(opened->type, "");
        EXPECT_EQ(opened->message, nullptr);
        EXPECT_TRUE(opened->actor.is_nil());
        continue;
      }
      EXPECT_EQ(opened->type, type->full_name());
      EXPECT_EQ(opened->actor, header.actor);
      EXPECT_EQ(opened->purpose, header.purpose);
      EXPECT_EQ(opened->lawful_basis, header.lawful_basis);
      EXPECT_EQ(opened->causation, header.causation);
      EXPECT_EQ(opened->correlation, header.correlation);
      KeepOnly(allowed, folds, message.get());
      std::string difference;
      MessageDifferencer differencer;
      differencer.ReportDifferencesToString(&difference);
      EXPECT_TRUE(differencer.Compare(*message, *opened->message)) << difference;
    }
  }
}

TEST_F(SealingTest, EveryEventTypeIsAnnotated) {
  for (const Descriptor* type : AllTypes()) {
    EXPECT_TRUE(CheckAnnotations(*type, categories_).ok()) << CheckAnnotations(*type, categories_);
  }
}

TEST_F(SealingTest, NothingSealedIsInTheBytes) {
  testing::RandomMessage random(7);
  for (const Descriptor* type : testing::EventTypes()) {
    if (type->full_name() == events::RoleGranted::descriptor()->full_name() ||
        type->full_name() == events::RoleRevoked::descriptor()->full_name() ||
        type->full_name() == events::SubjectErasureDecided::descriptor()->full_name() ||
        type->full_name() == events::ErasureConfirmed::descriptor()->full_name()) {
      continue;  // all of it is declared clear
    }
    const std::unique_ptr<Message> message(
        MessageFactory::generated_factory()->GetPrototype(type)->New());
    random.Fill(message.get());
    const EventHeader header = Header();
    const std::string bytes = SealToEvent(header, *message).SerializeAsString();
    EXPECT_FALSE(absl::StrContains(bytes, testing::kCanary)) << type->full_name();
    EXPECT_FALSE(absl::StrContains(bytes, header.subject.bytes())) << type->full_name();
  }
}

TEST_F(SealingTest, TheOrderOfThePartsMeansNothing) {
  testing::RandomMessage random(8);
  cases::Folded message;
  random.Fill(&message);
  Event event = SealToEvent(Header(), message);
  for (int turn = 0; turn < event.sealed_size(); ++turn) {
    std::rotate(event.mutable_sealed()->begin(), event.mutable_sealed()->begin() + 1,
                event.mutable_sealed()->end());
    EXPECT_TRUE(MessageDifferencer::Equals(*OpenAll(event)->message, message));
    EXPECT_EQ(OpenAll(event)->categories.size(), 4u);
  }
}

TEST_F(SealingTest, PartsOfOneSubjectAndCategoryAreOne) {
  cases::Shapes message;
  message.mutable_first()->add_notes("one");
  message.mutable_second()->add_notes("two");
  message.mutable_tree()->set_text("three");
  const auto sealed = sealer_.Seal(Header(), message);
  EXPECT_EQ(sealed->keys.size(), 1u);
  EXPECT_EQ(sealed->subjects.size(), 1u);
  message.mutable_second()->set_person(std::string(16, 'p'));
  message.mutable_second()->set_name("four");
  // The id under "tenancy" of the event's subject, the name under "identity" of the other.
  const auto more = sealer_.Seal(Header(), message);
  EXPECT_EQ(more->keys.size(), 3u);
  EXPECT_EQ(more->subjects.size(), 2u);
}

// Whoever may read the category must see that an address ended.
TEST_F(SealingTest, ARestrictedEventWithEmptyFieldsOpensForItsCategory) {
  const Event event = SealToEvent(Header(), events::ConfidentialAddressSet());
  const auto opened = OpenOnly(event, {"confidential-address"});
  EXPECT_EQ(opened->type, events::ConfidentialAddressSet::descriptor()->full_name());
}

// CR-3.1.2b
TEST_F(SealingTest, RestrictedEventsOfDifferentKindsLookAlike) {
  events::AsbReportLinked report;
  report.set_kind("noise");
  events::CommunicationNeedsSet needs;
  needs.mutable_needs()->set_interpreter_needed(true);
  EventHeader header = Header();
  std::vector<Event> sealed;
  sealed.push_back(SealToEvent(header, report));
  header.actor = *SubjectId::Generate(random_);
  header.purpose = "asb-casework";
  header.causation.reset();
  sealed.push_back(SealToEvent(header, needs));
  for (Event& event : sealed) {
    EXPECT_EQ(event.sealed_size(), 4);
    for (auto& part : *event.mutable_sealed()) {
      EXPECT_EQ(part.key_reference().size(), kKeyReferenceSize);
      EXPECT_EQ(part.nonce().size(), kAeadNonceSize);
      EXPECT_EQ(part.ciphertext().size(), kAlikePartBytesMin + kAeadTagSize);
      part.Clear();
    }
  }
  EXPECT_EQ(sealed[0].SerializeAsString(), sealed[1].SerializeAsString());
}

TEST_F(SealingTest, RestrictedPartsAreMixedAndPaddedInNumber) {
  cases::Folded message;
  message.set_text("text");
  std::set<int> places;
  for (int round = 0; round < 40; ++round) {
    const Event event = SealToEvent(Header(), message);
    ASSERT_EQ(event.sealed_size(), 4);
    for (int i = 0; i < event.sealed_size(); ++i) {
      const KeyPurpose purpose = keys_.OpenReference(event.sealed(i).key_reference())->purpose;
      if (purpose.category == categories_.Find("asb")->number) places.insert(i);
    }
  }
  EXPECT_EQ(places.size(), 4u);
  events::ThirdPartyAuthorityRecorded authority;
  authority.set_third_party(std::string(16, 'p'));
  authority.set_name("name");
  EXPECT_EQ(SealToEvent(Header(), authority).sealed_size(), 4);
}

TEST_F(SealingTest, SizesAreOfClasses) {
  EXPECT_EQ(PaddedSize(0), 64u);
  EXPECT_EQ(PaddedSize(63), 64u);
  EXPECT_EQ(PaddedSize(64), 96u);
  EXPECT_EQ(PaddedSize(95), 96u);
  EXPECT_EQ(PaddedSize(96), 128u);
  EXPECT_EQ(PaddedSize(191), 192u);
  EXPECT_EQ(PaddedSize(192), 256u);
  // One category: whether it is filled is not hidden behind a larger size.
  events::SeparateSubmissionAdvised one;
  events::ContactRecorded several;
  std::set<size_t> sizes_of_one, sizes_of_several;
  for (size_t size = 0; size < 300; ++size) {
    one.set_advice(std::string(size, 'x'));
    several.mutable_contact()->set_summary(std::string(size, 'x'));
    sizes_of_one.insert(SealToEvent(Header(), one).sealed(0).ciphertext().size() - kAeadTagSize);
    sizes_of_several.insert(SealToEvent(Header(), several).sealed(0).ciphertext().size() -
                            kAeadTagSize);
  }
  EXPECT_THAT(sizes_of_one, ::testing::ElementsAre(64, 96, 128, 192, 256, 384));
  EXPECT_THAT(sizes_of_several, ::testing::ElementsAre(256, 384));
}

// Sizes of the parts, in their order: all that shows of them.
std::vector<size_t> ShapeOf(const Event& event) {
  std::vector<size_t> shape;
  for (const auto& part : event.sealed()) {
    shape.push_back(part.ByteSizeLong());
    EXPECT_EQ(part.key_reference().size(), kKeyReferenceSize);
    EXPECT_EQ(part.nonce().size(), kAeadNonceSize);
  }
  return shape;
}

// Sets the fields of the categories to something short.
void FillShortly(const std::set<std::string>& categories, Message* message) {
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const auto* field = message->GetDescriptor()->field(i);
    const auto& personal = field->options().GetExtension(records::log::v1::personal);
    if (!categories.contains(personal.category())) continue;
    if (field->message_type() != nullptr) {
      reflection->MutableMessage(message, field);
    } else if (field->is_repeated()) {
      reflection->AddString(message, field, "short");
    } else {
      reflection->SetString(message, field, "short");
    }
  }
}

// CR-3.1.2b: the clear envelope does not say whether there is data of a special category.
TEST_F(SealingTest, WhatAnOpenEventHoldsDoesNotShowInNumberSizeOrOrderOfItsParts) {
  size_t types_with_several = 0;
  for (const Descriptor* type : testing::EventTypes()) {
    if (type->options().GetExtension(records::log::v1::event_type).restricted()) continue;
    SCOPED_TRACE(type->full_name());
    // A part of another subject is there only with that subject.
    if (type == events::SubjectErasureDecided::descriptor()) continue;
    const std::set<std::string> all = CategoriesOf(*type);
    const std::vector<std::string> categories(all.begin(), all.end());
    types_with_several += categories.size() > 1 ? 1 : 0;
    std::vector<size_t> shape_of_none;
    for (size_t filled = 0; filled < size_t{1} << categories.size(); ++filled) {
      std::set<std::string> some;
      for (size_t i = 0; i < categories.size(); ++i) {
        if ((filled >> i) % 2 == 1) some.insert(categories[i]);
      }
      const std::unique_ptr<Message> message(
          MessageFactory::generated_factory()->GetPrototype(type)->New());
      FillShortly(some, message.get());
      const Event event = SealToEvent(Header(), *message);
      if (filled == 0) shape_of_none = ShapeOf(event);
      EXPECT_EQ(ShapeOf(event), shape_of_none);
      EXPECT_EQ(event.sealed_size(), static_cast<int>(categories.size()));
      const auto opened = OpenAll(event);
      EXPECT_TRUE(MessageDifferencer::Equals(*opened->message, *message));
      EXPECT_EQ(std::set<std::string>(opened->categories.begin(), opened->categories.end()), some);
    }
  }
  EXPECT_GE(types_with_several, 4u);
}

// The place of a part says which category it is of, so it must not say which others there are.
TEST_F(SealingTest, EachCategoryOfAnOpenTypeHasItsPlace) {
  events::ContactRecorded message;
  message.mutable_verbatim()->set_text("text");
  const Event event = SealToEvent(Header(), message);
  EXPECT_EQ(keys_.OpenReference(event.sealed(0).key_reference())->purpose.category, 0u);
  EXPECT_EQ(keys_.OpenReference(event.sealed(1).key_reference())->purpose.category,
            categories_.Find("contact-verbatim")->number);
}

// An empty part of an open type needs no key, and tells nobody that it was opened.
TEST_F(SealingTest, AnEmptyPartOfAnOpenTypeOpensForNobody) {
  events::ServiceRequestRaised message;
  const auto none = sealer_.Seal(Header(), message);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->keys.empty());
  Event event = SealToEvent(Header(), message);
  EXPECT_EQ(event.sealed_size(), 2);
  EXPECT_TRUE(OpenAll(event)->categories.empty());
  EXPECT_EQ(OpenAll(event)->type, message.GetDescriptor()->full_name());
  message.mutable_request()->set_description("no heating");
  event = SealToEvent(Header(), message);
  EXPECT_THAT(OpenAll(event)->categories, ::testing::ElementsAre("service-request"));
  EXPECT_TRUE(OpenOnly(event, {"vulnerability"})->categories.empty());
}

TEST_F(SealingTest, PaddingComesOffAndNothingElseIsTakenForIt) {
  for (size_t size = 0; size < 300; ++size) {
    std::string text(size, '\0');
    PadToSizeClass(text, 0);
    EXPECT_EQ(text.size(), PaddedSize(size));
    EXPECT_EQ(Unpad(text)->size(), size);
  }
  EXPECT_EQ(Unpad("").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Unpad(std::string(64, '\0')).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Unpad(std::string(65, '\x80')).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SealingTest, ScopesFollowTheCategory) {
  cases::Shapes message;
  message.set_amount(1);                     // contact: year
  message.set_flag(true);                    // asb: root
  message.mutable_tree()->set_text("text");  // identity: subject
  EventHeader header = Header();
  header.scope_time =
      absl::FromCivil(absl::CivilSecond(2024, 12, 31, 23, 59, 59), absl::UTCTimeZone());
  std::set<KeyPurpose> purposes;
  const Event event = SealToEvent(header, message);
  for (const auto& part : event.sealed()) {
    const KeyPurpose purpose = keys_.OpenReference(part.key_reference())->purpose;
    if (purpose.category != 0) purposes.insert(purpose);
  }
  const std::set<KeyPurpose> expected = {
      {header.subject, 1, {}},
      {header.subject, 3, {KeyScopeKind::kYear, 2024, {}}},
      {header.subject, 12, {KeyScopeKind::kRoot, 0, header.stream.root}}};
  EXPECT_EQ(purposes, expected);
  cases::Folded folded;
  bool month = false;
  const Event folded_event = SealToEvent(header, folded);
  for (const auto& part : folded_event.sealed()) {
    const KeyPurpose purpose = keys_.OpenReference(part.key_reference())->purpose;
    month |= purpose == KeyPurpose{header.subject, 65'535, {KeyScopeKind::kMonth, 202412, {}}};
  }
  EXPECT_TRUE(month);
}

// CR-3.1.3
TEST_F(SealingTest, AnAnonymousReportSealsItsActorAndCutsItsTimeToTheDay) {
  EventHeader header = Header();
  header.seal_actor = true;
  header.causation.reset();
  header.correlation.reset();
  header.time_precision = records::log::v1::TIME_PRECISION_DAY;
  header.occurred_at = absl::FromCivil(absl::CivilSecond(2026, 3, 4, 5, 6, 7), absl::UTCTimeZone());
  events::ContactRecorded message;
  message.mutable_contact()->set_summary("summary");
  const Event event = SealToEvent(header, message);
  EXPECT_EQ(event.actor(), "");
  EXPECT_EQ(absl::FromUnixMicros(event.occurred_at_us()),
            absl::FromCivil(absl::CivilDay(2026, 3, 4), absl::UTCTimeZone()));
  EXPECT_EQ(OpenAll(event)->actor, header.actor);
  EXPECT_TRUE(OpenOnly(event, {})->actor.is_nil());
  EXPECT_EQ(OpenAll(event)->purpose, header.purpose);
}

TEST_F(SealingTest, AnEndedKeyMakesItsPartAsIfItWereNotThere) {
  events::ContactRecorded message;
  message.mutable_contact()->set_summary("summary");
  message.mutable_verbatim()->set_text("text");
  const EventHeader header = Header();
  const Event event = SealToEvent(header, message);
  const auto year =
      static_cast<uint32_t>(absl::ToCivilYear(header.scope_time, absl::UTCTimeZone()).year());
  ASSERT_TRUE(keys_.EndKey({header.subject, 4, {KeyScopeKind::kYear, year, {}}}).ok());
  const auto opened = OpenAll(event);
  ASSERT_TRUE(opened.ok());
  message.clear_verbatim();
  EXPECT_TRUE(MessageDifferencer::Equals(*opened->message, message));
  EXPECT_THAT(opened->categories, ::testing::ElementsAre("contact"));
}

TEST_F(SealingTest, AfterANewKeyOfTheSameScopeThePartsOfTheEndedOneAreStillAsIfNotThere) {
  events::ContactRecorded message;
  message.mutable_contact()->set_summary("before");
  const EventHeader header = Header();
  const Event before = SealToEvent(header, message);
  const auto year =
      static_cast<uint32_t>(absl::ToCivilYear(header.scope_time, absl::UTCTimeZone()).year());
  const KeyPurpose contact{
      header.subject, categories_.Find("contact")->number, {KeyScopeKind::kYear, year, {}}};
  ASSERT_TRUE(keys_.EndKey(contact).ok());
  message.mutable_contact()->set_summary("after");
  const Event after = SealToEvent(header, message);
  ASSERT_TRUE(keys_.FindKey(contact)->has_value());

  const auto ended = OpenAll(before);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_TRUE(MessageDifferencer::Equals(*ended->message, events::ContactRecorded()));
  EXPECT_FALSE(ended->categories.contains("contact"));
  const auto opened = OpenAll(after);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(MessageDifferencer::Equals(*opened->message, message));

  // Changed bytes are still damage.
  Event changed = after;
  for (auto& part : *changed.mutable_sealed()) part.mutable_ciphertext()->back() ^= 1;
  EXPECT_EQ(OpenAll(changed).status().code(), absl::StatusCode::kDataLoss);
}

// Whoever may not open a category does not even make the store look for its key.
TEST_F(SealingTest, PermissionIsAskedBeforeTheKey) {
  events::AsbReported message;
  message.mutable_report()->set_description("text");
  Event event = SealToEvent(Header(), message);
  for (auto& part : *event.mutable_sealed()) part.set_ciphertext("damaged");
  EXPECT_TRUE(OpenOnly(event, {"identity"}).ok());
  EXPECT_EQ(OpenOnly(event, {"asb"}).status().code(), absl::StatusCode::kDataLoss);
}

// Errors.

TEST_F(SealingTest, FaultyAnnotationsAreRefusedAndNamed) {
  const auto check = [this](const Descriptor* type) {
    const absl::Status status = CheckAnnotations(*type, categories_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << type->full_name();
    return std::string(status.message());
  };
  EXPECT_THAT(check(cases::NotAnEvent::descriptor()), HasSubstr("not an event type"));
  EXPECT_THAT(check(cases::FaultyNothing::descriptor()), HasSubstr("FaultyNothing.text"));
  EXPECT_THAT(check(cases::FaultyRepeated::descriptor()), HasSubstr("FaultyRepeated.inner"));
  EXPECT_THAT(check(cases::FaultyBoth::descriptor()), HasSubstr("both"));
  EXPECT_THAT(check(cases::FaultyReason::descriptor()), HasSubstr("without a reason"));
  EXPECT_THAT(check(cases::FaultyCategory::descriptor()), HasSubstr("no-such-category"));
  EXPECT_THAT(check(cases::FaultySubject::descriptor()), HasSubstr("subject field"));
  EXPECT_THAT(check(cases::FaultySubjectType::descriptor()), HasSubstr("subject field"));
  EXPECT_THAT(check(cases::FaultyOpenFold::descriptor()), HasSubstr("fold"));
  EXPECT_THAT(check(cases::FaultyOpenFoldCategory::descriptor()), HasSubstr("fold"));
  EXPECT_THAT(check(cases::FaultyFoldSubject::descriptor()), HasSubstr("another subject"));
  EXPECT_THAT(check(cases::FaultyRestrictedClear::descriptor()),
              HasSubstr("clear in a restricted"));
  EXPECT_THAT(check(cases::FaultyCycle::descriptor()), HasSubstr("contains itself"));
  EXPECT_THAT(check(cases::FaultyBelow::descriptor()), HasSubstr("annotated below"));
}

TEST_F(SealingTest, WhatHasNoAnnotationIsNotSealed) {
  EXPECT_EQ(sealer_.Seal(Header(), cases::FaultyNothing()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sealer_.Seal(Header(), events::Restricted()).status().code(),
            absl::StatusCode::kInvalidArgument);
  // A field of a later version: no annotation known here speaks for it.
  events::ContactRecorded message;
  message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(99, "text");
  EXPECT_EQ(sealer_.Seal(Header(), message).status().code(), absl::StatusCode::kInvalidArgument);
  cases::Shapes shapes;
  auto* inner = shapes.mutable_first();
  inner->GetReflection()->MutableUnknownFields(inner)->AddVarint(99, 1);
  EXPECT_EQ(sealer_.Seal(Header(), shapes).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SealingTest, AnIncompleteHeaderIsRefused) {
  events::ContactRecorded message;
  message.mutable_contact()->set_summary("summary");
  const auto refused = [&](const EventHeader& header) {
    return sealer_.Seal(header, message).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EventHeader header = Header();
  header.id = EventId();
  EXPECT_TRUE(refused(header));
  header = Header();
  header.subject = SubjectId();
  EXPECT_TRUE(refused(header));
  header = Header();
  header.scope_time = absl::Time();
  EXPECT_TRUE(refused(header));
  header.scope_time = absl::InfiniteFuture();
  EXPECT_TRUE(refused(header));
  header = Header();
  header.seal_actor = true;
  message.Clear();
  EXPECT_TRUE(refused(header));
}

TEST_F(SealingTest, AFieldOfAnotherSubjectNeedsThatSubject) {
  events::HouseholdMemberAdded message;
  message.set_name("name");
  EXPECT_EQ(sealer_.Seal(Header(), message).status().code(), absl::StatusCode::kInvalidArgument);
  message.set_member("short");
  EXPECT_EQ(sealer_.Seal(Header(), message).status().code(), absl::StatusCode::kInvalidArgument);
  message.set_member(std::string(16, 'm'));
  EXPECT_TRUE(sealer_.Seal(Header(), message).ok());
}

TEST_F(SealingTest, AFencedSubjectIsRefused) {
  events::HouseholdMemberAdded message;
  message.set_member(std::string(16, 'm'));
  message.set_name("name");
  ASSERT_TRUE(keys_.Fence(*SubjectId::FromBytes(message.member())).ok());
  const absl::Status status = sealer_.Seal(Header(), message).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("SUBJECT_FENCED"));
}

TEST_F(SealingTest, AnEventIsAtMostTheLimit) {
  events::ContactRecorded message;
  message.mutable_contact()->set_summary(std::string(300 * 1024, 'x'));
  EXPECT_TRUE(sealer_.Seal(Header(), message).ok());
  message.mutable_contact()->set_summary(std::string(600 * 1024, 'x'));
  EXPECT_EQ(sealer_.Seal(Header(), message).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SealingTest, AnyChangedBitIsRefused) {
  testing::RandomMessage random(9);
  events::ContactRecorded message;
  random.Fill(&message);
  message.mutable_verbatim()->set_text("text");
  message.mutable_contact()->set_summary("summary");
  const Event event = SealToEvent(Header(), message);
  for (int part = 0; part < event.sealed_size(); ++part) {
    for (int region = 0; region < 3; ++region) {
      const auto bytes_of = [part, region](Event& of) {
        auto* sealed = of.mutable_sealed(part);
        return region == 0   ? sealed->mutable_key_reference()
               : region == 1 ? sealed->mutable_nonce()
                             : sealed->mutable_ciphertext();
      };
      Event copy = event;
      const size_t size = bytes_of(copy)->size();
      for (size_t byte = 0; byte < size; ++byte) {
        copy = event;
        (*bytes_of(copy))[byte] ^= static_cast<char>(1 << (byte % 8));
        ASSERT_EQ(OpenAll(copy).status().code(), absl::StatusCode::kDataLoss) << region << byte;
      }
      copy = event;
      bytes_of(copy)->pop_back();
      EXPECT_EQ(OpenAll(copy).status().code(), absl::StatusCode::kDataLoss);
      bytes_of(copy)->clear();
      EXPECT_EQ(OpenAll(copy).status().code(), absl::StatusCode::kDataLoss);
      copy = event;
      bytes_of(copy)->push_back('x');
      EXPECT_EQ(OpenAll(copy).status().code(), absl::StatusCode::kDataLoss);
    }
  }
}

TEST_F(SealingTest, APartFitsItsOwnEventOnly) {
  events::ContactRecorded message;
  message.mutable_contact()->set_summary("summary");
  message.mutable_verbatim()->set_text("text");
  EventHeader header = Header();
  const Event event = SealToEvent(header, message);
  header.id = *EventId::Generate(random_);
  const Event other = SealToEvent(header, message);
  const auto is_damage = [this](const Event& changed) {
    return OpenAll(changed).status().code() == absl::StatusCode::kDataLoss;
  };
  Event changed = event;
  *changed.mutable_sealed(0) = other.sealed(0);
  EXPECT_TRUE(is_damage(changed));  // a part of another event, under the same key
  changed = event;
  std::swap(*changed.mutable_sealed(0)->mutable_key_reference(),
            *changed.mutable_sealed(1)->mutable_key_reference());
  EXPECT_TRUE(is_damage(changed));
  changed = event;
  changed.mutable_sealed(0)->set_key_reference(other.sealed(0).key_reference());
  EXPECT_TRUE(is_damage(changed));
  changed = event;
  *changed.add_sealed() = event.sealed(0);
  EXPECT_TRUE(is_damage(changed));
  changed = event;
  changed.mutable_stream()->set_sub_stream("other");
  EXPECT_TRUE(is_damage(changed));
  changed = event;
  changed.mutable_stream()->set_organisation("northcustom");
  changed.mutable_stream()->set_collection("ers");
  EXPECT_TRUE(is_damage(changed));
  changed = event;
  changed.set_type(events::ContactCorrected::descriptor()->full_name());
  EXPECT_TRUE(is_damage(changed));
}

TEST_F(SealingTest, ATypeThatCannotBeOneIsDamage) {
  events::AsbReported message;
  Event event = SealToEvent(Header(), message);
  const auto code = [this](const Event& changed) { return OpenAll(changed).status().code(); };
  event.set_facts("facts");
  EXPECT_EQ(code(event), absl::StatusCode::kDataLoss);
  event.clear_facts();
  event.set_type("records.events.v1.NoSuchType");
  EXPECT_EQ(code(event), absl::StatusCode::kDataLoss);
  event.set_type("records.events.v1.Contact");
  EXPECT_EQ(code(event), absl::StatusCode::kDataLoss);
  event.set_type(message.GetDescriptor()->full_name());
  EXPECT_EQ(code(event), absl::StatusCode::kDataLoss);
  Event open = SealToEvent(Header(), events::ContactRecorded());
  open.set_facts("\xff");
  EXPECT_EQ(code(open), absl::StatusCode::kDataLoss);
  open.clear_facts();
  open.set_actor("short");
  EXPECT_EQ(code(open), absl::StatusCode::kDataLoss);
}

TEST_F(SealingTest, TooManyPartsAreDamage) {
  Event event = SealToEvent(Header(), events::ContactRecorded());
  const std::string dummy = *keys_.MakeReference({});
  for (size_t i = 2; i < kSealedPartsMax; ++i) event.add_sealed()->set_key_reference(dummy);
  EXPECT_TRUE(OpenAll(event).ok());
  event.add_sealed()->set_key_reference(dummy);
  EXPECT_EQ(OpenAll(event).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SealingTest, AnotherStoresEventDoesNotOpen) {
  events::ContactRecorded message;
  message.mutable_contact()->set_summary("summary");
  const Event event = SealToEvent(Header(), message);
  testing::MemoryKeyStore other_keys(clock_, random_);
  const Sealer other(other_keys, categories_, random_);
  EXPECT_EQ(other.Open(event, [](absl::string_view) { return true; }).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(CategoryTableTest, FindsByIdAndNumberAndRefusesFaultyRules) {
  const CategoryTable table = testing::TestCategories();
  EXPECT_EQ(table.Find("asb"), table.Find(12));
  EXPECT_EQ(table.Find("asb")->scope, KeyScopeKind::kRoot);
  EXPECT_EQ(table.Find("none"), nullptr);
  EXPECT_EQ(table.Find(0), nullptr);
  EXPECT_FALSE(CategoryTable::Create({{"a", 1}, {"a", 2}}).ok());
  EXPECT_FALSE(CategoryTable::Create({{"a", 1}, {"b", 1}}).ok());
  EXPECT_FALSE(CategoryTable::Create({{"a", 0}}).ok());
  EXPECT_FALSE(CategoryTable::Create({{"a", 65'536}}).ok());
  EXPECT_TRUE(CategoryTable::Create({{"a", 65'535}}).ok());
  EXPECT_FALSE(CategoryTable::Create({{"", 1}}).ok());
}

}  // namespace
}  // namespace records::eventstore
