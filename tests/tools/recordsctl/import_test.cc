// Drives the real recordsctl through an import, against a server that answers as each test wants.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/tools/recordsctl/fake_server.h"
#include "tests/tools/recordsctl/program.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/import/import_stream.h"

namespace records::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr size_t kDayRows = 6765;
constexpr char kDay[] = "tests/data/nyc311_2018-10-21.csv.gz";

std::string Extract(size_t rows) {
  std::string text = "unique_key,created_date,complaint_type\n";
  for (size_t i = 1; i <= rows; ++i) absl::StrAppend(&text, i, ",2026-08-01T00:00:14,PLUMBING\n");
  return text;
}

api::ImportContactsResponse Done(const api::ImportContactsRequest& request) {
  api::ImportContactsResponse reply;
  reply.set_request_id(request.request_id());
  reply.set_line(request.line());
  return reply;
}

class ImportTest : public testing::Test {
 protected:
  std::vector<std::string> Arguments(const std::string& file) const {
    return {"--server",
            server_.address(),
            "--token-file",
            token_file_,
            "--purpose",
            "tenancy-management",
            "--json",
            "import",
            "contacts",
            "--format",
            "nyc311",
            "--rejects",
            folder_.path("rejects.csv"),
            file};
  }

  // A server that keeps what it acknowledged, as the real one does.
  void AcknowledgeEach() {
    server_.import = [this](grpc::ServerContext*, FakeServer::ImportStream* stream) {
      api::ImportContactsRequest request;
      while (stream->Read(&request)) {
        api::ImportContactsResponse reply = Done(request);
        absl::MutexLock lock(&mutex_);
        reply.set_seen_before(!durable_.insert(request.request_id()).second);
        const std::string& reference = request.customer().person().reference();
        reply.set_customer_registered(!reference.empty() && customers_.insert(reference).second);
        stream->Write(reply);
      }
      return grpc::Status::OK;
    };
  }

  size_t durable() {
    absl::MutexLock lock(&mutex_);
    return durable_.size();
  }

  TestFolder folder_;
  FakeServer server_;
  std::string token_file_ = folder_.Write("token", "the.token");
  absl::Mutex mutex_;
  std::set<std::string> durable_;
  std::set<std::string> customers_;
};

TEST_F(ImportTest, ARealDayIsImportedOnceHoweverOftenItIsSent) {
  AcknowledgeEach();
  Program first(Arguments(kDay));
  ASSERT_EQ(first.Wait(), kExitOk) << first.err();
  auto counts = nlohmann::json::parse(first.out());
  EXPECT_EQ(counts["rows"], kDayRows);
  EXPECT_EQ(counts["imported"], kDayRows);
  EXPECT_EQ(counts["repair"], 3088);
  EXPECT_EQ(counts["asb"], 2097);
  EXPECT_EQ(counts["general"], 1580);
  EXPECT_EQ(counts["customersRegistered"], customers_.size());
  EXPECT_GT(customers_.size(), 1000u);
  EXPECT_EQ(durable(), kDayRows);
  Program second(Arguments(kDay));
  ASSERT_EQ(second.Wait(), kExitOk) << second.err();
  counts = nlohmann::json::parse(second.out());
  EXPECT_EQ(counts["imported"], 0);
  EXPECT_EQ(counts["seenBefore"], kDayRows);
  EXPECT_EQ(counts["customersRegistered"], 0);
  EXPECT_EQ(durable(), kDayRows);
}

TEST_F(ImportTest, NoMoreThanAWindowOfRowsIsUnderWay) {
  std::atomic<size_t> read = 0;
  std::atomic<bool> overran = false;
  server_.import = [&](grpc::ServerContext*, FakeServer::ImportStream* stream) {
    std::vector<api::ImportContactsRequest> requests(ImportWindow::kRowsMax);
    for (auto& request : requests) stream->Read(&request);
    read = requests.size();
    // The next row may only come once one is acknowledged.
    api::ImportContactsRequest next;
    std::atomic<bool> came = false;
    std::thread reader([&] { came = stream->Read(&next); });
    const absl::Time until = absl::Now() + absl::Milliseconds(300);
    while (absl::Now() < until && !came) std::this_thread::yield();
    overran = came.load();
    for (const auto& request : requests) stream->Write(Done(request));
    reader.join();
    stream->Write(Done(next));
    while (stream->Read(&next)) stream->Write(Done(next));
    return grpc::Status::OK;
  };
  Program program(Arguments(folder_.Write("rows.csv", Extract(300))));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_EQ(read, 256u);  // the limit of the API
  EXPECT_FALSE(overran);
  EXPECT_EQ(nlohmann::json::parse(program.out())["imported"], 300);
}

