#include "tests/simulation/acknowledgement_ledger.h"

#include <map>

#include "absl/strings/str_cat.h"

namespace records::simulation {
namespace {

constexpr char kName[] = "acknowledgements";

std::string Place(eventstore::Position position) {
  return absl::StrCat(position.partition, "/", position.sequence);
}

}  // namespace

void AcknowledgementLedger::Acknowledged(const std::string& name,
                                         const eventstore::Appended& appended, Report& report) {
  const auto [it, first] = entries_.try_emplace(name, Entry{.appended = appended});
  Entry& entry = it->second;
  if (!first &&
      (entry.appended.first != appended.first || entry.appended.count != appended.count)) {
    report.Broken(kName, absl::StrCat(name, " was told ", Place(entry.appended.first), " and then ",
                                      Place(appended.first)));
  }
  if (!appended.repeated && ++entry.fresh_replies > 1) {
    report.Broken(kName, absl::StrCat(name, " was made twice by what its replies say"));
  }
}

void AcknowledgementLedger::Check(const LogSnapshot& snapshot, Report& report) {
  std::map<eventstore::Position, std::string> taken;
  for (auto& [name, entry] : entries_) {
    const eventstore::Position first = entry.appended.first;
    const eventstore::StoredEvent* const event = snapshot.Find(first);
    if (event == nullptr) {
      report.Broken(kName,
                    absl::StrCat(name, " was acknowledged at ", Place(first), " and is not there"));
      continue;
    }
    if (event->event.append().count() != entry.appended.count) {
      report.Broken(kName, absl::StrCat(name, " was acknowledged with ", entry.appended.count,
                                        " events, the log says ", event->event.append().count()));
    }
    if (entry.event_id.empty()) entry.event_id = event->event.id();
    if (entry.event_id != event->event.id()) {
      report.Broken(kName, absl::StrCat("another event stands at ", Place(first), " than before"));
    }
    const auto [other, alone] = taken.try_emplace(first, name);
    if (!alone) {
      report.Broken(kName, absl::StrCat(name, " and ", other->second, " have one place"));
    }
  }
}

const eventstore::Appended* AcknowledgementLedger::Find(const std::string& name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : &it->second.appended;
}

}  // namespace records::simulation
