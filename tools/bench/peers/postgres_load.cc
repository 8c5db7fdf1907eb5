// Load on a PostgreSQL server, as the bars name it: clients that each append events to streams of
// their own, one after the other, each append a transaction. Prints one line of JSON.
//
//   postgres_load 'host=/run/x user=bench dbname=bench' table|message-db CLIENTS SECONDS WARM_UP
//   BYTES

#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/bench/histogram.h"

namespace records::bench {
namespace {

constexpr int kPollMilliseconds = 1000;
constexpr uint64_t kStreamsEach = 30;  // of each client: about 2,000 in all

// What one kind of load sends.
struct Workload {
  std::string setup;
  std::string insert;  // $1 id, $2 stream, $3 expected or new revision, $4 body
  bool body_is_json = false;
};

const Workload kTable = {
    .setup =
        // The second run would be told that the table is there, on the stream of its result.
    "SET client_min_messages = warning; "
    "CREATE TABLE IF NOT EXISTS events (position bigserial PRIMARY KEY, id uuid NOT NULL "
    "UNIQUE, "
    "stream text NOT NULL, revision bigint NOT NULL, body bytea NOT NULL, recorded_at "
    "timestamptz "
    "NOT NULL DEFAULT now(), UNIQUE (stream, revision))",
    .insert =
        "INSERT INTO events (id, stream, revision, body) VALUES ($1::uuid, $2, $3::bigint, "
        "decode($4, 'escape'))"};
const Workload kMessageDb = {
    .setup = "SELECT 1",
    .insert =
        "SELECT message_store.write_message($1, $2, 'ContactRecorded', $4::jsonb, NULL, "
        "$3::bigint - 1)",
    .body_is_json = true};

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "postgres_load: %s\n", why.c_str());
  std::exit(1);
}

class Client {
 public:
  Client(const std::string& where, const Workload& workload, uint64_t number, size_t bytes)
      : connection_(PQconnectdb(where.c_str()), &PQfinish), number_(number), random_(number + 1) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) Fail(PQerrorMessage(connection_.get()));
    body_.assign(bytes, 'x');
    for (char& byte : body_) byte = static_cast<char>('a' + random_() % 26);
    if (workload.body_is_json) body_ = absl::StrCat("{\"contact\": \"", body_, "\"}");
    revisions_.assign(kStreamsEach, 0);
  }

  // Makes what the workload needs, where it is not there yet.
  void SetUp(const Workload& workload) { Run(workload.setup); }

  void Prepare(const Workload& workload) {
    PGresult* result = PQprepare(connection_.get(), "append", workload.insert.c_str(), 4, nullptr);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) Fail(PQerrorMessage(connection_.get()));
    PQclear(result);
  }

  void Start() {
    const uint64_t stream = random_() % kStreamsEach;
    const std::string id =
        absl::StrFormat("%08x-%04x-4%03x-8%03x-%012x", random_() >> 32, random_() & 0xFFFF,
                        random_() & 0xFFF, random_() & 0xFFF, random_() >> 16);
    const std::string name = absl::StrCat("customer-", number_, "x", stream);
    const std::string revision = absl::StrCat(revisions_[stream]++);
    const std::array<const char*, 4> values = {id.c_str(), name.c_str(), revision.c_str(),
                                               body_.c_str()};
    started_ = absl::Now();
    if (PQsendQueryPrepared(connection_.get(), "append", 4, values.data(), nullptr, nullptr, 0) !=
        1) {
      Fail(PQerrorMessage(connection_.get()));
    }
  }

  // True when the answer has come.
  bool Finish() {
    if (PQconsumeInput(connection_.get()) != 1) Fail(PQerrorMessage(connection_.get()));
    if (PQisBusy(connection_.get()) != 0) return false;
    while (PGresult* result = PQgetResult(connection_.get())) {
      const ExecStatusType status = PQresultStatus(result);
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        Fail(PQerrorMessage(connection_.get()));
      }
      PQclear(result);
    }
    return true;
  }

  int socket() const { return PQsocket(connection_.get()); }
  absl::Time started() const { return started_; }

 private:
  void Run(const std::string& statement) {
    PGresult* result = PQexec(connection_.get(), statement.c_str());
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      Fail(PQerrorMessage(connection_.get()));
    }
    PQclear(result);
  }

  Connection connection_;
  const uint64_t number_;
  std::mt19937_64 random_;
  std::string body_;
  std::vector<uint64_t> revisions_;
  absl::Time started_;
};

struct Flags {
  std::string where;
  Workload workload;
  int clients = 64;
  double seconds = 5;
  double warm_up = 1;
  int bytes = 1000;
};

int RunLoad(const Flags& flags) {
  std::vector<std::unique_ptr<Client>> clients;
  // The run's own streams: another run on the same tables starts with revision 0 again.
  const uint64_t run = std::random_device()() * uint64_t{1000};
  for (int i = 0; i < flags.clients; ++i) {
    clients.push_back(std::make_unique<Client>(flags.where, flags.workload,
                                               run + static_cast<uint64_t>(i),
                                               static_cast<size_t>(flags.bytes)));
  }
  clients[0]->SetUp(flags.workload);
  std::vector<pollfd> sockets;
  for (auto& client : clients) {
    client->Prepare(flags.workload);
    sockets.push_back({client->socket(), POLLIN, 0});
  }
  const absl::Time from = absl::Now() + absl::Seconds(flags.warm_up);
  const absl::Time until = from + absl::Seconds(flags.seconds);
  Histogram times;
  for (auto& client : clients) client->Start();
  for (absl::Time now = absl::Now(); now < until;) {
    if (poll(sockets.data(), sockets.size(), kPollMilliseconds) < 0) Fail("poll failed");
    for (size_t i = 0; i < clients.size(); ++i) {
      if (sockets[i].revents == 0 || !clients[i]->Finish()) continue;
      now = absl::Now();
      if (now >= from && now < until) times.Record(now - clients[i]->started());
      clients[i]->Start();
    }
    now = absl::Now();
  }
  std::printf("{\"rate\": %.1f, \"p99_us\": %.1f}\n",
              static_cast<double>(times.count()) / flags.seconds,
              absl::ToDoubleMicroseconds(times.Quantile(0.99)));
  return 0;
}

}  // namespace
}  // namespace records::bench

int main(int argc, char** argv) {
  records::bench::Flags flags;
  const std::string kind = argc == 7 ? argv[2] : "";
  if ((kind != "table" && kind != "message-db") || !absl::SimpleAtoi(argv[3], &flags.clients) ||
      !absl::SimpleAtod(argv[4], &flags.seconds) || !absl::SimpleAtod(argv[5], &flags.warm_up) ||
      !absl::SimpleAtoi(argv[6], &flags.bytes)) {
    std::fputs("usage: postgres_load WHERE table|message-db CLIENTS SECONDS WARM_UP BYTES\n",
               stderr);
    return 2;
  }
  flags.where = argv[1];
  flags.workload = kind == "table" ? records::bench::kTable : records::bench::kMessageDb;
  return records::bench::RunLoad(flags);
}
