// The file of the erasure ledger: what the server, a restore and the verifier's own reader make of
// it. They take it and read the same records in it, or all refuse.
//
// Input: mode, then for
//   0  the file
//   1  after a right header, records of which each part may be wrong, signed with the right key,
//      each: flags, then what the flags name; what is left is the torn end

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "eventstore/erasure_ledger.h"
#include "eventstore/internal/big_endian.h"
#include "tests/eventstore/memory_anchor_files.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/recordsctl/verify/erasure_check.h"

namespace records::fuzz {
namespace {

using eventstore::AsBytes;
using eventstore::kErasureHeaderSize;
using eventstore::kErasureRecordSize;
using eventstore::internal::AppendBigEndian;

constexpr char kPath[] = "erasure.ledger";
constexpr size_t kRecordsMax = 8;

eventstore::Ed25519PrivateKey Key() {
  return *eventstore::Ed25519PrivateKey::FromSeed(
      eventstore::SecretBytes::CopyOf(std::string(32, '\x22')));
}

eventstore::StoreId Store() { return *eventstore::StoreId::FromBytes(std::string(16, '\x11')); }

template <typename IdType>
IdType IdOf(char byte) {
  return *IdType::FromBytes(std::string(16, byte));
}

// A ledger as the product writes it.
std::string Ledger(size_t records) {
  eventstore::MemoryAnchorFiles files;
  auto ledger = eventstore::ErasureLedger::Open(files, kPath, Store(), Key(), {});
  FUZZ_EXPECT(ledger.ok(), ledger.status().ToString());
  for (size_t i = 1; i <= records; ++i) {
    const char byte = static_cast<char>(i);
    FUZZ_EXPECT((*ledger)
                    ->Append(IdOf<eventstore::SubjectId>(byte), IdOf<eventstore::RootId>(byte),
                             absl::FromUnixSeconds(1795330000))
                    .ok());
  }
  return files.Get(kPath);
}

// The record that follows `file`, but for what the input changes.
std::string NextRecord(Input& in, absl::string_view file, uint64_t index) {
  const uint8_t flags = in.Byte();
  const absl::string_view last =
      index == 1 ? file : file.substr(file.size() - kErasureRecordSize, kErasureRecordSize);
  std::string record;
  AppendBigEndian(record, (flags & 1) != 0 ? in.Number(8) : index);
  AppendBigEndian(record, static_cast<uint32_t>(in.Number(4)));
  AppendBigEndian(record, (flags & 2) != 0 ? static_cast<uint32_t>(in.Number(4)) : uint32_t{1});
  absl::StrAppend(&record, std::string(16, static_cast<char>(in.Byte())),
                  std::string(16, static_cast<char>(in.Byte())));
  std::string previous(AsBytes(eventstore::Sha256(last)));
  if ((flags & 4) != 0) previous[in.Byte() % previous.size()] ^= 1;
  absl::StrAppend(&record, previous);
  std::string signature = *Key().Sign(absl::StrCat("records erasure ledger record v1", record));
  if ((flags & 8) != 0) signature[in.Byte() % signature.size()] ^= 1;
  return absl::StrCat(record, signature);
}

std::string SignedLedger(Input& in) {
  std::string file = Ledger(0);
  const size_t records = in.Byte() % (kRecordsMax + 1);
  for (uint64_t index = 1; index <= records; ++index) file += NextRecord(in, file, index);
  return absl::StrCat(file, in.Rest());
}

// Goes on from a ledger that was taken: one more record, and none that was there is lost.
void GoOn(eventstore::MemoryAnchorFiles& files, const eventstore::ErasureLedgerContent& before) {
  const eventstore::KnownErasureHead known{"the test", before.head()};
  auto ledger = eventstore::ErasureLedger::Open(files, kPath, Store(), Key(), {known});
  FUZZ_EXPECT(ledger.ok(), ledger.status().ToString());
  const auto subject = IdOf<eventstore::SubjectId>('\x7f');
  const bool there = (*ledger)->Find(subject).has_value();
  FUZZ_EXPECT(
      (*ledger)->Append(subject, IdOf<eventstore::RootId>('\x7f'), absl::FromUnixSeconds(0)).ok());
  const auto after =
      eventstore::ReadErasureLedger(files, kPath, Store(), Key().public_key(), {known});
  FUZZ_EXPECT(after.ok(), after.status().ToString());
  FUZZ_EXPECT(after->records.size() == before.records.size() + (there ? 0 : 1));
}

void ReadFile(std::string content) {
  eventstore::MemoryAnchorFiles files;
  files.Set(kPath, content);
  const std::string public_key = Key().public_key();
  const auto ours = eventstore::ReadErasureLedger(files, kPath, Store(), public_key, {});
  const auto theirs = tools::verify::ParseErasureLedger(content, Store().bytes(), public_key);
  FUZZ_EXPECT(ours.ok() == theirs.ok(), ours.status().ToString(), " / ",
              theirs.status().ToString());
  FUZZ_EXPECT(files.Get(kPath) == content);
  if (!ours.ok()) return;
  FUZZ_EXPECT(ours->hashes.size() == theirs->size());
  for (size_t i = 0; i < theirs->size(); ++i) {
    FUZZ_EXPECT((*theirs)[i].hash == ours->hashes[i]);
    FUZZ_EXPECT((*theirs)[i].subject == ours->records[i].subject.bytes());
  }
  const size_t counted = kErasureHeaderSize + ours->records.size() * kErasureRecordSize;
  FUZZ_EXPECT(ours->torn_tail == (content.size() > counted));
  // A head that was never reached is refused.
  const eventstore::KnownErasureHead later{"the test", {ours->records.size() + 1, {}}};
  FUZZ_EXPECT(absl::IsDataLoss(
      eventstore::ReadErasureLedger(files, kPath, Store(), public_key, {later}).status()));
  GoOn(files, *ours);
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  if (in.Byte() % 2 == 0) return ReadFile(std::string(in.Rest()));
  ReadFile(SignedLedger(in));
}

void WriteSeeds(const SeedSink& sink) {
  const std::string two = Ledger(2);
  sink("empty", Byte(0) + Ledger(0));
  sink("two", Byte(0) + two);
  sink("torn", Byte(0) + two + two.substr(kErasureHeaderSize, 70));
  sink("torn-whole", Byte(0) + two + std::string(kErasureRecordSize, 'x'));
  const std::string right = Byte(0) + std::string(4, '\1') + "sr";
  sink("signed", Byte(1) + Byte(3) + right + right + right);
  sink("wrong-index", Byte(1) + Byte(2) + right + Byte(1) + std::string(8, '\1') + right.substr(1));
  sink("wrong-before", Byte(1) + Byte(3) + right + Byte(4) + right.substr(1) + Byte(9) + right);
}

}  // namespace records::fuzz
