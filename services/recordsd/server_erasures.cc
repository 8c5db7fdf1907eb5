#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/erasure_replay.h"
#include "eventstore/status_macros.h"
#include "services/recordsd/logging.h"
#include "services/recordsd/server_parts.h"
#include "services/recordsd/view.h"

// What erasure needs of the server: its ledger at the start, and what its worker cleans and
// searches.
namespace records::services {

absl::Status Server::Parts::OpenErasureLedger() {
  const std::string path =
      options.erasure_ledger_file.empty()
          ? absl::StrCat(options.data_folder, "/", eventstore::kErasureLedgerFile)
          : options.erasure_ledger_file;
  // The log has made the key when there was none.
  ASSIGN_OR_RETURN(auto seed, eventstore::OpenCheckpointFiles(options.data_folder)->ReadKey());
  ASSIGN_OR_RETURN(auto key, eventstore::Ed25519PrivateKey::FromSeed(std::move(seed)));
  std::vector<eventstore::KnownErasureHead> known = log->KnownErasures();
  known.push_back({"keys.anchor", keys->KnownErasures()});
  ASSIGN_OR_RETURN(erasure_ledger,
                   eventstore::ErasureLedger::Open(eventstore::PosixAnchorFiles(), path,
                                                   log->store_id(), std::move(key), known));
  keys->SetErasureHead(erasure_ledger->head());
  log->SetErasureHead(erasure_ledger->head());
  // Before anything is answered: a key store from a backup brings back what was destroyed.
  ASSIGN_OR_RETURN(auto replay, eventstore::ReplayErasures(erasure_ledger->Records(), *keys));
  if (replay.subjects > 0) {
    Log(LogLevel::kWarn, "erasures_replayed",
        {{"subjects", std::to_string(replay.subjects)}, {"keys", std::to_string(replay.keys)}});
  }
  destroyed_at_start = std::move(replay.destroyed);
  return absl::OkStatus();
}

ErasureWorkerOptions Server::Parts::ErasureOptions() {
  ErasureWorkerOptions how;
  for (const auto& [projection, owner] : OpenedViews()) {
    ErasableView view{.name = projection->name(),
                      .live =
                          [owner = owner] {
                            const auto copy = owner->live();
                            return ErasableCopy{copy, copy->runner.get(), copy->storage.get()};
                          },
                      .drop_others = [owner = owner] { return owner->DropPrevious(); }};
    for (size_t i = 0; i < projection->tables().size(); ++i) {
      view.tables.push_back(projections::ViewTable(i));
    }
    how.views.push_back(std::move(view));
  }
  std::vector<std::string> open;
  for (const ErasableView& view : how.views) open.push_back(view.name);
  how.drop_unopened_views = [data = options.data_folder, open] {
    return DropUnopenedViews(data, open);
  };
  const std::string& data = options.data_folder;
  for (const char* name : {"keys", "keys.anchor", "log", "log.anchor", "views", "backup.staging"}) {
    how.search.paths.push_back(absl::StrCat(data, "/", name));
  }
  // RocksDB's list of files names the first and last row of files that are gone.
  how.search_names = {.paths = {data + "/keys"}, .skipped_names = {"MANIFEST"}};
  if (views != nullptr) {
    how.releases_ended = [this](const eventstore::SubjectId& subject) {
      return views->ReleasesEnded(subject);
    };
  }
  how.destroyed_at_start = std::move(destroyed_at_start);
  return how;
}

}  // namespace records::services
