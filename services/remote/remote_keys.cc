#include "services/remote/remote_keys.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
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
using eventstore::TokenContent;

// What is known for less than this is asked for again, so that a lease does not end in the middle
// of an answer.
constexpr absl::Duration kLeaseLeft = absl::Seconds(5);
constexpr absl::Duration kNamesKept = absl::Seconds(30);
constexpr size_t kSmallCacheMax = 50'000;
constexpr size_t kItemsPerCall = 256;  // what the ledger takes

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

eventstore::Digest DigestOf(const TokenContent& content) {
  const std::string head = absl::StrCat(content.label.size(), ":", content.label,
                                        content.caller.size(), ":", content.caller);
  return eventstore::Sha256({head, content.data});
}

api::TokenExchange ExchangeOf(bool open, const TokenContent& content) {
  api::TokenExchange token;
  token.set_open(open);
  token.set_label(content.label);
  token.set_binding(content.caller);
  token.set_data(content.data);
  return token;
}

// Asks for as many at a time as the ledger takes. After an error no more: what is not known then is
// asked for by itself, and fails there.
template <typename Item, typename Ask>
void InBatches(absl::Span<const Item> items, Ask ask) {
  for (size_t begin = 0; begin < items.size(); begin += kItemsPerCall) {
    if (!ask(items.subspan(begin, kItemsPerCall)).ok()) return;
  }
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

absl::Status RemoteKeys::Fetch(absl::Span<const std::string> references) const {
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

void RemoteKeys::Expect(absl::Span<const records::log::v1::Event* const> events) {
  absl::flat_hash_set<std::string> unknown;
  for (const auto* event : events) {
    for (const auto& part : event->sealed()) {
      if (!Find(part.key_reference()).has_value()) unknown.insert(part.key_reference());
    }
  }
  const std::vector<std::string> references(unknown.begin(), unknown.end());
  InBatches<std::string>(references, [this](auto batch) { return Fetch(batch); });
}

void RemoteKeys::ExpectNames(absl::Span<const SubjectId> subjects) {
  absl::flat_hash_set<SubjectId> unknown;
  for (const SubjectId& subject : subjects) {
    if (!FindName(subject).has_value()) unknown.insert(subject);
  }
  const std::vector<SubjectId> asked(unknown.begin(), unknown.end());
  InBatches<SubjectId>(asked, [this](auto batch) { return FetchNames(batch); });
}

void RemoteKeys::ExpectTokens(absl::Span<const TokenContent> tokens) {
  std::vector<TokenContent> unknown;
  for (const TokenContent& token : tokens) {
    if (!FindToken(DigestOf(token)).has_value()) unknown.push_back(token);
  }
  InBatches<TokenContent>(unknown, [this](auto batch) { return FetchTokens(batch); });
}

absl::StatusOr<KeyReference> RemoteKeys::OpenReference(absl::string_view reference) const {
  std::optional<Known> known = Find(reference);
  if (!known.has_value()) {
    RETURN_IF_ERROR(Fetch({{std::string(reference)}}));
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

std::optional<std::string> RemoteKeys::FindName(const SubjectId& subject) const {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  const auto found = names_.find(subject);
  if (found == names_.end() || found->second.second <= now) return std::nullopt;
  return found->second.first;
}

absl::Status RemoteKeys::FetchNames(absl::Span<const SubjectId> subjects) const {
  const absl::Time until = clock_.Now() + kNamesKept;
  api::NameStaffRequest request;
  for (const SubjectId& subject : subjects) request.add_subjects(std::string(subject.bytes()));
  auto response = ledger_.NameStaff(request);
  if (!response.ok()) return NotNow(response.status());
  if (response->names_size() != request.subjects_size()) {
    return absl::UnavailableError("the ledger named others");
  }
  absl::MutexLock lock(&mutex_);
  if (names_.size() + subjects.size() > kSmallCacheMax) names_.clear();
  for (int i = 0; i < response->names_size(); ++i) {
    names_[subjects[static_cast<size_t>(i)]] = {std::move(*response->mutable_names(i)), until};
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> RemoteKeys::ReferenceOf(const SubjectId& subject) const {
  std::optional<std::string> name = FindName(subject);
  if (!name.has_value()) {
    RETURN_IF_ERROR(FetchNames({subject}));
    name = FindName(subject);
  }
  if (!name.has_value()) return absl::UnavailableError("the name was let go of: try again");
  if (name->empty()) return std::nullopt;
  return name;
}

std::optional<std::string> RemoteKeys::FindToken(const eventstore::Digest& content) const {
  absl::MutexLock lock(&mutex_);
  const auto found = tokens_.find(content);
  if (found == tokens_.end()) return std::nullopt;
  return found->second;
}

absl::Status RemoteKeys::FetchTokens(absl::Span<const TokenContent> tokens) const {
  api::ExchangeTokensRequest request;
  for (const TokenContent& token : tokens) *request.add_tokens() = ExchangeOf(false, token);
  auto response = ledger_.ExchangeTokens(request);
  if (!response.ok()) return NotNow(response.status());
  if (response->tokens_size() != request.tokens_size()) {
    return absl::UnavailableError("the ledger exchanged others");
  }
  absl::MutexLock lock(&mutex_);
  if (tokens_.size() + tokens.size() > kSmallCacheMax) tokens_.clear();
  for (int i = 0; i < response->tokens_size(); ++i) {
    api::ExchangedToken& token = *response->mutable_tokens(i);
    if (token.refused()) continue;  // told when it is asked for by itself
    tokens_[DigestOf(tokens[static_cast<size_t>(i)])] = std::move(*token.mutable_data());
  }
  return absl::OkStatus();
}

absl::StatusOr<api::ExchangedToken> RemoteKeys::Exchange(bool open,
                                                         const TokenContent& content) const {
  api::ExchangeTokensRequest request;
  *request.add_tokens() = ExchangeOf(open, content);
  auto response = ledger_.ExchangeTokens(request);
  if (!response.ok()) return NotNow(response.status());
  if (response->tokens_size() != 1) return absl::UnavailableError("the ledger exchanged nothing");
  return std::move(*response->mutable_tokens(0));
}

absl::StatusOr<std::string> RemoteKeys::SealToken(absl::string_view label, absl::string_view caller,
                                                  absl::string_view data) const {
  const TokenContent content{std::string(label), std::string(caller), std::string(data)};
  if (auto known = FindToken(DigestOf(content)); known.has_value()) return *std::move(known);
  ASSIGN_OR_RETURN(api::ExchangedToken token, Exchange(false, content));
  if (token.refused()) return absl::InvalidArgumentError("too long for a token");
  return std::move(*token.mutable_data());
}

absl::StatusOr<std::string> RemoteKeys::OpenToken(absl::string_view label, absl::string_view caller,
                                                  absl::string_view token) const {
  ASSIGN_OR_RETURN(api::ExchangedToken opened,
                   Exchange(true, {std::string(label), std::string(caller), std::string(token)}));
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
