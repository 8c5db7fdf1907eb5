#include "tests/simulation/contacts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eventstore/status_macros.h"
#include "eventstore/stream_name.h"
#include "records/events/v1/contact.pb.h"
#include "services/customer/customers.h"
#include "services/errors/errors.h"

namespace records::simulation {
namespace {

namespace ev = records::events::v1;

constexpr char kName[] = "contacts";

services::Authorised Recorder() {
  services::Authorised caller;
  caller.caller.issuer = kIssuer;
  caller.caller.subject = "recorder";
  caller.caller.purpose = "service-delivery";
  caller.method = "records.api.v1.ContactService.RecordContact";
  caller.staff.subject = eventstore::SubjectId({7, 7});
  return caller;
}

// The summary of a contact, which is the name of its request; nullopt: no contact, or erased.
std::optional<std::string> SummaryIn(Process& process, const eventstore::StoredEvent& stored) {
  if (stored.event.type() != ev::ContactRecorded::descriptor()->full_name()) return std::nullopt;
  const auto opened = process.sealer().Open(stored.event, [](absl::string_view) { return true; });
  if (!opened.ok()) return absl::StrCat("what does not open: ", opened.status().message());
  const auto* contact = dynamic_cast<const ev::ContactRecorded*>(opened->message.get());
  if (contact == nullptr || contact->contact().summary().empty()) return std::nullopt;
  return contact->contact().summary();
}

}  // namespace

Contacts::Contacts(const Options& options, Machine& machine, Report& report)
    : options_(options), machine_(machine), report_(report), dice_(options.seed ^ 0xc041) {
  for (uint64_t i = 0; i < options.customers; ++i) {
    customers_.push_back({.reference = absl::StrCat("R", i)});
  }
}

void Contacts::Act(Process& process) {
  const auto open = std::count_if(requests_.begin(), requests_.end(), [](const auto& request) {
    return !request->at.has_value() && !request->refused;
  });
  if (requests_.empty() ||
      (static_cast<uint64_t>(open) < options_.open_requests_max && !dice_.OneIn(3))) {
    return Begin(process);
  }
  Request& request = *dice_.Pick(requests_);
  const bool other_content = request.at.has_value() && dice_.OneIn(4);
  if (request.sends_left == 0) return;
  --request.sends_left;
  Send(process, request, other_content);
}

void Contacts::Begin(Process& process) {
  auto request = std::make_unique<Request>();
  const uint64_t number = requests_.size();
  request->name = absl::StrCat("c", number);
  request->request_id = absl::StrFormat("00000000-0000-4000-8000-%012x", number + 1);
  request->customer = dice_.Below(customers_.size());
  request->sends_left = dice_.Between(1, 5);
  if (options_.erase_one_in == 0 && dice_.OneIn(4)) {
    request->first_customer = (request->customer + 1) % customers_.size();
    if (request->first_customer == request->customer) request->first_customer.reset();
  }
  requests_.push_back(std::move(request));
  Send(process, *requests_.back(), false);
}

absl::StatusOr<eventstore::DirectoryEntry> Contacts::Claim(Process& process, size_t customer) {
  Customer& known = customers_[customer];
  ASSIGN_OR_RETURN(
      const eventstore::DirectoryEntry entry,
      process.keys().Claim(kOrganisation, services::kCustomerReferences, known.reference));
  if (!known.entry.has_value()) known.entry = entry;
  if (known.entry->subject != entry.subject || known.entry->root != entry.root) {
    report_.Broken(kName, known.reference + " leads to somebody else than before");
  }
  return entry;
}

absl::StatusOr<services::Step> Contacts::MakeStep(Process& process, size_t customer,
                                                  const std::string& summary) {
  ASSIGN_OR_RETURN(const eventstore::DirectoryEntry entry, Claim(process, customer));
  auto recorded = std::make_unique<ev::ContactRecorded>();
  recorded->mutable_contact()->set_channel(ev::CHANNEL_PHONE);
  recorded->mutable_contact()->set_summary(summary);
  services::Step step;
  step.digest_subject = entry.subject;
  step.facts.push_back({.stream = services::StreamOf(process.runtime(), services::kCustomers,
                                                     entry.root, services::kContactsSubStream),
                        .subject = entry.subject,
                        .message = std::move(recorded),
                        .occurred_at = machine_.clock.Now()});
  return step;
}

absl::StatusOr<services::Plan> Contacts::MakePlan(Process& process, const Request& request) {
  services::Plan plan;
  if (request.first_customer.has_value()) {
    ASSIGN_OR_RETURN(services::Step step, MakeStep(process, *request.first_customer, request.name));
    plan.steps.push_back(std::move(step));
  }
  ASSIGN_OR_RETURN(services::Step step, MakeStep(process, request.customer, request.name));
  plan.steps.push_back(std::move(step));
  return plan;
}

void Contacts::Send(Process& process, Request& request, bool other_content) {
  const uint64_t sending = ledger_.Sent(request.name);
  report_.Trace("contact: ", request.name, other_content ? " with other content" : "");
  services::Command command{
      .caller = Recorder(),
      .request_id = request.request_id,
      .canonical = absl::StrCat(request.name, other_content ? " other" : ""),
      .planner = [this, &process, &request](const eventstore::RequestKey& key) {
        ledger_.HasKey(request.name, process.StoredKeyOf(key));
        return MakePlan(process, request);
      }};
  process.commands().Run(
      std::move(command),
      process.WhileAlive<absl::StatusOr<services::Outcome>>(
          [this, &request, other_content,
           sending](const absl::StatusOr<services::Outcome>& outcome) {
            if (!other_content) return Done(request, sending, outcome);
            // Of a fenced customer there is nothing left to compare with: the retry is told so.
            const Customer& customer = customers_[request.customer];
            const bool may_be_erased = customer.fenced_at.has_value() || customer.fence_uncertain;
            if (outcome.ok() && !(outcome->erased && may_be_erased)) {
              report_.Broken(kName, request.name + " was taken again with other content");
            }
          }));
}

void Contacts::Done(Request& request, uint64_t sending,
                    const absl::StatusOr<services::Outcome>& outcome) {
  report_.Trace("contact: ", request.name, " -> ",
                absl::StatusCodeToString(outcome.status().code()),
                outcome.ok() && outcome->repeated ? " repeated" : "");
  const Customer& customer = customers_[request.customer];
  if (outcome.ok()) {
    const auto count = static_cast<uint32_t>(outcome->event_ids.size());
    request.at = outcome->last;
    const eventstore::Position first{outcome->last.partition, outcome->last.sequence - count + 1};
    ledger_.Acknowledged(request.name, {first, count, outcome->repeated}, report_);
    return;
  }
  if (absl::IsAlreadyExists(outcome.status())) {
    report_.Broken(kName, request.name + " was refused as another's request id");
  }
  const std::string reason = services::ReasonOf(outcome.status());
  if (reason == "SUBJECT_FENCED" || reason == "KEY_ENDED") {
    report_.Broken(kName, request.name + " was told that its customer is being erased");
  }
  // Whoever writes is told nothing of the fence; a product's customer is gone soon after, ours
  // stays.
  if (reason == "SERVER_BUSY" && customer.fenced_at.has_value()) {
    request.refused = true;
    ledger_.Refused(request.name, sending);
    report_.Fired("fence-refused");
  }
}

std::optional<eventstore::DirectoryEntry> Contacts::Find(Process& process, size_t customer) const {
  const auto found = process.keys().Resolve(kOrganisation, services::kCustomerReferences,
                                            customers_[customer].reference);
  return found.ok() ? *found : std::nullopt;
}

void Contacts::Erase(Process& process) {
  Customer& customer = customers_[dice_.Below(customers_.size())];
  if (!customer.entry.has_value()) return;
  // A batch that failed may come back with the restart, at its place before the fence.
  if (!process.log().WriteHealth().ok()) return;
  dice_.OneIn(3) ? Fence(process, customer) : EndKey(process, customer);
}

uint64_t Contacts::HeadOf(Process& process, const Customer& customer) const {
  const uint32_t partition = eventstore::PartitionOf(customer.entry->root, options_.partitions);
  return process.log().Head(eventstore::Ledger::kEvents, partition).sequence;
}

void Contacts::Fence(Process& process, Customer& customer) {
  const absl::Status status = process.keys().Fence(customer.entry->subject);
  report_.Trace("fence: ", customer.reference, " -> ", absl::StatusCodeToString(status.code()));
  customer.fence_uncertain = !status.ok() && !customer.fenced_at.has_value();
  if (!status.ok() || customer.fenced_at.has_value()) return;
  customer.fenced_at = HeadOf(process, customer);
  report_.Fired("fenced");
}

void Contacts::EndKey(Process& process, Customer& customer) {
  const auto* rule = Policy::Get().categories.Find("contact");
  const absl::CivilYear year(absl::ToCivilYear(machine_.clock.Now(), absl::UTCTimeZone()));
  const eventstore::KeyPurpose purpose{
      customer.entry->subject,
      rule->number,
      {.kind = rule->scope, .epoch = static_cast<uint32_t>(year.year())}};
  const absl::Status status = process.keys().EndKey(purpose);
  report_.Trace("end key: ", customer.reference, " -> ", absl::StatusCodeToString(status.code()));
  customer.key_uncertain = !status.ok();
  if (!status.ok()) return;
  customer.key_ended_at = HeadOf(process, customer);
  report_.Fired("key-ended");
}

bool Contacts::Settle(Process& process) {
  bool settled = true;
  for (Customer& customer : customers_) {
    if (customer.fence_uncertain) Fence(process, customer);
    if (customer.key_uncertain) EndKey(process, customer);
    settled &= !customer.fence_uncertain && !customer.key_uncertain;
  }
  for (const auto& request : requests_) {
    if (request->at.has_value() || request->refused) continue;
    settled = false;
    Send(process, *request, false);
  }
  return settled;
}

void Contacts::CheckSeen(Process& process, size_t number, const projections::TimelinePage& page) {
  const Customer& customer = customers_[number];
  std::map<std::string, int> seen;
  for (const projections::OpenedEntry& entry : page.entries) {
    const auto* contact = dynamic_cast<const ev::ContactRecorded*>(entry.message.get());
    if (contact == nullptr || contact->contact().summary().empty()) continue;
    ++seen[contact->contact().summary()];
  }
  for (const auto& request : requests_) {
    const auto it = seen.find(request->name);
    const int times = it == seen.end() ? 0 : it->second;
    if (it != seen.end()) seen.erase(it);
    if (times > 1) report_.Broken(kName, request->name + " is there more than once");
    const bool owns = request->customer == number || request->first_customer == number;
    if (times > 0 && !owns) report_.Broken(kName, request->name + " is shown for another customer");
    if (request->customer != number || !request->at.has_value()) continue;
    const bool folded =
        request->at->sequence <= process.timeline_fold().Applied(request->at->partition).sequence;
    CheckRequest(*request, customer, times, folded);
  }
  if (!seen.empty()) report_.Broken(kName, "a contact is shown that nobody recorded");
}

void Contacts::CheckRequest(const Request& request, const Customer& customer, int seen,
                            bool folded) {
  if (customer.key_uncertain || customer.fence_uncertain) return;
  if (customer.fenced_at.has_value()) {
    if (seen > 0) report_.Broken(kName, request.name + " is shown though its customer is fenced");
    return;
  }
  const bool ended =
      customer.key_ended_at.has_value() && request.at->sequence <= *customer.key_ended_at;
  if (ended && seen > 0) report_.Broken(kName, request.name + " is shown though its key ended");
  if (!ended && seen > 0 && customer.key_ended_at.has_value()) report_.Fired("key-made-anew");
  if (!ended && seen == 0 && folded) {
    report_.Broken(kName, request.name + " was acknowledged and is not shown");
  }
}

// Nothing was written about the customer once they were fenced.
void Contacts::CheckFence(const LogSnapshot& snapshot, const Customer& customer) {
  if (!customer.fenced_at.has_value()) return;
  const uint32_t partition = eventstore::PartitionOf(customer.entry->root, options_.partitions);
  for (const auto& stored : snapshot.Events(partition)) {
    if (stored.position.sequence <= *customer.fenced_at) continue;
    if (stored.event.stream().root() == customer.entry->root.bytes()) {
      report_.Broken(kName, absl::StrCat("event ", stored.position.sequence,
                                         " was written though its customer is fenced"));
    }
  }
}

void Contacts::Check(Process& process, const LogSnapshot& snapshot) {
  const auto name_in = [&process](const eventstore::StoredEvent& stored) {
    return SummaryIn(process, stored);
  };
  ledger_.Check(snapshot, name_in, report_);
  for (size_t i = 0; i < customers_.size(); ++i) {
    const Customer& customer = customers_[i];
    CheckFence(snapshot, customer);
    if (!customer.entry.has_value()) continue;
    const auto page = process.timeline().GetPage({.root = customer.entry->root, .page_size = 200},
                                                 [](absl::string_view) { return true; });
    if (!page.ok()) {
      report_.Broken(kName, absl::StrCat("a timeline cannot be read: ", page.status().message()));
      continue;
    }
    CheckSeen(process, i, *page);
  }
}

}  // namespace records::simulation
