#include "eventstore/anchor.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::AppendBigEndian;
using internal::TakeBigEndian;

constexpr absl::string_view kMagic = "RECANCHR";
constexpr uint32_t kCopyVersion = 1;
// Magic, version, payload length, generation.
constexpr size_t kPrefixSize = 8 + 4 + 4 + 8;
constexpr size_t kHeaderSize = kPrefixSize + kDigestSize;
// Writes of whole pages need no reading before.
constexpr size_t kPageSize = 4096;
constexpr size_t kSlotSize = 3 * kPageSize;
static_assert(kHeaderSize + kAnchorPayloadMax <= kSlotSize);

uint64_t SlotOf(uint64_t generation) { return generation % 2; }

// Returns one copy, filled up with zeros to whole pages.
std::string EncodeCopy(uint64_t generation, absl::string_view payload) {
  std::string copy(kMagic);
  AppendBigEndian(copy, kCopyVersion);
  AppendBigEndian(copy, static_cast<uint32_t>(payload.size()));
  AppendBigEndian(copy, generation);
  const Digest checksum = Sha256({copy, payload});
  absl::StrAppend(&copy, AsBytes(checksum), payload);
  copy.resize((copy.size() + kPageSize - 1) / kPageSize * kPageSize, '\0');
  return copy;
}

struct Copy {
  uint64_t generation;
  absl::string_view payload;
};

// Returns the copy in the bytes of a slot; nothing when it is damaged.
// kFailedPrecondition: it is whole, but of another version.
absl::StatusOr<std::optional<Copy>> DecodeCopy(uint64_t slot, absl::string_view bytes) {
  if (bytes.size() < kHeaderSize) return std::nullopt;
  const absl::string_view prefix = bytes.substr(0, kPrefixSize);
  absl::string_view fields = prefix;
  if (!absl::ConsumePrefix(&fields, kMagic)) return std::nullopt;
  const auto version = TakeBigEndian<uint32_t>(fields);
  const auto size = TakeBigEndian<uint32_t>(fields);
  const auto generation = TakeBigEndian<uint64_t>(fields);
  if (size > bytes.size() - kHeaderSize || size > kAnchorPayloadMax) return std::nullopt;
  const absl::string_view payload = bytes.substr(kHeaderSize, size);
  const Digest checksum = Sha256({prefix, payload});
  if (AsBytes(checksum) != bytes.substr(kPrefixSize, kDigestSize)) return std::nullopt;
  // Going on with the other copy would go back in time.
  if (version != kCopyVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the anchor has format version ", version,
                                                      ", which this program does not know"));
  }
  if (SlotOf(generation) != slot) return std::nullopt;
  return Copy{generation, payload};
}

absl::StatusOr<AnchorReading> ReadNewest(AnchorFile& file) {
  ASSIGN_OR_RETURN(const std::string content, file.Read(0, 2 * kSlotSize));
  AnchorReading reading;
  int valid = 0;
  for (uint64_t slot = 0; slot < 2; ++slot) {
    const absl::string_view bytes = content;
    const absl::string_view slot_bytes =
        bytes.substr(std::min<size_t>(bytes.size(), slot * kSlotSize), kSlotSize);
    ASSIGN_OR_RETURN(const std::optional<Copy> copy, DecodeCopy(slot, slot_bytes));
    if (!copy.has_value()) continue;
    ++valid;
    if (valid == 1 || copy->generation > reading.generation) {
      reading.generation = copy->generation;
      reading.payload = std::string(copy->payload);
    }
  }
  if (valid == 0) return absl::DataLossError("both copies of the anchor are damaged");
  reading.both_copies_valid = valid == 2;
  return reading;
}

absl::Status CheckPayload(absl::string_view payload) {
  if (payload.size() > kAnchorPayloadMax) {
    return absl::InvalidArgumentError("the payload of an anchor is at most 8 KiB");
  }
  return absl::OkStatus();
}

bool IsTreeHead(const TreeHead& head) {
  return head.size <= kMaxTreeSize && (head.size != 0 || head.root == EmptyRoot());
}

bool IsLogAnchor(const LogAnchor& anchor) {
  return !anchor.store.is_nil() && !anchor.trees.empty() &&
         anchor.trees.size() <= kLogAnchorTreesMax &&
         std::all_of(anchor.trees.begin(), anchor.trees.end(), IsTreeHead);
}

// Version, store, key store sequence, size and head of the erasure ledger, number of trees.
constexpr size_t kLogAnchorFixedSize = 4 + kIdSize + 8 + 8 + kDigestSize + 4;
constexpr size_t kTreeHeadSize = 8 + kDigestSize;
static_assert(kLogAnchorFixedSize + kLogAnchorTreesMax * kTreeHeadSize <= kAnchorPayloadMax);

