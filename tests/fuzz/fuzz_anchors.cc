// Anchors of log and key store: what the start of the server and the verifier's own reader make of
// the same file. Both take it, and read the same in it, or both refuse.
//
// Input: mode, then for
//   0  the first bytes of the two copies as chunks; the rest of each is zero
//   1  for each copy version, size, generation and payload; the checksum is made right
//   2  the payload of a log's anchor
//   3  the payload of a key store's anchor

#include <algorithm>
#include <string>

#include "eventstore/anchor.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/key_store_rows.h"
#include "tests/eventstore/memory_anchor_files.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/recordsctl/verify/anchor_reader.h"

namespace records::fuzz {
namespace {

namespace verify = tools::verify;

constexpr size_t kSlotSize = 12 * 1024;

std::string Prefix(uint32_t version, uint32_t size, uint64_t generation) {
  std::string prefix = "RECANCHR";
  eventstore::internal::AppendBigEndian(prefix, version);
  eventstore::internal::AppendBigEndian(prefix, size);
  eventstore::internal::AppendBigEndian(prefix, generation);
  return prefix;
}

// A copy whose checksum is right for what it says.
std::string CheckedCopy(Input& in) {
  const uint32_t version = in.Byte();
  const uint8_t extra = in.Byte();
  const uint64_t generation = in.Number(1 + in.Byte() % 8);
  const std::string payload(in.Chunk());
  const std::string prefix =
      Prefix(version, static_cast<uint32_t>(payload.size() + extra), generation);
  std::string covered = payload;
  covered.resize(payload.size() + extra);
  const eventstore::Digest checksum = eventstore::Sha256({prefix, covered});
  return absl::StrCat(prefix, eventstore::AsBytes(checksum), payload);
}

void ReadFile(std::string content) {
  static MemoryFile file;
  eventstore::MemoryAnchorFiles files;
  file.Write(content);
  files.Set("anchor", std::move(content));
  const auto ours = eventstore::Anchor::Read(files, "anchor");
  const auto theirs = verify::ReadAnchor(file.path());
  FUZZ_EXPECT(ours.ok() == theirs.ok(), ours.status().ToString(), " / ",
              theirs.status().ToString());
  if (!ours.ok()) return;
  FUZZ_EXPECT(ours->payload == theirs->payload);
  FUZZ_EXPECT(ours->generation == theirs->generation);
  FUZZ_EXPECT(ours->both_copies_valid == theirs->both_copies_valid);
  // A writer goes on from what was read; the last of all generations is 2^64 writes away.
  if (ours->generation == UINT64_MAX) return;
  const auto opened = eventstore::Anchor::Open(files, "anchor");
  FUZZ_EXPECT(opened.ok());
  if (!(*opened)->Write("next").ok()) return;
  const auto next = eventstore::Anchor::Read(files, "anchor");
  FUZZ_EXPECT(next.ok() && next->payload == "next");
}

std::string TwoSlots(std::string first, std::string second) {
  first.resize(std::max(kSlotSize, first.size()), '\0');
  return first.substr(0, kSlotSize) + second;
}

void LogPayload(absl::string_view payload) {
  const auto ours = eventstore::DecodeLogAnchor(payload);
  const auto theirs = verify::ParseLogAnchor(payload);
  FUZZ_EXPECT(ours.ok() == theirs.ok(), ours.status().ToString(), " / ",
              theirs.status().ToString());
  if (!ours.ok()) return;
  FUZZ_EXPECT(*eventstore::EncodeLogAnchor(*ours) == payload);
  FUZZ_EXPECT(theirs->store == ours->store.bytes());
  FUZZ_EXPECT(theirs->key_store_sequence == ours->key_store_sequence);
  FUZZ_EXPECT(theirs->erasures.size == ours->erasure_ledger_size);
  FUZZ_EXPECT(theirs->trees.size() == ours->trees.size());
  for (size_t i = 0; i < ours->trees.size(); ++i) {
    FUZZ_EXPECT(theirs->trees[i].size == ours->trees[i].size);
    FUZZ_EXPECT(theirs->trees[i].root == ours->trees[i].root);
  }
}

void KeyStorePayload(absl::string_view payload) {
  const auto ours = eventstore::DecodeKeyStoreAnchor(payload);
  const auto theirs = verify::ParseKeyStoreAnchor(payload);
  FUZZ_EXPECT(ours.ok() == theirs.ok());
  if (!ours.ok()) return;
  FUZZ_EXPECT(theirs->store == ours->store.bytes());
  FUZZ_EXPECT(theirs->sequence == ours->sequence);
  FUZZ_EXPECT(theirs->hash == eventstore::AsBytes(ours->hash));
  FUZZ_EXPECT(theirs->erasures.size == ours->erasures.size);
  FUZZ_EXPECT(theirs->erasures.root == ours->erasures.hash);
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  switch (in.Byte() % 4) {
    case 0: {
      const std::string first(in.Chunk());
      return ReadFile(TwoSlots(first, std::string(in.Chunk())));
    }
    case 1: {
      const std::string first = CheckedCopy(in);
      return ReadFile(TwoSlots(first, CheckedCopy(in)));
    }
    case 2:
      return LogPayload(in.Rest());
    default:
      return KeyStorePayload(in.Rest());
  }
}

void WriteSeeds(const SeedSink& sink) {
  eventstore::MemoryAnchorFiles files;
  FUZZ_EXPECT(eventstore::Anchor::Create(files, "anchor", "payload").ok());
  const std::string content = files.Get("anchor");
  sink("file", Byte(0) + Chunk(content.substr(0, 80)) + Chunk(content.substr(kSlotSize, 80)));
  sink("copies", Byte(1) + Byte(1) + Byte(0) + Byte(0) + "\2" + Chunk("newer") + Byte(1) + Byte(0) +
                     Byte(0) + "\1" + Chunk("older"));
  eventstore::LogAnchor log{.store = *eventstore::StoreId::FromBytes(std::string(16, 's')),
                            .key_store_sequence = 5,
                            .erasure_ledger_size = 1};
  log.trees.resize(4);
  log.trees[1] = {.size = 7, .root = eventstore::HashLeaf("root")};
  sink("log", Byte(2) + *eventstore::EncodeLogAnchor(log));
  sink("keys", Byte(3) + eventstore::EncodeKeyStoreAnchor({log.store, 9, {}, {3, {}}}));
}

}  // namespace records::fuzz
