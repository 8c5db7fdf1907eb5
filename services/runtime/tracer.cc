#include "services/runtime/tracer.h"

#include <utility>

#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

absl::StatusOr<eventstore::Append> SealTrace(const Runtime& runtime,
                                             const eventstore::DirectoryEntry& whom,
                                             eventstore::StreamName stream,
                                             const records::events::v1::ReadTrace& trace) {
  ASSIGN_OR_RETURN(auto id, eventstore::EventId::Generate(runtime.random));
  const absl::Time now = runtime.clock.Now();
  // Who read, and for what, stands in the sealed trace only: the envelope names nobody.
  eventstore::EventHeader header{.id = id,
                                 .stream = std::move(stream),
                                 .subject = whom.subject,
                                 .occurred_at = now,
                                 .scope_time = now};
  records::events::v1::RecordRead read;
  *read.mutable_trace() = trace;
  ASSIGN_OR_RETURN(auto sealed, runtime.sealer.Seal(header, read));
  eventstore::Append append;
  append.ledger = eventstore::Ledger::kAccess;
  append.from_reserve = true;
  append.events.push_back(std::move(sealed.event));
  append.subjects = std::move(sealed.subjects);
  append.keys = std::move(sealed.keys);
  return append;
}

}  // namespace

eventstore::StreamName Tracer::StreamOf(const eventstore::RootId& root,
                                        absl::string_view collection) const {
  return {runtime_.organisation, std::string(collection), root, std::string(kAccessSubStream)};
}

void Tracer::Trace(const eventstore::DirectoryEntry& whom, absl::string_view collection,
                   const records::events::v1::ReadTrace& trace,
                   absl::AnyInvocable<void(absl::Status)> done) const {
  auto append = SealTrace(runtime_, whom, StreamOf(whom.root, collection), trace);
  if (!append.ok()) return done(append.status());
  if (PLANTED_BUG("answer-before-trace")) {
    done(absl::OkStatus());
    done = [](absl::Status) {};
  }
  runtime_.log.AppendAsync(
      *std::move(append),
      [done = std::move(done)](absl::StatusOr<eventstore::Appended> result) mutable {
        done(result.status());
      });
}

}  // namespace records::services