// Takes the bytes of an array off the front. REQUIRES: there are as many.
template <size_t kSize>
std::array<uint8_t, kSize> TakeBytes(absl::string_view& bytes) {
  std::array<uint8_t, kSize> taken;
  std::copy_n(bytes.begin(), kSize, taken.begin());
  bytes.remove_prefix(kSize);
  return taken;
}

absl::Status DamagedLogAnchor() { return absl::DataLossError("the anchor of the log is damaged"); }

}  // namespace

absl::Status Anchor::Create(AnchorFiles& files, const std::string& path,
                            absl::string_view payload) {
  RETURN_IF_ERROR(CheckPayload(payload));
  std::string content = EncodeCopy(2, payload);
  content.resize(kSlotSize, '\0');
  content.append(EncodeCopy(1, payload));
  content.resize(2 * kSlotSize, '\0');
  return files.Create(path, content);
}

absl::StatusOr<AnchorReading> Anchor::Read(AnchorFiles& files, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<AnchorFile> file,
                   files.Open(path, AnchorFiles::Access::kReadOnly));
  return ReadNewest(*file);
}

absl::StatusOr<std::unique_ptr<Anchor>> Anchor::Open(AnchorFiles& files, const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<AnchorFile> file,
                   files.Open(path, AnchorFiles::Access::kReadWrite));
  ASSIGN_OR_RETURN(AnchorReading reading, ReadNewest(*file));
  std::unique_ptr<Anchor> anchor(new Anchor(std::move(file), std::move(reading)));
  RETURN_IF_ERROR(anchor->WriteCopy(anchor->reading_.generation, anchor->reading_.payload));
  return anchor;
}

absl::Status Anchor::Write(absl::string_view payload) {
  RETURN_IF_ERROR(CheckPayload(payload));
  RETURN_IF_ERROR(state_);
  state_ = WriteCopy(reading_.generation + 1, payload);
  RETURN_IF_ERROR(state_);
  ++reading_.generation;
  reading_.payload = std::string(payload);
  reading_.both_copies_valid = true;
  return absl::OkStatus();
}

absl::Status Anchor::WriteCopy(uint64_t generation, absl::string_view payload) {
  RETURN_IF_ERROR(file_->Write(SlotOf(generation) * kSlotSize, EncodeCopy(generation, payload)));
  return file_->Sync();
}

absl::StatusOr<std::string> EncodeLogAnchor(const LogAnchor& anchor) {
  if (!IsLogAnchor(anchor)) return absl::InvalidArgumentError("not the anchor of a log");
  std::string payload;
  AppendBigEndian(payload, kLogAnchorVersion);
  absl::StrAppend(&payload, anchor.store.bytes());
  AppendBigEndian(payload, anchor.key_store_sequence);
  AppendBigEndian(payload, anchor.erasure_ledger_size);
  absl::StrAppend(&payload, AsBytes(anchor.erasure_ledger_head));
  AppendBigEndian(payload, static_cast<uint32_t>(anchor.trees.size()));
  for (const TreeHead& tree : anchor.trees) {
    AppendBigEndian(payload, tree.size);
    absl::StrAppend(&payload, AsBytes(tree.root));
  }
  return payload;
}

absl::StatusOr<LogAnchor> DecodeLogAnchor(absl::string_view payload) {
  if (payload.size() < kLogAnchorFixedSize) return DamagedLogAnchor();
  if (const auto version = TakeBigEndian<uint32_t>(payload); version != kLogAnchorVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the anchor of the log has format version ",
                                                      version, ", this program reads ",
                                                      kLogAnchorVersion));
  }
  LogAnchor anchor;
  anchor.store = StoreId(TakeBytes<kIdSize>(payload));
  anchor.key_store_sequence = TakeBigEndian<uint64_t>(payload);
  anchor.erasure_ledger_size = TakeBigEndian<uint64_t>(payload);
  anchor.erasure_ledger_head = TakeBytes<kDigestSize>(payload);
  const size_t count = TakeBigEndian<uint32_t>(payload);
  if (payload.size() != count * kTreeHeadSize) return DamagedLogAnchor();
  for (size_t i = 0; i < count; ++i) {
    const auto size = TakeBigEndian<uint64_t>(payload);
    anchor.trees.push_back({size, TakeBytes<kDigestSize>(payload)});
  }
  if (!IsLogAnchor(anchor)) return DamagedLogAnchor();
  return anchor;
}

}  // namespace records::eventstore
