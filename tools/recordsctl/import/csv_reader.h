#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/recordsctl/import/byte_source.h"

namespace records::tools {

// Limits that keep a broken file from filling the memory.
struct CsvLimits {
  size_t field_bytes_max = 64 << 10;
  size_t record_bytes_max = 256 << 10;
  size_t fields_max = 256;
};

// One record of a CSV file, or what is wrong with it.
struct CsvRecord {
  uint64_t first_line = 0;  // from 1
  uint64_t last_line = 0;
  std::vector<std::string> fields;
  std::string reason;  // "" when it is good: else QUOTE_IN_FIELD, TEXT_AFTER_QUOTE,
                       // QUOTE_NOT_CLOSED, CARRIAGE_RETURN, TOO_LONG or NOT_UTF8
};

// Reads CSV strictly (RFC 4180; lines end with CR LF or LF; UTF-8, a byte order mark is skipped;
// empty lines are skipped). A record that is wrong is returned with its reason and reading goes on
// at the next line: after a quote that is not closed, rows are lost until the limits end it, and
// the lines of the record say which.
//
// Not thread-safe.
class CsvReader {
 public:
  explicit CsvReader(std::unique_ptr<ByteSource> source, CsvLimits limits = {});

  // Returns the next record, or nothing at the end. Fails when the source does.
  absl::StatusOr<std::optional<CsvRecord>> Next();

  const ByteSource& source() const { return *source_; }

 private:
  enum class State { kFieldStart, kUnquoted, kQuoted, kQuoteInQuoted, kCarriageReturn, kSkipping };

  absl::Status SkipByteOrderMark();
  absl::StatusOr<int> NextByte();
  absl::StatusOr<int> NextUnreadByte();
  bool Take(char byte);  // true: the record is complete
  bool TakePlain(char byte);
  void TakeQuoted(char byte);
  bool Append(char byte);  // false: over the limit, and the record refused
  bool EndField();
  void Refuse(const char* reason);
  std::optional<CsvRecord> EndOfFile();
  CsvRecord TakeRecord();

  const std::unique_ptr<ByteSource> source_;
  const CsvLimits limits_;
  std::vector<char> buffer_;
  std::string unread_;
  size_t at_ = 0;
  size_t end_ = 0;
  State state_ = State::kFieldStart;
  CsvRecord record_;
  std::string field_;
  size_t record_bytes_ = 0;
  uint64_t line_ = 1;
  bool is_first_ = true;
  bool at_line_start_ = true;
};

}  // namespace records::tools
