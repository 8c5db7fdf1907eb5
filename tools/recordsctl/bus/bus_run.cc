#include "tools/recordsctl/bus/bus_run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/topic_register.h"
#include "tools/recordsctl/bus/bus_verbs.h"
#include "tools/recordsctl/bus/topic_source.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

absl::string_view WhatToDo(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "see that the brokers run and that the address, security.protocol and ssl.* fit them, "
             "then run it again: that is safe";
    case absl::StatusCode::kPermissionDenied:
      return "check who signs in (sasl.*), and that they may describe and alter topics and "
             "access rules";
    default:
      return "correct it and run it again: that is safe";
  }
}

int RunOn(BusRun& run, BusVerb verb) {
  const int refused = verb == BusVerb::kDiff ? kExitUsage : kExitRefused;
  const absl::Status reached = run.admin.WaitForBroker(run.Left());
  if (!reached.ok()) return FailBus(run.session, "reach the brokers", reached, refused);
  switch (verb) {
    case BusVerb::kApply:
      return ApplyBus(run);
    case BusVerb::kDiff:
      return DiffBus(run);
    case BusVerb::kStatus:
      break;
  }
  return ShowBusStatus(run);
}

}  // namespace

int FailBus(Session& session, absl::string_view doing, const absl::Status& status, int refused) {
  session.err << "recordsctl: could not " << doing << " ("
              << absl::StatusCodeToString(status.code())
              << ")\nwhy: " << Printable(status.message()) << "\nwhat to do: " << WhatToDo(status)
              << "\n";
  return absl::IsUnavailable(status) ? kExitUnreachable : refused;
}

int RunBusVerb(Session& session, const BusFlags& flags, BusVerb verb) {
  const auto end =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(session.options.timeout());
  const std::string see = "see `recordsctl bus --help`";
  const auto settings = eventstore::KafkaSettings::FromOptions(flags.kafka, flags.kafka_settings);
  if (!settings.ok()) return session.Usage(settings.status().message(), see);
  auto reg = ReadTopicRegister(flags.topics);
  if (!reg.ok()) {
    session.err << "recordsctl: the register of topics is refused\n"
                << Printable(reg.status().message(), true) << "\n";
    return kExitUsage;
  }
  const absl::Status prefix = eventstore::CheckBusPrefix(flags.prefix);
  if (!prefix.ok()) return session.Usage(prefix.message(), see);
  const auto admin = eventstore::TopicAdmin::Open(*settings);
  if (!admin.ok()) return session.Usage(admin.status().message(), see);
  BusRun run(session, **admin, *std::move(reg),
             {.prefix = flags.prefix,
              .replicas_max = flags.replicas_max,
              .with_rules = !flags.without_rules},
             end);
  return RunOn(run, verb);
}

}  // namespace records::tools
