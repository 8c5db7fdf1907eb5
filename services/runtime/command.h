#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/log.h"
#include "google/protobuf/message.h"
#include "services/runtime/authoriser.h"
#include "services/runtime/runtime.h"

namespace records::services {

// Something that happened, as a decision says it: pure data, not yet sealed.
struct Fact {
  eventstore::StreamName stream;
  eventstore::SubjectId subject;  // whose keys seal it
  std::unique_ptr<google::protobuf::Message> message;
  absl::Time occurred_at;
  std::optional<absl::Time> scope_time;  // a correction: when what it corrects happened
  std::optional<eventstore::EventId> causation;
  // Clear times are cut to the day, so that nobody joins two roots by their times: cases, anonymous
  // or not (CR-3.1.3), and tenancies.
  bool cut_to_day = false;
};

// Facts of one partition: one atomic append.
struct Step {
  std::vector<Fact> facts;
  std::vector<eventstore::Expectation> expectations;
  // The key of the request's digest ends with this subject, of whom the first fact holds a part;
  // nil when the facts hold no personal data.
  eventstore::SubjectId digest_subject;
  bool from_reserve = false;  // goes on when the disk is nearly full: erasures
};

// What a command comes to. The steps are appended in order and the reply comes after the last,
// which is the main one: a retry completes what a crash cut short.
struct Plan {
  std::vector<Step> steps;  // at least one
};

// What a command came to; the same for every retry.
struct Outcome {
  eventstore::RequestKey key{};                // what derived ids are derived from
  std::vector<eventstore::EventId> event_ids;  // of the main step
  eventstore::Position last;
  bool repeated = false;
  // A retry of what was erased since: there is nothing to compare the request with, so nobody can
  // confirm a guess at what it said.
  bool erased = false;
};

// Ids that a command derives instead of drawing, so that its retry arrives at the same ones. They
// cannot be linked with the request without the key store.
struct DerivedIds {
  eventstore::RootId root;
  eventstore::SubjectId subject;
};

// Decides. Called again, with fresh state, after a conflict. May wait (for a key), never for long.
using Planner = std::function<absl::StatusOr<Plan>(const eventstore::RequestKey&)>;

// A command that was authorised.
struct Command {
  Authorised caller;
  std::string request_id;  // text of a UUID
  std::string canonical;   // deterministic bytes of the request, request id included
  absl::Time deadline = absl::InfiniteFuture();
  Planner planner;
};

// Runs commands: looks the request up, plans, seals, appends, retries on conflict.
//
// Thread-safe.
class CommandRunner {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Outcome>)>;

  explicit CommandRunner(const Runtime& runtime) : runtime_(runtime) {}

  // Calls `done` once, perhaps before it returns. Errors are those of the planner and:
  //   kInvalidArgument  the request id is no UUID
  //   kAlreadyExists    REQUEST_ID_REUSED: the request id was used with other content
  //   kAborted          CONFLICT: kAttempts tries met other writers
  //   and those of EventLog::AppendAsync.
  void Run(Command command, Done done);

  // A root and subject derived from the request for `label`.
  DerivedIds Derive(const eventstore::RequestKey& key, absl::string_view label) const;

  // Opaque token of the outcome for this caller, for reading one's own write.
  absl::StatusOr<std::string> WriteToken(const Authorised& caller, const Outcome& outcome) const;

  static constexpr int kAttempts = 8;

 private:
  struct Run_;
  absl::StatusOr<eventstore::RequestKey> KeyOf(const Command& command) const;
  // What the log holds of the key. Ids are derived from the key itself, which is stored nowhere:
  // else who holds log and key store could go from a customer's append to an anonymous report.
  eventstore::RequestKey StoredKeyOf(const eventstore::RequestKey& key) const;
  absl::StatusOr<std::optional<Outcome>> FindEarlier(const Run_& run) const;
  absl::StatusOr<eventstore::RequestDigest> DigestOf(const eventstore::SubjectId& subject,
                                                     absl::string_view canonical) const;
  enum class Match { kSame, kOther, kErased };
  absl::StatusOr<Match> Compare(const records::log::v1::Event& first,
                                absl::string_view canonical) const;
  absl::StatusOr<eventstore::Append> SealStep(const Run_& run, size_t index,
                                              std::vector<eventstore::EventId>& ids) const;
  void Attempt(std::shared_ptr<Run_> run);
  void AppendStep(std::shared_ptr<Run_> run, size_t index);
  void OnAppended(std::shared_ptr<Run_> run, size_t index,
                  absl::StatusOr<eventstore::Appended> result);

  Runtime runtime_;
};

// RESOURCE_EXHAUSTED (SERVER_BUSY): the executor's queue is full; the same request may come again.
absl::Status ServerBusy();

// Deterministic bytes of a request, for its digest.
std::string CanonicalBytes(const google::protobuf::Message& request);

// Opens a token of WriteToken. INVALID_ARGUMENT: not one of this caller.
absl::StatusOr<eventstore::Position> OpenWriteToken(const ReadRuntime& runtime,
                                                    const Authorised& caller,
                                                    absl::string_view token);

}  // namespace records::services
