#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/random.h"

namespace records::tools {

// Flags that every command takes.
struct GlobalOptions {
  std::string server;
  std::string token_file;
  std::string purpose;
  std::string certificate_authority_file;
  std::string input;
  double timeout_seconds = 30;
  bool json = false;
  bool no_input = false;

  absl::Duration timeout() const { return absl::Seconds(timeout_seconds); }
};

// One run of recordsctl: its flags, where it writes, and what the command line asked for.
//
// Data goes to `out`, talk to `err`. Not thread-safe; outlives every command. Randomness and
// streams must outlive it.
class Session {
 public:
  Session(std::ostream& out, std::ostream& err, eventstore::Random& random)
      : out(out), err(err), random(random) {}

  std::ostream& out;
  std::ostream& err;
  eventstore::Random& random;
  GlobalOptions options;

  // What to do once the whole command line is read; returns an ExitCode.
  std::function<int()> run;

  // The command takes its request from --input; set together with `run`.
  bool reads_input = false;

  // Columns of the terminal that `out` is, or 100.
  size_t Width() const;

  // Prints a reply as one line of JSON, every field of it.
  void PrintJson(const google::protobuf::Message& message);

  // A fresh UUID of version 4, or `given` where that is not empty.
  absl::StatusOr<std::string> RequestId(const std::string& given);

  // Says what went wrong, why, and what to do; returns the exit code for it. `doing` names the act:
  // "record the contact".
  int Fail(absl::string_view doing, const absl::Status& status);

  // As Fail(), for a wrong command line or input.
  int Usage(absl::string_view message, absl::string_view what_to_do);
};

// The exit code for a status of the server or of the channel.
int ExitCodeOf(const absl::Status& status);

// Reads the request of a command from --input (a file, or - for standard input) as JSON with
// protobuf's names into `message`, or calls `from_flags` when --input is not there.
// kInvalidArgument: both --input and flags of `command`, no flags at all of `required`, JSON that
// does not fit the message.
absl::Status ReadRequest(const Session& session, const CLI::App& command,
                         const std::vector<std::string>& required,
                         const std::function<absl::Status()>& from_flags,
                         google::protobuf::Message& message);

// Reads at most `bytes_max` of a file, or of standard input for "-".
// kNotFound, kUnavailable, kResourceExhausted (longer).
absl::StatusOr<std::string> ReadInput(const std::string& path, size_t bytes_max);

}  // namespace records::tools
