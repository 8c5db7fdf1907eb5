#include "eventstore/erasure_ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::AppendBigEndian;
using internal::TakeBigEndian;

constexpr absl::string_view kMagic = "RECERASE";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kSubjectKind = 1;
constexpr size_t kHeaderSigned = kErasureHeaderSize - kEd25519SignatureSize;
constexpr size_t kRecordSigned = kErasureRecordSize - kEd25519SignatureSize;
constexpr absl::string_view kHeaderUse = "records erasure ledger v1";
constexpr absl::string_view kRecordUse = "records erasure ledger record v1";
constexpr size_t kReadPiece = size_t{1} << 16;

absl::Status Refused(absl::string_view path, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat("the erasure ledger ", path, " ", why,
                   ". Nothing was changed. Restore the newest copy of the ledger: without it, what "
                   "was erased could come back."));
}

absl::StatusOr<std::string> ReadAll(AnchorFile& file) {
  std::string bytes;
  while (true) {
    ASSIGN_OR_RETURN(const std::string piece, file.Read(bytes.size(), kReadPiece));
    bytes += piece;
    if (piece.size() < kReadPiece) return bytes;
  }
}

absl::StatusOr<std::string> SignedBy(const Ed25519PrivateKey& key, absl::string_view use,
                                     std::string bytes) {
  ASSIGN_OR_RETURN(const std::string signature, key.Sign(absl::StrCat(use, bytes)));
  return absl::StrCat(bytes, signature);
}

absl::StatusOr<std::string> MakeHeader(const StoreId& store, const Ed25519PrivateKey& key) {
  std::string bytes(kMagic);
  AppendBigEndian(bytes, kVersion);
  absl::StrAppend(&bytes, store.bytes(), key.public_key());
  bytes.resize(kHeaderSigned, '\0');
  return SignedBy(key, kHeaderUse, std::move(bytes));
}

// What is wrong with a header; empty: nothing.
std::string CheckHeader(absl::string_view bytes, const StoreId& store,
                        absl::string_view public_key) {
  if (bytes.size() != kErasureHeaderSize || !absl::StartsWith(bytes, kMagic)) {
    return "is not one, or its start is damaged";
  }
  absl::string_view rest = bytes.substr(kMagic.size());
  if (const auto version = TakeBigEndian<uint32_t>(rest); version != kVersion) {
    return absl::StrCat("has format version ", version, ", this program reads ", kVersion);
  }
  if (rest.substr(0, kIdSize) != store.bytes()) return "belongs to another log";
  if (rest.substr(kIdSize, kEd25519KeySize) != public_key) return "was signed with another key";
  const std::string message = absl::StrCat(kHeaderUse, bytes.substr(0, kHeaderSigned));
  if (!Ed25519Verify(public_key, message, bytes.substr(kHeaderSigned)).ok()) {
    return "has a start that was altered";
  }
  return "";
}

std::string EncodeRecord(const ErasureRecord& record, const Digest& previous) {
  std::string bytes;
  AppendBigEndian(bytes, record.index);
  AppendBigEndian(bytes, static_cast<uint32_t>((record.day - absl::UnixEpoch()) / absl::Hours(24)));
  AppendBigEndian(bytes, kSubjectKind);
  absl::StrAppend(&bytes, record.subject.bytes(), record.root.bytes(), AsBytes(previous));
  return bytes;
}

