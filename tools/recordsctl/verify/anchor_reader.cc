#include "tools/recordsctl/verify/anchor_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/verify/format.h"
#include "tools/recordsctl/verify/hashes.h"

namespace records::tools::verify {
namespace {

constexpr absl::string_view kMagic = "RECANCHR";
constexpr uint64_t kCopyVersion = 1;
constexpr size_t kSlotSize = 12 * 1024;
constexpr size_t kPayloadMax = 8192;
// Magic, version u32, payload length u32, generation u64; then the checksum.
constexpr size_t kPrefixSize = 8 + 4 + 4 + 8;
constexpr size_t kHeaderSize = kPrefixSize + kHashSize;
constexpr size_t kFirstRead = size_t{64} << 10;
// A server may be writing one copy, and the other right after.
constexpr int kReadsMax = 8;

// Takes fixed-width fields off the front; a short input gives empty fields.
class Fields {
 public:
  explicit Fields(absl::string_view rest) : rest_(rest) {}

  absl::string_view Bytes(size_t size) {
    const absl::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  uint64_t Number(size_t size) { return ReadBigEndian(Bytes(size)); }
  TreeHead Head() {
    TreeHead head{.size = Number(8)};
    const absl::string_view root = Bytes(kHashSize);
    std::copy(root.begin(), root.end(), head.root.begin());
    return head;
  }
  size_t left() const { return rest_.size(); }

 private:
  absl::string_view rest_;
};

struct Copy {
  uint64_t generation = 0;
  absl::string_view payload;
};

absl::StatusOr<std::optional<Copy>> ReadCopy(absl::string_view slot, size_t number) {
  if (slot.size() < kHeaderSize) return std::nullopt;
  Fields fields(slot);
  const bool is_ours = fields.Bytes(kMagic.size()) == kMagic;
  const uint64_t version = fields.Number(4);
  const uint64_t size = fields.Number(4);
  const uint64_t generation = fields.Number(8);
  const absl::string_view checksum = fields.Bytes(kHashSize);
  if (!is_ours || size > kPayloadMax || size > fields.left()) return std::nullopt;
  const absl::string_view payload = fields.Bytes(size);
  const Hash computed = Sha256({slot.substr(0, kPrefixSize), payload});
  if (AsView(computed) != checksum) return std::nullopt;
  // Whole, and newer than this program: the other copy would be an older state.
  if (version != kCopyVersion) return absl::DataLossError("a copy in it is of another version");
  if (generation % 2 != number) return std::nullopt;
  return Copy{generation, payload};
}

absl::StatusOr<AnchorReading> ReadOnce(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string content, ReadFile(path, 4 * kSlotSize));
  AnchorReading reading;
  size_t valid = 0;
  for (size_t number = 0; number < 2; ++number) {
    const absl::string_view all = content;
    ASSIGN_OR_RETURN(
        const std::optional<Copy> copy,
        ReadCopy(all.substr(std::min(all.size(), number * kSlotSize), kSlotSize), number));
    if (!copy) continue;
    ++valid;
    if (valid == 1 || copy->generation > reading.generation) {
      reading.generation = copy->generation;
      reading.payload = std::string(copy->payload);
    }
  }
  if (valid == 0) return absl::DataLossError("neither copy in it is valid");
  reading.both_copies_valid = valid == 2;
  return reading;
}

}  // namespace

absl::StatusOr<AnchorReading> ReadAnchor(const std::string& path) {
  absl::StatusOr<AnchorReading> reading = ReadOnce(path);
  for (int i = 1; i < kReadsMax && (!reading.ok() || !reading->both_copies_valid); ++i) {
    reading = ReadOnce(path);
  }
  return reading;
}

absl::StatusOr<LogAnchor> ParseLogAnchor(absl::string_view payload) {
  Fields fields(payload);
  const uint64_t version = fields.Number(4);
  LogAnchor anchor{.store = std::string(fields.Bytes(kIdSize))};
  anchor.key_store_sequence = fields.Number(8);
  anchor.erasures = fields.Head();
  const uint64_t count = fields.Number(4);
  const absl::Status other = absl::DataLossError("it is not the anchor of a log of this format");
  if (version != kFormatVersion || count == 0 || count > 2 * kPartitionsMax ||
      fields.left() != count * (8 + kHashSize) || !IsId(anchor.store)) {
    return other;
  }
  for (uint64_t i = 0; i < count; ++i) {
    const TreeHead head = fields.Head();
    if (head.size > kTreeSizeMax || (head.size == 0 && head.root != EmptyRoot())) return other;
    anchor.trees.push_back(head);
  }
  return anchor;
}

absl::StatusOr<KeyStoreAnchor> ParseKeyStoreAnchor(absl::string_view payload) {
  Fields fields(payload);
  if (payload.size() != 4 + kIdSize + 2 * (8 + kHashSize) || fields.Number(4) != kFormatVersion) {
    return absl::DataLossError("it is not the anchor of a key store of this format");
  }
  KeyStoreAnchor anchor{.store = std::string(fields.Bytes(kIdSize))};
  anchor.sequence = fields.Number(8);
  anchor.hash = std::string(fields.Bytes(kHashSize));
  anchor.erasures = fields.Head();
  return anchor;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, "cannot be opened");
  const absl::Cleanup closer = [file] { close(file); };
  std::string content;
  size_t size = 0;
  // Grows with what is there: `bytes_max` may be far more.
  while (size <= bytes_max) {
    if (size == content.size()) {
      content.resize(std::min(bytes_max + 1, size + std::max(size, kFirstRead)));
    }
    const ssize_t count = read(file, content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, "cannot be read");
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > bytes_max) return absl::ResourceExhaustedError("is too long");
  content.resize(size);
  return content;
}

}  // namespace records::tools::verify
