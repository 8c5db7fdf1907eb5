#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/categories.h"
#include "eventstore/ids.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"
#include "google/protobuf/message.h"
#include "records/log/v1/event.pb.h"

namespace records::eventstore {

class SealingPlans;

// What an event says of itself besides its message.
struct EventHeader {
  EventId id;
  StreamName stream;
  SubjectId subject;  // data subject of the event: whose keys seal it
  absl::Time occurred_at;
  // Decides the retention epoch of the keys; a correction gives the time of what it corrects.
  absl::Time scope_time;
  records::log::v1::TimePrecision time_precision = records::log::v1::TIME_PRECISION_UNSPECIFIED;
  SubjectId actor;
  std::string purpose;
  std::string lawful_basis;
  std::optional<EventId> causation;
  std::optional<EventId> correlation;
  bool seal_actor = false;  // anonymous reports: the actor of an open type is sealed too
};

// A sealed event, ready to be appended, and what the committer must check for it.
struct SealedEvent {
  NewEvent event;  // the append fields (request key, index, count) are filled in by the appender
  std::vector<SubjectId> subjects;
  std::vector<KeyId> keys;
};

// An event, opened as far as the caller may.
struct OpenedEvent {
  std::string type;  // the real type; empty when nothing of a restricted event could be opened
  // Clear fields and those of the opened parts, merged. Null when the type is empty.
  std::unique_ptr<google::protobuf::Message> message;
  absl::flat_hash_set<std::string> categories;  // that were opened
  // The header: of a restricted event the sealed one, of an anonymous report the actor alone is
  // sealed.
  SubjectId actor;  // nil when sealed and not opened
  std::string purpose;
  std::string lawful_basis;
  std::optional<EventId> causation;
  std::optional<EventId> correlation;
};

// Seals and opens events by the annotations of their descriptors: one walk drives sealing,
// redaction, access copies and erasure. No service has redaction code of its own.
//
// Thread-safe. Must not outlive key store, categories and random.
class Sealer {
 public:
  Sealer(KeyStore& keys, const CategoryTable& categories, Random& random);
  ~Sealer();
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  // Seals `message`. Each category of the event's own subject gets a part, also when its fields are
  // empty, so that number and order of the parts tell nothing of the content. In a restricted type
  // the empty part opens, so that whoever may read the category sees that something ended; in an
  // open type it is a dummy, which opens for nobody. kInvalidArgument: not an annotated event
  // type, a header without id, subject or scope time, a field sealed under another subject whose id
  // is not given, fields that this build does not know, more than kSealedPartsMax parts, or above
  // kEventBytesMax. kFailedPrecondition (SUBJECT_FENCED).
  [[nodiscard]] absl::StatusOr<SealedEvent> Seal(const EventHeader& header,
                                                 const google::protobuf::Message& message);

  // Opens the parts of the categories for which `may_open` says yes, and no other. A part whose key
  // was erased is as if it were not there. kDataLoss: a part does not decrypt, was put into another
  // event, or names a type or category that is not known: never served, nor in part.
  [[nodiscard]] absl::StatusOr<OpenedEvent> Open(
      const records::log::v1::Event& event,
      absl::FunctionRef<bool(absl::string_view category)> may_open) const;

  // The real type of an event: of a restricted one the first part that opens tells it, and nothing
  // else of the part is looked at. Empty: none opens, because the keys have ended. For who places
  // events, never for an answer. kDataLoss: as Open().
  [[nodiscard]] absl::StatusOr<std::string> TypeOf(const records::log::v1::Event& event) const;

 private:
  KeyStore& keys_;
  const CategoryTable& categories_;
  Random& random_;
  const std::unique_ptr<SealingPlans> plans_;
};

// Checks the annotations of an event type and of all it contains: each field has a category or a
// reason, categories are known, repeated fields are leaves, subject fields exist, fold only in
// restricted types, nothing clear in them. For the test that walks all descriptors and for the
// start of the server. kInvalidArgument, naming the field.
[[nodiscard]] absl::Status CheckAnnotations(const google::protobuf::Descriptor& type,
                                            const CategoryTable& categories);

// Size class that a plaintext of `size` bytes is padded to: 64, 96, 128, 192, 256, ... (powers of
// two and their midpoints, so that at most a half is added); always larger than `size`, as the
// padding of ISO/IEC 7816-4 is at least one byte.
[[nodiscard]] size_t PaddedSize(size_t size);

}  // namespace records::eventstore
