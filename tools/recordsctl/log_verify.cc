#include "tools/recordsctl/log_verify.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/defaults/defaults.h"
#include "tools/recordsctl/progress_line.h"
#include "tools/recordsctl/text.h"
#include "tools/recordsctl/verify/verify.h"

namespace records::tools {
namespace {

struct VerifyFlags {
  std::string data;
  std::string checkpoint;
  std::string verifier_key;
  std::string erasure_ledger;
};

int RunVerify(Session& session, const VerifyFlags& flags) {
  verify::VerifyOptions options{.data_dir = WithoutTrailingSlashes(flags.data)};
  if (!flags.checkpoint.empty()) options.checkpoint_file = flags.checkpoint;
  if (!flags.verifier_key.empty()) options.verifier_key = flags.verifier_key;
  if (!flags.erasure_ledger.empty()) options.erasure_ledger_file = flags.erasure_ledger;
  absl::StatusOr<verify::Report> report = absl::UnknownError("");
  {
    ProgressLine line(session.err);
    options.progress = [&line](absl::string_view doing, uint64_t done, uint64_t total) {
      line.Draw(VerifyProgress(doing, done, total), done == 0);
    };
    report = verify::Verify(options);
  }
  if (!report.ok()) return CouldNotVerify(session, "the log", report.status());
  session.out << (session.options.json ? verify::RenderJson(*report)
                                       : Printable(verify::RenderText(*report), true));
  return report->is_clean() ? kVerifyClean : kVerifyDamaged;
}

}  // namespace

std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

int CouldNotVerify(Session& session, absl::string_view what, const absl::Status& status) {
  const std::string message(status.message());
  if (session.options.json) session.out << verify::RenderCouldNotRunAsJson(message);
  session.err << "recordsctl: could not verify " << what << ": " << Printable(message) << "\n";
  return kVerifyNotRun;
}

std::string VerifyProgress(absl::string_view doing, uint64_t done, uint64_t total) {
  return absl::StrCat("verifying ", doing,
                      total > 0 ? absl::StrCat(", ", done, " of ", total, " events") : "");
}

void AddLogVerify(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "verify",
      "Verify a data folder on this machine, without a server: every event, table, root, anchor\n"
      "and signed checkpoint. Ends with 0 clean, 1 damage named, 2 could not run.");
  auto flags = std::make_shared<VerifyFlags>();
  flags->data = services::DefaultDataFolder().string();
  command->add_option("--data", flags->data, "the server's data folder, or a backup of it");
  command->add_option(
      "--checkpoint", flags->checkpoint,
      "a signed checkpoint that was kept elsewhere: shows a rollback of the folder");
  command->add_option("--vkey", flags->verifier_key,
                      "the key that signs checkpoints, as `log checkpoint` prints it; the one in\n"
                      "the folder by default");
  command->add_option("--erasure-ledger", flags->erasure_ledger,
                      "the erasure ledger, when it is kept elsewhere");
  command->callback([&session, flags] {
    session.run = [&session, flags] { return RunVerify(session, *flags); };
  });
}

}  // namespace records::tools
