#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "eventstore/clock.h"
#include "eventstore/status_macros.h"
#include "records/api/v1/access_service.grpc.pb.h"
#include "services/auth/development_issuer.h"
#include "services/defaults/defaults.h"
#include "tools/recordsctl/client.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/exit_codes.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;

constexpr char kIssuerSubject[] = "development-issuer";
constexpr char kIssuerPurpose[] = "system-operation";
constexpr char kAdministrator[] = "system-administrator";
constexpr absl::Duration kGrantTokenLifetime = absl::Minutes(2);
constexpr absl::Duration kPoll = absl::Milliseconds(50);
constexpr size_t kRolesMax = 16;

struct TokenFlags {
  std::string data;
  std::string roles;
  std::string name;
  std::string lifetime = "12h";
};

// Says once, when something takes longer than a moment, what is waited for.
class Patience {
 public:
  Patience(Session& session, absl::Time deadline) : session_(session), deadline_(deadline) {}

  // Waits a little; false when the time is over.
  bool Wait(absl::string_view what) {
    if (!GoesOn(what)) return false;
    absl::SleepFor(kPoll);
    return true;
  }

  // Waits until the channel is connected. Not by sleeping: gRPC connects only while somebody waits
  // in it, or each 5 s.
  bool WaitFor(grpc::Channel& channel, absl::string_view what) {
    if (!GoesOn(what)) return false;
    // One that is connected, and does not serve: it starts, or stops.
    if (channel.GetState(false) == GRPC_CHANNEL_READY) absl::SleepFor(kPoll);
    channel.WaitForConnected(absl::ToChronoTime(deadline_));
    return true;
  }

 private:
  bool GoesOn(absl::string_view what) {
    if (absl::Now() >= deadline_) return false;
    if (said_ != what) {
      session_.err << "recordsctl: waiting for " << what << "\n" << std::flush;
      said_ = std::string(what);
    }
    return true;
  }

  Session& session_;
  const absl::Time deadline_;
  std::string said_;
};

absl::StatusOr<std::unique_ptr<services::DevelopmentIssuer>> WaitForIssuer(
    const std::filesystem::path& folder, eventstore::Random& random, Patience& patience) {
  while (true) {
    auto issuer = services::DevelopmentIssuer::Open(folder, eventstore::SystemClock(), random);
    if (issuer.ok() || !absl::IsNotFound(issuer.status())) return issuer;
    if (!patience.Wait(absl::StrCat("the development issuer's key in ", folder.string()))) {
      return absl::UnavailableError(
          absl::StrCat("no development issuer in ", folder.string(),
                       ": recordsd makes it at its first start; give both the same --data folder"));
    }
  }
}

// Grants `role` to `name`, waiting for a server that does not answer yet.
absl::Status Grant(const Session& session, const services::DevelopmentIssuer& issuer,
                   const std::shared_ptr<grpc::Channel>& channel,
                   const api::GrantRoleRequest& request, Patience& patience) {
  while (true) {
    ASSIGN_OR_RETURN(const std::string token,
                     issuer.Mint(kIssuerSubject, {kAdministrator}, kGrantTokenLifetime));
    const Client client(channel, token, kIssuerPurpose, session.options.timeout());
    api::GrantRoleResponse reply;
    const absl::Status status =
        client.Call<api::AccessService>(&api::AccessService::Stub::GrantRole, request, reply);
    if (!absl::IsUnavailable(status)) return status;
    const std::string what = absl::StrCat("the server at ", session.options.server);
    if (!patience.WaitFor(*channel, what)) return status;
  }
}

absl::StatusOr<std::string> MakeToken(Session& session, const TokenFlags& flags,
                                      const std::vector<std::string>& roles,
                                      absl::Duration lifetime) {
  Patience patience(session, absl::Now() + session.options.timeout());
  const std::filesystem::path folder =
      flags.data.empty() ? services::DefaultDataFolder() : std::filesystem::path(flags.data);
  ASSIGN_OR_RETURN(const auto issuer, WaitForIssuer(folder, session.random, patience));
  ASSIGN_OR_RETURN(const auto channel, MakeChannel(session.options));
  for (const std::string& role : roles) {
    api::GrantRoleRequest request;
    ASSIGN_OR_RETURN(*request.mutable_request_id(), session.RequestId(""));
    request.set_subject(flags.name);
    request.set_role(role);
    RETURN_IF_ERROR(Grant(session, *issuer, channel, request, patience));
  }
  return issuer->Mint(flags.name, roles, lifetime);
}

// `recordsctl token > amy.token` makes a file that others may read, by most people's umask. A file
// that was just made for this output is closed to them before the token goes into it.
void CloseOutputToOthers() {
  struct stat info {};
  if (fstat(STDOUT_FILENO, &info) != 0 || !S_ISREG(info.st_mode)) return;
  const bool is_fresh = info.st_size == 0 && info.st_uid == geteuid();
  if (is_fresh && fchmod(STDOUT_FILENO, S_IRUSR | S_IWUSR) != 0) return;  // a warning comes at use
}

int RunToken(Session& session, const TokenFlags& flags) {
  constexpr char kHelp[] = "see `recordsctl token --help`";
  if (flags.roles.empty() || flags.name.empty()) {
    return session.Usage("--role and --name are needed", kHelp);
  }
  const std::vector<std::string> roles = absl::StrSplit(flags.roles, ',', absl::SkipWhitespace());
  absl::Duration lifetime;
  if (!absl::ParseDuration(flags.lifetime, &lifetime) || lifetime <= absl::ZeroDuration()) {
    return session.Usage("--lifetime must be a duration such as 12h or 30m", kHelp);
  }
  if (roles.empty() || roles.size() > kRolesMax) {
    return session.Usage(absl::StrCat("--role takes 1 to ", kRolesMax, " roles"), kHelp);
  }
  if (!IsLoopback(session.options.server)) {
    return session.Usage("development tokens count on loopback only",
                         "give a --server on this machine, or use your organisation's issuer");
  }
  CloseOutputToOthers();
  const absl::StatusOr<std::string> token = MakeToken(session, flags, roles, lifetime);
  if (!token.ok()) return session.Fail("make the token", token.status());
  session.out << *token << '\n' << std::flush;
  return kExitOk;
}

}  // namespace

void AddTokenCommand(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand(
      "token", "Grant a role and print a token for it, for trying things out on this machine");
  auto flags = std::make_shared<TokenFlags>();
  command->add_option("--data", flags->data,
                      "data folder of recordsd; its default where none is given");
  command->add_option("--role", flags->roles, "role, or several with commas");
  command->add_option("--name", flags->name, "who the token is for");
  command->add_option("--lifetime", flags->lifetime, "how long it is valid, 12h by default");
  command->callback(
      [&session, flags] { session.run = [&session, flags] { return RunToken(session, *flags); }; });
}

}  // namespace records::tools
