#include "services/remote/remote_keys.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using eventstore::KeyPurpose;
using eventstore::KeyReference;
using eventstore::LeasedKey;
using eventstore::SubjectId;

// What is known for less than this is asked for again, so that a lease does not end in the middle
// of an answer.
constexpr absl::Duration kLeaseLeft = absl::Seconds(5);
constexpr absl::Duration kNamesKept = absl::Seconds(30);
constexpr size_t kSmallCacheMax = 50'000;
constexpr size_t kReferencesPerCall = 256;  // what the ledger takes
constexpr absl::string_view kEntryLabel = "entry";

absl::Status NotHere() {
  return absl::UnimplementedError("the keys of a view are leased from the ledger: it makes none");
}

// Whatever kept the ledger from answering says nothing of the event that was asked about: a fold
// tries again, and parks nobody.
absl::Status NotNow(const absl::Status& status) {
  return absl::UnavailableError(absl::StrCat("the ledger did not answer: ", status.message()));
}

// A time of the view's own, since the ledger's clock may differ.
absl::Time EndOf(absl::Time asked_at, const api::ReleaseKeysResponse& response) {
  return asked_at + absl::Microseconds(response.lease_us());
}

}  // namespace

RemoteKeys::RemoteKeys(LedgerClient& ledger, const eventstore::Clock& clock)
    : ledger_(ledger), clock_(clock), sweeper_([this] { RunSweeps(); }) {}

RemoteKeys::~RemoteKeys() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  sweeper_.join();
}

void RemoteKeys::RunSweeps() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::Seconds(1))) return;
    }
    Sweep();
  }
}

void RemoteKeys::Sweep() const {
  if (PLANTED_BUG("leased-keys-stay")) return;
  // A key leaves a moment before its lease ends, not after.
  const absl::Time now = clock_.Now() + absl::Seconds(2);
  absl::MutexLock lock(&mutex_);
  // A clock that was set back would make leases longer.
  if (now < swept_at_) {
    references_.clear();
    keys_.clear();
  }
  swept_at_ = now;
  absl::erase_if(references_, [now](const auto& row) { return row.second.until <= now; });
  std::erase_if(keys_, [now](const auto& row) { return row.second.until <= now; });
  absl::erase_if(names_, [now](const auto& row) { return row.second.second <= now; });
}

std::optional<RemoteKeys::Known> RemoteKeys::Find(absl::string_view reference) const {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  const auto found = references_.find(reference);
  if (found == references_.end() || found->second.until < now + kLeaseLeft) return std::nullopt;
  return found->second;
}

absl::Status RemoteKeys::Keep(const std::string& reference, const api::ReleasedKey& released,
                              absl::Time until) const {
  Known known{.reference = {}, .damaged = released.damaged(), .until = until};
  if (released.category() != 0) {
    ASSIGN_OR_RETURN(known.reference.purpose.subject, SubjectId::FromBytes(released.subject()));
    // The ledger's name for the purpose stands where a root would: it tells scopes apart.
    known.reference.purpose.category = released.category();
    known.reference.purpose.scope.kind = eventstore::KeyScopeKind::kRoot;
    ASSIGN_OR_RETURN(known.reference.purpose.scope.root,
                     eventstore::RootId::FromBytes(released.purpose()));
  }
  if (!released.key_id().empty()) {
    ASSIGN_OR_RETURN(const eventstore::KeyId id, eventstore::KeyId::FromBytes(released.key_id()));
    known.reference.tag = eventstore::TagOf(id);
    ASSIGN_OR_RETURN(auto aead,
                     eventstore::Aead::Create(eventstore::SecretBytes::CopyOf(released.key())));
    Held& held = keys_[known.reference.purpose];
    // Replies may overtake each other: an older one does not shorten what a newer one gave.
    if (held.until < until || !held.key.has_value()) {
      held = {LeasedKey{id, std::make_shared<const eventstore::Aead>(std::move(aead)), until},
              until};
    }
  } else if (released.category() != 0) {
    // Of this very reference: a later key of the same purpose is another, and has a row of its own.
    known.reference.purpose.scope.epoch = 1;
    keys_[known.reference.purpose] = {std::nullopt, until};
  }
  Known& row = references_[reference];
  if (row.until < until) row = known;
  return absl::OkStatus();
}

