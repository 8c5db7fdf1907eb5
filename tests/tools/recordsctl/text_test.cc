#include "tools/recordsctl/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/seed.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(TextTest, OrdinaryTextOfAnyLanguageStaysAsItIs) {
  EXPECT_EQ(Printable("Zoë’s flat, 二階"), "Zoë’s flat, 二階");
}

TEST(TextTest, ControlCharactersAreShownAndNotSent) {
  EXPECT_EQ(Printable("a\x1b[2Jb\x07"), "a\\x1b[2Jb\\x07");
  EXPECT_EQ(Printable("\x7f"), "\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\x9b");  // C1: one-character escape sequence
}

TEST(TextTest, CharactersThatTurnTheDirectionOfTextAreShownAndNotSent) {
  EXPECT_EQ(Printable("a\u202Eb"), "a\\u{202e}b");
  EXPECT_EQ(Printable("a\u2066b"), "a\\u{2066}b");
}

TEST(TextTest, BytesThatAreNotUtf8AreShownOneByOne) {
  EXPECT_EQ(Printable("a\xff\xc3"), "a\\xff\\xc3");
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");           // an overlong form
}

TEST(TextTest, LineFeedsStayOnlyWhereLinesAreKept) {
  EXPECT_EQ(Printable("a\nb\tc"), "a b c");
  EXPECT_EQ(Printable("a\nb\tc", true), "a\nb c");
  EXPECT_EQ(Printable("a\r\nb", true), "a\\x0d\nb");
}

TEST(TextTest, JsonKeepsItsMeaningAndLosesWhatDrivesATerminal) {
  EXPECT_EQ(PrintableJson("{\"a\":\"\xc2\x9b\u202E\U000E0041\"}"),
            "{\"a\":\"\\u009b\\u202e\\udb40\\udc41\"}");
}

TEST(TextTest, NoRandomBytesReachTheTerminalAsControls) {
  std::mt19937 random(SeedOfRun());
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(random() % 24, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const std::string shown = Printable(bytes);
    ASSERT_TRUE(IsUtf8(shown));
    for (const char c : shown) {
      ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
    ASSERT_EQ(Printable(shown), shown);
  }
}

TEST(TextTest, WideAndCombiningCharactersCountAsTheyLook) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("二階"), 4u);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1u);
}

TEST(TextTest, LinesBreakAtSpacesAndInAWordOnlyWhenItIsTooLong) {
  EXPECT_THAT(Wrap("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(Wrap("a\nb", 10), ElementsAre("a", "b"));
  EXPECT_THAT(Wrap("", 10), ElementsAre(""));
  EXPECT_THAT(Wrap("二階二階", 5), ElementsAre("二階", "二階"));
}

TEST(TextTest, CuttingNeverHalvesACharacter) {
  EXPECT_EQ(CutCharacters("Zoë", 3), "Zoë");
  EXPECT_EQ(CutCharacters("Zoës flat", 4), "Zoë…");
  EXPECT_EQ(CharacterCount("Zoë…"), 4u);
}

TEST(TextTest, TheClosestNameIsSuggestedAndNothingThatIsFar) {
  EXPECT_EQ(Closest("phne", {"phone", "email"}), "phone");
  EXPECT_EQ(Closest("xyz", {"phone", "email"}), "");
}

TEST(TableTest, ColumnsLineUpAndLinesFitTheWidth) {
  Table table({"WHO", "WHAT"});
  table.AddRow({"二", "short"});
  table.AddRow({"amy", "a text that is much too long for one line of this table"});
  const std::string lines = table.Render(30);
  EXPECT_THAT(lines, HasSubstr("二   short\n"));
  EXPECT_THAT(lines, HasSubstr("amy  a text"));
  for (size_t start = 0; start < lines.size();) {
    const size_t end = lines.find('\n', start);
    EXPECT_LE(DisplayWidth(lines.substr(start, end - start)), 30u);
    start = end + 1;
  }
}

TEST(TableTest, ACellCannotDriveTheTerminal) {
  Table table({"WHAT"});
  table.AddRow({"\x1b]0;title\x07"});
  EXPECT_THAT(table.Render(80), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace records::tools
