#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"
#include "records/events/v1/access.pb.h"
#include "services/runtime/runtime.h"

namespace records::services {

// Collections and sub-streams of the log.
inline constexpr absl::string_view kCustomers = "customers";
inline constexpr absl::string_view kStaff = "staff";
inline constexpr absl::string_view kAccessSubStream = "access";

// Leaves the trace of a read before the answer: no trace, no answer (DP-B4, CR-3.5.1a).
//
// Thread-safe.
class Tracer {
 public:
  explicit Tracer(const Runtime& runtime) : runtime_(runtime) {}

  // Traces a read of the record of `whom`, in their access stream below `collection`. `done` is
  // called once, with OK when the trace is durable; with anything else nothing may be answered.
  void Trace(const eventstore::DirectoryEntry& whom, absl::string_view collection,
             const records::events::v1::ReadTrace& trace,
             absl::AnyInvocable<void(absl::Status)> done) const;

  // The stream that the traces of a root are in.
  eventstore::StreamName StreamOf(const eventstore::RootId& root,
                                  absl::string_view collection) const;

 private:
  Runtime runtime_;
};

}  // namespace records::services
