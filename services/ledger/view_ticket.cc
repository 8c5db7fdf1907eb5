#include "services/ledger/view_ticket.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "records/events/v1/access.pb.h"
#include "services/errors/errors.h"
#include "services/runtime/asked_for.h"

namespace records::services {
namespace {

using eventstore::DirectoryEntry;
using eventstore::kIdSize;
using eventstore::RootId;
using eventstore::SubjectId;

constexpr absl::string_view kLabel = "view-ticket";
// More than any reference, so that what is kept of the question fits.
constexpr size_t kAskedForBytesMax = 256;
// root, subject (of the customer, then of the reader), end (8), absent (1), then a ReadTrace.
constexpr size_t kFixedBytes = 4 * kIdSize + 9;

absl::Status NoTicket() { return InvalidField("ticket", "must be of Resolve, for this view"); }

absl::StatusOr<DirectoryEntry> EntryFrom(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const RootId root, RootId::FromBytes(bytes.substr(0, kIdSize)));
  ASSIGN_OR_RETURN(const SubjectId subject, SubjectId::FromBytes(bytes.substr(kIdSize, kIdSize)));
  return DirectoryEntry{.subject = subject, .root = root};
}

}  // namespace

absl::StatusOr<std::string> SealTicket(const Runtime& runtime, absl::string_view view,
                                       const AdmittedRead& read) {
  records::events::v1::ReadTrace trace;
  trace.set_purpose(read.caller.caller.purpose);
  trace.set_method(read.caller.method);
  trace.set_role(read.caller.decision.role);
  trace.set_asked_for(std::string(CutAskedFor(read.asked_for, kAskedForBytesMax)));
  std::string bytes =
      absl::StrCat(read.whom.root.bytes(), read.whom.subject.bytes(),
                   read.caller.staff.root.bytes(), read.caller.staff.subject.bytes());
  const auto end = static_cast<uint64_t>(absl::ToUnixMicros(read.caller.caller.ends_at));
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(end >> shift));
  bytes.push_back(read.absent ? '\1' : '\0');
  return runtime.keys.SealToken(kLabel, view, absl::StrCat(bytes, trace.SerializeAsString()));
}

absl::StatusOr<AdmittedRead> OpenTicket(const Runtime& runtime, absl::string_view view,
                                        absl::string_view ticket) {
  const auto opened = runtime.keys.OpenToken(kLabel, view, ticket);
  records::events::v1::ReadTrace trace;
  if (!opened.ok() || opened->size() < kFixedBytes ||
      !trace.ParseFromString(opened->substr(kFixedBytes))) {
    return NoTicket();
  }
  const absl::string_view bytes(*opened);
  const auto whom = EntryFrom(bytes);
  const auto staff = EntryFrom(bytes.substr(2 * kIdSize));
  if (!whom.ok() || !staff.ok()) return NoTicket();
  uint64_t end = 0;
  for (const char byte : bytes.substr(4 * kIdSize, 8)) end = end << 8 | static_cast<uint8_t>(byte);
  AdmittedRead read{.caller = {.method = trace.method(), .staff = *staff},
                    .asked_for = trace.asked_for(),
                    .whom = *whom,
                    .absent = bytes[4 * kIdSize + 8] != 0};
  read.caller.caller.purpose = trace.purpose();
  read.caller.caller.ends_at = absl::FromUnixMicros(static_cast<int64_t>(end));
  read.caller.decision.role = trace.role();
  if (runtime.clock.Now() < read.caller.caller.ends_at) return read;
  return TokenExpired();
}

}  // namespace records::services
