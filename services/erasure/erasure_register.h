#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/ids.h"
#include "eventstore/log.h"
#include "records/events/v1/erasure.pb.h"
#include "services/runtime/runtime.h"

namespace records::services {

using ErasureId = eventstore::Id<struct ErasureIdTag>;

// Collection of the register, and sub-stream of the fence under the erased root.
inline constexpr absl::string_view kErasures = "erasures";
inline constexpr absl::string_view kErasureSubStream = "erasure";

// A subscriber of a work stream has dropped what it held.
struct ErasureConfirmation {
  std::string stream;
  eventstore::SubjectId confirmed_by;
  absl::Time confirmed_at;
};

// One erasure, folded from the register.
struct ErasureEntry {
  ErasureId id;
  eventstore::SubjectId subject;
  eventstore::RootId root;
  std::string collection;
  records::events::v1::ErasureGround ground = records::events::v1::ERASURE_GROUND_UNSPECIFIED;
  absl::Time decided_at;
  eventstore::SubjectId decided_by;
  std::optional<eventstore::Position> certified;  // where the certificate stands
  absl::Time certified_at;
  uint64_t keys_destroyed = 0;
  bool acknowledged = false;
  bool objection = false;
  std::vector<ErasureConfirmation> confirmations;  // oldest first
};

// The register of erasures: one stream of the log, so that a start finds what is not finished, and
// the data protection officer what to be told, without reading the log. Folded when asked.
//
// Thread-safe. Must not outlive what the runtime points to.
class ErasureRegister {
 public:
  explicit ErasureRegister(const Runtime& runtime);

  // The stream that it is.
  const eventstore::StreamName& stream() const { return stream_; }

  // Reads what came since the last time. Errors: those of the log; kDataLoss: an event of it does
  // not parse.
  [[nodiscard]] absl::Status Refresh();

  // As of the last Refresh(), oldest first.
  std::vector<ErasureEntry> Entries() const;
  std::optional<ErasureEntry> Find(const ErasureId& id) const;
  std::optional<ErasureEntry> FindSubject(const eventstore::SubjectId& subject) const;

  // What an append to the register must expect, so that nothing came in between.
  eventstore::Expectation Expected() const;

 private:
  absl::Status Fold(const eventstore::StoredEvent& stored) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The erasure that an event is about. kDataLoss: nobody decided it.
  absl::StatusOr<ErasureEntry*> Decided(const std::string& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Runtime runtime_;
  const eventstore::StreamName stream_;
  mutable absl::Mutex mutex_;
  std::vector<ErasureEntry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<ErasureId, size_t> by_id_ ABSL_GUARDED_BY(mutex_);
  eventstore::Revision next_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
