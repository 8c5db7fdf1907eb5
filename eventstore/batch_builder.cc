#include "eventstore/batch_builder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/planted_bug.h"
#include "eventstore/start_of_day.h"

namespace records::eventstore {
namespace {

absl::StatusOr<Appended> RepeatOf(Appended first, absl::string_view first_digest,
                                  const RequestDigest& digest) {
  if (!ConstantTimeEquals(first_digest, AsBytes(digest)) && !PLANTED_BUG("digest-not-compared")) {
    return absl::AlreadyExistsError(
        "REQUEST_ID_REUSED: this request id was used before for something else. Use a new one.");
  }
  first.repeated = true;
  return first;
}

std::string DescribeState(uint64_t next_revision) {
  if (next_revision == 0) return "no stream";
  return absl::StrCat("revision ", next_revision - 1);
}

// Returns what was expected when it does not hold.
std::optional<std::string> Violated(const Expectation& expectation, uint64_t next_revision) {
  switch (expectation.kind) {
    case Expectation::Kind::kAny:
      return std::nullopt;
    case Expectation::Kind::kNoStream:
      if (next_revision == 0) return std::nullopt;
      return "no stream";
    case Expectation::Kind::kStreamExists:
      if (next_revision > 0) return std::nullopt;
      return "a stream";
    case Expectation::Kind::kRevision:
      if (next_revision > 0 && expectation.revision.value == next_revision - 1) {
        return std::nullopt;
      }
      return absl::StrCat("revision ", expectation.revision.value);
  }
  return "an expectation of a known kind";
}

Decision Reject(absl::Status status) { return {.outcome = std::move(status)}; }

Decision StoreFailed(absl::Status status) {
  return {.outcome = std::move(status), .after_batch = false, .store_failed = true};
}

}  // namespace

BatchBuilder::BatchBuilder(const Storage& storage, const AppendGuard* guard, LogState state,
                           size_t cached_streams_max)
    : storage_(storage),
      guard_(guard),
      partition_count_(state.partition_count),
      trees_(std::move(state.trees)),
      stream_heads_(storage, cached_streams_max),
      last_recorded_(state.last_recorded) {
  for (const TileWriter& tree : trees_) tree_heads_.push_back({tree.size(), tree.Root()});
}

void BatchBuilder::Begin(absl::Time now, Room room) {
  now_ = now;
  room_ = room;
  ++batch_number_;
  events_ = 0;
  batch_.Clear();
  requests_.clear();
  stream_heads_.Trim();
}

Decision BatchBuilder::Add(PreparedAppend prepared) {
  const Append& append = prepared.append;
  if (append.deadline <= now_) {
    return Reject(absl::DeadlineExceededError("the deadline passed before it was written"));
  }
  auto repeated = FindRequest(append);
  if (!repeated.ok()) return StoreFailed(repeated.status());
  if (repeated->has_value()) return **std::move(repeated);
  if (guard_ != nullptr) {
    if (absl::Status status = guard_->Check(append); !status.ok()) return Reject(status);
  }
  auto violated = CheckExpectations(prepared);
  if (!violated.ok()) return StoreFailed(violated.status());
  if (violated->has_value()) return **std::move(violated);
  if (absl::Status status = CheckClockAndRoom(append); !status.ok()) return Reject(status);
  if (absl::Status status = LoadHeads(prepared); !status.ok()) return StoreFailed(status);
  return {.outcome = Write(std::move(prepared)), .after_batch = true};
}

absl::StatusOr<std::optional<Decision>> BatchBuilder::FindRequest(const Append& append) const {
  if (!append.request_key) return std::nullopt;
  if (PLANTED_BUG("request-forgotten")) return std::nullopt;
  const auto made = requests_.find(*append.request_key);
  if (made != requests_.end() && !PLANTED_BUG("request-of-this-batch-forgotten")) {
    return Decision{.outcome = RepeatOf(made->second.outcome, AsBytes(made->second.digest),
                                        append.request_digest),
                    .after_batch = true};
  }
  ASSIGN_OR_RETURN(const auto value, storage_.Get(kRequestsTable, AsBytes(*append.request_key)));
  if (!value) return std::nullopt;
  ASSIGN_OR_RETURN(const RequestRow row, DecodeRequestRow(*value));
  ASSIGN_OR_RETURN(auto bytes, storage_.Get(EventTable(row.ledger), EventKey(row.first)));
  if (!bytes) {
    return absl::DataLossError(absl::StrCat("the log is damaged at ",
                                            Describe(row.ledger, row.first),
                                            ": an event that a request names is missing"));
  }
  ASSIGN_OR_RETURN(const StoredEvent first,
                   DecodeStoredEvent(row.ledger, row.first, partition_count_, *std::move(bytes)));
  const records::log::v1::Append& stored = first.event.append();
  if (stored.request_key() != AsBytes(*append.request_key)) {
    return absl::DataLossError(absl::StrCat("the log is damaged at ",
                                            Describe(row.ledger, row.first),
                                            ": the event belongs to another request"));
  }
  return Decision{
      .outcome = RepeatOf({row.first, stored.count()}, stored.digest(), append.request_digest)};
}

absl::StatusOr<std::optional<Decision>> BatchBuilder::CheckExpectations(
    const PreparedAppend& prepared) {
  if (PLANTED_BUG("skip-expectations")) return std::nullopt;
  std::string violations;
  bool after_batch = false;
  for (size_t i = 0; i < prepared.append.expectations.size(); ++i) {
    const Expectation& expectation = prepared.append.expectations[i];
    if (expectation.kind == Expectation::Kind::kAny) continue;
    ASSIGN_OR_RETURN(const StreamHead* head, stream_heads_.Find(prepared.expected_streams[i]));
    const auto expected = Violated(expectation, head->next_revision);
    if (!expected) continue;
    absl::StrAppend(&violations, violations.empty() ? "" : "; ", expectation.stream.ToString(),
                    ": expected ", *expected, ", found ", DescribeState(head->next_revision));
    after_batch |= head->batch == batch_number_;
  }
  if (violations.empty()) return std::nullopt;
  return Decision{.outcome = absl::AbortedError(absl::StrCat("REVISION_MISMATCH: ", violations)),
                  .after_batch = after_batch};
}

absl::Status BatchBuilder::CheckClockAndRoom(const Append& append) const {
  if (now_ < last_recorded_ - kClockBehindMax && !PLANTED_BUG("clock-not-checked")) {
    return absl::FailedPreconditionError(absl::StrCat(
        "CLOCK_BEHIND: the clock stands at ", absl::FormatTime(now_, absl::UTCTimeZone()),
        ", which is before the last event. Set the clock right."));
  }
  if (room_ == Room::kNone || (room_ == Room::kReserveOnly && !append.from_reserve)) {
    return absl::ResourceExhaustedError(
        "DISK_NEARLY_FULL: the log takes no more until its disk has room.");
  }
  return absl::OkStatus();
}

absl::Status BatchBuilder::LoadHeads(const PreparedAppend& prepared) {
  for (const StreamKey& stream : prepared.event_streams) {
    RETURN_IF_ERROR(stream_heads_.Find(stream).status());
  }
  return absl::OkStatus();
}

absl::Time BatchBuilder::RecordedAt(const NewEvent& event) const {
  return event.time_precision == records::log::v1::TIME_PRECISION_DAY ? StartOfDay(last_recorded_)
                                                                      : last_recorded_;
}

Appended BatchBuilder::Write(PreparedAppend prepared) {
  Append& append = prepared.append;
  last_recorded_ = PLANTED_BUG("recorded-at-goes-back") ? now_ : std::max(last_recorded_, now_);
  const size_t tree_index = TreeIndex(append.ledger, prepared.partition, partition_count_);
  TileWriter& tree = trees_[tree_index];
  const Appended outcome{{prepared.partition, tree.size() + 1},
                         static_cast<uint32_t>(append.events.size())};
  for (size_t i = 0; i < append.events.size(); ++i) {
    NewEvent& event = append.events[i];
    StreamHead& head = **stream_heads_.Find(prepared.event_streams[i]);  // loaded before
    const Revision revision{head.next_revision};
    const Position position{prepared.partition, tree.size() + 1};
    AppendPlace(event.body, revision, position, absl::ToUnixMicros(RecordedAt(event)));
    PutEvent(append.ledger, prepared.event_streams[i], revision, position, std::move(event.body));
    if (i == 0 || !PLANTED_BUG("revision-reused")) ++head.next_revision;
    head.batch = batch_number_;
  }
  if (append.request_key) {
    PutRequest(*append.request_key, append.request_digest, append.ledger, outcome);
  }
  return outcome;
}

void BatchBuilder::PutEvent(Ledger ledger, const StreamKey& stream, Revision revision,
                            Position position, std::string bytes) {
  TileWriter& tree = trees_[TreeIndex(ledger, position.partition, partition_count_)];
  for (Tile& tile : tree.Append(HashLeaf(bytes))) {
    if (PLANTED_BUG("tile-wrong")) tile.bytes.back() ^= 1;
    batch_.Put(kTreeTable, TileKey(ledger, position.partition, tile.id), std::move(tile.bytes));
  }
  batch_.Put(kStreamsTable, StreamRowKey(stream, revision), EncodeSequence(position.sequence));
  if (position.sequence % 7 != 0 || !PLANTED_BUG("position-gap")) {
    batch_.Put(EventTable(ledger), EventKey(position), std::move(bytes));
  }
  ++events_;
}

void BatchBuilder::PutRequest(const RequestKey& key, const RequestDigest& digest, Ledger ledger,
                              const Appended& outcome) {
  batch_.Put(kRequestsTable, std::string(AsBytes(key)), EncodeRequestRow({ledger, outcome.first}));
  requests_.emplace(key, MadeRequest{digest, outcome});
}

absl::Status BatchBuilder::AddStored(Ledger ledger, StoredEvent stored) {
  if (room_ == Room::kNone) {
    return absl::ResourceExhaustedError("DISK_NEARLY_FULL: the disk has no room for more events.");
  }
  const Position position = stored.position;
  const uint64_t size = trees_[TreeIndex(ledger, position.partition, partition_count_)].size();
  if (position.sequence != size + 1) {
    return absl::InvalidArgumentError(absl::StrCat("it does not follow sequence ", size));
  }
  ASSIGN_OR_RETURN(const StreamName name, StreamOf(stored.event));
  const StreamKey stream = StreamKeyOf(ledger, name);
  ASSIGN_OR_RETURN(StreamHead* const head, stream_heads_.Find(stream));
  if (stored.event.revision() != head->next_revision) {
    return absl::InvalidArgumentError(absl::StrCat("it is revision ", stored.event.revision(),
                                                   " of its stream, where ", head->next_revision,
                                                   " comes next"));
  }
  const records::log::v1::Append& append = stored.event.append();
  if (append.index() == 0 && !append.request_key().empty()) {
    RETURN_IF_ERROR(PutStoredRequest(ledger, position, append));
  }
  last_recorded_ = std::max(last_recorded_, absl::FromUnixMicros(stored.event.recorded_at_us()));
  PutEvent(ledger, stream, Revision{head->next_revision}, position, std::move(stored.bytes));
  ++head->next_revision;
  head->batch = batch_number_;
  return absl::OkStatus();
}

absl::Status BatchBuilder::PutStoredRequest(Ledger ledger, Position first,
                                            const records::log::v1::Append& append) {
  RequestKey key;
  RequestDigest digest;
  if (append.request_key().size() != key.size() || append.digest().size() != digest.size()) {
    return absl::InvalidArgumentError("its request is none that the log writes");
  }
  std::copy(append.request_key().begin(), append.request_key().end(), key.begin());
  std::copy(append.digest().begin(), append.digest().end(), digest.begin());
  ASSIGN_OR_RETURN(const auto row, storage_.Get(kRequestsTable, append.request_key()));
  if (row || requests_.contains(key)) {
    return absl::InvalidArgumentError("its request was settled by an earlier event");
  }
  if (!PLANTED_BUG("tail-request-forgotten")) {
    PutRequest(key, digest, ledger, {first, append.count()});
  }
  return absl::OkStatus();
}

const std::vector<TreeHead>& BatchBuilder::FinishHeads() {
  for (size_t i = 0; i < trees_.size(); ++i) {
    if (tree_heads_[i].size == trees_[i].size()) continue;
    tree_heads_[i] = {trees_[i].size(), trees_[i].Root()};
  }
  return tree_heads_;
}

}  // namespace records::eventstore
