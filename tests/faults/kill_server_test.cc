#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "eventstore/ids.h"
#include "records/api/v1/contact_service.grpc.pb.h"
#include "records/api/v1/customer_service.grpc.pb.h"
#include "records/api/v1/timeline_service.grpc.pb.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/faults/server_process.h"
#include "tests/seed.h"
#include "tests/services/contact_examples.h"

// kill -9 of the real server under load, with other options at each start: what was acknowledged is
// there and unchanged, nothing is there twice or by half, and every retry gives the first reply. In
// every second round a server is killed while it starts before, too.
namespace records::faults {
namespace {

using eventstore::testing_support::TempFolder;

constexpr int kThreads = 4;
constexpr absl::Duration kPatience = absl::Seconds(60);
// Acknowledged requests that are sent again after each start, of all rounds before.
constexpr int kSampledRetries = 20;

bool Full() { return std::getenv("RECORDS_FULL") != nullptr; }

// A request that was or may have been sent. Without a reply its outcome is unknown.
struct Sent {
  bool is_registration = false;
  api::v1::RegisterCustomerRequest registration;
  api::v1::RecordContactRequest contact;
  std::string reply;  // serialised; empty: none yet
};

class KillServerTest : public testing::Test {
 protected:
  KillServerTest()
      : random_(SeedOfRun()), port_(FreePort()), address_(absl::StrCat("127.0.0.1:", port_)) {}

  std::string AnyOf(const std::vector<std::string>& words) {
    return words[random_() % words.size()];
  }

  void Spawn(bool with_timeline) {
    std::vector<std::string> words = {RECORDSD,
                                      "--data=" + (folder_ / "data"),
                                      "--listen=" + address_,
                                      "--metrics",
                                      AnyOf({"", "127.0.0.1:0"}),
                                      "--partitions=" + AnyOf({"1", "4", "16"}),
                                      "--log-level=" + AnyOf({"debug", "info", "error"}),
                                      "--drain-seconds=" + AnyOf({"0", "3", "10"}),
                                      "--calls-per-second=" + AnyOf({"2000", "20000"}),
                                      "--log-cache-mib=" + AnyOf({"1", "8", "64"}),
                                      "--log-unflushed-mib=" + AnyOf({"1", "1", "2", "256"})};
    words.push_back("--serve=" +
                    (with_timeline ? AnyOf({"all", "ledger,timeline"}) : std::string("ledger")));
    server_.Start(words, folder_ / "recordsd.log");
  }

  void Start(bool with_timeline) {
    Spawn(with_timeline);
    channel_ = grpc::CreateChannel(address_, grpc::experimental::LocalCredentials(LOCAL_TCP));
    const absl::Time deadline = absl::Now() + kPatience;
    while (!channel_->WaitForConnected(std::chrono::system_clock::now() +
                                       std::chrono::milliseconds(200))) {
      ASSERT_TRUE(server_.IsRunning()) << "recordsd ended: " << Said();
      ASSERT_LT(absl::Now(), deadline) << "recordsd does not listen";
    }
    if (!token_.empty()) return;
    const Ran ran = RunToItsEnd({RECORDSCTL, "--server", address_, "token", "--data",
                                 folder_ / "data", "--role", "contact-officer", "--name", "amy"});
    ASSERT_EQ(ran.status, 0);
    token_ = std::string(absl::StripAsciiWhitespace(ran.out));
  }

  // Kills a server up to 300 ms after its process began, once or twice: while it opens its stores,
  // replays and folds, or when it just serves.
  void KillWhileStarting() {
    for (uint64_t times = 1 + random_() % 2; times > 0; --times) {
      const int64_t before = LogOfStore();
      Spawn(random_() % 4 != 3);
      Wait(absl::Milliseconds(random_() % 300));
      ASSERT_TRUE(server_.IsRunning()) << "it ended by itself: " << Said();
      const bool is_starting = !Listens(port_);
      const bool has_store = LogOfStore() != before;
      ASSERT_TRUE(WIFSIGNALED(server_.End(SIGKILL)));
      ++killed_early_;
      if (is_starting) ++killed_starting_;
      if (is_starting && has_store) ++killed_replaying_;
    }
  }

  // When RocksDB's own log of the store last changed, which each process that opens it does; 0:
  // there is none.
  int64_t LogOfStore() const {
    struct stat about {};
    if (stat((folder_ / "data/log/LOG").c_str(), &about) != 0) return 0;
    return absl::ToUnixNanos(absl::TimeFromTimespec(about.st_ctim));
  }

  // The kill falls when it falls: there is nothing to wait for.
  void Wait(absl::Duration duration) {
    absl::MutexLock lock(&mutex_);
    bool never = false;
    mutex_.AwaitWithTimeout(absl::Condition(&never), duration);
  }

  // What a kill leaves is verified without a server.
  void Verify() {
    const Ran verified = RunToItsEnd({RECORDSCTL, "log", "verify", "--data", folder_ / "data"});
    EXPECT_EQ(verified.status, 0) << verified.out;
    ++verified_;
  }

