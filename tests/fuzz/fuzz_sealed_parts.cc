// Sealed events that were changed: opening gives what was sealed, less, or a refusal; never more,
// never something else.
//
// Input: which event, which categories the caller may open, then changes: each an operation, a
// part, and what the operation takes.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "eventstore/clock.h"
#include "eventstore/sealing.h"
#include "eventstore/sealing_fields.h"
#include "eventstore/sealing_padding.h"
#include "eventstore/testing/memory_key_store.h"
#include "google/protobuf/util/message_differencer.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"
#include "services/policy/register.h"
#include "tests/fuzz/fuzz_target.h"

namespace records::fuzz {
namespace {

using eventstore::EventId;
using eventstore::OpenedEvent;
using eventstore::RootId;
using eventstore::SubjectId;
using google::protobuf::util::MessageDifferencer;
using log::v1::Event;
using log::v1::SealedPart;
namespace ev = records::events::v1;

// Key store, sealer and a few events of every kind, made once.
struct World {
  World() {
    ev::ContactRecorded contact;
    contact.mutable_contact()->set_summary("boiler out");
    contact.mutable_contact()->set_channel(ev::CHANNEL_PHONE);
    contact.mutable_verbatim()->set_text("word for word");
    Add(contact);
    ev::CustomerRegistered customer;
    customer.mutable_person()->set_name("Pat Doe");
    customer.mutable_tenancy()->set_contract_reference("T-1");
    Add(customer);
    ev::AsbReported report;
    report.mutable_report()->set_description("shouting at night");
    Add(report);
    ev::CommunicationNeedsSet needs;
    needs.mutable_needs()->set_language("ur");
    Add(needs);
  }

  void Add(const google::protobuf::Message& message) {
    eventstore::EventHeader header;
    header.id = *EventId::Generate(random);
    header.stream = {"north", "customers", *RootId::Generate(random), "contacts"};
    header.subject = *SubjectId::Generate(random);
    header.occurred_at = clock.Now();
    header.scope_time = clock.Now();
    header.actor = *SubjectId::Generate(random);
    header.purpose = "service-delivery";
    header.lawful_basis = "contract";
    const auto sealed = sealer.Seal(header, message);
    FUZZ_EXPECT(sealed.ok(), sealed.status().ToString());
    FUZZ_EXPECT(events.emplace_back().ParseFromString(sealed->event.body));
  }

