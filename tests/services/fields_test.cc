#include "services/validation/fields.h"

#include <cstdint>
#include <random>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "records/events/v1/contact.pb.h"
#include "services/errors/errors.h"
#include "tests/seed.h"
#include "tests/services/contact_examples.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;

bool TextPasses(absl::string_view text, size_t min, size_t max) {
  FieldChecker check;
  check.Text("field", text, min, max);
  return check.Finish().ok();
}

std::string Repeated(absl::string_view text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&all, text);
  return all;
}

TEST(FieldsTest, LengthIsCountedInCodePointsUpToTheLimitAndNotBeyond) {
  for (absl::string_view character : {"a", "é", "€", "😀"}) {
    EXPECT_TRUE(TextPasses(Repeated(character, 9), 1, 10)) << character;
    EXPECT_TRUE(TextPasses(Repeated(character, 10), 1, 10)) << character;
    EXPECT_FALSE(TextPasses(Repeated(character, 11), 1, 10)) << character;
  }
  EXPECT_FALSE(TextPasses("", 1, 10));
  EXPECT_TRUE(TextPasses("", 0, 10));
}

TEST(FieldsTest, LineFeedAndTabPassAndOtherControlCharactersDoNot) {
  EXPECT_TRUE(TextPasses("first\nsecond\tthird", 1, 100));
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\n' || c == '\t') continue;
    EXPECT_FALSE(TextPasses(absl::StrCat("a", std::string(1, static_cast<char>(c))), 0, 9)) << c;
  }
  EXPECT_FALSE(TextPasses("a\x7f", 0, 9));
  EXPECT_FALSE(TextPasses("a\xc2\x80", 0, 9)) << "U+0080";
  EXPECT_FALSE(TextPasses("a\xc2\x9b", 0, 9)) << "U+009B, the start of a terminal's control code";
  EXPECT_TRUE(TextPasses("a\xc2\xa0", 0, 9)) << "U+00A0";
}

TEST(FieldsTest, WhatIsNoUtf8IsRefused) {
  const struct {
    const char* bytes;
    const char* what;
  } kBad[] = {{"\x80", "a continuation alone"},
              {"\xc3", "cut short"},
              {"\xe2\x82", "cut short"},
              {"\xf0\x9f\x98", "cut short"},
              {"\xc3\x28", "no continuation"},
              {"\xc0\xaf", "overlong in two bytes"},
              {"\xc1\xbf", "overlong in two bytes"},
              {"\xe0\x80\xaf", "overlong in three bytes"},
              {"\xf0\x80\x80\xaf", "overlong in four bytes"},
              {"\xed\xa0\x80", "a surrogate"},
              {"\xed\xbf\xbf", "a surrogate"},
              {"\xf4\x90\x80\x80", "above U+10FFFF"},
              {"\xf8\x88\x80\x80\x80", "five bytes"},
              {"\xff", "never a byte of UTF-8"}};
  for (const auto& bad : kBad) EXPECT_FALSE(TextPasses(bad.bytes, 0, 100)) << bad.what;
  for (const char* good : {"\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\xe0\xa0\x80"}) {
    EXPECT_TRUE(TextPasses(good, 0, 100));
  }
}

TEST(FieldsTest, RequiredTextOfWhiteSpaceAloneIsRefused) {
  EXPECT_FALSE(TextPasses(" ", 1, 10));
  EXPECT_FALSE(TextPasses(" \t\n ", 1, 10));
  EXPECT_TRUE(TextPasses(" ", 0, 10));
  EXPECT_TRUE(TextPasses(" a ", 1, 10));
}

TEST(FieldsTest, DatesThatDoNotExistAreRefused) {
  const struct {
    int year, month, day;
    bool exists;
  } kCases[] = {{2026, 2, 28, true},
                {2026, 2, 29, false},
                {2024, 2, 29, true},
                {2026, 13, 1, false},
                {2026, 0, 1, false},
                {2026, 4, 31, false},
                {0, 1, 1, false},
                {1, 1, 1, true},
                {9999, 12, 31, true},
                {10'000, 1, 1, false},
                {2026, 1, 0, false},
                {INT32_MAX, INT32_MAX, INT32_MAX, false},
                {INT32_MIN, INT32_MIN, INT32_MIN, false}};
  for (const auto& c : kCases) {
    ev::Date date;
    date.set_year(c.year);
    date.set_month(c.month);
    date.set_day(c.day);
    FieldChecker check;
    check.CalendarDate("date", date, true, true);
    EXPECT_EQ(check.Finish().ok(), c.exists) << date.ShortDebugString();
  }
  FieldChecker unset;
  unset.CalendarDate("date", {}, false, true);
  EXPECT_FALSE(unset.Finish().ok());
  FieldChecker optional;
  optional.CalendarDate("date", {}, false, false);
  EXPECT_TRUE(optional.Finish().ok());
}

TEST(FieldsTest, ATimeMayBeAheadOfTheClockByTheSkewAndNoMore) {
  const absl::Time now = absl::FromUnixSeconds(1'767'225'600);
  const auto passes = [&](int64_t microseconds) {
    FieldChecker check;
    check.PastTime("time", microseconds, now);
    return check.Finish().ok();
  };
  const int64_t limit = absl::ToUnixMicros(now + FieldChecker::kClockSkew);
  EXPECT_TRUE(passes(0));
  EXPECT_TRUE(passes(limit));
  EXPECT_FALSE(passes(limit + 1));
  EXPECT_FALSE(passes(-1));
  EXPECT_FALSE(passes(INT64_MAX));
}

TEST(FieldsTest, AllThatIsWrongIsNamedAtOnce) {
  FieldChecker check;
  check.Text("first", "", 1, 10);
  check.Text("second", "fine", 1, 10);
  check.Require(false, "third", "must hold");
  const absl::Status status = check.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetails details = DetailsOf(status);
  ASSERT_EQ(details.fields.size(), 2u);
  EXPECT_EQ(details.fields[0].field, "first");
  EXPECT_EQ(details.fields[1].field, "third");
}

// Card numbers.

bool Refused(const std::string& summary) {
  api::v1::RecordContactRequest request = testing::GoodRecordContact();
  request.mutable_contact()->set_summary(summary);
  const absl::Status status = RefuseCardNumbers(request);
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(status), "CARD_NUMBER");
    EXPECT_EQ(std::string(status.message()).find_first_of("0123456789"), std::string::npos)
        << "a refusal repeats no digit";
  }
  return !status.ok();
}

