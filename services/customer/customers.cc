#include "services/customer/customers.h"

#include <algorithm>
#include <utility>

#include "eventstore/limits.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/runtime/tracer.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::ReadDirection;
using eventstore::Revision;
using eventstore::StoredEvent;

}  // namespace

absl::Status ForEachEvent(const Runtime& runtime, const eventstore::StreamName& stream,
                          absl::FunctionRef<absl::Status(const StoredEvent&)> visit) {
  Revision next{0};
  while (true) {
    ASSIGN_OR_RETURN(auto page, runtime.log.ReadStream(eventstore::Ledger::kEvents, stream, next,
                                                       ReadDirection::kForward, {}));
    if (page.empty()) return absl::OkStatus();
    for (const StoredEvent& stored : page) RETURN_IF_ERROR(visit(stored));
    next = Revision{page.back().event.revision() + 1};
  }
}

CustomerDetails Evolve(CustomerDetails details, const google::protobuf::Message& event) {
  if (const auto* registered = dynamic_cast<const ev::CustomerRegistered*>(&event)) {
    details.person = registered->person();
    details.tenancy = registered->tenancy();
    details.synthetic = registered->synthetic();
    ++details.revisions;
  } else if (const auto* corrected = dynamic_cast<const ev::CustomerDetailsCorrected*>(&event)) {
    if (corrected->has_person()) details.person = corrected->person();
    if (corrected->has_tenancy()) details.tenancy = corrected->tenancy();
    ++details.revisions;
  }
  return details;
}

eventstore::StreamName StreamOf(const Runtime& runtime, absl::string_view collection,
                                const eventstore::RootId& root, absl::string_view sub_stream) {
  return {runtime.organisation, std::string(collection), root, std::string(sub_stream)};
}

absl::StatusOr<std::optional<eventstore::DirectoryEntry>> FindCustomer(
    const Runtime& runtime, absl::string_view reference) {
  // Nobody is registered under these; the directory refuses them.
  if (reference.empty() || reference.size() > eventstore::kReferenceLengthMax) {
    return std::optional<eventstore::DirectoryEntry>();
  }
  ASSIGN_OR_RETURN(auto entry,
                   runtime.keys.Resolve(runtime.organisation, kCustomerReferences, reference));
  // Who is being erased is absent from the first step on, not only when the row is gone.
  if (!entry.has_value() || runtime.keys.IsFenced(entry->subject)) {
    // The same reads for what is absent as for what is there.
    ASSIGN_OR_RETURN(auto pseudo, runtime.keys.PseudoEntry(runtime.organisation,
                                                           kCustomerReferences, reference));
    RETURN_IF_ERROR(
        runtime.log
            .StreamExists(eventstore::Ledger::kEvents, StreamOf(runtime, kCustomers, pseudo.root))
            .status());
    return std::optional<eventstore::DirectoryEntry>();
  }
  ASSIGN_OR_RETURN(const bool registered,
                   runtime.log.StreamExists(eventstore::Ledger::kEvents,
                                            StreamOf(runtime, kCustomers, entry->root)));
  if (!registered) return std::optional<eventstore::DirectoryEntry>();
  return entry;
}

absl::StatusOr<CustomerOrStandIn> FindOrStandIn(const Runtime& runtime,
                                                absl::string_view reference) {
  ASSIGN_OR_RETURN(auto entry, FindCustomer(runtime, reference));
  if (entry.has_value()) return CustomerOrStandIn{.entry = *entry, .absent = false};
  if (PLANTED_BUG("absent-is-not-found")) return absl::NotFoundError("No such customer.");
  // What is no reference at all is as one that nobody has.
  const absl::string_view known = reference.substr(0, eventstore::kReferenceLengthMax);
  ASSIGN_OR_RETURN(entry, runtime.keys.PseudoEntry(runtime.organisation, kCustomerReferences,
                                                   known.empty() ? "-" : known));
  return CustomerOrStandIn{.entry = *entry, .absent = true};
}

absl::StatusOr<eventstore::DirectoryEntry> ExistingCustomer(const Runtime& runtime,
                                                            absl::string_view reference) {
  ASSIGN_OR_RETURN(const CustomerOrStandIn found, FindOrStandIn(runtime, reference));
  if (found.absent) return PermissionDenied();
  return found.entry;
}

absl::StatusOr<CustomerDetails> LoadDetails(const Runtime& runtime, const eventstore::RootId& root,
                                            absl::FunctionRef<bool(absl::string_view)> may_open) {
  CustomerDetails details;
  RETURN_IF_ERROR(ForEachEvent(
      runtime, StreamOf(runtime, kCustomers, root), [&](const StoredEvent& stored) -> absl::Status {
        ASSIGN_OR_RETURN(auto opened, runtime.sealer.Open(stored.event, may_open));
        if (opened.message != nullptr) details = Evolve(std::move(details), *opened.message);
        return absl::OkStatus();
      }));
  return details;
}

absl::StatusOr<std::vector<ev::ThirdPartyAuthorityRecorded>> LoadAuthorities(
    const Runtime& runtime, const eventstore::RootId& root) {
  std::vector<ev::ThirdPartyAuthorityRecorded> authorities;
  auto only_authority = [](absl::string_view category) {
    return category == "third-party-authority";
  };
  RETURN_IF_ERROR(ForEachEvent(
      runtime, StreamOf(runtime, kCustomers, root, kSealedSubStream),
      [&](const StoredEvent& stored) -> absl::Status {
        ASSIGN_OR_RETURN(auto opened, runtime.sealer.Open(stored.event, only_authority));
        const auto* recorded =
            dynamic_cast<const ev::ThirdPartyAuthorityRecorded*>(opened.message.get());
        if (recorded != nullptr) authorities.push_back(*recorded);
        return absl::OkStatus();
      }));
  std::reverse(authorities.begin(), authorities.end());
  return authorities;
}

}  // namespace records::services
