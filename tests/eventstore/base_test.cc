#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <string>

#include "absl/hash/hash_testing.h"
#include "absl/strings/ascii.h"
#include "absl/types/span.h"
#include "eventstore/clock.h"
#include "eventstore/ids.h"
#include "eventstore/random.h"
#include "eventstore/status_macros.h"
#include "gtest/gtest.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

class BrokenRandom final : public Random {
 public:
  absl::Status Fill(absl::Span<uint8_t>) override { return absl::UnavailableError("broken"); }
};

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  ASSIGN_OR_RETURN(const int half, Half(number));
  int quarter = 0;
  ASSIGN_OR_RETURN(quarter, Half(half));
  return quarter;
}

absl::Status CheckQuarter(int number) {
  RETURN_IF_ERROR(Quarter(number).status());
  return absl::OkStatus();
}

TEST(SystemRandomTest, SmallDrawsNeverRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(static_cast<size_t>(8 + i % 9), '\0');
    ASSERT_TRUE(SystemRandom()
                    .Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()))
                    .ok());
    EXPECT_TRUE(seen.insert(bytes.substr(0, 8)).second);
  }
}

// Two processes with the same nonces would undo the sealing of both.
TEST(SystemRandomTest, AChildProcessDrawsOtherBytesThanItsParent) {
  std::array<uint8_t, 12> bytes{};
  ASSERT_TRUE(SystemRandom().Fill(absl::MakeSpan(bytes)).ok());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  ASSERT_TRUE(SystemRandom().Fill(absl::MakeSpan(bytes)).ok());
  if (child == 0) _exit(write(ends[1], bytes.data(), bytes.size()) == 12 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::array<uint8_t, 12> of_child{};
  ASSERT_EQ(read(ends[0], of_child.data(), of_child.size()), 12);
  close(ends[0]);
  close(ends[1]);
  EXPECT_NE(bytes, of_child);
}

TEST(StatusMacrosTest, ValuesPassAndErrorsReturn) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(CheckQuarter(4).ok());
  EXPECT_EQ(CheckQuarter(1).message(), "odd");
}

TEST(ClockTest, ManualClockMovesOnlyWhenTold) {
  ManualClock clock(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch() + absl::Seconds(5));
  clock.Set(absl::UnixEpoch() - absl::Hours(1));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch() - absl::Hours(1));
}

TEST(ClockTest, SystemClockIsNearTheMachinesTime) {
  EXPECT_LT(absl::AbsDuration(SystemClock().Now() - absl::Now()), absl::Minutes(1));
}

TEST(RandomTest, SameSeedGivesSameBytesAndAnotherSeedOthers) {
  std::array<uint8_t, 37> first{}, second{}, third{};
  ASSERT_TRUE(SeededRandom(7).Fill(absl::MakeSpan(first)).ok());
  ASSERT_TRUE(SeededRandom(7).Fill(absl::MakeSpan(second)).ok());
  ASSERT_TRUE(SeededRandom(8).Fill(absl::MakeSpan(third)).ok());
  EXPECT_EQ(first, second);
  EXPECT_NE(first, third);
}

TEST(RandomTest, SystemRandomFillsAndTakesAnEmptySpan) {
  std::array<uint8_t, 32> first{}, second{};
  ASSERT_TRUE(SystemRandom().Fill(absl::MakeSpan(first)).ok());
  ASSERT_TRUE(SystemRandom().Fill(absl::MakeSpan(second)).ok());
  EXPECT_NE(first, second);
  EXPECT_TRUE(SystemRandom().Fill({}).ok());
}

