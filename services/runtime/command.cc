#include "services/runtime/command.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "eventstore/store_secrets.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "services/errors/errors.h"
#include "services/runtime/entry_id.h"

namespace records::services {
namespace {

using eventstore::EventId;
using eventstore::Position;

template <typename Id>
Id IdFromHash(const std::array<uint8_t, 32>& hash) {
  eventstore::IdBytes bytes;
  std::copy_n(hash.begin(), bytes.size(), bytes.begin());
  return Id(bytes);
}

absl::string_view AsView(const std::array<uint8_t, 32>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::Status RequestIdReused() {
  return Refusal(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                 "This request id was used before with other content. Use a new one for a new "
                 "request.");
}

constexpr absl::string_view kWriteTokenLabel = "write";

}  // namespace

absl::Status ServerBusy() {
  return Overloaded("SERVER_BUSY", "The server is busy. Send the same request again.",
                    absl::Seconds(1));
}

std::string CanonicalBytes(const google::protobuf::Message& request) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  request.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// The life of one command, shared by the callbacks it waits in.
struct CommandRunner::Run_ {
  Command command;
  Done done;
  eventstore::RequestKey key{};
  Plan plan;
  int attempts = 0;
  std::vector<EventId> main_ids;

  void Finish(absl::StatusOr<Outcome> outcome) {
    // That somebody is being erased is nobody's business: a retry finds them absent.
    if (eventstore::IsKeyRefusal(outcome.status())) outcome = ServerBusy();
    done(std::move(outcome));
  }
};

absl::StatusOr<eventstore::RequestKey> CommandRunner::KeyOf(const Command& command) const {
  auto id = eventstore::RequestId::FromUuid(command.request_id);
  if (!id.ok()) return InvalidField("request_id", "must be a UUID as RFC 9562 writes it");
  // Scoped by caller and method: two callers never meet in one request id.
  return runtime_.keys.KeyedHash(
      "request",
      absl::StrCat(command.caller.Name().size(), ":", command.caller.Name(),
                   command.caller.method.size(), ":", command.caller.method, id->bytes()));
}

eventstore::RequestKey CommandRunner::StoredKeyOf(const eventstore::RequestKey& key) const {
  return runtime_.keys.KeyedHash("request-stored", AsView(key));
}

void CommandRunner::Run(Command command, Done done) {
  auto run = std::make_shared<Run_>();
  run->command = std::move(command);
  run->done = std::move(done);
  auto key = KeyOf(run->command);
  if (!key.ok()) return run->Finish(key.status());
  run->key = *key;
  auto earlier = FindEarlier(*run);
  if (!earlier.ok()) return run->Finish(earlier.status());
  if (earlier->has_value()) return run->Finish(**earlier);
  Attempt(std::move(run));
}

absl::StatusOr<std::optional<Outcome>> CommandRunner::FindEarlier(const Run_& run) const {
  ASSIGN_OR_RETURN(auto events, runtime_.log.FindRequest(StoredKeyOf(run.key)));
  if (!events.has_value()) return std::optional<Outcome>();
  Outcome outcome{.key = run.key, .last = events->back().position, .repeated = true};
  for (const auto& stored : *events) {
    ASSIGN_OR_RETURN(EventId id, EventId::FromBytes(stored.event.id()));
    outcome.event_ids.push_back(id);
  }
  ASSIGN_OR_RETURN(const Match match, Compare(events->front().event, run.command.canonical));
  if (match == Match::kOther) return RequestIdReused();
  outcome.erased = match == Match::kErased;
  return std::optional<Outcome>(std::move(outcome));
}

// Keyed by a subject, so that it ends with them; by the store where the event holds no personal
// data.
absl::StatusOr<eventstore::RequestDigest> CommandRunner::DigestOf(
    const eventstore::SubjectId& subject, absl::string_view canonical) const {
  constexpr absl::string_view kLabel = "request-digest";
  if (subject.is_nil()) return runtime_.keys.KeyedHash(kLabel, canonical);
  return runtime_.keys.SubjectHash(subject, kLabel, canonical);
}

// The digest's key belongs to one of the subjects whose parts the event holds; which one, the event
// does not say.
absl::StatusOr<CommandRunner::Match> CommandRunner::Compare(const records::log::v1::Event& first,
                                                            absl::string_view canonical) const {
  if (first.sealed().empty()) {
    ASSIGN_OR_RETURN(auto digest, DigestOf({}, canonical));
    return AsView(digest) == first.append().digest() ? Match::kSame : Match::kOther;
  }
  bool erased = false;
  absl::flat_hash_set<eventstore::SubjectId> tried;
  for (const auto& part : first.sealed()) {
    ASSIGN_OR_RETURN(const auto reference, runtime_.keys.OpenReference(part.key_reference()));
    const eventstore::KeyPurpose& purpose = reference.purpose;
    if (purpose.category == 0 || !tried.insert(purpose.subject).second) continue;
    if (runtime_.keys.IsFenced(purpose.subject)) {
      erased = true;
      continue;
    }
    ASSIGN_OR_RETURN(auto digest, DigestOf(purpose.subject, canonical));
    if (AsView(digest) == first.append().digest()) return Match::kSame;
  }
  return erased ? Match::kErased : Match::kOther;
}

void CommandRunner::Attempt(std::shared_ptr<Run_> run) {
  ++run->attempts;
  auto plan = run->command.planner(run->key);
  if (!plan.ok()) return run->Finish(plan.status());
  run->plan = *std::move(plan);
  AppendStep(std::move(run), 0);
}

absl::StatusOr<eventstore::Append> CommandRunner::SealStep(const Run_& run, size_t index,
                                                           std::vector<EventId>& ids) const {
  const Step& step = run.plan.steps[index];
  const bool main = index + 1 == run.plan.steps.size();
  eventstore::Append append;
  append.request_key =
      main ? StoredKeyOf(run.key)
           : runtime_.keys.KeyedHash("request-step", absl::StrCat(AsView(run.key), index));
  ASSIGN_OR_RETURN(append.request_digest, DigestOf(step.digest_subject, run.command.canonical));
  append.expectations = step.expectations;
  append.from_reserve = step.from_reserve;
  append.deadline = run.command.deadline;
  for (const Fact& fact : step.facts) {
    ASSIGN_OR_RETURN(EventId id, EventId::Generate(runtime_.random));
    const absl::Time at =
        fact.cut_to_day
            ? absl::UnixEpoch() + absl::Floor(fact.occurred_at - absl::UnixEpoch(), absl::Hours(24))
            : fact.occurred_at;
    eventstore::EventHeader header{
        .id = id,
        .stream = fact.stream,
        .subject = fact.subject,
        .occurred_at = at,
        .scope_time = fact.scope_time.value_or(at),
        .time_precision = fact.cut_to_day ? records::log::v1::TIME_PRECISION_DAY
                                          : records::log::v1::TIME_PRECISION_UNSPECIFIED,
        .actor = run.command.caller.staff.subject,
        .purpose = run.command.caller.caller.purpose,
        .lawful_basis = runtime_.lawful_bases.Of(*fact.message->GetDescriptor()),
        .causation = fact.causation};
    ASSIGN_OR_RETURN(auto sealed, runtime_.sealer.Seal(header, *fact.message));
    append.events.push_back(std::move(sealed.event));
    append.subjects.insert(append.subjects.end(), sealed.subjects.begin(), sealed.subjects.end());
    append.keys.insert(append.keys.end(), sealed.keys.begin(), sealed.keys.end());
    ids.push_back(id);
  }
  return append;
}

void CommandRunner::AppendStep(std::shared_ptr<Run_> run, size_t index) {
  std::vector<EventId> ids;
  auto append = SealStep(*run, index, ids);
  if (!append.ok()) return run->Finish(append.status());
  if (index + 1 == run->plan.steps.size()) run->main_ids = std::move(ids);
  runtime_.log.AppendAsync(*std::move(append),
                           [this, run, index](absl::StatusOr<eventstore::Appended> result) {
                             OnAppended(run, index, std::move(result));
                           });
}

void CommandRunner::OnAppended(std::shared_ptr<Run_> run, size_t index,
                               absl::StatusOr<eventstore::Appended> result) {
  if (absl::IsAborted(result.status())) {
    if (run->attempts >= kAttempts) {
      return run->Finish(Refusal(absl::StatusCode::kAborted, "CONFLICT",
                                 "Others wrote to the same record at the same time. Send the same "
                                 "request again.")
                             .RetryAfter(absl::Milliseconds(100)));
    }
    // Planning may wait for a key, and this is a thread of the log.
    if (!runtime_.executor.Run([this, run] { Attempt(run); })) {
      run->Finish(ServerBusy());
    }
    return;
  }
  // Another call with this request id, and other content, came between the look-up and this.
  if (absl::IsAlreadyExists(result.status())) return run->Finish(RequestIdReused());
  if (!result.ok()) return run->Finish(result.status());
  if (index + 1 < run->plan.steps.size()) {
    if (!runtime_.executor.Run([this, run, index] { AppendStep(run, index + 1); })) {
      run->Finish(ServerBusy());
    }
    return;
  }
  if (result->repeated) {
    // Another call with the same request id came first: its outcome is ours.
    auto earlier = FindEarlier(*run);
    if (!earlier.ok()) return run->Finish(earlier.status());
    if (!earlier->has_value()) {
      return run->Finish(absl::InternalError("a repeated append has no events"));
    }
    return run->Finish(**earlier);
  }
  const Position last{result->first.partition, result->first.sequence + result->count - 1};
  run->Finish(Outcome{.key = run->key, .event_ids = run->main_ids, .last = last});
}

DerivedIds CommandRunner::Derive(const eventstore::RequestKey& key, absl::string_view label) const {
  const std::string data = absl::StrCat(AsView(key), label);
  return {IdFromHash<eventstore::RootId>(runtime_.keys.KeyedHash("derived-root", data)),
          IdFromHash<eventstore::SubjectId>(runtime_.keys.KeyedHash("derived-subject", data))};
}

absl::StatusOr<std::string> CommandRunner::WriteToken(const Authorised& caller,
                                                      const Outcome& outcome) const {
  return runtime_.keys.SealToken(kWriteTokenLabel, caller.Name(), EncodePosition(outcome.last));
}

absl::StatusOr<Position> OpenWriteToken(const ReadRuntime& runtime, const Authorised& caller,
                                        absl::string_view token) {
  auto bytes = runtime.keys.OpenToken(kWriteTokenLabel, caller.Name(), token);
  if (bytes.ok()) {
    auto position = DecodePosition(*bytes);
    if (position.ok()) return position;
  }
  return InvalidField("read_your_write", "must be the token of a command of your own");
}

}  // namespace records::services
