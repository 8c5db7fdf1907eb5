#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/restore.h"
#include "eventstore/signed_note.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/backup_offline.h"
#include "tools/recordsctl/bus/tail_topic.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/interrupt.h"
#include "tools/recordsctl/log_verify.h"
#include "tools/recordsctl/progress_line.h"
#include "tools/recordsctl/table.h"
#include "tools/recordsctl/text.h"
#include "tools/recordsctl/verify/backup_check.h"

namespace records::tools {
namespace {

constexpr size_t kCheckpointBytesMax = size_t{1} << 20;

struct RestoreFlags {
  std::string log;
  std::string keys;
  std::string erasure_ledger;
  std::string master_key;
  std::string to;
  std::string checkpoint;
  TailFlags tail;
};

// Events whose keys are missing that are named on the terminal.
constexpr size_t kUnopenedShownMax = 50;

int Failed(Session& session, const absl::Status& status) {
  session.err << "recordsctl: nothing was restored: " << Printable(status.message()) << "\n";
  return absl::IsUnavailable(status) ? kExitUnreachable : kExitRefused;
}

// How far the erasure ledger had come by a checkpoint that was kept elsewhere.
absl::StatusOr<eventstore::KnownErasureHead> KnownFrom(const std::string& path,
                                                       const std::string& note) {
  const size_t end = note.find("\n\n");
  if (end == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no signed checkpoint"));
  }
  ASSIGN_OR_RETURN(const eventstore::Checkpoint checkpoint,
                   eventstore::ParseCheckpoint(note.substr(0, end + 1)));
  ASSIGN_OR_RETURN(const eventstore::ErasureHead head, eventstore::ErasuresOf(checkpoint));
  return eventstore::KnownErasureHead{path, head};
}

// Everything of both backups, before anything is written. OK: clean.
absl::Status VerifyFirst(Session& session, const RestoreFlags& flags) {
  verify::BackupVerifyOptions options{.log_backup = flags.log, .keys_backup = flags.keys};
  ProgressLine line(session.err);
  options.progress = [&line](absl::string_view doing, uint64_t, uint64_t) {
    line.Draw(absl::StrCat("verifying ", doing), false);
  };
  ASSIGN_OR_RETURN(const verify::BackupReport found, verify::VerifyBackup(options));
  if (found.report.is_clean()) return absl::OkStatus();
  const verify::Finding worst = found.report.findings.Sorted().back();
  return absl::DataLossError(absl::StrCat("the backup is damaged: ", verify::Describe(worst.place),
                                          ": ", worst.message, ". See `recordsctl backup verify`"));
}

std::string DescribeGone(const eventstore::Restored& restored) {
  const std::string traces =
      restored.lost ? absl::StrCat("every read trace after the backup, ", restored.lost->traces,
                                   " that the checkpoint knows of")
                    : "every read trace after the backup, how many nobody can tell";
  const std::string events =
      restored.lost ? absl::StrCat(" (", restored.lost->events, " that the checkpoint knows of)")
                    : "";
  return absl::StrCat("every event after ", restored.tail ? "what the topics had" : "that position",
                      events, ", and what is known of its request ids; ", traces);
}

std::string DescribeTail(const eventstore::RestoredTail& tail) {
  if (!tail.was_published) return "nothing was ever published to these topics";
  if (tail.events == 0) return "the backup had all that was published: nothing was added";
  return absl::StrCat(tail.events,
                      " events added from the topics, as they were stored; the trees agree with "
                      "what was published");
}

// Where it stands and whose it is in kind, never what is in it.
std::string DescribeUnopened(const eventstore::TailKeys& keys) {
  if (keys.unopened == 0) return "each of them has its keys, or its subject is erased";
  std::string text = absl::StrCat(
      keys.unopened,
      " of them cannot be opened: their keys were made after the backup of the keys, or ended. "
      "Partition/sequence and collection:");
  size_t shown = 0;
  for (const eventstore::UnopenedEvent& event : keys.named) {
    if (shown++ == kUnopenedShownMax) break;
    absl::StrAppend(&text, "\n", event.position.partition, "/", event.position.sequence, " ",
                    event.collection);
  }
  if (keys.unopened > kUnopenedShownMax) {
    absl::StrAppend(&text, "\nand ", keys.unopened - kUnopenedShownMax, " more");
  }
  return text;
}

void PrintRestored(Session& session, const RestoreFlags& flags,
                   const eventstore::Restored& restored) {
  const std::string made =
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", restored.log.created_at, absl::UTCTimeZone());
  std::vector<std::pair<std::string, std::string>> fields = {
      {"done", absl::StrCat("restored into ", flags.to)},
      {"position", absl::StrCat(restored.log.events, " events, ", restored.log.access,
                                " access traces, as of ", made)}};
  if (restored.tail) {
    fields.emplace_back("tail", DescribeTail(*restored.tail));
    if (restored.tail->events > 0) {
      fields.emplace_back("keys", DescribeUnopened(restored.tail->keys));
      fields.emplace_back("erased", absl::StrCat(restored.tail->keys.erased,
                                                 " of them have parts of subjects who are erased"));
    }
  }
  fields.emplace_back("gone", DescribeGone(restored));
  fields.emplace_back("erasures", absl::StrCat(restored.erasures, " in the ledger, ",
                                               restored.erased_anew, " of them destroyed anew"));
  fields.emplace_back("views", "none were kept: they are folded anew at the start");
  fields.emplace_back("next",
                      absl::StrCat("recordsd --data ", flags.to, " --master-key ", flags.master_key,
                                   " --erasure-ledger ", flags.erasure_ledger));
  session.out << RenderFields(fields, session.Width());
}

std::string MissingFlag(const RestoreFlags& flags) {
  if (flags.log.empty()) return "--log is required";
  if (flags.keys.empty()) return "--keys is required";
  if (flags.erasure_ledger.empty()) {
    return "--erasure-ledger is required: without its newest copy, what was erased would come back";
  }
  if (flags.master_key.empty()) return "--master-key is required";
  return flags.to.empty() ? "--to is required" : "";
}

int RunRestore(Session& session, const RestoreFlags& flags) {
  if (const std::string missing = MissingFlag(flags); !missing.empty()) {
    return session.Usage(missing, "see `recordsctl backup restore --help`");
  }
  // What is restored is nobody else's to read.
  umask(S_IRWXG | S_IRWXO);
  eventstore::RestoreOptions options{.log_backup = flags.log,
                                     .keys_backup = flags.keys,
                                     .erasure_ledger = flags.erasure_ledger,
                                     .master_key_file = flags.master_key,
                                     .to = flags.to};
  if (!flags.checkpoint.empty()) {
    auto note = ReadInput(flags.checkpoint, kCheckpointBytesMax);
    if (!note.ok()) return Failed(session, note.status());
    auto known = KnownFrom(flags.checkpoint, *note);
    if (!known.ok()) return Failed(session, known.status());
    options.known_erasures.push_back(*std::move(known));
    options.checkpoint = *std::move(note);
  }
  std::unique_ptr<eventstore::TailSource> tail;
  if (flags.tail.is_given()) {
    auto opened = OpenTail(flags.tail, session.options.timeout());
    if (!opened.ok()) {
      return session.Usage(opened.status().message(), "see `recordsctl backup restore --help`");
    }
    tail = *std::move(opened);
    options.tail = tail.get();
  }
  if (const absl::Status clean = VerifyFirst(session, flags); !clean.ok()) {
    return Failed(session, clean);
  }
  std::atomic<bool> stop = false;
  Interrupt interrupt([&stop] { stop = true; });
  absl::StatusOr<eventstore::Restored> restored = absl::UnknownError("");
  {
    ProgressLine line(session.err);
    options.go_on = [&](uint64_t done, uint64_t total) {
      line.Draw(absl::StrCat("copying ", done >> 20, " of ", total >> 20, " MiB"), false);
      return !stop;
    };
    options.go_on_tail = [&](uint64_t done, uint64_t total) {
      line.Draw(absl::StrCat("appending ", done, " of ", total, " events of the topics"), false);
      return !stop;
    };
    restored = eventstore::Restore(options);
  }
  if (!restored.ok()) return Failed(session, restored.status());
  PrintRestored(session, flags, *restored);
  return kExitOk;
}

}  // namespace

void AddBackupRestore(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "restore",
      "Restore a backup into an empty folder, on this machine, without a server. Verifies first;\n"
      "destroys what the erasure ledger names before anything can be served. Events after the\n"
      "backup's position are gone, unless the log was published to Kafka and its topics are "
      "named:\n"
      "then what they have beyond the backup is appended, as it was stored. An interrupted "
      "restore\n"
      "is begun anew by running it again.");
  auto flags = std::make_shared<RestoreFlags>();
  command->add_option("--log", flags->log, "folder of a backup of the log");
  command->add_option("--keys", flags->keys, "folder of a backup of the keys: as new, or newer");
  command->add_option("--erasure-ledger", flags->erasure_ledger,
                      "the newest copy of the erasure ledger");
  command->add_option("--master-key", flags->master_key,
                      "file of the master key that the keys were backed up under");
  command->add_option("--to", flags->to, "the new data folder: absent or empty");
  command->add_option("--checkpoint", flags->checkpoint,
                      "the newest signed checkpoint that was kept elsewhere: an erasure ledger\n"
                      "that is older than it is refused, and so are events that it did not sign;\n"
                      "what it knows of and was not restored is counted");
  command->add_option(
      "--tail-from-kafka", flags->tail.kafka,
      "HOST:PORT of a broker on this machine whose topics have what came after the\n"
      "backup; they are only read");
  command->add_option("--tail-kafka-settings", flags->tail.kafka_settings,
                      "the same by a file with how the brokers are reached: bootstrap.servers,\n"
                      "security.protocol, sasl.*, ssl.*; mode 0600 where it holds a secret");
  command->add_option("--topic-prefix", flags->tail.prefix,
                      "what the names of the topics begin with, records");
  command->callback([&session, flags] {
    session.run = [&session, flags] {
      for (std::string* path : {&flags->log, &flags->keys, &flags->to}) {
        *path = WithoutTrailingSlashes(*path);
      }
      return RunRestore(session, *flags);
    };
  });
}

}  // namespace records::tools