  eventstore::SeededRandom random{20261122};
  eventstore::ManualClock clock{absl::FromUnixSeconds(1'795'330'000)};
  eventstore::testing::MemoryKeyStore keys{clock, random};
  const eventstore::CategoryTable categories =
      *services::MakeCategoryTable(*services::EmbeddedRegister());
  eventstore::Sealer sealer{keys, categories, random};
  std::vector<Event> events;
};

World& TheWorld() {
  static World* const world = new World;
  return *world;
}

// Puts `content` into the part as the sealer would have, under the part's own key.
void SealAnew(const Event& event, absl::string_view content, bool pads, SealedPart& part) {
  World& world = TheWorld();
  const auto reference = world.keys.OpenReference(part.key_reference());
  if (!reference.ok() || reference->purpose.category == 0) return;
  const auto key = world.keys.FindReferencedKey(*reference);
  if (!key.ok() || !key->has_value()) return;
  std::string plaintext(content);
  if (pads) eventstore::PadToSizeClass(plaintext, 64);
  const auto sealed = (*key)->aead->Seal(
      part.nonce(), plaintext,
      eventstore::AssociatedDataOf(eventstore::AssociatedDataOf(event), part.key_reference()));
  if (sealed.ok()) part.set_ciphertext(*sealed);
}

std::string* FieldOf(SealedPart& part, uint8_t which) {
  if (which % 3 == 0) return part.mutable_key_reference();
  return which % 3 == 1 ? part.mutable_nonce() : part.mutable_ciphertext();
}

// What was done to an event.
struct Changes {
  bool facts = false;   // what is clear
  bool sealed = false;  // sealed anew, with the right key
};

void ChangeHeader(Input& in, Event& event, Changes& changes) {
  const uint8_t which = in.Byte();
  const std::string text(in.Bytes(in.Byte()));
  switch (which % 7) {
    case 0:
      event.set_id(text);
      break;
    case 1:
      event.set_type(text);
      break;
    case 2:
      event.mutable_stream()->set_root(text);
      break;
    case 3:
      event.mutable_stream()->set_sub_stream(text);
      break;
    case 4:
      event.set_facts(text);
      changes.facts = true;
      break;
    case 5:
      event.set_actor(text);
      break;
    case 6:
      event.set_type(TheWorld().events[text.size() % 4].type());
      break;
  }
}

void ChangePart(Input& in, uint8_t operation, Event& event, Changes& changes) {
  if (event.sealed_size() == 0) return;
  const int index = in.Byte() % event.sealed_size();
  SealedPart& part = *event.mutable_sealed(index);
  std::string& field = *FieldOf(part, in.Byte());
  switch (operation) {
    case 1:
      if (!field.empty()) field[in.Number(2) % field.size()] ^= static_cast<char>(in.Byte());
      break;
    case 2:
      field.resize(in.Number(2) % (field.size() + 1));
      break;
    case 3:
      field = std::string(in.Chunk());
      break;
    case 4:
      event.mutable_sealed()->SwapElements(index, in.Byte() % event.sealed_size());
      break;
    case 5:
      if (event.sealed_size() < 100) *event.add_sealed() = SealedPart(part);
      break;
    case 6:
      event.mutable_sealed()->DeleteSubrange(index, 1);
      break;
    case 7: {
      const auto& other = TheWorld().events[in.Byte() % TheWorld().events.size()];
      part = other.sealed(in.Byte() % other.sealed_size());
      break;
    }
    case 8:
      SealAnew(event, in.Chunk(), in.Byte() != 0, part);
      changes.sealed = true;
      break;
    default:
      break;
  }
}

// What was opened of an event that was changed is what was sealed, as far as it was opened.
void ExpectNothingElse(const Event& original, const OpenedEvent& opened) {
  const auto may_open = [&](absl::string_view category) {
    return opened.categories.contains(std::string(category));
  };
  const auto expected = TheWorld().sealer.Open(original, may_open);
  FUZZ_EXPECT(expected.ok());
  if (opened.message == nullptr) return;
  FUZZ_EXPECT(expected->message != nullptr);
  FUZZ_EXPECT(expected->type == opened.type);
  FUZZ_EXPECT(MessageDifferencer::Equals(*expected->message, *opened.message));
}

}  // namespace

void TestOne(absl::string_view input) {
  World& world = TheWorld();
  Input in(input);
  const Event& original = world.events[in.Byte() % world.events.size()];
  const uint8_t allowed = in.Byte();
  Event event = original;
  Changes changes;
  for (int steps = 0; !in.empty() && steps < 32; ++steps) {
    const uint8_t operation = in.Byte() % 9;
    if (operation == 0) ChangeHeader(in, event, changes);
    if (operation != 0) ChangePart(in, operation, event, changes);
  }
  const auto may_open = [allowed](absl::string_view category) {
    return allowed == 0 || (category.size() % 8 & allowed) != 0;
  };
  const auto opened = world.sealer.Open(event, may_open);
  FUZZ_EXPECT(
      opened.ok() || absl::IsDataLoss(opened.status()) || absl::IsInvalidArgument(opened.status()),
      opened.status().ToString());
  if (!opened.ok()) return;
  for (const std::string& category : opened->categories) FUZZ_EXPECT(may_open(category));
  const bool bound_elsewhere =
      eventstore::AssociatedDataOf(event) != eventstore::AssociatedDataOf(original);
  if (bound_elsewhere && !changes.sealed) FUZZ_EXPECT(opened->categories.empty());
  if (!bound_elsewhere && !changes.sealed && !changes.facts) ExpectNothingElse(original, *opened);
}

void WriteSeeds(const SeedSink& sink) {
  World& world = TheWorld();
  for (size_t i = 0; i < world.events.size(); ++i) {
    const std::string start = Byte(static_cast<int>(i)) + Byte(0);
    sink(absl::StrCat("whole-", i), start);
    sink(absl::StrCat("flip-", i), start + std::string("\1\1\2\0\5\x10", 6));
    sink(absl::StrCat("swap-", i), start + std::string("\4\0\0\1", 4));
    sink(absl::StrCat("twice-", i), start + std::string("\5\0\0", 3));
    sink(absl::StrCat("other-", i), start + std::string("\7\0\0\1\0", 5));
    sink(absl::StrCat("header-", i), start + std::string("\0\0\3abc", 6));
    log::v1::PartContent content;
    content.set_type(world.events[i].type());
    content.set_message("\x0a\2ab");
    content.mutable_header()->set_actor(std::string(16, 'a'));
    sink(absl::StrCat("anew-", i),
         start + std::string("\x08\0\0", 3) + Chunk(content.SerializeAsString()) + Byte(1));
  }
}

}  // namespace records::fuzz
