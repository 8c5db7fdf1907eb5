#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eventstore/categories.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"
#include "eventstore/sealing.h"
#include "records/log/v1/bus.pb.h"

namespace records::eventstore {

// Type of a record that says that a data subject was erased, instead of the event's own.
inline constexpr absl::string_view kErasedType = "records.log.v1.Erased";

// An event as one work stream has it: nothing of its content, and nothing that another stream has,
// too. Ids, subjects and references are made with a key for each stream, so that two of them cannot
// be joined; a reference opens for the ledger only.
struct WorkItem {
  std::string topic;      // without prefix: "repairs.v1"
  std::string id;         // 32 hexadecimal digits
  std::string subject;    // 32 hexadecimal digits: the same for all events of one root
  std::string type;       // that of the log in the clear, or kErasedType
  std::string reference;  // what LedgerService.Unseal takes; bytes
  bool erased = false;    // says that the subject is erased; subscribers drop what they hold of it
  absl::Time day;         // when it was recorded, cut to the day
  // Whose data the event is; nil: nobody's, or erased. For traces only, never for a subscriber.
  SubjectId data_subject;
};

// What a reference leads to.
struct WorkReference {
  Position position;
  bool erased = false;
};

// Which work streams carry an event, and under which names: by the options of its type (options
// .proto). A restricted event is placed by the type that one of its parts tells. Once its keys have
// ended it is on no stream: the subscribers get the Erased record of its subject.
//
// The subject of a record is made with a key of the data subject, and ends with it.
//
// Thread-safe. Key store and sealer must outlive it.
class WorkStreams {
 public:
  // `event_types`: all that a log may hold. kInvalidArgument: a type's annotations contradict
  // themselves.
  [[nodiscard]] static absl::StatusOr<WorkStreams> Create(
      KeyStore& keys, const Sealer& sealer, const CategoryTable& categories,
      absl::Span<const google::protobuf::Descriptor* const> event_types);

  // Names of all streams, sorted.
  const std::vector<std::string>& topics() const { return topics_; }

  // Where the event goes, at most one item for each stream. kDataLoss: the event is damaged, or of
  // a type that was not given.
  [[nodiscard]] absl::StatusOr<std::vector<WorkItem>> ItemsOf(const StoredEvent& event) const;

  // Whether an event that is not on a stream would be, were its subject not fenced and the keys
  // that tell its type not ended. kDataLoss: as ItemsOf().
  [[nodiscard]] absl::StatusOr<bool> IsErasedFrom(absl::string_view topic,
                                                  const StoredEvent& event) const;

  // Whether the keys of the event are all there. Where they are not, a name made now may be another
  // than the one that was published: keys that a restore did not bring back are made anew.
  [[nodiscard]] absl::StatusOr<bool> HasKeysOf(const StoredEvent& event) const;

  // Id of the item that the event at `position` has on a stream; empty for sequence 0.
  [[nodiscard]] std::string IdOf(absl::string_view topic, Position position) const;

  // kInvalidArgument: not a reference of that stream.
  [[nodiscard]] absl::StatusOr<WorkReference> OpenReference(absl::string_view topic,
                                                            absl::string_view reference) const;

  // What a subject's root is called on every stream, on those that never had it too: to be kept,
  // sealed, until the subscribers were told. kFailedPrecondition: fenced.
  [[nodiscard]] absl::StatusOr<records::log::v1::ErasedSubjects> NamesOf(const SubjectId& subject,
                                                                         const RootId& root) const;

 private:
  // The options of a type.
  struct Route {
    std::vector<std::string> topics;
    std::vector<uint32_t> own_categories;  // numbers: the parts of the event's own subject
    const google::protobuf::FieldDescriptor* erased_subjects = nullptr;
    std::string erased_category;
  };

  WorkStreams(KeyStore& keys, const Sealer& sealer) : keys_(keys), sealer_(sealer) {}

  absl::Status AddType(const google::protobuf::Descriptor& type, const CategoryTable& categories);
  // The options of an event's type; nullptr: no key tells its type any more.
  absl::StatusOr<const Route*> RouteOf(const StoredEvent& event) const;
  // Whose data the event is; nil: nobody's.
  absl::StatusOr<SubjectId> DataSubjectOf(const Route& route, const StoredEvent& event) const;
  // The name of the event's subject on a stream; nullopt: the subject is fenced.
  absl::StatusOr<std::optional<std::string>> SubjectOf(const SubjectId& subject,
                                                       const StoredEvent& event,
                                                       absl::string_view topic) const;
  absl::StatusOr<WorkItem> ItemOn(absl::string_view topic, const StoredEvent& event,
                                  std::string subject, bool erased) const;
  absl::Status AddErased(const Route& route, const StoredEvent& event,
                         std::vector<WorkItem>& items) const;

  KeyStore& keys_;
  const Sealer& sealer_;
  absl::flat_hash_map<std::string, Route> routes_;
  std::vector<std::string> topics_;
};

}  // namespace records::eventstore
