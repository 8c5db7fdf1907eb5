#include "tools/recordsctl/problem.h"

#include "absl/strings/str_cat.h"
#include "services/errors/errors.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/session.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

struct Advice {
  absl::string_view reason;
  absl::string_view what_to_do;
};

// Reasons that a person at a command line can do something particular about.
constexpr Advice kAdviceByReason[] = {
    {"TOKEN_MISSING", "give --token-file FILE; `recordsctl token` makes one for trying things out"},
    {"TOKEN_EXPIRED", "get a fresh token, for trying things out by `recordsctl token`"},
    {"TOKEN_KEY_UNKNOWN",
     "the token is not of this server: get one with `recordsctl token --data` of its folder"},
    {"TOKEN_SIGNATURE_INVALID",
     "the token is not of this server: get one with `recordsctl token --data` of its folder"},
    {"REQUEST_ID_REUSED",
     "the request id was used for something else: leave --request-id out to get a fresh one"},
    {"CUSTOMER_EXISTS", "the reference is taken: `customer correct` changes what it holds"},
};

absl::string_view AdviceByCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return "see that recordsd runs and that --server names it, then run the same command again";
    case absl::StatusCode::kDeadlineExceeded:
      return "the outcome is not known: run it again with the same --request-id, "
             "or with a longer --timeout";
    case absl::StatusCode::kUnauthenticated:
      return "give --token-file with a token of this server; for trying things out "
             "`recordsctl token` makes one";
    case absl::StatusCode::kPermissionDenied:
      return "check the reference, the --purpose, and that your role is granted and allows this; "
             "the server does not say which";
    case absl::StatusCode::kInvalidArgument:
      return "correct the fields named above and run it again";
    case absl::StatusCode::kAborted:
      return "somebody else wrote at the same moment: run it again";
    case absl::StatusCode::kResourceExhausted:
      return "wait a little and run it again; if it stays, the request is over a limit";
    case absl::StatusCode::kUnimplemented:
      return "this server does not serve the command: check its version and --serve";
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return "give the incident number above to who runs the server; its log has the cause";
    default:
      return "";
  }
}

}  // namespace

std::string AdviceFor(const absl::Status& status) {
  const services::ErrorDetails details = services::DetailsOf(status);
  std::string advice(AdviceByCode(status.code()));
  for (const Advice& row : kAdviceByReason) {
    if (row.reason == details.reason) advice = std::string(row.what_to_do);
  }
  const auto owner = details.metadata.find("owner");
  if (owner != details.metadata.end()) {
    return absl::StrCat("run it with --server ", Printable(owner->second));
  }
  if (details.retry_after.has_value()) {
    return absl::StrCat("try again in ", absl::FormatDuration(*details.retry_after));
  }
  return advice;
}

std::string RenderProblem(absl::string_view doing, const absl::Status& status) {
  const services::ErrorDetails details = services::DetailsOf(status);
  const std::string code = absl::StatusCodeToString(status.code());
  std::string out = absl::StrCat("recordsctl: could not ", doing, " (", code);
  if (!details.reason.empty() && details.reason != code) {
    absl::StrAppend(&out, ", ", Printable(details.reason));
  }
  absl::StrAppend(&out, ")\n");
  if (!status.message().empty()) absl::StrAppend(&out, "why: ", Printable(status.message()), "\n");
  for (const auto& violation : details.fields) {
    absl::StrAppend(&out, "field ", Printable(violation.field), ": ",
                    Printable(violation.description), "\n");
  }
  const std::string advice = AdviceFor(status);
  if (!advice.empty()) absl::StrAppend(&out, "what to do: ", advice, "\n");
  return out;
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnreachable;
    default:
      return kExitRefused;
  }
}

}  // namespace records::tools