  // The end of what the server logged.
  std::string Said() const {
    std::ifstream file(folder_ / "recordsd.log");
    const std::string log(std::istreambuf_iterator<char>(file), {});
    return log.substr(log.size() - std::min<size_t>(log.size(), 1000));
  }

  void Prepare(grpc::ClientContext& context) const {
    context.AddMetadata("authorization", "Bearer " + token_);
    context.AddMetadata("purpose", "service-delivery");
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  }

  // Sends it, again while the server is only busy; returns what came, with the reply serialised.
  std::pair<grpc::Status, std::string> Send(const Sent& sent) {
    while (true) {
      grpc::ClientContext context;
      Prepare(context);
      grpc::Status status;
      std::string bytes;
      if (sent.is_registration) {
        api::v1::RegisterCustomerResponse reply;
        status = api::v1::CustomerService::NewStub(channel_)->RegisterCustomer(
            &context, sent.registration, &reply);
        bytes = reply.SerializeAsString();
      } else {
        api::v1::RecordContactResponse reply;
        status = api::v1::ContactService::NewStub(channel_)->RecordContact(&context, sent.contact,
                                                                           &reply);
        bytes = reply.SerializeAsString();
      }
      if (status.error_code() != grpc::RESOURCE_EXHAUSTED) return {status, bytes};
    }
  }

  // Marks it as pending, sends it, keeps the reply. False: the server is gone.
  bool SendAndKeep(Sent sent) {
    size_t place = 0;
    {
      absl::MutexLock lock(&mutex_);
      place = sent_.size();
      sent_.push_back(sent);
    }
    const auto [status, reply] = Send(sent);
    if (status.ok()) {
      absl::MutexLock lock(&mutex_);
      sent_[place].reply = reply;
      ++acknowledged_;
      return true;
    }
    const bool gone = status.error_code() == grpc::UNAVAILABLE;
    if (!gone) ADD_FAILURE() << status.error_code() << " " << status.error_message();
    return false;
  }

  static std::string NewRequestId() {
    return eventstore::EventId::Generate(eventstore::SystemRandom())->ToUuid();
  }

  // One client: a customer of its own, then contacts one after the other until the server is gone.
  void Work(const std::string& customer, uint64_t seed) {
    std::mt19937_64 random(seed);
    Sent sent{.is_registration = true};
    sent.registration.set_request_id(NewRequestId());
    *sent.registration.mutable_person() = services::testing::GoodPerson(customer);
    *sent.registration.mutable_tenancy() = services::testing::GoodTenancy("T-" + customer);
    if (!SendAndKeep(sent)) return;
    for (int number = 0;; ++number) {
      Sent next;
      next.contact.set_request_id(NewRequestId());
      next.contact.set_customer(customer);
      *next.contact.mutable_contact() = services::testing::GoodContact();
      next.contact.mutable_contact()->set_summary(
          absl::StrCat("contact ", number, " ", std::string(random() % 1500, 'x')));
      if (!SendAndKeep(next)) return;
    }
  }

