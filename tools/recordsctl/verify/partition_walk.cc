#include "tools/recordsctl/verify/partition_walk.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/verify/envelope_rules.h"
#include "tools/recordsctl/verify/hashes.h"

namespace records::tools::verify {
namespace {

template <size_t kSize>
std::array<uint8_t, kSize> AsRecord(absl::string_view bytes) {
  std::array<uint8_t, kSize> record{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), kSize), record.begin());
  return record;
}

}  // namespace

PartitionWalk::PartitionWalk(const Setting& setting)
    : setting_(setting),
      result_{.ledger = setting.ledger, .partition = setting.partition},
      tree_([this](const TileName& name, absl::string_view bytes) { CheckTile(name, bytes); }) {}

void PartitionWalk::Add(Code code, std::string message) {
  setting_.findings->Add(code, Here(), std::move(message));
}

absl::Status PartitionWalk::OnRow(absl::string_view key, absl::string_view value) {
  if (!TakeSequence(key)) return absl::OkStatus();
  if (result_.has_all_events) tree_.Add(LeafHash(value));
  RETURN_IF_ERROR(CheckEvent(value));
  if (result_.has_all_events && setting_.marks->contains(result_.size)) {
    result_.marks[result_.size] = {tree_.Root(), !append_.has_value()};
  }
  return absl::OkStatus();
}

bool PartitionWalk::TakeSequence(absl::string_view key) {
  const uint64_t sequence = key.size() == kEventKeySize ? ReadBigEndian(key.substr(2)) : 0;
  if (sequence == 0) {
    setting_.findings->Add(Code::kUnexpectedRow, At(setting_.ledger, setting_.partition),
                           "a row whose key is not that of an event");
    return false;
  }
  const uint64_t missing = sequence - result_.size - 1;
  const uint64_t first = result_.size + 1;
  result_.size = sequence;
  if (missing == 0) return true;
  setting_.findings->Add(Code::kSequenceGap, At(setting_.ledger, setting_.partition, first),
                         missing == 1 ? "the event is missing"
                                      : absl::StrCat(missing, " events are missing, sequences ",
                                                     first, " to ", sequence - 1));
  result_.has_all_events = false;
  LoseTrack();
  return true;
}

void PartitionWalk::LoseTrack() {
  append_.reset();
  append_may_begin_anywhere_ = true;
}

absl::Status PartitionWalk::CheckEvent(absl::string_view value) {
  const absl::StatusOr<DecodedEvent> event = DecodeEvent(value);
  if (!event.ok()) {
    Add(Code::kEventUnreadable,
        absl::StrCat("its bytes are no stored event: ", event.status().message()));
    LoseTrack();
    return absl::OkStatus();
  }
  CheckPlace(*event);
  CheckAppend(*event, value.size());
  CheckTime(*event);
  for (std::string& fault : EnvelopeFaults(*event, value.size())) {
    Add(Code::kEnvelope, std::move(fault));
  }
  if (event->type == kCertificateType) CheckCertificate(*event);
  return AddRows(*event);
}

void PartitionWalk::CheckCertificate(const DecodedEvent& event) {
  absl::StatusOr<DecodedErasure> erasure = DecodeErasure(event.facts);
  if (!erasure.ok()) {
    Add(Code::kEventUnreadable,
        absl::StrCat("its certificate of an erasure cannot be read: ", erasure.status().message()));
    return;
  }
  if (erasure->byte_strings_searched == 0) ++result_.unsearched_erasures;
  // Held against the erasure ledger at the end.
  setting_.certificates->push_back({setting_.partition, result_.size, *std::move(erasure)});
}

void PartitionWalk::CheckPlace(const DecodedEvent& event) {
  if (event.partition != setting_.partition || event.sequence != result_.size) {
    Add(Code::kEventMisplaced,
        absl::StrCat("the event there says that it is partition ", event.partition, ", sequence ",
                     event.sequence, ": events were moved or swapped"));
  }
  if (!HasStreamName(event)) {
    Add(Code::kEventUnreadable, "its stream has no valid name");
    return;
  }
  const uint32_t partition = PartitionOf(event.root, setting_.partition_count);
  if (partition != setting_.partition) {
    Add(Code::kEventMisplaced, absl::StrCat("its root belongs in partition ", partition));
  }
}

void PartitionWalk::EndBrokenAppend() {
  setting_.findings->Add(
      Code::kAppendIncomplete, At(setting_.ledger, setting_.partition, append_->first),
      absl::StrCat("the append that begins there has ", append_->next_index, " of its ",
                   append_->count, " events: half of an append must never be seen"));
  append_.reset();
}

void PartitionWalk::CheckAppend(const DecodedEvent& event, size_t bytes) {
  const bool goes_on = append_.has_value() && event.index == append_->next_index &&
                       event.count == append_->count && event.request_key == append_->request_key &&
                       event.digest == append_->digest;
  if (append_.has_value() && !goes_on) EndBrokenAppend();
  if (!goes_on) BeginAppend(event, bytes);
  if (goes_on) {
    ++append_->next_index;
    append_->bytes += bytes;
  }
  append_may_begin_anywhere_ = false;
  if (!append_.has_value() || append_->next_index < append_->count) return;
  if (append_->bytes > kAppendBytesMax) {
    Add(Code::kEnvelope,
        absl::StrCat("its append has ", append_->bytes, " bytes; at most ", kAppendBytesMax));
  }
  append_.reset();
}