TEST(IdTest, GeneratedIdsAreDistinctUuidsOfVersionFour) {
  SeededRandom random(1);
  std::set<EventId> seen;
  for (int i = 0; i < 1000; ++i) {
    const EventId id = *EventId::Generate(random);
    const std::string text = id.ToUuid();
    EXPECT_EQ(text[14], '4');
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(IdTest, EveryFormReadsBackToTheSameId) {
  SeededRandom random(2);
  const RootId id = *RootId::Generate(random);
  EXPECT_EQ(*RootId::FromBytes(id.bytes()), id);
  EXPECT_EQ(*RootId::FromHex(id.ToHex()), id);
  EXPECT_EQ(*RootId::FromUuid(id.ToUuid()), id);
  EXPECT_EQ(*RootId::FromUuid(absl::AsciiStrToUpper(id.ToUuid())), id);
  EXPECT_EQ(RootId(id.array()), id);
}

TEST(IdTest, OrderFollowsTheBytesAndHashesAgreeWithEquality) {
  const EventId low = *EventId::FromHex("00000000000000000000000000000001");
  const EventId high = *EventId::FromHex("f0000000000000000000000000000000");
  EXPECT_LT(low, high);
  EXPECT_TRUE(EventId().is_nil());
  EXPECT_FALSE(low.is_nil());
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({low, high, EventId()}));
}

// The examples of RFC 9562 appendix A and B, versions 1, 3, 4, 5, 6, 7 and 8.
TEST(UuidTest, EveryVersionOfTheStandardIsAccepted) {
  for (const char* text :
       {"C232AB00-9414-11EC-B3C8-9F6BDECED846", "5df41881-3aed-3515-88a7-2f4a814cf09e",
        "919108f7-52d1-4320-9bac-f847db4148a8", "2ed6657d-e927-568b-95e1-2665a8aea6a2",
        "1EC9414C-232A-6B00-B3C8-9F6BDECED846", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
        "5c146b14-3c52-8afd-938a-375d0df1fbf6"}) {
    const absl::StatusOr<RequestId> id = RequestId::FromUuid(text);
    ASSERT_TRUE(id.ok()) << text;
    EXPECT_EQ(id->ToUuid(), absl::AsciiStrToLower(text));
  }
}

TEST(UuidTest, NilMaxOtherVariantsAndOtherFormsAreRefused) {
  for (const char* text :
       {"", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "919108f7-52d1-4320-1bac-f847db4148a8", "919108f7-52d1-4320-cbac-f847db4148a8",
        "919108f752d143209bacf847db4148a8", "{919108f7-52d1-4320-9bac-f847db4148a8}",
        "urn:uuid:919108f7-52d1-4320-9bac-f847db4148a8", "919108f7-52d1-4320-9bac-f847db4148a",
        "919108f7-52d1-4320-9bac-f847db4148a8 ", "919108f7-52d1-4320-9bac-f847db4148ag",
        "919108f-752d1-4320-9bac-f847db4148a8", "919108f7_52d1_4320_9bac_f847db4148a8"}) {
    EXPECT_EQ(RequestId::FromUuid(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(IdTest, NilAndMalformedBytesAndHexAreRefused) {
  EXPECT_FALSE(KeyId::FromBytes(std::string(16, '\0')).ok());
  EXPECT_FALSE(KeyId::FromBytes(std::string(15, 'x')).ok());
  EXPECT_FALSE(KeyId::FromBytes(std::string(17, 'x')).ok());
  EXPECT_FALSE(KeyId::FromHex(std::string(32, '0')).ok());
  EXPECT_FALSE(KeyId::FromHex(std::string(31, '1')).ok());
  EXPECT_FALSE(KeyId::FromHex(std::string(31, '1') + "x").ok());
}

TEST(IdTest, MessagesDoNotRepeatTheInput) {
  const absl::Status status = RequestId::FromUuid("secretsecretsecretsecretsecretsecret").status();
  EXPECT_EQ(status.message().find("secret"), std::string::npos);
}

TEST(IdTest, BrokenRandomGivesAnErrorAndNoId) {
  BrokenRandom random;
  EXPECT_EQ(SubjectId::Generate(random).status().code(), absl::StatusCode::kUnavailable);
}

// Whatever text is read must be one that formatting gives back, in either case.
TEST(UuidTest, OnlyTextsThatFormatBackAreEverAccepted) {
  std::mt19937_64 generator(SeedOfRun());
  const std::string alphabet = "0123456789abcdefABCDEF-g {";
  const std::string good = "919108f7-52d1-4320-9bac-f847db4148a8";
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = good;
    for (uint64_t change = generator() % 4; change > 0; --change) {
      text[generator() % text.size()] = alphabet[generator() % alphabet.size()];
    }
    if (generator() % 16 == 0) text.resize(generator() % 40, '1');
    const absl::StatusOr<RequestId> id = RequestId::FromUuid(text);
    if (!id.ok()) continue;
    ++accepted;
    ASSERT_EQ(id->ToUuid(), absl::AsciiStrToLower(text));
  }
  EXPECT_GT(accepted, 1000);
}

TEST(PositionTest, OrderIsBySequenceWithinAPartition) {
  EXPECT_LT((Position{1, 5}), (Position{1, 6}));
  EXPECT_EQ((Position{1, 5}), (Position{1, 5}));
  EXPECT_LT((Revision{4}), (Revision{5}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({Position{1, 2}, Position{2, 1}}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({Revision{1}, Revision{2}}));
}

}  // namespace
}  // namespace records::eventstore
