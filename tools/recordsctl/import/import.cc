#include "tools/recordsctl/import/import.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/client.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/import/csv_reader.h"
#include "tools/recordsctl/import/import_stream.h"
#include "tools/recordsctl/import/nyc311.h"
#include "tools/recordsctl/import/progress.h"
#include "tools/recordsctl/import/rejects.h"
#include "tools/recordsctl/interrupt.h"
#include "tools/recordsctl/table.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;

// Counts and rejects of an import; both the thread that reads the file and the one that takes
// acknowledgements add to it. Thread-safe.
class Tally {
 public:
  explicit Tally(std::string rejects_path) : rejects_(std::move(rejects_path)) {}

  void Reject(const RowReject& reject) {
    rejects_.Add(reject);
    absl::MutexLock lock(&mutex_);
    ++counts_.rows;
    ++counts_.rejected;
  }

  // A row that is durable, or would be.
  void Accept(const MappedRow& row, const api::ImportContactsResponse& reply) {
    absl::MutexLock lock(&mutex_);
    ++counts_.rows;
    ++(reply.seen_before() ? counts_.seen_before : counts_.imported);
    counts_.customers_registered += reply.customer_registered() ? 1 : 0;
    counts_.repeated_times += row.repeated_time ? 1 : 0;
    counts_.skipped_times += row.skipped_time ? 1 : 0;
    counts_.mended_texts += row.mended_text ? 1 : 0;
    const bool is_asb = row.kind == WorkKind::kAsb;
    counts_.unlinked += !is_asb && !row.request.has_customer() ? 1 : 0;
    ++(is_asb ? counts_.asb : row.kind == WorkKind::kRepair ? counts_.repair : counts_.general);
  }

  void Take(const MappedRow& row, const api::ImportContactsResponse& reply) {
    if (reply.code() == 0) return Accept(row, reply);
    Reject({.first_line = row.request.line(),
            .last_line = row.request.line(),
            .key = row.key,
            .reason = reply.reason(),
            .message = reply.message()});
  }

  ImportCounts counts() const {
    absl::MutexLock lock(&mutex_);
    return counts_;
  }
  RejectsFile& rejects() { return rejects_; }

 private:
  RejectsFile rejects_;
  mutable absl::Mutex mutex_;
  ImportCounts counts_ ABSL_GUARDED_BY(mutex_);
};

// The file, its mapper, and where its rows go.
class Import {
 public:
  Import(Session& session, const ImportOptions& options, std::string rejects_path)
      : session_(session), options_(options), tally_(std::move(rejects_path)) {}

  // Opens the file and reads its first line.
  absl::Status Open() {
    ASSIGN_OR_RETURN(auto source, OpenByteSource(options_.file));
    reader_ = std::make_unique<CsvReader>(std::move(source));
    RequestTypes types = RequestTypes::BuiltIn();
    if (!options_.map_file.empty()) {
      ASSIGN_OR_RETURN(auto map, OpenByteSource(options_.map_file));
      ASSIGN_OR_RETURN(types, RequestTypes::Read(std::move(map)));
    }
    ASSIGN_OR_RETURN(NewYorkClock clock, NewYorkClock::Create());
    ASSIGN_OR_RETURN(const std::optional<CsvRecord> header, reader_->Next());
    if (!header.has_value() || !header->reason.empty()) {
      return absl::InvalidArgumentError("the file does not begin with a line of column names");
    }
    ASSIGN_OR_RETURN(auto mapper,
                     Nyc311Mapper::Create(header->fields, std::move(types), std::move(clock)));
    mapper_ = std::make_unique<Nyc311Mapper>(std::move(mapper));
    return absl::OkStatus();
  }

  // Maps every row and sends none.
  absl::Status DryRun() {
    return ForEachRow([this](MappedRow row) {
      tally_.Accept(row, {});
      return absl::OkStatus();
    });
  }

  absl::Status Send(const Client& client) {
    ImportStreamOptions stream_options{.stall_max = session_.options.timeout()};
    ImportStream stream(client, stream_options,
                        [this](const auto& row, const auto& reply) { tally_.Take(row, reply); });
    Interrupt interrupt([&stream] { stream.Interrupt(); });
    const absl::Status sent =
        ForEachRow([&stream](MappedRow row) { return stream.Send(std::move(row)); });
    interrupted_ = interrupt.interrupted();
    if (!sent.ok() && !interrupted_ && !file_is_broken_) return sent;
    // What is under way is waited for, also after an interrupt or a broken end of the file.
    const absl::Status finished = stream.Finish();
    interrupted_ = interrupt.interrupted();
    return sent.ok() || interrupted_ ? finished : sent;
  }

  Tally& tally() { return tally_; }
  bool interrupted() const { return interrupted_; }
  bool file_is_broken() const { return file_is_broken_; }