// CR-NEVER-PAYMENT-DATA, RC-6
TEST(CardNumberTest, NumbersThatPassTheLuhnCheckAreFoundHoweverTheyAreWritten) {
  for (const char* text : {
           "4111111111111111",
           "paid with 4111 1111 1111 1111.",
           "4111-1111-1111-1111",
           "card:5555555555554444,thanks",
           "378282246310005",
           "3782 822463 10005",
           "6011 1111 1111 1117",
           "4222222222222",        // 13 digits
           "6304000000000000000",  // 19 digits
           "1234 5678 1234 5670",
           "4111 1111 1111 1111 12/27",
           "4111 1111 1111 1111 123",
           "paid 25 4111111111111111 today",
           "3 4111 1111 1111 1111",
           "first line\n4111 1111 1111 1111\nlast line",
       }) {
    EXPECT_TRUE(Refused(text)) << text;
  }
}

// RC-6
TEST(CardNumberTest, OtherNumbersPass) {
  for (const char* text : {
           "4111111111111112",   // Luhn fails
           "call 07700 900123",  // a telephone number
           "07700 900123 0151 496 0000",
           "+44 20 7946 0958",
           "born 31-01-1980, moved 2026-11-22",
           "422222222222",          // 12 digits
           "63040000000000000000",  // 20 digits
           "4111 1111 x 1111 1111",
           "ten boxes, 3 rooms, 120 pounds",
           "",
       }) {
    EXPECT_FALSE(Refused(text)) << text;
  }
}

// RC-6
TEST(CardNumberTest, EveryTextIsSearchedAndReferencesOfOtherSystemsArePassedOver) {
  const std::string card = "4111111111111111";
  auto request = testing::GoodRecordContact();
  request.set_customer(card);
  request.set_applicant(card);
  request.mutable_contact()->set_source_key(card);
  *request.mutable_service_request() = testing::GoodRepair();
  request.mutable_service_request()->mutable_request()->set_source_key(card);
  EXPECT_TRUE(RefuseCardNumbers(request).ok());
  const auto refused = [&](auto change) {
    auto changed = request;
    change(changed);
    return !RefuseCardNumbers(changed).ok();
  };
  EXPECT_TRUE(refused([&](auto& r) { r.mutable_contact()->add_subjects(card); }));
  EXPECT_TRUE(refused([&](auto& r) { r.mutable_contact()->add_actions()->set_description(card); }));
  EXPECT_TRUE(refused([&](auto& r) { r.mutable_contact()->set_place(card); }));
  EXPECT_TRUE(refused([&](auto& r) { r.mutable_verbatim()->set_text(card); }));
  EXPECT_TRUE(refused([&](auto& r) { r.mutable_service_request()->add_vulnerabilities(card); }));

  api::v1::ImportContactsRequest row;
  *row.mutable_customer()->mutable_person() = testing::GoodPerson(card);
  *row.mutable_customer()->mutable_tenancy() = testing::GoodTenancy(card);
  EXPECT_TRUE(RefuseCardNumbers(row).ok());
  row.mutable_customer()->mutable_person()->set_name(card);
  EXPECT_FALSE(RefuseCardNumbers(row).ok());
}

// The check digit of ISO/IEC 7812-1, reckoned by its own words: from the right, double every
// second.
std::string WithCheckDigit(std::string digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const int digit = digits[digits.size() - 1 - i] - '0';
    const int doubled = 2 * digit;
    sum += i % 2 == 0 ? doubled / 10 + doubled % 10 : digit;
  }
  return digits + static_cast<char>('0' + (10 - sum % 10) % 10);
}

// RC-6
TEST(CardNumberTest, AnyCardIsFoundInAnyGroupingAndBesideOtherNumbers) {
  std::mt19937 random(SeedOfRun());
  const auto below = [&random](uint32_t bound) { return random() % bound; };
  for (int i = 0; i < 5'000; ++i) {
    std::string digits(1, static_cast<char>('3' + below(4)));
    while (digits.size() < 12 + below(7)) digits.push_back(static_cast<char>('0' + below(10)));
    const std::string card = WithCheckDigit(digits);
    std::string grouped;
    for (char c : card) {
      if (!grouped.empty() && absl::ascii_isdigit(grouped.back()) && below(4) == 0) {
        grouped.push_back(below(2) == 0 ? ' ' : '-');
      }
      grouped.push_back(c);
    }
    const std::string text = absl::StrCat(below(2) == 0 ? "for 25 " : "card ", grouped,
                                          below(2) == 0 ? " 12/27" : " please");
    ASSERT_TRUE(Refused(text)) << text;
    // One wrong digit, alone in its text, is no card number.
    std::string wrong = card;
    wrong.back() = static_cast<char>('0' + (wrong.back() - '0' + 1 + below(9)) % 10);
    ASSERT_FALSE(Refused(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace records::services
