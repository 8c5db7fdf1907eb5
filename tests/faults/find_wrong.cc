#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/byte_search.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/memory_storage.h"
#include "eventstore/merkle.h"
#include "eventstore/signed_note.h"
#include "projections/view_fold.h"
#include "records/events/v1/contact.pb.h"
#include "tests/faults/records_under_fault.h"

namespace records::faults {
namespace {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::Position;
using eventstore::StoredEvent;

// Each check returns what is wrong, or "".
class Checker {
 public:
  explicit Checker(RecordsUnderFault& records)
      : records_(records), log_(records.log()), told_(records.acknowledged()) {}

  std::string Run() {
    for (const auto check : {&Checker::Events, &Checker::Checkpoints, &Checker::Keys,
                             &Checker::Erasures, &Checker::Retries,
                             // Once more, with what the retries appended.
                             &Checker::Events, &Checker::View, &Checker::Backups}) {
      if (std::string wrong = (this->*check)(); !wrong.empty()) return wrong;
    }
    return "";
  }

 private:
  // The place of an event among what was sent.
  struct Origin {
    size_t append = 0;
    size_t event = 0;
  };

  static std::string Show(Position position) {
    return absl::StrCat("partition ", position.partition, ", sequence ", position.sequence);
  }

  // Every event that is there was sent, whole appends only; what was acknowledged is there.
  std::string Events() {
    std::map<std::string, Origin> origins;
    for (size_t i = 0; i < told_.appends.size(); ++i) {
      for (size_t k = 0; k < told_.appends[i].ids.size(); ++k) {
        origins[told_.appends[i].ids[k]] = {i, k};
      }
    }
    found_.assign(told_.appends.size(), {});
    revisions_.clear();
    for (const Ledger ledger : {Ledger::kEvents, Ledger::kAccess}) {
      for (uint32_t partition = 0; partition < log_.partition_count(); ++partition) {
        std::string wrong = Partition(ledger, partition, origins);
        if (!wrong.empty()) return absl::StrCat(NameOf(ledger), ": ", wrong);
      }
    }
    for (size_t i = 0; i < found_.size(); ++i) {
      const SentAppend& sent = told_.appends[i];
      if (found_[i].empty() && sent.outcome.has_value()) {
        return absl::StrCat("append ", i, " was acknowledged at ", Show(sent.outcome->first),
                            " and is lost");
      }
      if (!found_[i].empty() && found_[i].size() != sent.ids.size()) {
        return absl::StrCat("append ", i, " is there by half");
      }
      if (sent.outcome.has_value() && sent.outcome->first != found_[i].front()) {
        return absl::StrCat("append ", i, " was acknowledged elsewhere");
      }
      const auto request = log_.FindRequest(*sent.append.request_key);
      if (!request.ok()) return absl::StrCat("a request: ", request.status().ToString());
      if (request->has_value() != !found_[i].empty()) {
        return absl::StrCat("append ", i, " and its request are not both there");
      }
    }
    return "";
  }

  static absl::string_view NameOf(Ledger ledger) {
    return ledger == Ledger::kEvents ? "events" : "access";
  }

  std::string Partition(Ledger ledger, uint32_t partition,
                        const std::map<std::string, Origin>& origins) {
    eventstore::Frontier tree;
    while (true) {
      const auto page = log_.ReadPartition(ledger, {partition, tree.size() + 1},
                                           eventstore::ReadDirection::kForward, {}, {});
      if (!page.ok()) return absl::StrCat("cannot read: ", page.status().ToString());
      if (page->empty()) break;
      for (const StoredEvent& event : *page) {
        const Position expected{partition, tree.size() + 1};
        if (event.position != expected) return absl::StrCat(Show(expected), " is skipped");
        tree.Append(eventstore::HashLeaf(event.bytes));
        if (std::string wrong = Event(ledger, event, origins); !wrong.empty()) {
          return absl::StrCat(Show(expected), ": ", wrong);
        }
      }
    }
    const Position head = log_.Head(ledger, partition);
    if (head.sequence != tree.size()) return "the head is not the last event";
    const auto checkpoint = log_.CheckpointAt(ledger, head);
    if (!checkpoint.ok()) return checkpoint.status().ToString();
    return checkpoint->root == tree.Root() ? "" : "the tree is not that of the events";
  }

  std::string Event(Ledger ledger, const StoredEvent& stored,
                    const std::map<std::string, Origin>& origins) {
    const auto origin = origins.find(stored.event.id());
    if (origin == origins.end()) return "nobody sent this event";
    const auto [index, event] = origin->second;
    const SentAppend& sent = told_.appends[index];
    if (sent.append.ledger != ledger) return "an append is in another ledger";
    if (event != found_[index].size()) return "an append is out of order or there twice";
    found_[index].push_back(stored.position);
    uint64_t& revision = revisions_[{ledger, stored.event.stream().SerializeAsString()}];
    if (stored.event.revision() != revision++) return "a revision is skipped";
    if (stored.event.append().request_key() !=
        absl::string_view(reinterpret_cast<const char*>(sent.append.request_key->data()),
                          sent.append.request_key->size())) {
      return "its request is another";
    }
    return Opened(stored.event, sent.append.subjects, sent.texts[event]);
  }

