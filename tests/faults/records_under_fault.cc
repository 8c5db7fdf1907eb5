#include "tests/faults/records_under_fault.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/anchor_file.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/erasure_replay.h"
#include "eventstore/event_log.h"
#include "eventstore/key_store_open.h"
#include "eventstore/restore.h"
#include "eventstore/status_macros.h"
#include "eventstore/testing/test_categories.h"
#include "records/events/v1/contact.pb.h"

namespace records::faults {
namespace {

using eventstore::Appended;
using eventstore::EventHeader;
using eventstore::EventId;
using eventstore::Ledger;

constexpr uint32_t kPartitions = 2;
constexpr uint32_t kContactCategory = 3;
constexpr uint32_t kYear = 2026;

absl::Time Patience() { return absl::Now() + absl::Seconds(60); }

eventstore::IdBytes Bytes(uint8_t kind, uint32_t number) {
  eventstore::IdBytes bytes{};
  bytes[7] = static_cast<uint8_t>(number);
  bytes[8] = 0x80;
  bytes[14] = kind;
  bytes[15] = static_cast<uint8_t>(number + 1);
  return bytes;
}

// The rows of a view that does not open hold nothing that the log does not: as the server does,
// they are folded anew.
bool IsMendedByFoldingAnew(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsOutOfRange(status) ||
         absl::IsFailedPrecondition(status);
}

}  // namespace

Customer CustomerNumber(uint32_t number) {
  return {eventstore::SubjectId(Bytes('s', number)), eventstore::RootId(Bytes('r', number))};
}

RecordsUnderFault::RecordsUnderFault(Options options)
    : options_(std::move(options)),
      clock_(acknowledged_.now),
      random_(options_.seed),
      categories_(eventstore::testing::TestCategories()) {}

RecordsUnderFault::~RecordsUnderFault() { Close(); }

void RecordsUnderFault::set_acknowledged(Acknowledgements acknowledged) {
  acknowledged_ = std::move(acknowledged);
  clock_.Set(acknowledged_.now);
}

absl::Status RecordsUnderFault::Open() {
  const absl::Status status = OpenStores();
  if (status.ok()) return status;
  ++refused_starts_;
  ++failed_calls_;
  Close();
  return status;
}

bool RecordsUnderFault::Count(const absl::Status& status) {
  if (!status.ok()) ++failed_calls_;
  return status.ok();
}

bool RecordsUnderFault::CountOpen() {
  if (!is_open()) ++failed_calls_;
  return is_open();
}

absl::Status RecordsUnderFault::OpenStores() {
  const std::string data = data_folder();
  std::error_code error;
  std::filesystem::create_directory(data, error);
  if (error) return absl::UnavailableError("cannot make the data folder");
  eventstore::KeyStoreOptions keys;
  keys.data_dir = data;
  keys.master_key_file = absl::StrCat(options_.folder, "/data/", eventstore::kMasterKeyFile);
  keys.clock = &clock_;
  keys.random = &random_;
  ASSIGN_OR_RETURN(keys_, OpenKeyStore(keys));
  sealer_ = std::make_unique<eventstore::Sealer>(*keys_, categories_, random_);
  eventstore::LogOptions log;
  log.data_dir = data;
  log.partition_count = kPartitions;
  log.clock = &clock_;
  log.random = &random_;
  log.guard = keys_.get();
  log.disk_reserve_bytes = log.disk_floor_bytes = 0;
  log.block_cache_bytes = size_t{1} << 20;
  ASSIGN_OR_RETURN(log_, OpenLog(log));
  if (options_.with_erasures) RETURN_IF_ERROR(OpenErasures());
  if (options_.with_backups) {
    const auto folders = BackupFolders();
    for (const std::string& folder : {folders.log_folder, folders.keys_folder}) {
      std::filesystem::create_directories(folder, error);
      if (error) return absl::UnavailableError("cannot make a folder for backups");
    }
    RETURN_IF_ERROR(eventstore::Backups(*log_, *keys_, folders).CleanUp());
  }
  return options_.with_view ? OpenView() : absl::OkStatus();
}

eventstore::BackupOptions RecordsUnderFault::BackupFolders() const {
  eventstore::BackupOptions options;
  options.data_dir = data_folder();
  options.log_folder = options_.folder + "/backups/log";
  options.keys_folder = options_.folder + "/backups/keys";
  options.clock = &clock_;
  return options;
}

void RecordsUnderFault::MakeBackup() {
  if (!CountOpen()) return;
  const std::string name = absl::StrCat("backup-", ++acknowledged_.backups_begun);
  const size_t sent = acknowledged_.appends.size();
  eventstore::Backups backups(*log_, *keys_, BackupFolders());
  if (Count(backups.Create(name, [](const auto&) { return true; }).status())) {
    acknowledged_.backups[name] = sent;
  }
}

void RecordsUnderFault::Publish() {
  if (!CountOpen()) return;
  acknowledged_.tail.emplace(*log_);
  acknowledged_.published = acknowledged_.appends.size();
}

absl::Status RecordsUnderFault::RestoreBackup() {
  acknowledged_.restore_begun = true;
  const std::string& name = acknowledged_.backups.rbegin()->first;
  const eventstore::BackupOptions folders = BackupFolders();
  eventstore::RestoreOptions options;
  options.log_backup = absl::StrCat(folders.log_folder, "/", name);
  options.keys_backup = absl::StrCat(folders.keys_folder, "/", name);
  options.master_key_file = absl::StrCat(options_.folder, "/data/", eventstore::kMasterKeyFile);
  options.erasure_ledger = absl::StrCat(options_.folder, "/data/", eventstore::kErasureLedgerFile);
  options.to = options_.folder + "/restored";
  if (acknowledged_.tail) options.tail = &*acknowledged_.tail;
  options.clock = &clock_;
  options.random = &random_;
  const absl::Status restored = eventstore::Restore(options).status();
  Count(restored);
  return restored;
}

absl::Status RecordsUnderFault::OpenErasures() {
  ASSIGN_OR_RETURN(auto seed, eventstore::OpenCheckpointFiles(data_folder())->ReadKey());
  ASSIGN_OR_RETURN(auto key, eventstore::Ed25519PrivateKey::FromSeed(std::move(seed)));
  std::vector<eventstore::KnownErasureHead> known = log_->KnownErasures();
  known.push_back({"keys.anchor", keys_->KnownErasures()});
  ASSIGN_OR_RETURN(erasures_,
                   eventstore::ErasureLedger::Open(
                       eventstore::PosixAnchorFiles(),
                       absl::StrCat(options_.folder, "/data/", eventstore::kErasureLedgerFile),
                       log_->store_id(), std::move(key), known));
  keys_->SetErasureHead(erasures_->head());
  log_->SetErasureHead(erasures_->head());
  return eventstore::ReplayErasures(erasures_->Records(), *keys_).status();
}

absl::Status RecordsUnderFault::OpenView() {
  const std::string folder = data_folder() + "/view";
  projections::ViewOptions options;
  options.folder = folder;
  options.open_storage = projections::RocksViewStorage(size_t{1} << 20);
  options.runner.idle_wait = options.runner.retry_wait = absl::Milliseconds(1);
  auto opened = projections::View::Open(*log_, projection_, options);
  if (!opened.ok() && IsMendedByFoldingAnew(opened.status())) {
    ++views_put_aside_;
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    if (error) return opened.status();
    opened = projections::View::Open(*log_, projection_, options);
  }
  RETURN_IF_ERROR(opened.status());
  view_ = *std::move(opened);
  return absl::OkStatus();
}

void RecordsUnderFault::Close() {
  view_.reset();
  erasures_.reset();
  log_.reset();
  sealer_.reset();
  keys_.reset();
}

void RecordsUnderFault::Restart() {
  Close();
  Open().IgnoreError();
}

absl::StatusOr<SentAppend> RecordsUnderFault::Prepare(const std::vector<Entry>& entries) {
  acknowledged_.now += absl::Seconds(1);
  clock_.Set(acknowledged_.now);
  SentAppend sent;
  const size_t number = acknowledged_.appends.size() + 1;
  for (const Entry& entry : entries) {
    EventHeader header;
    ASSIGN_OR_RETURN(header.id, EventId::Generate(random_));
    header.stream = {"north", "customers", entry.customer.root, entry.stream};
    header.subject = entry.customer.subject;
    header.occurred_at = header.scope_time = clock_.Now();
    header.actor = CustomerNumber(200).subject;
    header.purpose = "service-delivery";
    header.lawful_basis = "contract";
    events::v1::ContactRecorded message;
    message.mutable_contact()->set_channel(events::v1::CHANNEL_PHONE);
    sent.texts.push_back(absl::StrCat("request ", number, ", event ", sent.texts.size()));
    message.mutable_contact()->set_summary(sent.texts.back());
    ASSIGN_OR_RETURN(eventstore::SealedEvent sealed, sealer_->Seal(header, message));
    sent.ids.emplace_back(header.id.bytes());
    sent.append.events.push_back(std::move(sealed.event));
    for (const auto& subject : sealed.subjects) sent.append.subjects.push_back(subject);
    for (const auto& key : sealed.keys) sent.append.keys.push_back(key);
  }
  eventstore::RequestKey key{};
  for (int i = 0; i < 4; ++i) key[i] = static_cast<uint8_t>(number >> (8 * i));
  key[31] = 1;
  sent.append.request_key = key;
  sent.append.request_digest.fill(static_cast<uint8_t>(number));
  return sent;
}

bool RecordsUnderFault::Send(const std::vector<Entry>& entries) {
  const size_t before = acknowledged_.appends.size();
  SendTogether({entries});
  return acknowledged_.appends.size() > before && acknowledged_.appends.back().outcome.has_value();
}

void RecordsUnderFault::SendTogether(const std::vector<std::vector<Entry>>& requests) {
  if (!CountOpen()) return;
  const size_t first = acknowledged_.appends.size();
  for (const std::vector<Entry>& entries : requests) {
    // What could not be sealed was not sent.
    auto sent = Prepare(entries);
    if (Count(sent.status())) acknowledged_.appends.push_back(*std::move(sent));
  }
  SendFrom(first);
}

void RecordsUnderFault::Trace(const Customer& customer) {
  if (!CountOpen()) return;
  auto sent = Prepare({{customer, "access"}});
  if (!Count(sent.status())) return;
  sent->append.ledger = Ledger::kAccess;
  acknowledged_.appends.push_back(*std::move(sent));
  SendFrom(acknowledged_.appends.size() - 1);
}

void RecordsUnderFault::SendFrom(size_t first) {
  struct Answer {
    absl::StatusOr<Appended> outcome;
    absl::Notification given;
  };
  std::deque<Answer> answers(acknowledged_.appends.size() - first);
  for (size_t i = 0; i < answers.size(); ++i) {
    Answer& answer = answers[i];
    log_->AppendAsync(acknowledged_.appends[first + i].append, [&answer](auto outcome) {
      answer.outcome = std::move(outcome);
      answer.given.Notify();
    });
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    answers[i].given.WaitForNotification();
    if (!Count(answers[i].outcome.status())) continue;
    acknowledged_.appends[first + i].outcome = *answers[i].outcome;
  }
}

absl::StatusOr<Appended> RecordsUnderFault::Retry(size_t index) {
  if (!CountOpen()) return absl::UnavailableError("not open");
  auto outcome = log_->AppendAndWait(acknowledged_.appends[index].append);
  Count(outcome.status());
  return outcome;
}

void RecordsUnderFault::SignCheckpoint() {
  if (!CountOpen()) return;
  const auto note = log_->SignedCheckpoint();
  if (!Count(note.status())) return;
  acknowledged_.checkpoints.push_back(*note);
  acknowledged_.verifier_key = log_->VerifierKey();
}

void RecordsUnderFault::Claim(const std::string& reference) {
  if (!CountOpen()) return;
  std::optional<eventstore::DirectoryEntry>& known = acknowledged_.claims[reference];
  const auto entry = keys_->Claim("north", "customer", reference);
  if (Count(entry.status())) known = *entry;
}

void RecordsUnderFault::EndKey(const eventstore::KeyPurpose& purpose) {
  if (!CountOpen()) return;
  bool& acknowledged = acknowledged_.ended_keys[purpose];
  acknowledged = Count(keys_->EndKey(purpose)) || acknowledged;
}

void RecordsUnderFault::Fence(const eventstore::SubjectId& subject) {
  if (!CountOpen()) return;
  bool& acknowledged = acknowledged_.fenced[subject];
  acknowledged = Count(keys_->Fence(subject)) || acknowledged;
}

void RecordsUnderFault::Erase(const Customer& customer) {
  if (!CountOpen()) return;
  bool& acknowledged = acknowledged_.erased[customer.subject];
  const auto run = [&]() -> absl::Status {
    RETURN_IF_ERROR(keys_->Fence(customer.subject));
    RETURN_IF_ERROR(erasures_->Append(customer.subject, customer.root, acknowledged_.now).status());
    keys_->SetErasureHead(erasures_->head());
    log_->SetErasureHead(erasures_->head());
    RETURN_IF_ERROR(keys_->DestroySubject(customer.subject).status());
    return keys_->CompactDestroyed();
  };
  acknowledged = Count(run()) || acknowledged;
}

void RecordsUnderFault::RememberSecrets(const Customer& customer) {
  Close();
  const std::string copy = options_.folder + "/copy";
  std::filesystem::copy(data_folder(), copy, std::filesystem::copy_options::recursive);
  const auto run = [&]() -> absl::Status {
    eventstore::KeyStoreOptions options;
    options.data_dir = copy;
    ASSIGN_OR_RETURN(const auto keys, OpenKeyStore(options));
    RETURN_IF_ERROR(keys->Fence(customer.subject));
    ASSIGN_OR_RETURN(const auto destroyed, keys->DestroySubject(customer.subject));
    for (const auto& bytes : destroyed.bytes) {
      acknowledged_.secrets[customer.subject].emplace_back(bytes.view());
    }
    return absl::OkStatus();
  };
  Count(run());
  std::filesystem::remove_all(copy);
  Count(Open());
}

void RecordsUnderFault::RotateMasterKey() {
  if (!CountOpen() || !Count(keys_->RotateMasterKey().status())) return;
  acknowledged_.master_key_generation = keys_->GetStatus().master_key_generation;
}

void RecordsUnderFault::CatchUp() {
  if (view_ == nullptr) return;
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    const auto head = log_->Head(Ledger::kEvents, partition);
    if (!Count(view_->live()->runner->WaitFor(head, Patience()))) return;
  }
}

void RecordsUnderFault::RebuildView() {
  if (view_ != nullptr) Count(view_->Rebuild(Patience()));
}

eventstore::KeyPurpose RecordsUnderFault::ContactKey(const Customer& customer) const {
  return {customer.subject, kContactCategory, {eventstore::KeyScopeKind::kYear, kYear, {}}};
}

}  // namespace records::faults
