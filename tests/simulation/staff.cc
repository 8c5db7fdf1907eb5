#include "tests/simulation/staff.h"

#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eventstore/status_macros.h"
#include "records/events/v1/access.pb.h"
#include "services/access/role_decisions.h"
#include "services/customer/customers.h"

namespace records::simulation {
namespace {

constexpr char kGetTimeline[] = "records.api.v1.TimelineService.GetTimeline";

}  // namespace

Staff::Staff(const Options& options, Machine& machine, Contacts& contacts, Report& report)
    : options_(options),
      machine_(machine),
      contacts_(contacts),
      report_(report),
      dice_(options.seed ^ 0x57af) {
  for (uint64_t i = 0; i < options_.staff; ++i) {
    members_.push_back({.subject = absl::StrCat("s", i)});
  }
}

void Staff::Act(Process& process) {
  Member& member = members_[dice_.Below(members_.size())];
  AcknowledgeChange(process, member);
  if (!member.request_id.empty()) {
    return member.in_flight || dice_.OneIn(2) ? Ask(process, member) : SendChange(process, member);
  }
  dice_.OneIn(3) ? BeginChange(process, member) : Ask(process, member);
}

void Staff::BeginChange(Process& process, Member& member) {
  ++changes_;
  member.name = absl::StrCat("r", changes_);
  member.request_id = absl::StrFormat("10000000-0000-4000-8000-%012x", changes_);
  member.grants = !member.granted;
  access_.ChangeBegins(member.subject);
  SendChange(process, member);
}

void Staff::SendChange(Process& process, Member& member) {
  if (member.in_flight || member.made_at.has_value()) return;
  member.in_flight = true;
  report_.Trace("staff: ", member.name, member.grants ? " grant to " : " revoke from ",
                member.subject);
  services::Authorised caller;
  caller.caller.issuer = kIssuer;
  caller.caller.subject = "administrator";
  caller.caller.purpose = "system-operation";
  caller.method = "records.api.v1.AccessService.GrantRole";
  services::Command command{
      .caller = caller,
      .request_id = member.request_id,
      .canonical = member.name,
      .planner = [this, &process,
                  &member](const eventstore::RequestKey& key) -> absl::StatusOr<services::Plan> {
        ledger_.HasKey(member.name, process.StoredKeyOf(key));
        ASSIGN_OR_RETURN(const auto staff,
                         process.keys().Claim(kOrganisation, services::kStaffReferences,
                                              absl::StrCat(kIssuer, "\n", member.subject)));
        services::Plan plan;
        plan.steps.push_back(services::DecideRoleChange(
            {.subject = member.subject, .issuer = kIssuer, .role = kRole, .grant = member.grants},
            staff, kOrganisation, machine_.clock.Now()));
        return plan;
      }};
  process.commands().Run(
      std::move(command),
      process.WhileAlive<absl::StatusOr<services::Outcome>>(
          [this, &member](const absl::StatusOr<services::Outcome>& outcome) {
            member.in_flight = false;
            report_.Trace("staff: ", member.name, " -> ",
                          absl::StatusCodeToString(outcome.status().code()));
            if (!outcome.ok()) return;
            ledger_.Acknowledged(member.name, {outcome->last, 1, outcome->repeated}, report_);
            member.made_at = outcome->last;
          }));
}

// As the service does it: acknowledged when the view that decides has folded it.
void Staff::AcknowledgeChange(Process& process, Member& member) {
  if (!member.made_at.has_value()) return;
  if (process.grants_fold().Applied(member.made_at->partition).sequence <
      member.made_at->sequence) {
    return;
  }
  report_.Trace("staff: ", member.name, " acknowledged");
  member.granted = member.grants;
  access_.ChangeAcknowledged(member.subject, member.granted);
  member.request_id.clear();
  member.made_at.reset();
  report_.Fired(member.granted ? "granted" : "revoked");
}

absl::StatusOr<services::Authorised> Staff::Decide(Process& process, const Member& member) {
  services::Authorised caller;
  caller.caller.issuer = kIssuer;
  caller.caller.subject = member.subject;
  caller.caller.purpose = "service-delivery";
  caller.method = kGetTimeline;
  ASSIGN_OR_RETURN(const auto staff,
                   process.keys().Resolve(kOrganisation, services::kStaffReferences,
                                          absl::StrCat(kIssuer, "\n", member.subject)));
  if (!staff.has_value()) return absl::PermissionDeniedError("not known");
  caller.staff = *staff;
  ASSIGN_OR_RETURN(const auto granted, process.grants().RolesOf(staff->root));
  const std::vector<std::string> offered = {kRole};
  const auto decided = services::Decide({.offered = offered,
                                         .granted = granted,
                                         .access = *Policy::Get().methods.Find(kGetTimeline),
                                         .purpose = caller.caller.purpose,
                                         .relations = {}},
                                        Policy::Get().decisions);
  const auto* decision = std::get_if<services::Decision>(&decided);
  if (decision == nullptr) return absl::PermissionDeniedError("refused");
  caller.decision = *decision;
  return caller;
}

void Staff::Ask(Process& process, const Member& member) {
  const auto caller = Decide(process, member);
  if (!caller.ok() && !absl::IsPermissionDenied(caller.status())) return;
  access_.Decided(member.subject, caller.ok(), report_);
  report_.Fired(caller.ok() ? "question-allowed" : "question-refused");
  if (caller.ok()) Answer(process, *caller, dice_.Below(contacts_.customers()));
}

void Staff::Answer(Process& process, const services::Authorised& caller, size_t customer) {
  const auto entry = contacts_.Find(process, customer);
  if (!entry.has_value()) return;
  const auto page = process.timeline().GetPage(
      {.root = entry->root, .page_size = 200},
      [&caller](absl::string_view category) { return caller.MayOpen(category); });
  if (!page.ok()) return;
  contacts_.CheckSeen(process, customer, *page);
  const std::string name = absl::StrCat("q", questions_++);
  records::events::v1::ReadTrace trace;
  trace.set_reader(std::string(caller.staff.subject.bytes()));
  trace.set_role(kRole);
  trace.set_purpose(caller.caller.purpose);
  trace.set_method(caller.method);
  // A product's trace has a reference here when it was refused; ours finds it again by it.
  trace.set_asked_for(name);
  process.tracer().Trace(
      *entry, services::kCustomers, trace,
      process.WhileAlive<absl::Status>([this, name, customer](absl::Status traced) {
        report_.Trace("staff: ", name, " -> ", absl::StatusCodeToString(traced.code()));
        if (traced.ok()) access_.Answered(name, customer);
      }));
}

bool Staff::Settle(Process& process) {
  bool settled = true;
  for (Member& member : members_) {
    AcknowledgeChange(process, member);
    if (member.request_id.empty()) continue;
    settled = false;
    SendChange(process, member);
  }
  return settled;
}

void Staff::ProcessEnds() {
  for (Member& member : members_) {
    member.in_flight = false;
    member.made_at.reset();
  }
}

void Staff::Check(Process& process, const LogSnapshot& snapshot) {
  // A grant says whose it is, and not which request made it: its key tells.
  ledger_.Check(
      snapshot, [](const eventstore::StoredEvent&) { return std::nullopt; }, report_);
  std::set<std::string> traces;
  for (uint32_t partition = 0; partition < snapshot.partition_count; ++partition) {
    for (const auto& stored : snapshot.Traces(partition)) {
      const auto opened =
          process.sealer().Open(stored.event, [](absl::string_view) { return true; });
      if (!opened.ok()) {
        report_.Broken("access",
                       absl::StrCat("a trace does not open: ", opened.status().message()));
        continue;
      }
      const auto* read =
          dynamic_cast<const records::events::v1::RecordRead*>(opened->message.get());
      if (read != nullptr) traces.insert(read->trace().asked_for());
    }
  }
  // The traces of a fenced customer no longer open.
  access_.Check(
      traces, [this](size_t customer) { return contacts_.MayBeFenced(customer); }, report_);
}

}  // namespace records::simulation
