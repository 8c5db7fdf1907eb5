#include "tests/simulation/acknowledgement_ledger.h"

#include <map>
#include <set>
#include <string>

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
  Entry& entry = entries_[name];
  if (!entry.appended.has_value()) entry.appended = appended;
  if (entry.appended->first != appended.first || entry.appended->count != appended.count) {
    report.Broken(kName, absl::StrCat(name, " was told ", Place(entry.appended->first),
                                      " and then ", Place(appended.first)));
  }
  if (!appended.repeated && ++entry.fresh_replies > 1) {
    report.Broken(kName, absl::StrCat(name, " was made twice by what its replies say"));
  }
}

void AcknowledgementLedger::Check(const LogSnapshot& snapshot, const NameIn& name_in,
                                  Report& report) {
  std::map<eventstore::Position, std::string> taken;
  for (auto& [name, entry] : entries_) {
    if (!entry.appended.has_value()) continue;
    CheckMade(name, entry, snapshot, name_in, report);
    const auto [other, alone] = taken.try_emplace(entry.appended->first, name);
    if (!alone) {
      report.Broken(kName, absl::StrCat(name, " and ", other->second, " have one place"));
    }
  }
  CheckRefused(snapshot, name_in, report);
}

void AcknowledgementLedger::CheckMade(const std::string& name, Entry& entry,
                                      const LogSnapshot& snapshot, const NameIn& name_in,
                                      Report& report) {
  const eventstore::Position first = entry.appended->first;
  for (uint32_t i = 0; i < entry.appended->count; ++i) {
    const eventstore::Position place{first.partition, first.sequence + i};
    const eventstore::StoredEvent* const event = snapshot.Find(place);
    if (event == nullptr) {
      report.Broken(kName,
                    absl::StrCat(name, " was acknowledged at ", Place(place), " and is not there"));
      return;
    }
    const records::log::v1::Append& append = event->event.append();
    if (append.count() != entry.appended->count || append.index() != i) {
      report.Broken(kName, absl::StrCat(name, " was acknowledged with ", entry.appended->count,
                                        " events, the log says ", append.count()));
    }
    if (!entry.key.empty() && append.request_key() != entry.key) {
      report.Broken(kName, absl::StrCat(name, " was acknowledged at ", Place(place),
                                        ", which has another request key"));
    }
    const auto said = name_in(*event);
    if (said.has_value() && *said != name) {
      report.Broken(kName, absl::StrCat(name, " was acknowledged at ", Place(place),
                                        ", which holds ", *said));
    }
    if (i > 0) continue;
    if (entry.event_id.empty()) entry.event_id = event->event.id();
    if (entry.event_id != event->event.id()) {
      report.Broken(kName, absl::StrCat("another event stands at ", Place(first), " than before"));
    }
  }
}

void AcknowledgementLedger::CheckRefused(const LogSnapshot& snapshot, const NameIn& name_in,
                                         Report& report) const {
  std::map<std::string, std::string> refused;  // names by request key
  std::set<std::string> without_key;
  for (const auto& [name, entry] : entries_) {
    if (entry.appended.has_value() || entry.refused == 0 || entry.refused != entry.sendings) {
      continue;
    }
    entry.key.empty() ? (void)without_key.insert(name) : (void)refused.emplace(entry.key, name);
  }
  for (uint32_t partition = 0; partition < snapshot.partition_count; ++partition) {
    for (const auto& event : snapshot.Events(partition)) {
      if (const auto it = refused.find(event.event.append().request_key()); it != refused.end()) {
        report.Broken(kName, absl::StrCat(it->second, " was refused for good and stands at ",
                                          Place(event.position)));
      }
      if (without_key.empty()) continue;
      const auto said = name_in(event);
      if (said.has_value() && without_key.contains(*said)) {
        report.Broken(kName, absl::StrCat(*said, " was refused for good and stands at ",
                                          Place(event.position)));
      }
    }
  }
}

}  // namespace records::simulation
