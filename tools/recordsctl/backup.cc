#include <string>

#include "records/api/v1/backup_service.grpc.pb.h"
#include "tools/recordsctl/backup_offline.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/long_call.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

// `backup create` and `backup list`: what a server does. Verifying and restoring need none.
namespace records::tools {
namespace {

namespace api = records::api::v1;
using Service = api::BackupService;

void PrintMade(Session& session, const api::Backup& made) {
  session.out << RenderFields(
      {{"done", absl::StrCat("backup ", made.name(), " made")},
       {"position", absl::StrCat(made.events(), " events, ", made.access(), " access traces")},
       {"log", made.log().path()},
       {"log manifest", made.log().manifest_sha256()},
       {"keys", made.keys().path()},
       {"keys manifest", made.keys().manifest_sha256()},
       {"master key", absl::StrCat("generation ", made.keys().master_key_generation())},
       {"not in it", "master key, erasure ledger (keep them apart); views (folded anew)"},
       {"next", "keep the two hashes elsewhere, then recordsctl backup verify"}},
      session.Width());
}

std::string ProgressText(const api::BackupProgress& progress) {
  constexpr uint64_t kMebibyte = uint64_t{1} << 20;
  return absl::StrCat("copying the ", progress.part(), ", ", progress.bytes_done() / kMebibyte,
                      " of ", progress.bytes_total() / kMebibyte, " MiB");
}

int Create(Session& session, const std::string& name) {
  const char* const see = "see `recordsctl backup create --help`";
  if (name.empty()) return session.Usage("--name is required", see);
  api::CreateBackupRequest request;
  request.set_name(name);
  return RunLongCall<Service, api::CreateBackupRequest, api::CreateBackupResponse>(
      session, request,
      {.doing = "make the backup",
       .see = see,
       .stopped = "stopped: no backup was made\n",
       .method = &Service::Stub::CreateBackup,
       .progress =
           [](const api::CreateBackupResponse& message) {
             return ProgressText(message.progress());
           },
       .print =
           [&session](const api::CreateBackupResponse& message) {
             PrintMade(session, message.done());
           }});
}

void AddCreate(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "create",
      "Back up log and keys, apart, while the server serves; into the folders it was told.\n"
      "Takes as long as it takes; ^C leaves nothing.");
  auto name = std::make_shared<std::string>();
  command->add_option("--name", *name, "name of the backup, [a-z0-9-], must not exist yet");
  command->callback(
      [&session, name] { session.run = [&session, name] { return Create(session, *name); }; });
}

Table ListTable() {
  return Table({"NAME", "MADE", "EVENTS", "ACCESS", "LOG", "KEYS", "MASTER KEY"});
}

std::string HalfText(bool there, const api::BackupHalf& half) {
  return there ? absl::StrCat(half.bytes(), " B") : "missing";
}

void PrintList(Session& session, const api::ListBackupsResponse& reply) {
  Table table = ListTable();
  for (const api::Backup& backup : reply.backups()) {
    table.AddRow({backup.name(), FormatMoment(backup.created_at_us(), absl::LocalTimeZone()),
                  absl::StrCat(backup.events()), absl::StrCat(backup.access()),
                  HalfText(backup.has_log(), backup.log()),
                  HalfText(backup.has_keys(), backup.keys()),
                  absl::StrCat(backup.keys().master_key_generation())});
  }
  session.out << table.Render(session.Width(), true);
}

void AddList(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("list", "The backups in the server's folders");
  Bind(command, session,
       RequestCommand<Service, api::ListBackupsRequest, api::ListBackupsResponse>{
           .doing = "list the backups",
           .method = &Service::Stub::ListBackups,
           .required = {},
           .from_flags = [](api::ListBackupsRequest&) { return absl::OkStatus(); },
           .print =
               [&session](const api::ListBackupsResponse& reply) { PrintList(session, reply); }});
}

}  // namespace

void AddBackupCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("backup", "Backups of log and keys, apart");
  AddCreate(noun, session);
  AddList(noun, session);
  AddBackupVerify(noun, session);
  AddBackupRestore(noun, session);
}

}  // namespace records::tools
