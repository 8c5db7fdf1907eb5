#include "tools/recordsctl/import/csv_reader.h"

#include <algorithm>
#include <utility>

#include "eventstore/status_macros.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr int kEndOfFile = -1;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

CsvReader::CsvReader(std::unique_ptr<ByteSource> source, CsvLimits limits)
    : source_(std::move(source)), limits_(limits), buffer_(kBufferBytes) {}

absl::Status CsvReader::SkipByteOrderMark() {
  for (const char expected : kByteOrderMark) {
    ASSIGN_OR_RETURN(const int byte, NextByte());
    if (byte == kEndOfFile) return absl::OkStatus();
    unread_.push_back(static_cast<char>(byte));
    if (unread_.back() != expected) return absl::OkStatus();
  }
  unread_.clear();
  return absl::OkStatus();
}

absl::StatusOr<int> CsvReader::NextByte() {
  if (at_ == end_) {
    ASSIGN_OR_RETURN(end_, source_->Read(absl::MakeSpan(buffer_)));
    at_ = 0;
    if (end_ == 0) return kEndOfFile;
  }
  return static_cast<unsigned char>(buffer_[at_++]);
}

absl::StatusOr<int> CsvReader::NextUnreadByte() {
  if (unread_.empty()) return NextByte();
  const int byte = static_cast<unsigned char>(unread_.front());
  unread_.erase(0, 1);
  return byte;
}

absl::StatusOr<std::optional<CsvRecord>> CsvReader::Next() {
  record_ = CsvRecord{.first_line = line_};
  record_bytes_ = 0;
  state_ = State::kFieldStart;
  field_.clear();
  if (std::exchange(is_first_, false)) RETURN_IF_ERROR(SkipByteOrderMark());
  while (true) {
    ASSIGN_OR_RETURN(const int byte, NextUnreadByte());
    if (byte == kEndOfFile) return EndOfFile();
    const bool is_complete = Take(static_cast<char>(byte));
    at_line_start_ = byte == '\n';
    if (at_line_start_) ++line_;
    if (!is_complete) continue;
    const bool is_empty_line = record_bytes_ == 0 && record_.reason.empty();
    if (!is_empty_line) return TakeRecord();
    record_ = CsvRecord{.first_line = line_};
    state_ = State::kFieldStart;
  }
}

bool CsvReader::Take(char byte) {
  if (byte != '\n' && byte != '\r' && ++record_bytes_ > limits_.record_bytes_max) {
    Refuse("TOO_LONG");
  }
  switch (state_) {
    case State::kQuoted:
      TakeQuoted(byte);
      return false;
    case State::kCarriageReturn:
      if (byte == '\n') return true;
      Refuse("CARRIAGE_RETURN");
      return false;
    case State::kSkipping:
      return byte == '\n';
    default:
      return TakePlain(byte);
  }
}

void CsvReader::TakeQuoted(char byte) {
  if (byte == '"') {
    state_ = State::kQuoteInQuoted;
  } else {
    Append(byte);
  }
}

// A byte outside of quotes, or the one after a quote within them.
bool CsvReader::TakePlain(char byte) {
  switch (byte) {
    case ',':
      if (EndField()) state_ = State::kFieldStart;
      return false;
    case '\n':
      EndField();
      return true;
    case '\r':
      if (EndField()) state_ = State::kCarriageReturn;
      return false;
    case '"':
      if (state_ == State::kUnquoted) {
        Refuse("QUOTE_IN_FIELD");
        return false;
      }
      if (state_ == State::kFieldStart || Append('"')) state_ = State::kQuoted;
      return false;
    default:
      if (state_ == State::kQuoteInQuoted) {
        Refuse("TEXT_AFTER_QUOTE");
        return false;
      }
      if (Append(byte)) state_ = State::kUnquoted;
      return false;
  }
}

bool CsvReader::Append(char byte) {
  const bool fits = field_.size() < limits_.field_bytes_max;
  if (fits) {
    field_.push_back(byte);
  } else {
    Refuse("TOO_LONG");
  }
  return fits;
}

bool CsvReader::EndField() {
  const bool fits = record_.fields.size() < limits_.fields_max;
  if (fits) {
    record_.fields.push_back(std::exchange(field_, ""));
  } else {
    Refuse("TOO_LONG");
  }
  return fits;
}

// Keeps the first reason, and goes on at the next line.
void CsvReader::Refuse(const char* reason) {
  if (record_.reason.empty()) record_.reason = reason;
  field_.clear();
  state_ = State::kSkipping;
}

std::optional<CsvRecord> CsvReader::EndOfFile() {
  if (state_ == State::kQuoted) Refuse("QUOTE_NOT_CLOSED");
  const bool is_empty = record_bytes_ == 0 && record_.reason.empty();
  if (is_empty) return std::nullopt;
  if (state_ != State::kCarriageReturn && state_ != State::kSkipping) EndField();
  if (!at_line_start_) ++line_;
  return TakeRecord();
}

CsvRecord CsvReader::TakeRecord() {
  record_.last_line = line_ - 1;
  const bool is_utf8 = std::all_of(record_.fields.begin(), record_.fields.end(), &IsUtf8);
  if (!is_utf8 && record_.reason.empty()) record_.reason = "NOT_UTF8";
  if (!record_.reason.empty()) record_.fields.clear();
  return std::move(record_);
}

}  // namespace records::tools
