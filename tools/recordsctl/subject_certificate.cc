#include "tools/recordsctl/subject_certificate.h"

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "records/events/v1/erasure.pb.h"
#include "services/defaults/defaults.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/table.h"
#include "tools/recordsctl/text.h"
#include "tools/recordsctl/verify/anchor_reader.h"
#include "tools/recordsctl/verify/erasure_check.h"
#include "tools/recordsctl/verify/event_decoder.h"
#include "tools/recordsctl/verify/hashes.h"

namespace records::tools {
namespace {

namespace ev = records::events::v1;

constexpr size_t kCertificateBytesMax = size_t{1} << 20;

struct CertificateFlags {
  std::string file;
  std::string data;
  std::string verifier_key;
  std::string erasure_ledger;

  // Empty: none is named, and with a key alone there is none to look for.
  std::string LedgerFile() const {
    if (!erasure_ledger.empty() || !verifier_key.empty()) return erasure_ledger;
    return data + "/erasure.ledger";
  }
};

// The key that the log signs with: the given one, or that of a data folder.
absl::StatusOr<verify::VerifierKey> KeyFor(const CertificateFlags& flags,
                                           const verify::VerifierKey& named) {
  if (!flags.verifier_key.empty()) return verify::ParseVerifierKey(flags.verifier_key);
  auto key = verify::ReadSigningKey(flags.data, named.name);
  if (key.ok()) return key;
  return absl::InvalidArgumentError(
      absl::StrCat(flags.data, "/checkpoint.key ", key.status().message(),
                   ": name the data folder with --data, or the key with --vkey"));
}

// What is wrong with the record that the certificate names; empty: nothing, as far as was looked.
std::string CompareWithLedger(const CertificateFlags& flags, const verify::VerifierKey& key,
                              const verify::Certificate& certificate,
                              const ev::SubjectErased& erased) {
  if (erased.ledger_index() == 0 || erased.ledger_index() > certificate.erasures.size) {
    return "its checkpoint does not know the record of the erasure ledger that it names";
  }
  const std::string file = flags.LedgerFile();
  if (file.empty()) return "";
  const auto bytes = verify::ReadFile(file, verify::kErasureLedgerBytesMax);
  if (!bytes.ok()) {
    return absl::StrCat("the erasure ledger ", file, " ", bytes.status().message(),
                        ": name it with --erasure-ledger");
  }
  const std::string store = absl::HexStringToBytes(key.name.substr(key.name.find('/') + 1));
  const auto records = verify::ParseErasureLedger(*bytes, store, key.public_key);
  if (!records.ok()) return absl::StrCat("the erasure ledger: ", records.status().message());
  return verify::CompareWithRecord(*records,
                                   {erased.subject(), erased.ledger_index(), erased.ledger_head()});
}

// What the certificate says was searched for, and where.
std::string DescribeSearch(const ev::SubjectErased& erased) {
  const std::string files =
      absl::StrCat(erased.files_searched(), " files, ", erased.bytes_searched(), " bytes");
  std::string text;
  if (erased.byte_strings_searched() > 0) {
    text = absl::StrCat("for ", erased.byte_strings_searched(), " byte strings in ", files,
                        ", nothing found");
  } else if (erased.files_searched() > 0) {
    text = absl::StrCat(files, ", nothing found; for how many byte strings it does not say");
  } else {
    text = "for no bytes of keys: they were gone with an earlier process";
  }
  if (erased.row_names_searched() == 0) return text;
  return absl::StrCat(text, "; for ", erased.row_names_searched(),
                      " names of rows in the key store, nothing found");
}

int RunVerifyCertificate(Session& session, const CertificateFlags& flags) {
  constexpr char kHelp[] = "see `recordsctl subject certificate verify --help`";
  const auto fail = [&session](absl::string_view why) {
    session.err << "recordsctl: the certificate proves nothing: " << Printable(why) << "\n";
    return kExitRefused;
  };
  const auto text = ReadInput(flags.file, kCertificateBytesMax);
  if (!text.ok()) return session.Usage(text.status().message(), kHelp);
  const auto named_text = verify::KeyOfCertificate(*text);
  if (!named_text.ok()) return session.Usage(named_text.status().message(), kHelp);
  const auto named = verify::ParseVerifierKey(*named_text);
  if (!named.ok()) return fail("it names no key");
  const auto key = KeyFor(flags, *named);
  if (!key.ok()) return session.Usage(key.status().message(), kHelp);
  const auto certificate = verify::VerifyCertificate(*text, *key);
  if (!certificate.ok()) return fail(certificate.status().message());
  const auto event = verify::DecodeEvent(certificate->event);
  ev::SubjectErased erased;
  if (!event.ok() || !erased.ParseFromString(std::string(event->facts))) {
    return fail("its event does not parse");
  }
  const std::string wrong = CompareWithLedger(flags, *key, *certificate, erased);
  if (!wrong.empty()) return fail(wrong);
  session.out << RenderFields(
      {{"certificate", "valid"},
       {"erasure", absl::BytesToHexString(erased.erasure())},
       {"log", certificate->origin},
       {"position", absl::StrCat("events/", certificate->partition, " ", certificate->sequence)},
       {"keys destroyed", absl::StrCat(erased.keys_destroyed())},
       {"directory rows destroyed", absl::StrCat(erased.directory_rows_destroyed())},
       {"searched", DescribeSearch(erased)},
       {"erasure ledger",
        absl::StrCat("record ", erased.ledger_index(),
                     flags.LedgerFile().empty()
                         ? ", not looked at: name the ledger with --erasure-ledger"
                         : ", of this subject")}},
      session.Width());
  return kExitOk;
}

}  // namespace

void AddSubjectCertificate(CLI::App* noun, Session& session) {
  auto* certificate = noun->add_subcommand("certificate", "Certificates of erasures");
  auto* command = certificate->add_subcommand(
      "verify", "Verify a certificate on this machine, without a server");
  auto flags = std::make_shared<CertificateFlags>();
  flags->data = services::DefaultDataFolder().string();
  command->add_option("FILE", flags->file, "the certificate")->required();
  command->add_option("--data", flags->data, "data folder whose key and erasure ledger to hold to");
  command->add_option("--vkey", flags->verifier_key,
                      "the key that signs checkpoints, instead of a data folder");
  command->add_option("--erasure-ledger", flags->erasure_ledger,
                      "the erasure ledger, when it is kept elsewhere or --vkey is given");
  command->callback([&session, flags] {
    session.run = [&session, flags] { return RunVerifyCertificate(session, *flags); };
  });
}

}  // namespace records::tools
