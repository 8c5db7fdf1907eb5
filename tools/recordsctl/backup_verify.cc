#include <memory>
#include <string>

#include "tools/recordsctl/backup_offline.h"
#include "tools/recordsctl/log_verify.h"
#include "tools/recordsctl/progress_line.h"
#include "tools/recordsctl/text.h"
#include "tools/recordsctl/verify/backup_check.h"

namespace records::tools {
namespace {

struct BackupVerifyFlags {
  std::string log;
  std::string keys;
  std::string checkpoint;
  std::string verifier_key;
  std::string erasure_ledger;
};

int RunBackupVerify(Session& session, const BackupVerifyFlags& flags) {
  if (flags.log.empty()) {
    return session.Usage("--log is required", "see `recordsctl backup verify --help`");
  }
  verify::BackupVerifyOptions options;
  options.log_backup = WithoutTrailingSlashes(flags.log);
  options.keys_backup = WithoutTrailingSlashes(flags.keys);
  if (!flags.checkpoint.empty()) options.checkpoint_file = flags.checkpoint;
  if (!flags.verifier_key.empty()) options.verifier_key = flags.verifier_key;
  if (!flags.erasure_ledger.empty()) options.erasure_ledger_file = flags.erasure_ledger;
  absl::StatusOr<verify::BackupReport> found = absl::UnknownError("");
  {
    ProgressLine line(session.err);
    options.progress = [&line](absl::string_view doing, uint64_t done, uint64_t total) {
      line.Draw(VerifyProgress(doing, done, total), false);
    };
    found = verify::VerifyBackup(options);
  }
  if (!found.ok()) return CouldNotVerify(session, "the backup", found.status());
  session.out << (session.options.json ? verify::RenderJson(found->report)
                                       : Printable(verify::RenderText(*found), true));
  return found->report.is_clean() ? kVerifyClean : kVerifyDamaged;
}

}  // namespace

void AddBackupVerify(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "verify",
      "Verify a backup on this machine, without a server and without the master key: each file,\n"
      "the log as `log verify` does, and that the keys cover it. Ends with 0 clean, 1 damage\n"
      "named, 2 could not run.");
  auto flags = std::make_shared<BackupVerifyFlags>();
  command->add_option("--log", flags->log, "folder of a backup of the log");
  command->add_option("--keys", flags->keys, "folder of a backup of the keys");
  command->add_option("--checkpoint", flags->checkpoint,
                      "a signed checkpoint that was kept elsewhere: shows what came after it");
  command->add_option("--vkey", flags->verifier_key,
                      "the key that signs checkpoints, as `log checkpoint` prints it");
  command->add_option(
      "--erasure-ledger", flags->erasure_ledger,
      "the newest erasure ledger: it lies in no backup, and is not checked without\n"
      "this; takes --vkey");
  command->callback([&session, flags] {
    session.run = [&session, flags] { return RunBackupVerify(session, *flags); };
  });
}

}  // namespace records::tools