  std::string Opened(const records::log::v1::Event& event,
                     const std::vector<eventstore::SubjectId>& subjects, const std::string& text) {
    const auto opened = records_.sealer().Open(event, [](absl::string_view) { return true; });
    if (!opened.ok()) return absl::StrCat("cannot be opened: ", opened.status().ToString());
    const auto* contact = google::protobuf::DynamicCastToGenerated<events::v1::ContactRecorded>(
        opened->message.get());
    if (contact == nullptr) return "is of another type";
    bool ended = false, maybe = false;
    for (const auto& subject : subjects) {
      if (const auto erasure = told_.erased.find(subject); erasure != told_.erased.end()) {
        (erasure->second ? ended : maybe) = true;
      }
      if (const auto fence = told_.fenced.find(subject); fence != told_.fenced.end()) {
        (fence->second ? ended : maybe) = true;
      }
      for (const auto& [purpose, acknowledged] : told_.ended_keys) {
        if (purpose.subject == subject) (acknowledged ? ended : maybe) = true;
      }
    }
    const std::string& summary = contact->contact().summary();
    if (ended) return summary.empty() ? "" : "opens although its key was ended";
    if (maybe && summary.empty()) return "";
    return summary == text ? "" : absl::StrCat("says '", summary, "', sent was '", text, "'");
  }

  std::string Checkpoints() {
    if (told_.checkpoints.empty()) return "";
    if (log_.VerifierKey() != told_.verifier_key) return "checkpoints are signed with another key";
    const auto verifier = eventstore::NoteVerifier::Parse(told_.verifier_key);
    if (!verifier.ok()) return verifier.status().ToString();
    for (const std::string& note : told_.checkpoints) {
      const auto opened = eventstore::OpenNote(note, {&*verifier, 1});
      if (!opened.ok()) return opened.status().ToString();
      const auto checkpoint = eventstore::ParseCheckpoint(opened->text);
      if (!checkpoint.ok()) return checkpoint.status().ToString();
      const auto trees = eventstore::TreesOf(*checkpoint, log_.store_id());
      if (!trees.ok()) return trees.status().ToString();
      // Those of the events, then those of the access ledger.
      const uint32_t partitions = log_.partition_count();
      if (trees->size() != 2 * partitions) return "a signed checkpoint has other trees";
      for (uint32_t tree = 0; tree < 2 * partitions; ++tree) {
        const auto verified = log_.VerifyCheckpoint(
            tree < partitions ? Ledger::kEvents : Ledger::kAccess,
            {log_.store_id(), {tree % partitions, (*trees)[tree].size}, (*trees)[tree].root});
        if (!verified.ok()) return absl::StrCat("a signed checkpoint: ", verified.ToString());
      }
    }
    return "";
  }

  std::string Keys() {
    eventstore::KeyStore& keys = records_.keys();
    for (const auto& [reference, entry] : told_.claims) {
      const auto found = keys.Resolve("north", "customer", reference);
      if (!found.ok()) return found.status().ToString();
      if (!entry.has_value()) continue;
      if (!found->has_value()) return absl::StrCat("the claim of ", reference, " is lost");
      if ((*found)->subject != entry->subject || (*found)->root != entry->root) {
        return absl::StrCat("the claim of ", reference, " changed");
      }
    }
    for (const auto& [purpose, acknowledged] : told_.ended_keys) {
      const auto found = keys.FindKey(purpose);
      if (!found.ok()) return found.status().ToString();
      if (acknowledged && found->has_value()) return "an ended key is there again";
    }
    for (const auto& [subject, acknowledged] : told_.fenced) {
      if (acknowledged && !keys.IsFenced(subject)) return "a fence is lost";
    }
    if (keys.GetStatus().master_key_generation < told_.master_key_generation) {
      return "an old master key is there again";
    }
    return "";
  }

  std::string Erasures() {
    for (const auto& [subject, acknowledged] : told_.erased) {
      // From the entry in the ledger on every start sees to it.
      const bool must = acknowledged || records_.erasures()->Find(subject).has_value();
      if (!must) continue;
      if (!records_.erasures()->Find(subject)) return "an erasure is not in the ledger any more";
      if (!records_.keys().IsFenced(subject)) return "an erased subject is not fenced";
      const auto holdings = records_.keys().HoldingsOf(subject);
      if (!holdings.ok()) return holdings.status().ToString();
      if (holdings->key_count() + holdings->directory_rows > 0) return "erased keys are there";
      if (std::string wrong = Secrets(subject, acknowledged); !wrong.empty()) return wrong;
    }
    return "";
  }

