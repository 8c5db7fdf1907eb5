// Bulk import: rows streamed over gRPC, against raw RocksDB batches of the same rows.

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "records/api/v1/contact_service.grpc.pb.h"
#include "tools/bench/bars.h"
#include "tools/bench/profile.h"
#include "tools/bench/raw_writes.h"
#include "tools/bench/requests.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;

constexpr int kStreams = 4;
// As many rows as one stream has under way at the server.
constexpr size_t kEventsPerBatch = 256;

using RowStream = grpc::ClientReaderWriter<api::ImportContactsRequest, api::ImportContactsResponse>;

// The window in which acknowledgements count, and what came.
struct ImportCount {
  absl::Time from;
  absl::Time until;
  std::atomic<uint64_t> rows = 0;
  std::atomic<uint64_t> refused = 0;
};

void WriteRows(RowStream& stream, uint64_t customers, uint64_t seed, absl::Time until) {
  std::mt19937_64 random(seed);
  api::ImportContactsRequest row;
  for (uint64_t line = 1; absl::Now() < until && !interrupted; ++line) {
    const uint64_t customer = random() % customers;
    row.set_request_id(RandomUuid(random));
    row.set_line(line);
    *row.mutable_customer()->mutable_person() = MakePerson(customer);
    *row.mutable_customer()->mutable_tenancy() = MakeTenancy(customer);
    row.mutable_customer()->set_synthetic(true);
    *row.mutable_contact() = MakeContact(random);
    row.mutable_contact()->set_source_key(absl::StrCat("SOURCE-", line));
    if (!stream.Write(row)) break;
  }
  stream.WritesDone();
}

absl::Status RunStream(const RecordsServer& server, uint64_t customers, uint64_t seed,
                       ImportCount& count) {
  const auto stub = api::ContactService::NewStub(MakeLocalChannel(server.address()));
  grpc::ClientContext context;
  internal::AddIdentity(server.identity(), context);
  const auto stream = stub->ImportContacts(&context);
  std::thread writer([&] { WriteRows(*stream, customers, seed, count.until); });
  api::ImportContactsResponse answer;
  while (stream->Read(&answer)) {
    const absl::Time now = absl::Now();
    if (answer.code() != 0) ++count.refused;
    // The first counts whenever it comes, so that a rate is always one.
    const bool in_time = now >= count.from && now < count.until;
    if (answer.code() == 0 && (in_time || (now >= count.until && count.rows == 0))) ++count.rows;
  }
  writer.join();
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return absl::UnavailableError(status.error_message());
  return absl::OkStatus();
}

// Rows acknowledged for each second.
absl::StatusOr<double> ImportOnce(const BenchOptions& options, const RecordsServer& server,
                                  uint64_t seed) {
  ImportCount count;
  count.from = absl::Now() + options.warm_up;
  count.until = count.from + options.seconds;
  std::vector<absl::Status> results(kStreams);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kStreams; ++i) {
    threads.emplace_back(
        [&, i] { results[i] = RunStream(server, options.customers, seed + i, count); });
  }
  for (auto& thread : threads) thread.join();
  if (interrupted) return absl::CancelledError("interrupted");
  for (const auto& result : results) RETURN_IF_ERROR(result);
  if (count.refused > 0) return absl::InternalError("rows were refused");
  return static_cast<double>(count.rows) / absl::ToDoubleSeconds(options.seconds);
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureImport(const BenchOptions& options) {
  ASSIGN_OR_RETURN(auto folder, TemporaryFolder::Make(options.programs.work));
  const auto home = folder->path() / "records";
  ASSIGN_OR_RETURN(auto server, RecordsServer::Start(options.programs, home));
  RETURN_IF_ERROR(server->RegisterCustomers(options.customers));
  BarResult result{.bar = "import",
                   .unit = "events/s",
                   .reference_name = "raw RocksDB, synced batches of 256 events, the same puts",
                   .target = 0.25};
  // Makes the keys of this year, and events to measure.
  RETURN_IF_ERROR(ImportOnce(options, *server, options.seed).status());
  ASSIGN_OR_RETURN(const auto tables, MeasureTables(home / "data"));
  for (int run = 0; run < options.runs; ++run) {
    ASSIGN_OR_RETURN(const double raw, WriteRawBatches(folder->path() / "raw", tables,
                                                       kEventsPerBatch, options.seconds));
    result.reference_runs.push_back(raw);
    const uint64_t seed = options.seed + static_cast<uint64_t>(run + 1) * kStreams;
    const Profile profile(options, "import", server->process().pid());
    ASSIGN_OR_RETURN(const double imported, ImportOnce(options, *server, seed));
    result.runs.push_back(imported);
  }
  result.measured = Median(result.runs);
  result.reference = Median(result.reference_runs);
  for (const TableSizes& table : tables) {
    result.details[absl::StrCat(table.name, "_rows_per_event")] = table.rows_per_event;
    result.details[absl::StrCat(table.name, "_key_bytes")] = static_cast<double>(table.key_bytes);
    result.details[absl::StrCat(table.name, "_value_bytes")] =
        static_cast<double>(table.value_bytes);
  }
  return std::vector<BarResult>{std::move(result)};
}

}  // namespace records::bench