  // Loads the server and kills it; every thread has ended when it returns.
  void LoadAndKill(int round) {
    const size_t before = Acknowledged();
    std::vector<std::thread> clients;
    for (int t = 0; t < kThreads; ++t) {
      const std::string customer = absl::StrCat("K", round, "-", t);
      unchecked_.insert(customer);
      clients.emplace_back([this, customer, seed = random_()] { Work(customer, seed); });
    }
    {
      absl::MutexLock lock(&mutex_);
      const auto progress = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return acknowledged_ >= before + 2 * kThreads;
      };
      EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&progress), kPatience))
          << "too little was acknowledged to test anything";
    }
    Wait(absl::Milliseconds(200 + random_() % 1800));
    ASSERT_TRUE(server_.IsRunning()) << "it ended by itself: " << Said();
    const int status = server_.End(SIGKILL);
    for (std::thread& client : clients) client.join();
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  size_t Acknowledged() {
    absl::MutexLock lock(&mutex_);
    return acknowledged_;
  }

  // The view is folded behind the log, so a question carries the last write that was acknowledged.
  std::string LastToken(const std::string& customer) const {
    api::v1::RecordContactResponse reply;
    for (const Sent& sent : sent_) {
      if (sent.contact.customer() == customer && !sent.reply.empty()) {
        EXPECT_TRUE(reply.ParseFromString(sent.reply));
      }
    }
    return reply.token();
  }

  // The contacts on a customer's timeline, by their serialised content.
  std::multiset<std::string> Timeline(const std::string& customer) {
    std::multiset<std::string> contacts;
    api::v1::GetTimelineRequest request;
    request.set_customer(customer);
    request.set_page_size(200);
    request.set_read_your_write(LastToken(customer));
    const auto stub = api::v1::TimelineService::NewStub(channel_);
    do {
      grpc::ClientContext context;
      Prepare(context);
      api::v1::GetTimelineResponse page;
      const grpc::Status status = stub->GetTimeline(&context, request, &page);
      if (status.error_code() == grpc::RESOURCE_EXHAUSTED) continue;
      // A customer whose registration was pending may not be there.
      if (status.error_code() == grpc::PERMISSION_DENIED) return contacts;
      EXPECT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
      if (!status.ok()) return contacts;
      for (const auto& entry : page.entries()) {
        if (entry.has_contact()) {
          contacts.insert(entry.contact().contact().SerializeAsString());
        }
      }
      request.set_page_token(page.next_page_token());
      if (page.next_page_token().empty()) return contacts;
    } while (true);
  }

  // Before any retry: each acknowledged contact once, each pending one at most once, no other.
  void CheckTimeline(const std::string& customer, bool all_settled) {
    std::multiset<std::string> found = Timeline(customer);
    size_t pending_found = 0;
    for (const Sent& sent : sent_) {
      if (sent.is_registration || sent.contact.customer() != customer) continue;
      const auto place = found.find(sent.contact.contact().SerializeAsString());
      if (place == found.end()) {
        ASSERT_TRUE(sent.reply.empty() && !all_settled)
            << "lost from " << customer << ": contact " << sent.contact.request_id();
        continue;
      }
      found.erase(place);
      if (sent.reply.empty()) ++pending_found;
    }
    EXPECT_TRUE(found.empty()) << found.size() << " contacts that nobody sent, or twice";
    written_unacknowledged_ += pending_found;
  }

  // Pending requests are sent again and answered; some answered ones are, too, and told the same.
  void Retry() {
    std::vector<size_t> again;
    for (size_t i = 0; i < sent_.size(); ++i) {
      if (sent_[i].reply.empty()) again.push_back(i);
    }
    settled_ += again.size();
    for (int i = 0; i < kSampledRetries && !sent_.empty(); ++i) {
      again.push_back(random_() % sent_.size());
    }
    for (const size_t place : again) {
      const auto [status, reply] = Send(sent_[place]);
      ASSERT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
      if (sent_[place].reply.empty()) {
        sent_[place].reply = reply;
      } else {
        ASSERT_EQ(sent_[place].reply, reply) << "a retry got another reply";
      }
    }
  }

  // A customer whose registration came to nothing has no contacts, so nobody can miss any.
  void CheckAfterStart(bool with_timeline) {
    if (with_timeline) {
      for (const std::string& customer : unchecked_) CheckTimeline(customer, false);
    }
    Retry();
    if (!with_timeline) return;
    for (const std::string& customer : unchecked_) CheckTimeline(customer, true);
    unchecked_.clear();
  }

  TempFolder folder_;
  std::mt19937_64 random_;
  const int port_;
  const std::string address_;
  ServerProcess server_;
  std::shared_ptr<grpc::Channel> channel_;  // lint: allow(shared_ptr) gRPC's
  std::string token_;
  std::set<std::string>
      unchecked_;  // customers whose timelines were not compared since they changed

  absl::Mutex mutex_;
  std::vector<Sent> sent_;  // under the mutex while clients run
  size_t acknowledged_ = 0;
  size_t settled_ = 0;
  size_t written_unacknowledged_ = 0;
  size_t killed_early_ = 0;      // up to 300 ms after the process began,
  size_t killed_starting_ = 0;   // of which it did not listen yet,
  size_t killed_replaying_ = 0;  // of which it had opened its store
  size_t verified_ = 0;
};

TEST_F(KillServerTest, WhatWasAcknowledgedLastsAndRetriesAreSafe) {
  const int kills = Full() ? 100 : 5;
  const int verified_each = Full() ? 10 : 3;
  for (int round = 0; round < kills && !HasFatalFailure(); ++round) {
    // Without the view its checks come after the next start.
    const bool with_timeline = round % 4 != 3;
    if (round % 2 == 0) KillWhileStarting();
    if (HasFatalFailure()) return;
    Start(with_timeline);
    if (HasFatalFailure()) return;
    CheckAfterStart(with_timeline);
    if (HasFatalFailure()) return;
    LoadAndKill(round);
    if ((round + 1) % verified_each == 0) Verify();
  }
  ASSERT_FALSE(HasFatalFailure());
  Start(true);
  ASSERT_FALSE(HasFatalFailure());
  CheckAfterStart(true);
  std::set<std::string> customers;
  for (const Sent& sent : sent_) {
    if (sent.is_registration) customers.insert(sent.registration.person().reference());
  }
  for (const std::string& customer : customers) CheckTimeline(customer, true);
  const int status = server_.End(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  Verify();
  std::cout << kills << " kills, " << sent_.size() << " requests, " << acknowledged_
            << " acknowledged before a kill, " << settled_ << " settled by a retry, of which "
            << written_unacknowledged_ << " contacts were there before it; " << killed_early_
            << " kills more within 300 ms of a "
            << "start, " << killed_starting_ << " of them before it listened, " << killed_replaying_
            << " of these with its store open; " << verified_ << " times verified\n";
  if (Full()) {
    EXPECT_GT(killed_starting_, 0u) << "no kill hit a server that starts";
    EXPECT_GT(killed_replaying_, 0u) << "no kill hit a server that replays";
  }
  EXPECT_GT(settled_, 0u) << "no kill came between a request and its reply";
}

}  // namespace
}  // namespace records::faults