// The record, or nullopt when it is not the one that follows.
std::optional<ErasureRecord> DecodeRecord(absl::string_view bytes, uint64_t index,
                                          const Digest& previous, absl::string_view public_key) {
  const std::string message = absl::StrCat(kRecordUse, bytes.substr(0, kRecordSigned));
  if (!Ed25519Verify(public_key, message, bytes.substr(kRecordSigned)).ok()) return std::nullopt;
  ErasureRecord record;
  record.index = TakeBigEndian<uint64_t>(bytes);
  record.day = absl::UnixEpoch() + absl::Hours(24) * TakeBigEndian<uint32_t>(bytes);
  const auto kind = TakeBigEndian<uint32_t>(bytes);
  const auto subject = SubjectId::FromBytes(bytes.substr(0, kIdSize));
  const auto root = RootId::FromBytes(bytes.substr(kIdSize, kIdSize));
  if (!subject.ok() || !root.ok() || kind != kSubjectKind || record.index != index ||
      bytes.substr(2 * kIdSize, kDigestSize) != AsBytes(previous)) {
    return std::nullopt;
  }
  record.subject = *subject;
  record.root = *root;
  return record;
}

absl::Status CheckKnown(const ErasureLedgerContent& content, const std::string& path,
                        absl::Span<const KnownErasureHead> known) {
  for (const auto& [whose, head] : known) {
    if (head.size > content.records.size()) {
      return Refused(path, absl::StrCat("has ", content.records.size(), " records, but ", whose,
                                        " knows of ", head.size));
    }
    if (head.size > 0 && content.hashes[head.size - 1] != head.hash) {
      return Refused(path,
                     absl::StrCat("has another record ", head.size, " than ", whose, " says"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ErasureLedgerContent> Parse(absl::string_view bytes, const std::string& path,
                                           const StoreId& store, absl::string_view public_key,
                                           absl::Span<const KnownErasureHead> known) {
  const absl::string_view header = bytes.substr(0, kErasureHeaderSize);
  const std::string wrong = CheckHeader(header, store, public_key);
  if (!wrong.empty()) return Refused(path, wrong);
  ErasureLedgerContent content;
  Digest previous = Sha256(header);
  for (bytes.remove_prefix(kErasureHeaderSize); !bytes.empty();) {
    const absl::string_view record_bytes = bytes.substr(0, kErasureRecordSize);
    const uint64_t index = content.records.size() + 1;
    std::optional<ErasureRecord> record;
    if (record_bytes.size() == kErasureRecordSize) {
      record = DecodeRecord(record_bytes, index, previous, public_key);
    }
    if (!record) {
      // One append at a time: a crash leaves at most one that was not finished.
      if (bytes.size() > kErasureRecordSize) {
        return Refused(path, absl::StrCat("was altered at record ", index));
      }
      content.torn_tail = true;
      break;
    }
    previous = Sha256(record_bytes);
    content.records.push_back(*record);
    content.hashes.push_back(previous);
    bytes.remove_prefix(kErasureRecordSize);
  }
  RETURN_IF_ERROR(CheckKnown(content, path, known));
  return content;
}

}  // namespace

ErasureHead ErasureLedgerContent::head() const {
  if (records.empty()) return {};
  return {records.size(), hashes.back()};
}

absl::StatusOr<ErasureLedgerContent> ReadErasureLedger(AnchorFiles& files, const std::string& path,
                                                       const StoreId& store,
                                                       absl::string_view public_key,
                                                       absl::Span<const KnownErasureHead> known) {
  const auto file = files.Open(path, AnchorFiles::Access::kReadOnly);
  if (absl::IsNotFound(file.status())) {
    for (const auto& [whose, head] : known) {
      if (head.size == 0) continue;
      return Refused(path,
                     absl::StrCat("is missing, but ", whose, " knows of ", head.size, " records"));
    }
    return ErasureLedgerContent();
  }
  RETURN_IF_ERROR(file.status());
  ASSIGN_OR_RETURN(const std::string bytes, ReadAll(**file));
  return Parse(bytes, path, store, public_key, known);
}

ErasureLedger::ErasureLedger(std::unique_ptr<AnchorFile> file, Ed25519PrivateKey key, Digest first,
                             ErasureLedgerContent content)
    : file_(std::move(file)), key_(std::move(key)), first_(first), content_(std::move(content)) {
  for (size_t i = 0; i < content_.records.size(); ++i) {
    by_subject_.emplace(content_.records[i].subject, i);
  }
}

absl::StatusOr<std::unique_ptr<ErasureLedger>> ErasureLedger::Open(
    AnchorFiles& files, const std::string& path, const StoreId& store, Ed25519PrivateKey key,
    absl::Span<const KnownErasureHead> known) {
  ASSIGN_OR_RETURN(const std::string fresh, MakeHeader(store, key));
  auto file = files.Open(path, AnchorFiles::Access::kReadWrite);
  if (absl::IsNotFound(file.status())) {
    // Refuses when a head is known.
    RETURN_IF_ERROR(ReadErasureLedger(files, path, store, key.public_key(), known).status());
    RETURN_IF_ERROR(files.Create(path, fresh));
    file = files.Open(path, AnchorFiles::Access::kReadWrite);
  }
  RETURN_IF_ERROR(file.status());
  ASSIGN_OR_RETURN(const std::string bytes, ReadAll(**file));
  ASSIGN_OR_RETURN(ErasureLedgerContent content,
                   Parse(bytes, path, store, key.public_key(), known));
  // What was read may have been in the kernel's memory only, since a sync before failed.
  const uint64_t last = content.records.size();
  const size_t end = kErasureHeaderSize + last * kErasureRecordSize;
  const size_t from = last == 0 ? 0 : end - kErasureRecordSize;
  RETURN_IF_ERROR((*file)->Write(from, absl::string_view(bytes).substr(from, end - from)));
  RETURN_IF_ERROR((*file)->Sync());
  const Digest first = Sha256(absl::string_view(bytes).substr(0, kErasureHeaderSize));
  return std::unique_ptr<ErasureLedger>(
      new ErasureLedger(*std::move(file), std::move(key), first, std::move(content)));
}

absl::StatusOr<ErasureRecord> ErasureLedger::Append(const SubjectId& subject, const RootId& root,
                                                    absl::Time at) {
  if (subject.is_nil() || root.is_nil()) return absl::InvalidArgumentError("no data subject");
  absl::MutexLock lock(&mutex_);
  if (const auto found = by_subject_.find(subject); found != by_subject_.end()) {
    return content_.records[found->second];
  }
  ErasureRecord record{.index = content_.records.size() + 1, .subject = subject, .root = root};
  record.day = absl::UnixEpoch() + absl::Floor(at - absl::UnixEpoch(), absl::Hours(24));
  const Digest& previous = content_.hashes.empty() ? first_ : content_.hashes.back();
  ASSIGN_OR_RETURN(const std::string bytes,
                   SignedBy(key_, kRecordUse, EncodeRecord(record, previous)));
  RETURN_IF_ERROR(WriteRecord(record.index, bytes));
  by_subject_.emplace(subject, content_.records.size());
  content_.records.push_back(record);
  content_.hashes.push_back(Sha256(bytes));
  return record;
}

absl::Status ErasureLedger::WriteRecord(uint64_t index, absl::string_view bytes) {
  RETURN_IF_ERROR(file_->Write(kErasureHeaderSize + (index - 1) * kErasureRecordSize, bytes));
  return file_->Sync();
}

std::optional<ErasureRecord> ErasureLedger::Find(const SubjectId& subject) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_subject_.find(subject);
  if (found == by_subject_.end()) return std::nullopt;
  return content_.records[found->second];
}

std::vector<ErasureRecord> ErasureLedger::Records() const {
  absl::MutexLock lock(&mutex_);
  return content_.records;
}

ErasureHead ErasureLedger::HeadAt(uint64_t size) const {
  absl::MutexLock lock(&mutex_);
  if (size == 0) return {};
  return {size, content_.hashes[size - 1]};
}

ErasureHead ErasureLedger::head() const {
  absl::MutexLock lock(&mutex_);
  return content_.head();
}

}  // namespace records::eventstore