void PartitionWalk::BeginAppend(const DecodedEvent& event, size_t bytes) {
  const bool has_key = !event.request_key.empty();
  if ((has_key &&
       (event.request_key.size() != kRequestKeySize || event.digest.size() != kHashSize)) ||
      (!has_key && !event.digest.empty())) {
    Add(Code::kEventUnreadable, "its request key or digest has a wrong size");
    return;
  }
  if (event.index >= event.count || event.count > kAppendEventsMax) {
    Add(Code::kAppendIncomplete, absl::StrCat("it says that it is event ", event.index + 1, " of ",
                                              event.count, " of its append"));
    return;
  }
  if (event.index != 0 && !append_may_begin_anywhere_) {
    Add(Code::kAppendIncomplete, absl::StrCat("it is event ", event.index + 1,
                                              " of its append, whose first ones are not "
                                              "before it"));
  }
  append_ = {std::string(event.request_key),
             std::string(event.digest),
             result_.size,
             event.index + 1,
             event.count,
             bytes};
}

// An event that is cut to its day stands at the start of it, so between such days the order holds
// for days.
void PartitionWalk::CheckTime(const DecodedEvent& event) {
  const int64_t time = event.recorded_at_us;
  const bool compares_in_full =
      previous_.has_value() && !IsCutToDay(event) && !IsCutToDay(*previous_);
  const bool backwards =
      previous_.has_value() && (StartOfDay(time) < StartOfDay(latest_us_) ||
                                (compares_in_full && time < previous_->recorded_at_us));
  if (backwards) {
    Add(Code::kClockBackwards, "it was recorded before the event before it");
  }
  latest_us_ = std::max(latest_us_, time);
  previous_ = DecodedEvent{.recorded_at_us = time, .time_precision = event.time_precision};
}

absl::Status PartitionWalk::AddRows(const DecodedEvent& event) {
  std::string place;
  place.push_back(static_cast<char>(setting_.ledger));
  WriteBigEndian(setting_.partition, 2, &place);
  WriteBigEndian(result_.size, 8, &place);
  if (event.id.size() == kIdSize) {
    const std::string row = absl::StrCat(event.id, place);
    RETURN_IF_ERROR(setting_.rows->ids.Add(AsRecord<kIdSize + kPlaceSize>(row)));
  }
  if (event.root.size() == kIdSize) {
    const Hash name = Sha256({event.organisation, "/", event.collection, "/", event.sub_stream});
    std::string row = absl::StrCat(event.root, AsView(name).substr(0, 8));
    row.push_back(static_cast<char>(setting_.ledger));
    WriteBigEndian(event.revision, 8, &row);
    WriteBigEndian(result_.size, 8, &row);
    RETURN_IF_ERROR(setting_.rows->streams.Add(AsRecord<kStreamKeySize + 8>(row)));
  }
  if (event.index == 0 && event.request_key.size() == kRequestKeySize) {
    const std::string row = absl::StrCat(event.request_key, place);
    RETURN_IF_ERROR(
        setting_.rows->requests.Add(AsRecord<kRequestKeySize + kRequestValueSize>(row)));
  }
  return absl::OkStatus();
}

void PartitionWalk::CheckTile(const TileName& name, absl::string_view bytes) {
  std::string key;
  key.push_back(static_cast<char>(setting_.ledger));
  WriteBigEndian(setting_.partition, 2, &key);
  key.push_back(static_cast<char>(name.level));
  WriteBigEndian(name.index, 8, &key);
  const std::string tile = absl::StrCat("tile {", name.level, ", ", name.index, "}");
  const Place place = At(setting_.ledger, setting_.partition);
  const absl::StatusOr<std::optional<std::string>> stored = setting_.store->Get("tree", key);
  if (!stored.ok()) {
    setting_.findings->Add(Code::kFileDamaged, place,
                           absl::StrCat(tile, ": ", stored.status().message()));
    return;
  }
  if (!stored->has_value()) {
    setting_.findings->Add(Code::kTileMissing, place, absl::StrCat(tile, " is missing"));
    return;
  }
  if (**stored == bytes) return;
  result_.tiles_are_equal = false;
  const auto differs =
      std::mismatch(bytes.begin(), bytes.end(), (*stored)->begin(), (*stored)->end());
  const uint64_t node =
      name.index * kTileWidth + static_cast<uint64_t>(differs.first - bytes.begin()) / kHashSize;
  // Which of the two was changed the roots tell.
  const std::string which =
      name.level == 0 ? absl::StrCat("sequence ", node + 1) : absl::StrCat("node ", node);
  setting_.findings->Add(
      Code::kTileDiffers,
      name.level == 0 ? At(setting_.ledger, setting_.partition, node + 1) : place,
      absl::StrCat(tile, " and the events differ, first at ", which,
                   ": with a ROOT_DIFFERS the event was changed, else the tile"));
}

TreeResult PartitionWalk::Finish() {
  if (append_.has_value()) EndBrokenAppend();
  if (result_.has_all_events) result_.root = tree_.Root();
  return std::move(result_);
}

}  // namespace records::tools::verify