TEST_F(ImportTest, ALostConnectionIsMadeAgainAndNothingIsLostOrDoubled) {
  std::atomic<int> calls = 0;
  server_.import = [&](grpc::ServerContext*, FakeServer::ImportStream* stream) {
    const int call = ++calls;
    api::ImportContactsRequest request;
    for (int i = 0; stream->Read(&request); ++i) {
      api::ImportContactsResponse reply = Done(request);
      {
        absl::MutexLock lock(&mutex_);
        reply.set_seen_before(!durable_.insert(request.request_id()).second);
      }
      // Durable, and the connection ends before the acknowledgement.
      if (call == 1 && i == 100) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
      stream->Write(reply);
    }
    return grpc::Status::OK;
  };
  Program program(Arguments(folder_.Write("rows.csv", Extract(1000))));
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  const auto counts = nlohmann::json::parse(program.out());
  EXPECT_EQ(counts["rows"], 1000);
  EXPECT_EQ(counts["seenBefore"], 1);
  EXPECT_EQ(durable(), 1000u);
  EXPECT_EQ(calls, 2);
}

TEST_F(ImportTest, ARowThatIsPutOffIsSentAgainAndNotForEver) {
  std::atomic<int> refused = 0;
  server_.import = [&](grpc::ServerContext*, FakeServer::ImportStream* stream) {
    std::map<std::string, int> tries;
    api::ImportContactsRequest request;
    while (stream->Read(&request)) {
      api::ImportContactsResponse reply = Done(request);
      // Every tenth row is put off once; the row of line 2 always.
      const int nth = ++tries[request.request_id()];
      if (request.line() == 2 || (request.line() % 10 == 0 && nth == 1)) {
        ++refused;
        reply.set_code(grpc::StatusCode::ABORTED);
        reply.set_reason("CONFLICT");
      }
      stream->Write(reply);
    }
    return grpc::Status::OK;
  };
  Program program(Arguments(folder_.Write("rows.csv", Extract(600))));
  EXPECT_EQ(program.Wait(), kExitPartly) << program.err();
  const auto counts = nlohmann::json::parse(program.out());
  EXPECT_EQ(counts["imported"], 599);
  EXPECT_EQ(counts["rejected"], 1);
  EXPECT_EQ(refused, 60 + 5);
  EXPECT_THAT(folder_.Read("rejects.csv"), HasSubstr("\n2,2,1,CONFLICT,"));
}

TEST_F(ImportTest, AnInterruptWaitsForWhatIsUnderWayAndSaysHowToGoOn) {
  std::atomic<bool> go_on = false;
  server_.import = [&](grpc::ServerContext*, FakeServer::ImportStream* stream) {
    api::ImportContactsRequest request;
    for (size_t rows = 0; stream->Read(&request); ++rows) {
      while (rows >= 100 && !go_on) std::this_thread::yield();
      stream->Write(Done(request));
      absl::MutexLock lock(&mutex_);
      durable_.insert(request.request_id());
    }
    return grpc::Status::OK;
  };
  Program program(Arguments(folder_.Write("rows.csv", Extract(5000))));
  while (durable() < 100) std::this_thread::yield();
  program.Signal(SIGINT);
  go_on = true;
  EXPECT_EQ(program.Wait(), kExitPartly) << program.err();
  const auto counts = nlohmann::json::parse(program.out());
  // What was sent is acknowledged and counted; no more than one window beyond the interrupt.
  EXPECT_EQ(counts["imported"], durable());
  EXPECT_LT(durable(), 5000u);
  EXPECT_THAT(program.err(), HasSubstr("run the same command again"));
  AcknowledgeEach();
  Program again(Arguments(folder_.path("rows.csv")));
  ASSERT_EQ(again.Wait(), kExitOk) << again.err();
  EXPECT_EQ(nlohmann::json::parse(again.out())["rows"], 5000);
  EXPECT_EQ(durable(), 5000u);
}

