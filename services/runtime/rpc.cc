#include "services/runtime/rpc.h"

namespace records::services {

records::events::v1::ReadTrace TraceOf(const Authorised& caller,
                                       const std::vector<std::string>& categories,
                                       uint32_t events_opened) {
  records::events::v1::ReadTrace trace;
  trace.set_reader(std::string(caller.staff.subject.bytes()));
  trace.set_purpose(caller.caller.purpose);
  trace.set_method(caller.method);
  for (const std::string& category : categories) trace.add_categories(category);
  trace.set_role(caller.decision.role);
  trace.set_events_opened(events_opened);
  return trace;
}

void TraceAll(const Backend& backend, const Authorised& caller,
              std::vector<eventstore::DirectoryEntry> read, std::vector<std::string> categories,
              std::function<void(absl::Status)> finish) {
  if (read.empty()) return finish(absl::OkStatus());
  const eventstore::DirectoryEntry whom = read.back();
  read.pop_back();
  const auto trace = TraceOf(caller, categories, 1);
  backend.tracer.Trace(
      whom, kCustomers, trace,
      [&backend, caller, read = std::move(read), categories = std::move(categories),
       finish = std::move(finish)](absl::Status status) mutable {
        if (!status.ok()) return finish(status);
        TraceAll(backend, caller, std::move(read), std::move(categories), std::move(finish));
      });
}

absl::Status WasErased(const Backend& backend, const Authorised& caller, const Outcome& outcome) {
  const auto token = backend.commands.WriteToken(caller, outcome);
  if (!token.ok()) return token.status();
  return Refusal(absl::StatusCode::kFailedPrecondition, "ERASED",
                 "This request was carried out before, and what it recorded was erased since.")
      .With("token", eventstore::Base64Encode(*token));
}

}  // namespace records::services
