#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "eventstore/crypto.h"
#include "gtest/gtest.h"

// Looks through the memory of this process for keys. No test here ever holds a key but in
// SecretBytes: the search computes each byte when it compares.

namespace records::eventstore {
namespace {

constexpr size_t kKeySize = 32;

uint8_t KeyByte(uint32_t key, size_t i) {
  return static_cast<uint8_t>((key * 2654435761u + i * 40503u) >> 7 ^ 0x5a);
}

SecretBytes MakeKey(uint32_t key) {
  SecretBytes secret(kKeySize);
  const absl::Span<uint8_t> bytes = secret.mutable_span();
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = KeyByte(key, i);
  return secret;
}

struct Mapping {
  uint64_t begin;
  uint64_t end;
};

std::vector<Mapping> WritableMappings() {
  std::vector<Mapping> mappings;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(' ', 2));
    const std::vector<std::string> range = absl::StrSplit(fields[0], '-');
    Mapping mapping{};
    if (fields[1].substr(0, 2) == "rw" && absl::SimpleHexAtoi(range[0], &mapping.begin) &&
        absl::SimpleHexAtoi(range[1], &mapping.end)) {
      mappings.push_back(mapping);
    }
  }
  return mappings;
}

size_t CountIn(absl::Span<const uint8_t> bytes, uint32_t key) {
  size_t count = 0;
  for (size_t start = 0; start + kKeySize <= bytes.size(); ++start) {
    size_t i = 0;
    while (i < kKeySize && bytes[start + i] == KeyByte(key, i)) ++i;
    if (i == kKeySize) ++count;
  }
  return count;
}

// What the search reads into, and leaves out.
uint8_t search_buffer[size_t{1} << 20];

size_t CountInRange(int memory, uint64_t begin, uint64_t end, uint32_t key) {
  size_t count = 0;
  while (begin + kKeySize <= end) {
    const size_t size = std::min<uint64_t>(sizeof(search_buffer), end - begin);
    const ssize_t got = pread(memory, search_buffer, size, static_cast<off_t>(begin));
    if (got < static_cast<ssize_t>(kKeySize)) break;
    count += CountIn(absl::MakeConstSpan(search_buffer, static_cast<size_t>(got)), key);
    // Places at the seam are looked at in the next round only.
    begin += static_cast<uint64_t>(got) - (kKeySize - 1);
  }
  return count;
}

// Returns in how many places of the writable memory the key stands.
size_t CountInMemory(uint32_t key) {
  const auto own_begin = reinterpret_cast<uint64_t>(search_buffer);
  const uint64_t own_end = own_begin + sizeof(search_buffer);
  size_t count = 0;
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  for (const Mapping& mapping : WritableMappings()) {
    const uint64_t before = std::clamp(own_begin, mapping.begin, mapping.end);
    const uint64_t after = std::clamp(own_end, mapping.begin, mapping.end);
    count += CountInRange(memory, mapping.begin, before, key);
    count += CountInRange(memory, after, mapping.end, key);
  }
  close(memory);
  std::fill(std::begin(search_buffer), std::end(search_buffer), uint8_t{0});
  return count;
}

class KeyWipingTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizer maps terabytes and keeps freed memory";
#endif
    if (access("/proc/self/mem", R_OK) != 0) GTEST_SKIP() << "no /proc/self/mem here";
  }
};

TEST_F(KeyWipingTest, TheSearchFindsALivingKeyAndNotADestroyedOne) {
  {
    const SecretBytes key = MakeKey(1);
    EXPECT_EQ(CountInMemory(1), 1u);
  }
  EXPECT_EQ(CountInMemory(1), 0u);
}

TEST_F(KeyWipingTest, SealingAndOpeningLeaveNoKey) {
  {
    const Aead aead = *Aead::Create(MakeKey(2));
    const std::string nonce(12, 'n');
    const std::string sealed = *aead.Seal(nonce, "message", "place");
    EXPECT_EQ(CountInMemory(2), 1u);
    EXPECT_TRUE(aead.Open(nonce, sealed, "place").ok());
    EXPECT_FALSE(aead.Open(nonce, sealed, "elsewhere").ok());
  }
  EXPECT_EQ(CountInMemory(2), 0u);
}

TEST_F(KeyWipingTest, DerivingAndAuthenticatingLeaveNoKey) {
  {
    const SecretBytes key = MakeKey(3);
    HmacSha256(key, "message");
    EXPECT_TRUE(HkdfSha256(key, "salt", "use", 32).ok());
    EXPECT_TRUE(DeterministicAead::Create(key)->Seal("token", "caller").ok());
  }
  EXPECT_EQ(CountInMemory(3), 0u);
}

TEST_F(KeyWipingTest, SigningLeavesNoKey) {
  {
    const Ed25519PrivateKey key = *Ed25519PrivateKey::FromSeed(MakeKey(4));
    EXPECT_TRUE(key.Sign("message").ok());
  }
  EXPECT_EQ(CountInMemory(4), 0u);
}

TEST_F(KeyWipingTest, OpeningASealedKeyLeavesNoCopy) {
  const Aead aead = *Aead::Create(MakeKey(5));
  const std::string nonce(12, 'n');
  const std::string sealed = *aead.Seal(nonce, MakeKey(6).view(), "place");
  {
    const SecretBytes opened = *aead.OpenSecret(nonce, sealed, "place");
    EXPECT_EQ(opened.size(), kKeySize);
    EXPECT_EQ(CountInMemory(6), 1u);
  }
  EXPECT_EQ(CountInMemory(6), 0u);
}

}  // namespace
}  // namespace records::eventstore