TEST_F(ImportTest, WrongRowsAreListedAndTheOthersImported) {
  server_.import = [](grpc::ServerContext*, FakeServer::ImportStream* stream) {
    api::ImportContactsRequest request;
    while (stream->Read(&request)) {
      api::ImportContactsResponse reply = Done(request);
      if (request.line() == 2) {
        reply.set_code(grpc::StatusCode::INVALID_ARGUMENT);
        reply.set_reason("FIELD_INVALID");
        reply.set_message("too early");
      }
      stream->Write(reply);
    }
    return grpc::Status::OK;
  };
  Program program(Arguments(
      folder_.Write("rows.csv", Extract(3) + "4,secret street,PLUMBING\n5,\"open street\n")));
  EXPECT_EQ(program.Wait(), kExitPartly) << program.err();
  const auto counts = nlohmann::json::parse(program.out());
  EXPECT_EQ(counts["imported"], 2);
  EXPECT_EQ(counts["rejected"], 3);
  const std::string rejects = folder_.Read("rejects.csv");
  EXPECT_THAT(rejects, HasSubstr("\n2,2,1,FIELD_INVALID,too early\n"));
  EXPECT_THAT(rejects, HasSubstr("\n5,5,4,CREATED_INVALID,"));
  EXPECT_THAT(rejects, HasSubstr("\n6,6,,QUOTE_NOT_CLOSED,"));
  EXPECT_THAT(rejects, Not(HasSubstr("street")));
}

// Refusals.

TEST_F(ImportTest, AServerThatRefusesEndsTheImport) {
  server_.import = [](grpc::ServerContext*, FakeServer::ImportStream*) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no");
  };
  Program program(Arguments(folder_.Write("rows.csv", Extract(1000))));
  EXPECT_EQ(program.Wait(), kExitRefused);
  EXPECT_THAT(program.err(), HasSubstr("PERMISSION_DENIED"));
}

TEST_F(ImportTest, AServerThatGoesQuietIsGivenUp) {
  std::atomic<bool> ended = false;
  server_.import = [&](grpc::ServerContext* context, FakeServer::ImportStream*) {
    while (!context->IsCancelled() && !ended) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  };
  std::vector<std::string> arguments = Arguments(folder_.Write("rows.csv", Extract(1000)));
  arguments.insert(arguments.begin(), {"--timeout", "1"});
  Program program(arguments);
  EXPECT_EQ(program.Wait(), kExitUnreachable) << program.err();
  ended = true;
}

TEST_F(ImportTest, AcknowledgementsOutOfOrderAreNotTrusted) {
  server_.import = [](grpc::ServerContext*, FakeServer::ImportStream* stream) {
    api::ImportContactsRequest first;
    api::ImportContactsRequest second;
    stream->Read(&first);
    stream->Read(&second);
    stream->Write(Done(second));
    while (stream->Read(&first)) continue;
    return grpc::Status::OK;
  };
  Program program(Arguments(folder_.Write("rows.csv", Extract(10))));
  EXPECT_EQ(program.Wait(), kExitRefused);
  EXPECT_THAT(program.err(), HasSubstr("out of order"));
}

TEST_F(ImportTest, AFileThatEndsTooEarlySaysSoAndKeepsWhatIsIn) {
  AcknowledgeEach();
  std::ifstream day(kDay, std::ios::binary);
  std::string bytes(100'000, '\0');
  day.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  Program program(Arguments(folder_.Write("short.csv.gz", bytes)));
  EXPECT_EQ(program.Wait(), kExitPartly);
  EXPECT_THAT(program.err(), HasSubstr("ends too early"));
  EXPECT_EQ(nlohmann::json::parse(program.out())["imported"], durable());
  EXPECT_GT(durable(), 1000u);
}

TEST_F(ImportTest, AFileThatIsNotAnExtractSendsNothing) {
  for (const char* content : {"", "a,b\n1,2\n", "\xff\xfe\n"}) {
    Program program(Arguments(folder_.Write("rows.csv", content)));
    EXPECT_EQ(program.Wait(), kExitUsage) << content;
  }
}

TEST_F(ImportTest, ADryRunNeedsNoServer) {
  Program program({"import", "contacts", "--format", "nyc311", "--dry-run", "--json", kDay});
  ASSERT_EQ(program.Wait(), kExitOk) << program.err();
  EXPECT_EQ(nlohmann::json::parse(program.out())["rows"], kDayRows);
}

}  // namespace
}  // namespace records::tools
