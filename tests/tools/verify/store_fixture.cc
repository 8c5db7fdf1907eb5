#include "tests/tools/verify/store_fixture.h"

#include "absl/strings/str_cat.h"

namespace records::tools::verify {
namespace {

namespace es = records::eventstore;
namespace support = records::eventstore::testing_support;

constexpr uint64_t kEventsPerAppend = 6;

es::NewEvent RestrictedEvent(const es::StreamName& stream) {
  es::NewEvent made = support::MakeEvent(stream, {.type = "records.events.v1.Restricted"});
  records::log::v1::Event event;
  EXPECT_TRUE(event.ParseFromString(made.body));
  event.clear_facts();
  for (int i = 0; i < 4; ++i) {
    records::log::v1::SealedPart& part = *event.add_sealed();
    part.set_key_reference(std::string(76, 'k'));
    part.set_nonce(std::string(12, 'n'));
    part.set_ciphertext(std::string(256 + 16, 'c'));
  }
  made.body = event.SerializeAsString();
  return made;
}

void MustAppend(es::EventLog& log, es::Append append) {
  const auto appended = log.AppendAndWait(std::move(append));
  ASSERT_TRUE(appended.ok()) << appended.status();
}

// Appends so many events to partition kFull, in groups, each with a request.
void Fill(es::EventLog& log, es::ManualClock& clock, uint64_t events, uint32_t* request) {
  for (uint64_t i = 0; i < events; i += kEventsPerAppend) {
    std::vector<es::NewEvent> group;
    for (uint64_t k = 0; k < kEventsPerAppend; ++k) {
      const es::RootId root = support::RootIn(kFull, static_cast<uint32_t>(i % 7 + 1));
      group.push_back(support::MakeEvent(support::Stream(root, k % 2 == 0 ? "" : "needs")));
    }
    MustAppend(log, support::WithRequest(support::AppendOf(std::move(group)), ++*request));
    clock.Advance(absl::Seconds(1));
  }
}

}  // namespace

std::unique_ptr<TempFolder> StoreTest::original_;
std::string StoreTest::early_checkpoint_;
std::string StoreTest::late_checkpoint_;
std::string StoreTest::verifier_key_;

void StoreTest::SetUpTestSuite() {
  original_ = std::make_unique<TempFolder>();
  const std::string data = *original_ / "data";
  es::ManualClock clock(support::TestStart());
  es::SeededRandom random(7);
  auto log = es::OpenLog(
      {.data_dir = data, .partition_count = kPartitions, .clock = &clock, .random = &random});
  ASSERT_TRUE(log.ok()) << log.status();
  uint32_t request = 0;
  Fill(**log, clock, kFullEvents / 2, &request);
  early_checkpoint_ = *(*log)->SignedCheckpoint();
  Fill(**log, clock, kFullEvents / 2, &request);
  const es::StreamName other = support::Stream(support::RootIn(2));
  MustAppend(**log, support::AppendTo(other, {.day_precision = true}));
  std::vector<es::NewEvent> restricted;
  restricted.push_back(RestrictedEvent(other));
  MustAppend(**log, support::AppendOf(std::move(restricted)));
  for (int i = 0; i < 3; ++i) {
    es::Append trace = support::AppendTo(support::Stream(support::RootIn(3), "reads"));
    trace.ledger = es::Ledger::kAccess;
    MustAppend(**log, std::move(trace));
  }
  late_checkpoint_ = *(*log)->SignedCheckpoint();
  verifier_key_ = (*log)->VerifierKey();
  log->reset();
  auto keys = es::OpenKeyStore({.data_dir = data, .clock = &clock, .random = &random});
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_TRUE((*keys)
                  ->GetOrCreateKey({.subject = *es::SubjectId::Generate(random),
                                    .category = 3,
                                    .scope = {.kind = es::KeyScopeKind::kYear, .epoch = 2026}})
                  .ok());
}

void StoreTest::TearDownTestSuite() { original_.reset(); }

void StoreTest::ExpectFinding(const Report& report, Code code, const Place& place) {
  bool found = false;
  for (const Finding& finding : report.findings.Sorted()) {
    found = found || (finding.code == code && finding.place.ledger == place.ledger &&
                      finding.place.partition == place.partition &&
                      (!place.sequence || finding.place.sequence == place.sequence) &&
                      (place.file.empty() || finding.place.file == place.file));
  }
  EXPECT_TRUE(found) << "no " << NameOf(code) << " at " << Describe(place) << " in\n"
                     << RenderText(report);
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteWhole(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  EXPECT_TRUE(file.good()) << path;
}

}  // namespace records::tools::verify