absl::Status RemoteKeys::Fetch(const std::vector<std::string>& references) const {
  const absl::Time asked_at = clock_.Now();
  api::ReleaseKeysRequest request;
  for (const std::string& reference : references) request.add_references(reference);
  auto answer = ledger_.ReleaseKeys(request);
  if (!answer.ok()) return NotNow(answer.status());
  api::ReleaseKeysResponse& response = *answer;
  if (response.keys_size() != request.references_size()) {
    return absl::UnavailableError("the ledger answered for other references");
  }
  absl::Status kept;
  {
    absl::MutexLock lock(&mutex_);
    if (references_.size() + references.size() > kReferencesMax) {
      references_.clear();
      keys_.clear();
    }
    for (int i = 0; i < response.keys_size() && kept.ok(); ++i) {
      kept = Keep(request.references(i), response.keys(i), EndOf(asked_at, response));
    }
  }
  for (api::ReleasedKey& released : *response.mutable_keys()) {
    eventstore::WipeString(*released.mutable_key());
  }
  return kept;
}

void RemoteKeys::Expect(const records::log::v1::Event& event) {
  std::vector<std::string> unknown;
  for (const auto& part : event.sealed()) {
    if (!Find(part.key_reference()).has_value()) unknown.push_back(part.key_reference());
  }
  if (unknown.empty() || unknown.size() > kReferencesPerCall) return;
  // What fails is asked for again, one by one, and fails there.
  Fetch(unknown).IgnoreError();
}

absl::StatusOr<KeyReference> RemoteKeys::OpenReference(absl::string_view reference) const {
  std::optional<Known> known = Find(reference);
  if (!known.has_value()) {
    RETURN_IF_ERROR(Fetch({std::string(reference)}));
    known = Find(reference);
  }
  if (!known.has_value()) return absl::UnavailableError("KEY_LEASE_ENDED: try again");
  if (known->damaged) return absl::DataLossError("a key reference is damaged");
  return known->reference;
}

absl::StatusOr<std::optional<LeasedKey>> RemoteKeys::FindKey(const KeyPurpose& purpose) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  const auto found = keys_.find(purpose);
  // Never "there is none": it may have been swept since its reference was opened.
  if (found == keys_.end() || found->second.until <= now) {
    return absl::UnavailableError("KEY_LEASE_ENDED: try again");
  }
  return found->second.key;
}

absl::StatusOr<std::optional<std::string>> RemoteKeys::ReferenceOf(const SubjectId& subject) const {
  const absl::Time now = clock_.Now();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = names_.find(subject);
    if (found != names_.end() && now < found->second.second) {
      if (found->second.first.empty()) return std::nullopt;
      return found->second.first;
    }
  }
  api::NameStaffRequest request;
  request.add_subjects(std::string(subject.bytes()));
  auto response = ledger_.NameStaff(request);
  if (!response.ok()) return NotNow(response.status());
  if (response->names_size() != 1) return absl::UnavailableError("the ledger named nobody");
  std::string name = std::move(*response->mutable_names(0));
  absl::MutexLock lock(&mutex_);
  if (names_.size() >= kSmallCacheMax) names_.clear();
  names_[subject] = {name, now + kNamesKept};
  if (name.empty()) return std::nullopt;
  return name;
}

absl::StatusOr<api::ExchangedToken> RemoteKeys::Exchange(bool open, absl::string_view label,
                                                         absl::string_view caller,
                                                         absl::string_view data) const {
  api::ExchangeTokensRequest request;
  api::TokenExchange& token = *request.add_tokens();
  token.set_open(open);
  token.set_label(std::string(label));
  token.set_binding(std::string(caller));
  token.set_data(std::string(data));
  auto response = ledger_.ExchangeTokens(request);
  if (!response.ok()) return NotNow(response.status());
  if (response->tokens_size() != 1) return absl::UnavailableError("the ledger exchanged nothing");
  return std::move(*response->mutable_tokens(0));
}

