#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "nlohmann/json.hpp"
#include "tools/recordsctl/bus/bus_verbs.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

using eventstore::BusDifference;
using Action = BusDifference::Action;

// In the order of Action.
constexpr absl::string_view kActionNames[] = {"make", "set", "add", "remove", "by hand"};

absl::string_view NameOf(Action action) { return kActionNames[static_cast<size_t>(action)]; }

absl::StatusOr<std::vector<BusDifference>> Compare(BusRun& run) {
  ASSIGN_OR_RETURN(const eventstore::BusState found,
                   eventstore::ReadBus(run.reg, run.options, run.admin, run.Left()));
  return eventstore::CompareBus(run.reg, run.options, found);
}

// One line, as soon as it is known. `result`: what came of it, where anything was done.
void Print(Session& session, const BusDifference& difference, const absl::Status* result) {
  const bool failed = result != nullptr && !result->ok();
  if (session.options.json) {
    nlohmann::ordered_json json = {{"action", NameOf(difference.action)},
                                   {"text", difference.text},
                                   {"done", result != nullptr && result->ok()}};
    if (failed) json["error"] = std::string(result->message());
    session.out << PrintableJson(
        json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    session.out << (failed              ? "FAILED "
                    : result != nullptr ? "done "
                                        : "")
                << NameOf(difference.action) << ": " << Printable(difference.text);
    if (failed) session.out << ": " << Printable(result->message());
  }
  session.out << '\n' << std::flush;
}

struct Outcome {
  size_t done = 0;
  size_t failed = 0;
  absl::Status lost;  // why it went no further
};

Outcome Mend(BusRun& run, const std::vector<BusDifference>& differences) {
  Outcome outcome;
  for (const BusDifference& difference : differences) {
    if (difference.action == Action::kByHand) continue;
    const absl::Status result =
        run.Left() > absl::ZeroDuration()
            ? eventstore::ApplyDifference(difference, run.admin, run.Left())
            : absl::UnavailableError("not tried: the time of --timeout is over");
    Print(run.session, difference, &result);
    ++(result.ok() ? outcome.done : outcome.failed);
    if (absl::IsUnavailable(result)) {
      outcome.lost = result;
      break;
    }
  }
  return outcome;
}

// What is left when the brokers have told each other of what was changed.
absl::StatusOr<std::vector<BusDifference>> WaitUntilMended(BusRun& run, const Outcome& outcome) {
  while (true) {
    ASSIGN_OR_RETURN(std::vector<BusDifference> left, Compare(run));
    const bool is_mended = left.empty() || left.front().action == Action::kByHand;
    if (is_mended || outcome.failed > 0 || outcome.done == 0) return left;
    if (run.Left() <= absl::ZeroDuration()) {
      return absl::UnavailableError(
          absl::StrCat("changed, but not yet to be seen: ", left.front().text));
    }
    absl::SleepFor(absl::Milliseconds(50));  // lint: allow(sleep) brokers tell nobody of this
  }
}

}  // namespace

int DiffBus(BusRun& run) {
  const auto differences = Compare(run);
  if (!differences.ok()) {
    return FailBus(run.session, "compare the bus", differences.status(), kExitUsage);
  }
  for (const BusDifference& difference : *differences) Print(run.session, difference, nullptr);
  if (differences->empty()) run.session.err << "nothing differs\n";
  return differences->empty() ? kExitOk : kExitRefused;
}

int ApplyBus(BusRun& run) {
  const auto differences = Compare(run);
  if (!differences.ok()) {
    return FailBus(run.session, "compare the bus", differences.status(), kExitRefused);
  }
  const Outcome outcome = Mend(run, *differences);
  const int failed_code = outcome.done > 0 ? kExitPartly : kExitRefused;
  if (!outcome.lost.ok()) {
    const int code = FailBus(run.session, "go on", outcome.lost, kExitRefused);
    return outcome.done > 0 ? kExitPartly : code;
  }
  const auto left = WaitUntilMended(run, outcome);
  if (!left.ok()) return FailBus(run.session, "see what came of it", left.status(), failed_code);
  size_t by_hand = 0;
  for (const BusDifference& difference : *left) {
    if (difference.action != Action::kByHand) continue;
    Print(run.session, difference, nullptr);
    ++by_hand;
  }
  run.session.err << outcome.done << " done, " << outcome.failed << " failed, " << by_hand
                  << " left to a hand\n";
  return outcome.failed + by_hand == 0 ? kExitOk : failed_code;
}

}  // namespace records::tools
