// Stored events: what the log's decoder and the verifier's own make of the same bytes.
//
// Input: mode (bit 0: the ledger; bit 1: written anew in the layout of the log, so that a changed
// field is met by more than the check of the layout), then the event.

#include <string>

#include "absl/strings/match.h"
#include "eventstore/log_format.h"
#include "records/log/v1/event.pb.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/recordsctl/verify/envelope_rules.h"
#include "tools/recordsctl/verify/event_decoder.h"
#include "tools/recordsctl/verify/format.h"

namespace records::fuzz {
namespace {

using eventstore::Ledger;
using eventstore::Position;
using log::v1::Event;
namespace verify = tools::verify;

constexpr uint32_t kPartitions = 16;

// The event as the log writes it: body, append, place.
std::string InLayout(Event event) {
  std::optional<eventstore::RequestKey> request_key;
  eventstore::RequestDigest digest{};
  if (event.append().request_key().size() == 32 && event.append().digest().size() == 32) {
    request_key.emplace();
    std::copy_n(event.append().request_key().begin(), 32, request_key->begin());
    std::copy_n(event.append().digest().begin(), 32, digest.begin());
  }
  const uint32_t index = event.append().index(), count = event.append().count();
  const Position position{event.position().partition(), event.position().sequence()};
  const eventstore::Revision revision{event.revision()};
  const int64_t recorded_at_us = event.recorded_at_us();
  event.clear_append();
  event.clear_revision();
  event.clear_position();
  event.clear_recorded_at_us();
  std::string bytes = event.SerializeAsString();
  eventstore::AppendAppendField(bytes, request_key, digest, index, count);
  eventstore::AppendPlace(bytes, revision, position, recorded_at_us);
  return bytes;
}

// Whether the log could have written this. A known field of another kind is one that protobuf keeps
// as unknown, and no writer sets.
bool IsOfTheWriter(const Event& event, absl::string_view bytes) {
  Event known = event;
  known.DiscardUnknownFields();
  return bytes == InLayout(event) && event.recorded_at_us() != 0 &&
         known.ByteSizeLong() == event.ByteSizeLong();
}

// Whether `log verify` finds nothing wrong with the event itself.
bool VerifierAccepts(const absl::StatusOr<verify::DecodedEvent>& event, size_t bytes) {
  return event.ok() && verify::EnvelopeFaults(*event, bytes).empty() &&
         verify::HasStreamName(*event) &&
         verify::PartitionOf(event->root, kPartitions) == event->partition &&
         event->index < event->count && event->count <= verify::kAppendEventsMax &&
         event->index < event->sequence;
}

void ExpectSame(const verify::DecodedEvent& theirs, const Event& ours) {
  FUZZ_EXPECT(theirs.id == ours.id());
  FUZZ_EXPECT(theirs.organisation == ours.stream().organisation());
  FUZZ_EXPECT(theirs.collection == ours.stream().collection());
  FUZZ_EXPECT(theirs.root == ours.stream().root());
  FUZZ_EXPECT(theirs.sub_stream == ours.stream().sub_stream());
  FUZZ_EXPECT(theirs.revision == ours.revision());
  FUZZ_EXPECT(theirs.sequence == ours.position().sequence());
  FUZZ_EXPECT(theirs.request_key == ours.append().request_key());
  FUZZ_EXPECT(theirs.digest == ours.append().digest());
  FUZZ_EXPECT(theirs.index == ours.append().index());
  FUZZ_EXPECT(theirs.count == ours.append().count());
  FUZZ_EXPECT(theirs.type == ours.type());
  FUZZ_EXPECT(theirs.occurred_at_us == ours.occurred_at_us());
  FUZZ_EXPECT(theirs.recorded_at_us == ours.recorded_at_us());
  FUZZ_EXPECT(theirs.actor == ours.actor());
  FUZZ_EXPECT(theirs.purpose == ours.purpose());
  FUZZ_EXPECT(theirs.lawful_basis == ours.lawful_basis());
  FUZZ_EXPECT(theirs.facts == ours.facts());
  FUZZ_EXPECT(theirs.sealed.size() == static_cast<size_t>(ours.sealed_size()));
  for (size_t i = 0; i < theirs.sealed.size(); ++i) {
    const log::v1::SealedPart& part = ours.sealed(static_cast<int>(i));
    FUZZ_EXPECT(theirs.sealed[i].key_reference == part.key_reference().size());
    FUZZ_EXPECT(theirs.sealed[i].nonce == part.nonce().size());
    FUZZ_EXPECT(theirs.sealed[i].ciphertext == part.ciphertext().size());
  }
}

void ExpectScanned(absl::string_view bytes, const Event& event) {
  const auto scanned = eventstore::ScanEvent(bytes);
  if (!scanned.ok()) return;
  FUZZ_EXPECT(scanned->id.empty() || scanned->id == event.id());
  FUZZ_EXPECT(scanned->type.empty() || scanned->type == event.type());
}

Event GoodEvent() {
  Event event;
  event.set_id(std::string(16, '\x11'));
  event.mutable_stream()->set_organisation("north");
  event.mutable_stream()->set_collection("customers");
  event.mutable_stream()->set_root(std::string(7, '\0') + "\x05" + std::string(8, '\1'));
  event.mutable_stream()->set_sub_stream("contacts");
  event.set_revision(300);
  event.mutable_position()->set_partition(5);
  event.mutable_position()->set_sequence(1000);
  event.mutable_append()->set_request_key(std::string(32, 'k'));
  event.mutable_append()->set_digest(std::string(32, 'd'));
  event.mutable_append()->set_index(1);
  event.mutable_append()->set_count(2);
  event.set_type("records.events.v1.ContactRecorded");
  event.set_occurred_at_us(1'767'225'600'000'001);
  event.set_recorded_at_us(1'767'225'602'000'000);
  event.set_actor(std::string(16, '\x22'));
  event.set_purpose("service-delivery");
  event.set_lawful_basis("contract");
  event.set_causation(std::string(16, '\x33'));
  event.set_correlation(std::string(16, '\x44'));
  event.set_facts("facts");
  auto* part = event.add_sealed();
  part->set_key_reference(std::string(76, 'r'));
  part->set_nonce(std::string(12, 'n'));
  part->set_ciphertext(std::string(64 + 16, 'c'));
  return event;
}

Event RestrictedEvent() {
  Event event = GoodEvent();
  event.set_type("records.events.v1.Restricted");
  event.set_time_precision(log::v1::TIME_PRECISION_DAY);
  event.set_occurred_at_us(1'767'225'600'000'000);
  event.set_recorded_at_us(1'767'225'600'000'000);
  event.clear_facts();
  event.clear_actor();
  event.clear_purpose();
  event.clear_lawful_basis();
  event.clear_causation();
  event.clear_correlation();
  event.mutable_sealed(0)->set_ciphertext(std::string(256 + 16, 'c'));
  for (int i = 0; i < 3; ++i) *event.add_sealed() = event.sealed(0);
  return event;
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  const uint8_t mode = in.Byte();
  const Ledger ledger = (mode & 1) == 0 ? Ledger::kEvents : Ledger::kAccess;
  std::string bytes(in.Rest());
  Event parsed;
  const bool parses = parsed.ParseFromString(bytes);
  if ((mode & 2) != 0 && parses) bytes = InLayout(parsed);
  if (parses) ExpectScanned(bytes, parsed);

  const Position position{parsed.position().partition(), parsed.position().sequence()};
  const auto ours = eventstore::DecodeStoredEvent(ledger, position, kPartitions, bytes);
  const auto theirs = verify::DecodeEvent(bytes);
  FUZZ_EXPECT(ours.ok() || absl::IsDataLoss(ours.status()), ours.status().ToString());
  const bool verifier_accepts = VerifierAccepts(theirs, bytes.size());
  if (verifier_accepts) FUZZ_EXPECT(ours.ok(), "log verify accepts: ", ours.status().message());
  if (ours.ok() && IsOfTheWriter(parsed, bytes)) {
    FUZZ_EXPECT(theirs.ok(), "the log serves it: ", theirs.status().message());
  }
  if (ours.ok() && theirs.ok()) ExpectSame(*theirs, ours->event);
  if (ours.ok()) {
    FUZZ_EXPECT(eventstore::StreamOf(ours->event).ok());
    FUZZ_EXPECT(ours->bytes == bytes);
  }
}

void WriteSeeds(const SeedSink& sink) {
  sink("open", Byte(0) + InLayout(GoodEvent()));
  sink("restricted", Byte(1) + InLayout(RestrictedEvent()));
  sink("open-anew", Byte(2) + GoodEvent().SerializeAsString());
  sink("restricted-anew", Byte(3) + RestrictedEvent().SerializeAsString());
  Event bare = GoodEvent();
  bare.clear_sealed();
  bare.clear_append();
  bare.mutable_append()->set_count(1);
  bare.clear_revision();
  sink("bare", Byte(2) + bare.SerializeAsString());
}

}  // namespace records::fuzz