  // The bytes of an erased subject's keys stand in no file.
  std::string Secrets(const eventstore::SubjectId& subject, bool acknowledged) {
    if (!acknowledged) {
      // The start deletes keys, and rewrites the files only where it found some. The worker, whose
      // erasure has no certificate yet, does both again.
      absl::Status again = records_.keys().DestroySubject(subject).status();
      if (again.ok()) again = records_.keys().CompactDestroyed();
      if (!again.ok()) return absl::StrCat("an erasure cannot be finished: ", again.ToString());
    }
    const auto secrets = told_.secrets.find(subject);
    if (secrets == told_.secrets.end()) return "nobody knows what had to be destroyed";
    std::vector<absl::string_view> needles(secrets->second.begin(), secrets->second.end());
    const auto found = eventstore::SearchFiles({.paths = {records_.data_folder()}}, needles);
    if (!found.ok()) return found.status().ToString();
    return found->found_in.empty()
               ? ""
               : absl::StrCat("destroyed bytes stand in ", found->found_in.front());
  }

  // Every request sent again: one effect, and the same answer.
  std::string Retries() {
    for (size_t i = 0; i < told_.appends.size(); ++i) {
      SentAppend& sent = told_.appends[i];
      const auto outcome = records_.Retry(i);
      if (!outcome.ok()) {
        const bool may_refuse =
            !told_.fenced.empty() || !told_.ended_keys.empty() || !told_.erased.empty();
        if (may_refuse && !sent.outcome && found_[i].empty()) continue;
        return absl::StrCat("a retry fails: ", outcome.status().ToString());
      }
      if (outcome->repeated == found_[i].empty()) return "a retry says the wrong about the first";
      if (outcome->repeated && outcome->first != found_[i].front()) {
        return "a retry answers otherwise";
      }
      sent.outcome = *outcome;
    }
    return "";
  }

  std::string View() {
    if (records_.view() == nullptr) return "";
    records_.CatchUp();
    constexpr size_t kTables = 2;
    eventstore::MemoryStorage fresh(kTables);
    auto fold = projections::ViewFold::Create(log_, records_.projection(), fresh, {});
    if (!fold.ok()) return fold.status().ToString();
    while (true) {
      const auto progress = (*fold)->FoldBatch();
      if (!progress.ok()) return progress.status().ToString();
      if (progress->events == 0) break;
    }
    const auto rows = [](const eventstore::Storage& storage) {
      std::map<std::string, std::string> all;
      for (size_t table = 0; table < kTables; ++table) {
        const auto cursor = storage.NewCursor(eventstore::Table{table});
        for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
          all[absl::StrCat(table, "|", cursor->key())] = std::string(cursor->value());
        }
      }
      return all;
    };
    return rows(fresh) == rows(*records_.view()->live()->storage)
               ? ""
               : "the view is not the fold of the log";
  }

  // A backup that was told of restores to stores that start and hold what was there.
  std::string Backups() {
    if (told_.backups.empty()) return "";
    const std::string restored = records_.folder() + "/restored";
    const bool was_begun = told_.restore_begun;
    if (!was_begun) std::filesystem::remove_all(restored);
    const absl::Status status = records_.RestoreBackup();
    // Of one that was cut short after its end nobody was told.
    if (!status.ok() && !(was_begun && absl::IsFailedPrecondition(status))) {
      return absl::StrCat("a backup cannot be restored: ", status.ToString());
    }
    RecordsUnderFault copy(
        {.folder = records_.folder(), .with_erasures = true, .data = "restored"});
    Acknowledgements there = told_;
    there.appends.resize(std::max(told_.backups.rbegin()->second, told_.published));
    there.tail.reset();
    there.published = 0;
    there.checkpoints.clear();
    there.backups.clear();
    copy.set_acknowledged(std::move(there));
    const absl::Status opened = copy.Open();
    if (!opened.ok()) return absl::StrCat("what was restored does not start: ", opened.ToString());
    std::string wrong = FindWrong(copy);
    copy.Close();
    std::filesystem::remove_all(restored);
    told_.restore_begun = false;
    return wrong.empty() ? "" : absl::StrCat("restored: ", wrong);
  }

  RecordsUnderFault& records_;
  const EventLog& log_;
  Acknowledgements& told_;
  std::vector<std::vector<Position>> found_;  // of each append, its events
  std::map<std::pair<Ledger, std::string>, uint64_t> revisions_;
};

}  // namespace

std::string FindWrong(RecordsUnderFault& records) { return Checker(records).Run(); }

}  // namespace records::faults