 private:
  absl::Status ForEachRow(const std::function<absl::Status(MappedRow)>& take) {
    ProgressBar progress(session_.err);
    absl::Status status;
    while (status.ok()) {
      absl::StatusOr<std::optional<CsvRecord>> record = reader_->Next();
      file_is_broken_ = !record.ok();
      if (!record.ok() || !record->has_value()) {
        status = record.status();
        break;
      }
      Nyc311Mapper::Result result = mapper_->Map(**record);
      if (result.row.has_value()) {
        status = take(*std::move(result.row));
      } else {
        tally_.Reject(result.reject);
      }
      progress.Update(tally_.counts().rows, reader_->source().taken(), reader_->source().size());
    }
    progress.Clear();
    return status;
  }

  Session& session_;
  const ImportOptions& options_;
  Tally tally_;
  std::unique_ptr<CsvReader> reader_;
  std::unique_ptr<Nyc311Mapper> mapper_;
  bool interrupted_ = false;
  bool file_is_broken_ = false;
};

std::string RejectsPath(const ImportOptions& options) {
  if (!options.rejects_file.empty()) return options.rejects_file;
  const std::string name = options.file == "-"
                               ? "standard-input"
                               : std::filesystem::path(options.file).filename().string();
  return name + ".rejects.csv";
}

void PrintCounts(Session& session, const ImportCounts& counts) {
  const std::vector<std::pair<std::string, uint64_t>> fields = {
      {"rows", counts.rows},
      {"imported", counts.imported},
      {"seenBefore", counts.seen_before},
      {"rejected", counts.rejected},
      {"customersRegistered", counts.customers_registered},
      {"repair", counts.repair},
      {"asb", counts.asb},
      {"general", counts.general},
      {"unlinked", counts.unlinked}};
  if (session.options.json) {
    nlohmann::ordered_json json;
    for (const auto& [name, count] : fields) json[name] = count;
    session.out << json.dump() << "\n" << std::flush;
    return;
  }
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [name, count] : fields) {
    lines.emplace_back(name == "seenBefore"            ? "seen before"
                       : name == "customersRegistered" ? "customers registered"
                                                       : name,
                       absl::StrCat(count));
  }
  session.out << RenderFields(lines, session.Width()) << std::flush;
}

// What a person should know besides the counts.
void PrintRemarks(Session& session, Import& import) {
  const ImportCounts counts = import.tally().counts();
  if (counts.repeated_times > 0) {
    session.err << counts.repeated_times
                << " rows are of the hour that comes twice when summer time ends: taken as the "
                   "first\n";
  }
  if (counts.skipped_times > 0) {
    session.err << counts.skipped_times
                << " rows are of the hour that is left out when summer time begins: taken an hour "
                   "later\n";
  }
  if (counts.mended_texts > 0) {
    session.err << counts.mended_texts
                << " rows held text that was encoded twice, or control characters: mended\n";
  }
  const absl::Status rejects = import.tally().rejects().Close();
  if (!rejects.ok()) session.err << "recordsctl: " << rejects.message() << "\n";
  if (counts.rejected > 0) {
    session.err << counts.rejected << " rows were not taken; " << import.tally().rejects().path()
                << " says which and why. Mend them and run the same command again.\n";
  }
}

int Conclude(Session& session, Import& import, const absl::Status& status) {
  PrintCounts(session, import.tally().counts());
  PrintRemarks(session, import);
  const ImportCounts counts = import.tally().counts();
  constexpr char kGoOn[] =
      "run the same command again: rows that are in are counted as seen before";
  if (import.interrupted()) {
    session.err << "stopped; " << counts.imported + counts.seen_before
                << " rows are in.\nwhat to do: to go on, " << kGoOn << "\n";
    return kExitPartly;
  }
  if (import.file_is_broken()) {
    session.err << "recordsctl: the file could not be read to its end: "
                << Printable(status.message()) << "\nwhat to do: get the file again and " << kGoOn
                << "\n";
    return kExitPartly;
  }
  if (!status.ok()) {
    const int code = session.Fail("import all rows", status);
    session.err << counts.imported + counts.seen_before << " rows are in; to go on, " << kGoOn
                << "\n";
    return code;
  }
  return counts.rejected > 0 ? kExitPartly : kExitOk;
}

}  // namespace

int RunImport(Session& session, const ImportOptions& options) {
  constexpr char kHelp[] = "see `recordsctl import contacts --help`";
  if (options.file.empty())
    return session.Usage("name the file to import (- for standard input)", kHelp);
  if (options.format != "nyc311") return session.Usage("--format must be nyc311", kHelp);
  Import import(session, options, RejectsPath(options));
  const absl::Status opened = import.Open();
  if (!opened.ok()) return session.Usage(opened.message(), kHelp);
  if (options.dry_run) {
    session.err << "dry run: nothing is sent, and `imported` counts what would be\n";
    return Conclude(session, import, import.DryRun());
  }
  const auto client = Client::Create(session);
  if (!client.ok()) return session.Usage(client.status().message(), "see `recordsctl --help`");
  return Conclude(session, import, import.Send(*client));
}

}  // namespace records::tools
