#include "tools/recordsctl/subject_certificate.h"

#include <cstring>
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
};

// The key that the log signs with: the given one, or that of a data folder.
absl::StatusOr<verify::VerifierKey> KeyFor(const CertificateFlags& flags,
                                           const verify::VerifierKey& named) {
  if (!flags.verifier_key.empty()) return verify::ParseVerifierKey(flags.verifier_key);
  auto seed = verify::ReadFile(flags.data + "/checkpoint.key", verify::kHashSize);
  if (!seed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.data, "/checkpoint.key ", seed.status().message(),
                     ": name the data folder with --data, or the key with --vkey"));
  }
  const auto public_key = verify::PublicKeyOf(*seed);
  explicit_bzero(seed->data(), seed->size());
  if (!public_key.ok()) return public_key.status();
  return verify::MakeVerifierKey(named.name, *public_key);
}

// What is wrong with the ledger of the data folder; empty: it is there, as the certificate says.
std::string CompareWithLedger(const CertificateFlags& flags, const verify::VerifierKey& key,
                              const verify::Certificate& certificate,
                              const ev::SubjectErased& erased) {
  if (erased.ledger_index() == 0 || erased.ledger_index() > certificate.erasures.size) {
    return "its checkpoint does not know the record of the erasure ledger that it names";
  }
  if (!flags.verifier_key.empty()) return "";
  const auto bytes = verify::ReadFile(flags.data + "/erasure.ledger", size_t{1} << 30);
  if (!bytes.ok()) return "the erasure ledger of the data folder cannot be read";
  const std::string store = absl::HexStringToBytes(key.name.substr(key.name.find('/') + 1));
  const auto hashes = verify::ParseErasureLedger(*bytes, store, key.public_key);
  if (!hashes.ok()) return absl::StrCat("the erasure ledger: ", hashes.status().message());
  if (hashes->size() < erased.ledger_index() ||
      verify::AsView((*hashes)[erased.ledger_index() - 1]) != erased.ledger_head()) {
    return "the erasure ledger of the data folder does not hold its record";
  }
  return "";
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
       {"erasure ledger", absl::StrCat("record ", erased.ledger_index())}},
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
  command->callback([&session, flags] {
    session.run = [&session, flags] { return RunVerifyCertificate(session, *flags); };
  });
}

}  // namespace records::tools
