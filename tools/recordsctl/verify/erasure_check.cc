#include "tools/recordsctl/verify/erasure_check.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/verify/anchor_reader.h"
#include "tools/recordsctl/verify/event_decoder.h"
#include "tools/recordsctl/verify/hashes.h"

namespace records::tools::verify {
namespace {

constexpr absl::string_view kMagic = "RECERASE";
constexpr size_t kHeaderSize = 128;
constexpr size_t kRecordSize = 144;
constexpr size_t kSignatureSize = 64;
constexpr absl::string_view kFirstLine = "records erasure certificate v1";

absl::Status Altered(absl::string_view what) { return absl::DataLossError(what); }

absl::Status CheckHeader(absl::string_view header, absl::string_view store,
                         absl::string_view public_key) {
  if (header.size() != kHeaderSize || !absl::StartsWith(header, kMagic) ||
      ReadBigEndian(header.substr(8, 4)) != kFormatVersion) {
    return Altered("it is no erasure ledger of this format");
  }
  if (header.substr(12, kIdSize) != store) return Altered("it belongs to another log");
  const size_t signed_size = kHeaderSize - kSignatureSize;
  if (header.substr(28, kHashSize) != public_key ||
      !IsSignedBy(public_key,
                  absl::StrCat("records erasure ledger v1", header.substr(0, signed_size)),
                  header.substr(signed_size))) {
    return Altered("its start is not signed with the key of the log's checkpoints");
  }
  return absl::OkStatus();
}

bool IsRecord(absl::string_view record, uint64_t index, absl::string_view before,
              absl::string_view public_key) {
  if (record.size() != kRecordSize) return false;
  const size_t signed_size = kRecordSize - kSignatureSize;
  return ReadBigEndian(record.substr(0, 8)) == index && ReadBigEndian(record.substr(12, 4)) == 1 &&
         IsId(record.substr(16, kIdSize)) && IsId(record.substr(32, kIdSize)) &&
         record.substr(48, kHashSize) == before &&
         IsSignedBy(public_key,
                    absl::StrCat("records erasure ledger record v1", record.substr(0, signed_size)),
                    record.substr(signed_size));
}

// Takes "<word> <rest>\n" off the front of `text`.
absl::StatusOr<absl::string_view> TakeLine(absl::string_view word, absl::string_view& text) {
  const size_t end = text.find('\n');
  absl::string_view line = text.substr(0, end);
  if (end == absl::string_view::npos || !absl::ConsumePrefix(&line, absl::StrCat(word, " "))) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a certificate: the line ", word, " is missing"));
  }
  text.remove_prefix(end + 1);
  return line;
}

absl::Status ParsePlace(absl::string_view line, Certificate* certificate) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  absl::string_view tree = words[0];
  if (words.size() == 2 && absl::ConsumePrefix(&tree, "events/") &&
      absl::SimpleAtoi(tree, &certificate->partition) &&
      absl::SimpleAtoi(words[1], &certificate->sequence) && certificate->sequence > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("not a certificate: its position is none");
}

// RFC 9162, section 2.1.3.2.
bool IsIncluded(const Hash& leaf, uint64_t index, uint64_t size, const std::vector<Hash>& proof,
                const Hash& root) {
  if (index >= size) return false;
  uint64_t node = index;
  uint64_t last = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : proof) {
    if (last == 0) return false;
    if (node % 2 == 1 || node == last) {
      hash = NodeHash(sibling, hash);
      while (node % 2 == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = NodeHash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

struct ParsedCertificate {
  Certificate certificate;
  std::vector<Hash> proof;
  absl::string_view note;
};

absl::StatusOr<ParsedCertificate> Parse(absl::string_view text) {
  ParsedCertificate parsed;
  if (!absl::ConsumePrefix(&text, absl::StrCat(kFirstLine, "\n"))) {
    return absl::InvalidArgumentError("not a certificate of an erasure");
  }
  ASSIGN_OR_RETURN(const absl::string_view place, TakeLine("position", text));
  RETURN_IF_ERROR(ParsePlace(place, &parsed.certificate));
  ASSIGN_OR_RETURN(const absl::string_view event, TakeLine("event", text));
  ASSIGN_OR_RETURN(parsed.certificate.event, DecodeBase64(event));
  while (absl::StartsWith(text, "proof ")) {
    ASSIGN_OR_RETURN(const absl::string_view line, TakeLine("proof", text));
    ASSIGN_OR_RETURN(const std::string bytes, DecodeBase64(line));
    if (bytes.size() != kHashSize) return absl::InvalidArgumentError("a proof of another size");
    std::copy(bytes.begin(), bytes.end(), parsed.proof.emplace_back().begin());
  }
  ASSIGN_OR_RETURN(const absl::string_view key, TakeLine("key", text));
  parsed.certificate.key = std::string(key);
  if (!absl::ConsumePrefix(&text, "\n")) {
    return absl::InvalidArgumentError("not a certificate: its checkpoint is missing");
  }
  parsed.note = text;
  return parsed;
}

}  // namespace

absl::StatusOr<std::vector<LedgerRecord>> ParseErasureLedger(absl::string_view bytes,
                                                             absl::string_view store,
                                                             absl::string_view public_key) {
  const absl::string_view header = bytes.substr(0, kHeaderSize);
  RETURN_IF_ERROR(CheckHeader(header, store, public_key));
  std::vector<LedgerRecord> records;
  Hash before = Sha256({header});
  for (bytes.remove_prefix(kHeaderSize); !bytes.empty(); bytes.remove_prefix(kRecordSize)) {
    const absl::string_view record = bytes.substr(0, kRecordSize);
    if (!IsRecord(record, records.size() + 1, AsView(before), public_key)) {
      // One append that was not finished may stand at the end.
      if (bytes.size() <= kRecordSize) return records;
      return Altered(absl::StrCat("it was altered at record ", records.size() + 1));
    }
    before = Sha256({record});
    records.push_back({std::string(record.substr(16, kIdSize)), before});
  }
  return records;
}

std::string CompareWithRecord(const std::vector<LedgerRecord>& ledger,
                              const DecodedErasure& certificate) {
  const std::string which = absl::StrCat("record ", certificate.ledger_index);
  if (certificate.ledger_index == 0 || certificate.ledger_index > ledger.size()) {
    return absl::StrCat("the erasure ledger has no ", which);
  }
  const LedgerRecord& record = ledger[certificate.ledger_index - 1];
  if (AsView(record.hash) != certificate.ledger_head) {
    return absl::StrCat(which, " of the erasure ledger is another one");
  }
  if (record.subject != certificate.subject) {
    return absl::StrCat(which, " of the erasure ledger is of another subject");
  }
  return "";
}

void CheckErasureLedger(const ErasureLedgerCheck& check, Report& report) {
  const auto add = [&](std::string message) {
    report.findings.Add(Code::kErasureLedger, In(check.path), std::move(message));
  };
  const absl::StatusOr<std::string> bytes = ReadFile(check.path, kErasureLedgerBytesMax);
  std::vector<LedgerRecord> records;
  if (bytes.ok()) {
    auto parsed = ParseErasureLedger(*bytes, check.store, check.public_key);
    if (!parsed.ok()) return add(std::string(parsed.status().message()));
    records = *std::move(parsed);
  } else if (!absl::IsNotFound(bytes.status())) {
    return add(std::string(bytes.status().message()));
  }
  report.erasures = records.size();
  for (const auto& [source, head] : check.known) {
    if (head.size > records.size()) {
      add(absl::StrCat(bytes.ok() ? "it has "
                                  : "the file is missing (--erasure-ledger names one that is kept "
                                    "elsewhere): it has ",
                       records.size(), " records, ", source, " knows of ", head.size,
                       ": what was erased could come back"));
    } else if (head.size > 0 && records[head.size - 1].hash != head.root) {
      add(absl::StrCat("its record ", head.size, " is not the one that ", source, " vouches for"));
    }
  }
  for (const CertificateRow& row : check.certificates) {
    const std::string wrong = CompareWithRecord(records, row.erasure);
    if (wrong.empty()) continue;
    report.findings.Add(Code::kErasureLedger, At(Ledger::kEvents, row.partition, row.sequence),
                        absl::StrCat("the certificate of an erasure there does not hold: ", wrong));
  }
}

void NoteUnsearchedErasures(Report& report) {
  uint64_t unsearched = 0;
  for (const TreeResult& tree : report.trees) unsearched += tree.unsearched_erasures;
  if (unsearched == 0) return;
  report.notes.push_back(absl::StrCat(
      unsearched, unsearched == 1 ? " certificate" : " certificates",
      " of erasures: not said that the bytes of keys were searched for; a crash had taken them "
      "from memory, or an older server certified"));
}

absl::StatusOr<std::string> KeyOfCertificate(absl::string_view text) {
  ASSIGN_OR_RETURN(const ParsedCertificate parsed, Parse(text));
  return parsed.certificate.key;
}

absl::StatusOr<Certificate> VerifyCertificate(absl::string_view text, const VerifierKey& key) {
  ASSIGN_OR_RETURN(ParsedCertificate parsed, Parse(text));
  Certificate& certificate = parsed.certificate;
  ASSIGN_OR_RETURN(const SignedCheckpoint checkpoint, ParseCheckpoint(parsed.note));
  if (CheckSignature(checkpoint, key) != SignatureState::kValid) {
    return Altered("its checkpoint is not signed with the log's key");
  }
  if (certificate.partition >= checkpoint.trees.size() / 2) {
    return Altered("its checkpoint tells of no such partition");
  }
  const TreeHead& tree = checkpoint.trees[certificate.partition];
  if (!IsIncluded(LeafHash(certificate.event), certificate.sequence - 1, tree.size, parsed.proof,
                  tree.root)) {
    return Altered("its event is not in the log that its checkpoint tells of");
  }
  ASSIGN_OR_RETURN(const DecodedEvent event, DecodeEvent(certificate.event));
  if (event.type != kCertificateType || event.partition != certificate.partition ||
      event.sequence != certificate.sequence) {
    return Altered("its event is no certificate of an erasure at that position");
  }
  certificate.origin = checkpoint.origin;
  certificate.tree_size = tree.size;
  certificate.erasures = checkpoint.erasures;
  return certificate;
}

}  // namespace records::tools::verify
