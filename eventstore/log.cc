#include "eventstore/log.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<Appended> EventLog::AppendAndWait(Append append) {
  absl::Notification done;
  absl::StatusOr<Appended> result = absl::UnknownError("the log dropped an append");
  AppendAsync(std::move(append), [&done, &result](absl::StatusOr<Appended> outcome) {
    result = std::move(outcome);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

absl::StatusOr<std::vector<std::array<uint8_t, 32>>> EventLog::ProveInclusion(Ledger, Position,
                                                                              uint64_t) const {
  return absl::UnimplementedError("this log has no trees");
}

absl::StatusOr<bool> EventLog::StreamExists(Ledger ledger, const StreamName& stream) const {
  ASSIGN_OR_RETURN(const std::optional<Revision> head, StreamHead(ledger, stream));
  return head.has_value();
}

absl::StatusOr<LogCopy> EventLog::CopyTo(const std::string&) {
  return absl::UnimplementedError("this log has no files to copy");
}

absl::StatusOr<std::string> EventLog::SignText(absl::string_view) {
  return absl::UnimplementedError("this log signs nothing");
}

}  // namespace records::eventstore