absl::StatusOr<std::string> RemoteKeys::SealToken(absl::string_view label, absl::string_view caller,
                                                  absl::string_view data) const {
  const bool is_entry = label == kEntryLabel;
  if (is_entry) {
    absl::MutexLock lock(&mutex_);
    const auto found = entry_ids_.find(data);
    if (found != entry_ids_.end()) return found->second;
  }
  ASSIGN_OR_RETURN(api::ExchangedToken token, Exchange(false, label, caller, data));
  if (token.refused()) return absl::InvalidArgumentError("too long for a token");
  if (is_entry) {
    absl::MutexLock lock(&mutex_);
    if (entry_ids_.size() >= kSmallCacheMax) entry_ids_.clear();
    entry_ids_[data] = token.data();
  }
  return std::move(*token.mutable_data());
}

absl::StatusOr<std::string> RemoteKeys::OpenToken(absl::string_view label, absl::string_view caller,
                                                  absl::string_view token) const {
  ASSIGN_OR_RETURN(api::ExchangedToken opened, Exchange(true, label, caller, token));
  if (opened.refused()) {
    return absl::InvalidArgumentError("not a token of this call and caller");
  }
  return std::move(*opened.mutable_data());
}

size_t RemoteKeys::leased() const {
  absl::MutexLock lock(&mutex_);
  size_t leased = 0;
  for (const auto& [purpose, held] : keys_) leased += held.key.has_value() ? 1 : 0;
  return leased;
}

absl::StatusOr<std::vector<LeasedKey>> RemoteKeys::GetOrCreateKeys(absl::Span<const KeyPurpose>) {
  return NotHere();
}
absl::StatusOr<std::optional<eventstore::ReleasedKey>> RemoteKeys::ReleaseKey(const KeyReference&) {
  return NotHere();
}
absl::Status RemoteKeys::EndKey(const KeyPurpose&) { return NotHere(); }
absl::StatusOr<std::string> RemoteKeys::MakeReference(const KeyReference&) { return NotHere(); }
absl::StatusOr<eventstore::DirectoryEntry> RemoteKeys::Claim(absl::string_view, absl::string_view,
                                                             absl::string_view) {
  return NotHere();
}
absl::StatusOr<std::optional<eventstore::DirectoryEntry>> RemoteKeys::Resolve(
    absl::string_view, absl::string_view, absl::string_view) const {
  return NotHere();
}
absl::StatusOr<eventstore::DirectoryEntry> RemoteKeys::PseudoEntry(absl::string_view,
                                                                   absl::string_view,
                                                                   absl::string_view) const {
  return NotHere();
}
std::array<uint8_t, 32> RemoteKeys::KeyedHash(absl::string_view, absl::string_view) const {
  return {};
}
absl::StatusOr<std::array<uint8_t, 32>> RemoteKeys::SubjectHash(const SubjectId&, absl::string_view,
                                                                absl::string_view) {
  return NotHere();
}
absl::Status RemoteKeys::Fence(const SubjectId&) { return NotHere(); }
absl::StatusOr<eventstore::SubjectHoldings> RemoteKeys::HoldingsOf(const SubjectId&) const {
  return NotHere();
}
absl::StatusOr<eventstore::DestroyedSubject> RemoteKeys::DestroySubject(const SubjectId&) {
  return NotHere();
}
absl::Status RemoteKeys::CompactDestroyed() { return NotHere(); }
absl::StatusOr<uint64_t> RemoteKeys::RotateMasterKey() { return NotHere(); }
absl::StatusOr<eventstore::KeyStoreCopy> RemoteKeys::CopyTo(const std::string&) {
  return NotHere();
}
absl::Status RemoteKeys::Check(const eventstore::Append&) const { return NotHere(); }

}  // namespace records::services
