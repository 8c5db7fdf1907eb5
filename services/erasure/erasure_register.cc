#include "services/erasure/erasure_register.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::StoredEvent;

// One root, the same in each process and known to nobody without the key store.
eventstore::StreamName RegisterStream(const Runtime& runtime) {
  const auto hash = runtime.keys.KeyedHash("erasure-register", runtime.organisation);
  eventstore::IdBytes root;
  std::copy_n(hash.begin(), root.size(), root.begin());
  return {runtime.organisation, std::string(kErasures), eventstore::RootId(root), ""};
}

template <typename Message>
bool Is(const StoredEvent& stored) {
  return stored.event.type() == Message::descriptor()->full_name();
}

template <typename Message>
absl::StatusOr<Message> FactsOf(const StoredEvent& stored) {
  Message message;
  if (message.ParseFromString(stored.event.facts())) return message;
  return absl::DataLossError("an event of the register of erasures does not parse");
}

// Nil: nobody is named.
eventstore::SubjectId ActorOf(const StoredEvent& stored) {
  const auto actor = eventstore::SubjectId::FromBytes(stored.event.actor());
  return actor.ok() ? *actor : eventstore::SubjectId();
}

absl::StatusOr<ErasureEntry> EntryOf(const StoredEvent& stored) {
  ASSIGN_OR_RETURN(const auto facts, FactsOf<ev::SubjectErasureDecided>(stored));
  ErasureEntry entry{.collection = facts.collection(), .ground = facts.ground()};
  ASSIGN_OR_RETURN(entry.id, ErasureId::FromBytes(facts.erasure()));
  ASSIGN_OR_RETURN(entry.subject, eventstore::SubjectId::FromBytes(facts.subject()));
  ASSIGN_OR_RETURN(entry.root, eventstore::RootId::FromBytes(facts.root()));
  entry.decided_at = absl::FromUnixMicros(stored.event.recorded_at_us());
  entry.decided_by = ActorOf(stored);
  return entry;
}

}  // namespace

ErasureRegister::ErasureRegister(const Runtime& runtime)
    : runtime_(runtime), stream_(RegisterStream(runtime)) {}

absl::Status ErasureRegister::Refresh() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    ASSIGN_OR_RETURN(const auto page,
                     runtime_.log.ReadStream(eventstore::Ledger::kEvents, stream_, next_,
                                             eventstore::ReadDirection::kForward, {}));
    if (page.empty()) return absl::OkStatus();
    for (const StoredEvent& stored : page) {
      RETURN_IF_ERROR(Fold(stored));
      next_ = eventstore::Revision{stored.event.revision() + 1};
    }
  }
}

absl::StatusOr<ErasureEntry*> ErasureRegister::Decided(const std::string& id) {
  ASSIGN_OR_RETURN(const ErasureId erasure, ErasureId::FromBytes(id));
  const auto found = by_id_.find(erasure);
  if (found != by_id_.end()) return &entries_[found->second];
  return absl::DataLossError("the register of erasures tells of one that nobody decided");
}

absl::Status ErasureRegister::Fold(const StoredEvent& stored) {
  const absl::Time recorded_at = absl::FromUnixMicros(stored.event.recorded_at_us());
  if (Is<ev::SubjectErasureDecided>(stored)) {
    ASSIGN_OR_RETURN(ErasureEntry entry, EntryOf(stored));
    by_id_.emplace(entry.id, entries_.size());
    entries_.push_back(std::move(entry));
  } else if (Is<ev::SubjectErased>(stored)) {
    ASSIGN_OR_RETURN(const auto facts, FactsOf<ev::SubjectErased>(stored));
    ASSIGN_OR_RETURN(ErasureEntry * entry, Decided(facts.erasure()));
    entry->certified = stored.position;
    entry->certified_at = recorded_at;
    entry->keys_destroyed = facts.keys_destroyed();
  } else if (Is<ev::ErasureConfirmed>(stored)) {
    ASSIGN_OR_RETURN(const auto facts, FactsOf<ev::ErasureConfirmed>(stored));
    ASSIGN_OR_RETURN(ErasureEntry * entry, Decided(facts.erasure()));
    entry->confirmations.push_back({facts.stream(), ActorOf(stored), recorded_at});
  } else if (Is<ev::ErasureAcknowledged>(stored)) {
    ASSIGN_OR_RETURN(const auto facts, FactsOf<ev::ErasureAcknowledged>(stored));
    ASSIGN_OR_RETURN(ErasureEntry * entry, Decided(facts.erasure()));
    entry->acknowledged = true;
    entry->objection = facts.objection();
  } else {
    return absl::DataLossError(absl::StrCat("the register of erasures holds ", stored.event.type(),
                                            ", which it does not know"));
  }
  return absl::OkStatus();
}

std::vector<ErasureEntry> ErasureRegister::Entries() const {
  absl::MutexLock lock(&mutex_);
  return entries_;
}

std::optional<ErasureEntry> ErasureRegister::Find(const ErasureId& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  return entries_[found->second];
}

std::optional<ErasureEntry> ErasureRegister::FindSubject(
    const eventstore::SubjectId& subject) const {
  absl::MutexLock lock(&mutex_);
  for (const ErasureEntry& entry : entries_) {
    if (entry.subject == subject) return entry;
  }
  return std::nullopt;
}

eventstore::Expectation ErasureRegister::Expected() const {
  absl::MutexLock lock(&mutex_);
  using Kind = eventstore::Expectation::Kind;
  if (next_.value == 0) return {.stream = stream_, .kind = Kind::kNoStream};
  return {.stream = stream_,
          .kind = Kind::kRevision,
          .revision = eventstore::Revision{next_.value - 1}};
}

}  // namespace records::services
