#include "tools/recordsctl/session.h"

#include <google/protobuf/util/json_util.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eventstore/ids.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/problem.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

constexpr size_t kWidthWithoutTerminal = 100;
constexpr size_t kNarrowestTerminal = 40;
// Above the longest request that the server takes (1 MiB), even when every character is escaped.
constexpr size_t kRequestBytesMax = 8 << 20;

absl::StatusOr<std::string> ReadStream(std::istream& stream, const std::string& name,
                                       size_t bytes_max) {
  std::string content;
  char buffer[16384];
  while (stream.read(buffer, sizeof(buffer)) || stream.gcount() > 0) {
    content.append(buffer, static_cast<size_t>(stream.gcount()));
    if (content.size() > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat(name, " is longer than ", bytes_max, " bytes"));
    }
  }
  if (stream.bad()) return absl::UnavailableError(absl::StrCat(name, " could not be read"));
  return content;
}

bool HasFlags(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    // A request id says nothing of the content, so it may stand beside --input.
    const bool is_content =
        option != command.get_help_ptr() && option->get_name() != "--request-id";
    if (is_content && option->count() > 0) return true;
  }
  return false;
}

absl::Status ParseJson(const std::string& json, const std::string& name,
                       google::protobuf::Message& message) {
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  if (status.ok()) return absl::OkStatus();
  // The parser's own message may quote the input, which may be personal: only its field is told.
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is not the JSON of a ", message.GetDescriptor()->name(),
                   " (field names and enum values as in the proto file)"));
}

}  // namespace

size_t Session::Width() const {
  winsize size{};
  const bool is_terminal = isatty(STDOUT_FILENO) == 1;
  if (!is_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kWidthWithoutTerminal;
  }
  return std::max<size_t>(size.ws_col, kNarrowestTerminal);
}

void Session::PrintJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions print;
  print.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, print);
  if (!status.ok()) json = "{}";
  out << PrintableJson(json) << '\n' << std::flush;
}

absl::StatusOr<std::string> Session::RequestId(const std::string& given) {
  if (!given.empty()) return given;
  ASSIGN_OR_RETURN(const eventstore::RequestId id, eventstore::RequestId::Generate(random));
  return id.ToUuid();
}

int Session::Fail(absl::string_view doing, const absl::Status& status) {
  err << RenderProblem(doing, status);
  return ExitCodeOf(status);
}

int Session::Usage(absl::string_view message, absl::string_view what_to_do) {
  err << "recordsctl: " << Printable(message) << "\nwhat to do: " << what_to_do << "\n";
  return kExitUsage;
}

absl::StatusOr<std::string> ReadInput(const std::string& path, size_t bytes_max) {
  if (path == "-") return ReadStream(std::cin, "standard input", bytes_max);
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  }
  return ReadStream(file, path, bytes_max);
}

absl::Status ReadRequest(const Session& session, const CLI::App& command,
                         const std::vector<std::string>& required,
                         const std::function<absl::Status()>& from_flags,
                         google::protobuf::Message& message) {
  const std::string& input = session.options.input;
  if (!input.empty()) {
    if (HasFlags(command)) {
      return absl::InvalidArgumentError(
          "--input holds the whole request: give it, or the flags, not both");
    }
    ASSIGN_OR_RETURN(const std::string json, ReadInput(input, kRequestBytesMax));
    return ParseJson(json, input == "-" ? "standard input" : input, message);
  }
  std::vector<std::string> missing;
  for (const std::string& name : required) {
    if (command.get_option(name)->count() == 0) missing.push_back(name);
  }
  if (!missing.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("missing ", absl::StrJoin(missing, ", "),
                     "; give them, or the whole request as JSON with --input"));
  }
  return from_flags();
}

}  // namespace records::tools
