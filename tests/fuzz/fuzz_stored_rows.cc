// Rows of log, key store and views, and the small files beside them. What a decoder takes it must
// give back to the byte: else two texts mean one thing, and damage passes for data.
//
// Input: which decoder, then its bytes.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "eventstore/key_store_rows.h"
#include "eventstore/log_format.h"
#include "eventstore/master_keys.h"
#include "eventstore/memory_storage.h"
#include "eventstore/merkle_tiles.h"
#include "eventstore/store_secrets.h"
#include "projections/grants/grants_rows.h"
#include "projections/timeline/timeline_rows.h"
#include "projections/view_marker.h"
#include "projections/view_rows.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/fuzz/fuzz_target.h"

namespace records::fuzz {
namespace {

using namespace eventstore;   // NOLINT(google-build-using-namespace) all decoders of two modules
using namespace projections;  // NOLINT(google-build-using-namespace)

void ExpectRefusal(const absl::Status& status) {
  FUZZ_EXPECT(status.ok() || absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) ||
                  absl::IsInvalidArgument(status),
              status.ToString());
}

// Decodes, and what was taken must be what encoding gives.
template <typename Decode, typename Encode>
void ExpectExact(absl::string_view bytes, Decode decode, Encode encode) {
  auto value = decode(bytes);
  ExpectRefusal(value.status());
  if (value.ok()) FUZZ_EXPECT(encode(*value) == bytes);
}

void LogRows(absl::string_view bytes) {
  ExpectExact(bytes, DecodeEventKey, EventKey);
  ExpectExact(bytes, DecodeSequence, EncodeSequence);
  ExpectExact(bytes, DecodeRequestRow, EncodeRequestRow);
  ExpectExact(bytes, DecodeStreamRowKey,
              [](const StreamRow& row) { return StreamRowKey(row.stream, row.revision); });
}

void LogMetaRows(absl::string_view bytes) {
  MemoryStorage storage(kLogTableCount);
  StorageBatch batch;
  PutMeta({.partition_count = 4, .created_at_us = 5}, batch);
  for (Input in(bytes); !in.empty();) {
    static constexpr const char* kNames[] = {"format_version", "store_id", "partition_count",
                                             "created_at_us"};
    const std::string name = kNames[in.Byte() % 4];
    batch.Put(kMetaTable, name, std::string(in.Bytes(in.Byte())));
  }
  FUZZ_EXPECT(storage.Write(batch, Storage::Durability::kSynced).ok());
  const auto meta = ReadMeta(storage);
  ExpectRefusal(meta.status());
  if (meta.ok()) FUZZ_EXPECT(meta->has_value() && (*meta)->partition_count > 0);
}

// Nodes of a tree whose tiles and size are the input's.
void TreeTiles(absl::string_view bytes) {
  Input in(bytes);
  const uint64_t size = in.Number(1 + in.Byte() % 8);
  const auto level = static_cast<uint32_t>(in.Byte());
  const uint64_t index = in.Number(1 + in.Byte() % 8);
  const uint8_t which = in.Byte();
  const std::string tile(in.Rest());
  const auto read_tile = [&](const TileId&) -> absl::StatusOr<std::string> {
    if (tile.size() < kTileSize / 2 && tile.size() % 2 == 1) return tile;  // of another size
    std::string whole = tile;
    whole.resize(kTileSize, 'x');
    return whole;
  };
  const auto read_leaf = [&](uint64_t leaf) -> absl::StatusOr<Hash> {
    return HashLeaf(absl::StrCat(leaf, tile));
  };
  TileSource source(size, read_tile, read_leaf);
  switch (which % 4) {  // each hashes tiles by the thousand
    case 0:
      return (void)source.Node(level, index);
    case 1: {
      const auto root = TreeRoot(source, size);
      const auto writer = TileWriter::Restore(source);
      if (root.ok() && writer.ok()) FUZZ_EXPECT(writer->Root() == *root);
      return;
    }
    case 2:
      if (InclusionProof(source, index, size).ok()) FUZZ_EXPECT(index < size);
      return;
    default:
      if (ConsistencyProof(source, index, size).ok()) FUZZ_EXPECT(index != 0 && index <= size);
  }
}

// Proofs as anybody may hand them in.
void Proofs(absl::string_view bytes) {
  Input in(bytes);
  const uint64_t first = in.Number(1 + in.Byte() % 8);
  const uint64_t second = in.Number(1 + in.Byte() % 8);
  const Hash root = HashLeaf(in.Chunk());
  std::vector<Hash> proof;
  for (; !in.empty() && proof.size() < 200;) proof.push_back(HashLeaf(in.Bytes(1)));
  ExpectRefusal(VerifyInclusion(HashLeaf("leaf"), first, second, proof, root));
  ExpectRefusal(VerifyConsistency(first, second, proof, root, HashLeaf("new")));
  const auto frontier = Frontier::Parse(bytes);
  ExpectRefusal(frontier.status());
  if (frontier.ok()) FUZZ_EXPECT(frontier->Serialise() == bytes);
}

void KeyStoreRows(absl::string_view bytes) {
  ExpectExact(bytes, DecodeState, EncodeState);
  ExpectExact(bytes, DecodeKeyStoreAnchor, EncodeKeyStoreAnchor);
  ExpectExact(bytes, DecodeStoreRow, EncodeStoreRow);
  ExpectExact(bytes, DecodePurpose, EncodePurpose);
  const auto key = DecodeKeyRow(SecretBytes::CopyOf(bytes));
  ExpectRefusal(key.status());
  if (key.ok()) FUZZ_EXPECT(EncodeKeyRow(*key).view() == bytes);
}

void DirectoryRows(absl::string_view bytes) {
  const auto row = DecodeDirectoryRow(SecretBytes::CopyOf(bytes));
  ExpectRefusal(row.status());
  if (!row.ok()) return;
  FUZZ_EXPECT(EncodeDirectoryRow(*row).view().substr(0, bytes.size()) ==
              bytes.substr(0, EncodeDirectoryRow(*row).size()));
}

const MasterKeys& Masters() {
  static const MasterKeys* const masters = [] {
    SeededRandom random(1);
    auto* keys = new MasterKeys;
    keys->push_back(*MasterKey::Generate(1, absl::FromUnixSeconds(1'795'330'000), random));
    keys->push_back(*MasterKey::Generate(2, absl::FromUnixSeconds(1'795'330'001), random));
    return keys;
  }();
  return *masters;
}

// A sealed row opens where it was sealed and as it was, and nowhere else. Input: table, flips of
// single bytes, row.
void SealedRows(absl::string_view bytes) {
  static const StoreId store = *StoreId::FromBytes(std::string(16, 's'));
  static const RowSealer sealer = *RowSealer::Create(Masters(), store);
  SeededRandom random(2);
  Input in(bytes);
  const Table table{in.Byte() % kKeyStoreTables};
  const uint64_t place = in.Number(2);
  const uint8_t flip = in.Byte();
  const Table opened_as{in.Byte() % kKeyStoreTables};
  const std::string plain(in.Rest());
  std::string value = *sealer.Seal(table, "row", plain, random);
  if (flip != 0)
    value[place % value.size()] = static_cast<char>(value[place % value.size()] ^ flip);
  if (place == 0xFFFF) value.resize(plain.size() % (value.size() + 1));
  const auto opened = sealer.Open(opened_as, "row", value);
  const bool untouched = flip == 0 && place != 0xFFFF && opened_as.index == table.index;
  FUZZ_EXPECT(opened.ok() == untouched ||
              (opened.ok() && flip == 0 && opened_as.index == table.index));
  if (opened.ok()) FUZZ_EXPECT(opened->view() == plain);
  (void)sealer.Open(opened_as, "row", bytes);
  (void)sealer.Knows(bytes);
  (void)sealer.IsCurrent(bytes);
}

void MasterKeyText(absl::string_view bytes) {
  const auto keys = DecodeMasterKeys(bytes);
  ExpectRefusal(keys.status());
  if (!keys.ok()) return;
  FUZZ_EXPECT(EncodeMasterKeys(*keys).view() == bytes);
  for (const MasterKey& key : *keys) {
    FUZZ_EXPECT(key.key.size() == kAeadKeySize && key.created_at < absl::InfiniteFuture() &&
                key.created_at > absl::InfinitePast());
  }
}

void ViewRows(absl::string_view bytes) {
  const auto checkpoint = DecodeCheckpoint(CheckpointKey(3), bytes);
  ExpectRefusal(checkpoint.status());
  if (checkpoint.ok()) FUZZ_EXPECT(EncodeCheckpoint(*checkpoint) == bytes);
  ExpectRefusal(DecodeCheckpoint(bytes, EncodeCheckpoint({})).status());
  ExpectExact(bytes, DecodeParked, EncodeParked);
  ExpectExact(bytes, RootOfParkedKey, ParkedKey);
  ExpectRefusal(SequenceOfArrivalKey(bytes).status());
  ExpectExact(bytes, DecodeRoles, EncodeRoles);
}

// Input: size of the key, key, row; the checksum is mended so that more than it is met.
void TimelineEntries(absl::string_view bytes) {
  ExpectRefusal(DecodeEntry("key", bytes).status());
  const absl::string_view payload = bytes;
  const Digest digest = Sha256({"key", payload});
  const std::string value = absl::StrCat(AsBytes(digest).substr(0, 8), payload);
  ExpectExact(
      value, [](absl::string_view row) { return DecodeEntry("key", row); },
      [](const EntryRow& row) { return EncodeEntry("key", row); });
}

void TimelineHeaders(absl::string_view bytes) {
  const auto state = DecodeHeaderState(bytes);
  ExpectRefusal(state.status());
  if (!state.ok()) return;
  const auto again = DecodeHeaderState(EncodeHeaderState(*state));
  FUZZ_EXPECT(again.ok() && again->last_sequence == state->last_sequence);
}

void Markers(absl::string_view bytes) {
  static const testing_support::TempFolder folder;
  std::ofstream(folder / "LIVE", std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto marker = ReadMarker(folder.path());
  ExpectRefusal(marker.status());
  if (!marker.ok()) return;
  FUZZ_EXPECT(marker->has_value());
  FUZZ_EXPECT((*marker)->live.number > 0);
  const std::string text = absl::StrCat(
      "records view 1\nlive ", (*marker)->live.number, " ", (*marker)->live.version,
      (*marker)->previous.has_value() ? absl::StrCat("\nprevious ", (*marker)->previous->number,
                                                     " ", (*marker)->previous->version)
                                      : "",
      "\nend\n");
  FUZZ_EXPECT(text == bytes);
}

using Decoder = void (*)(absl::string_view);
constexpr Decoder kDecoders[] = {
    LogRows,    LogMetaRows,   TreeTiles, Proofs,          KeyStoreRows,    DirectoryRows,
    SealedRows, MasterKeyText, ViewRows,  TimelineEntries, TimelineHeaders, Markers,
};
enum Which {
  kLogRows,
  kLogMetaRows,
  kTreeTiles,
  kProofs,
  kKeyStoreRows,
  kDirectoryRows,
  kSealedRows,
  kMasterKeyText,
  kViewRows,
  kTimelineEntries,
  kTimelineHeaders,
  kMarkers,
};

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  const size_t which = in.Byte();
  kDecoders[which % std::size(kDecoders)](in.Rest());
}

void WriteSeeds(const SeedSink& sink) {
  const IdBytes id{1, 2, 3, 4, 5, 6, 7, 8};
  const Position position{3, 700};
  sink("event-key", Byte(kLogRows) + EventKey(position));
  sink("sequence", Byte(kLogRows) + EncodeSequence(700));
  sink("request", Byte(kLogRows) + EncodeRequestRow({Ledger::kAccess, position}));
  sink("stream", Byte(kLogRows) + StreamRowKey(StreamKey{1, 2, 3}, Revision{9}));
  sink("meta", Byte(kLogMetaRows) + Byte(2) + Byte(4) + std::string("\0\0\0\7", 4));
  sink("tile", Byte(kTreeTiles) + Byte(1) + std::string("\2\x58", 2) + Byte(3) + Byte(0) + "\7" +
                   std::string("\0\5", 2) + std::string(64, 't'));
  sink("proof", Byte(kProofs) + Byte(0) + "\3" + Byte(0) + "\7" + Chunk("root") + "abc");
  Frontier frontier;
  for (int i = 0; i < 5; ++i) frontier.Append(HashLeaf("leaf"));
  sink("frontier", Byte(kProofs) + frontier.Serialise());
  sink("state", Byte(kKeyStoreRows) + EncodeState({.sequence = 7, .rows = {1, 2, 3, 4}}));
  sink("keys-anchor", Byte(kKeyStoreRows) + EncodeKeyStoreAnchor({StoreId(id), 7, {}, {}}));
  sink("store", Byte(kKeyStoreRows) + EncodeStoreRow(StoreId(id)));
  const KeyPurpose purpose{SubjectId(id), 3, {KeyScopeKind::kMonth, 202611, {}}};
  sink("purpose", Byte(kKeyStoreRows) + EncodePurpose(purpose));
  const KeyRow key{SecretBytes::CopyOf(std::string(32, 'k')), KeyId(id), purpose,
                   absl::FromUnixSeconds(1'795'330'000)};
  sink("key", absl::StrCat(Byte(kKeyStoreRows), EncodeKeyRow(key).view()));
  const DirectoryRow directory{{SubjectId(id), RootId(id)}, "north", "customer", "R1"};
  sink("directory", absl::StrCat(Byte(kDirectoryRows), EncodeDirectoryRow(directory).view()));
  sink("sealed-row", Byte(kSealedRows) + std::string("\1\0\3\0\1", 5) + "plaintext");
  sink("master-keys", absl::StrCat(Byte(kMasterKeyText), EncodeMasterKeys(Masters()).view()));
  MasterKeys one;
  one.push_back(Masters()[0].Copy());
  sink("master-key", absl::StrCat(Byte(kMasterKeyText), EncodeMasterKeys(one).view()));
  sink("checkpoint",
       Byte(kViewRows) + EncodeCheckpoint({.store = StoreId(id), .position = position}));
  sink("parked", Byte(kViewRows) + EncodeParked(position));
  sink("parked-key", Byte(kViewRows) + ParkedKey(RootId(id)));
  sink("roles", Byte(kViewRows) + EncodeRoles({"auditor", "contact-officer"}));
  sink("entry", Byte(kTimelineEntries) + EncodeEntry("key", {"event", "correction"}).substr(8));
  sink("header",
       Byte(kTimelineHeaders) + EncodeHeaderState({.last_sequence = 9,
                                                   .needs = std::string(16, 'n'),
                                                   .authorities = {std::string(16, 'a')}}));
  sink("marker", Byte(kMarkers) + "records view 1\nlive 3 1\nprevious 2 1\nend\n");
  sink("marker-first", Byte(kMarkers) + "records view 1\nlive 1 1\nend\n");
}

}  // namespace records::fuzz
