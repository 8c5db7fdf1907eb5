#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eventstore/status_macros.h"

namespace records::tools::verify {

// Sorts records of one size, bytewise, in bounded memory: what does not fit goes to temporary files
// without a name, which end with this object. So that a log of any length can be compared with its
// indexes row by row.
//
// Not thread-safe. Add() all, then Finish(), then Next() until it gives nothing.
template <size_t kSize>
class RecordSorter {
 public:
  using Record = std::array<uint8_t, kSize>;

  explicit RecordSorter(size_t memory_bytes) : records_max_(memory_bytes / kSize + 1) {}

  // kUnavailable: no temporary file could be written.
  absl::Status Add(const Record& record) {
    if (records_.size() >= records_max_) RETURN_IF_ERROR(Spill());
    records_.push_back(record);
    return absl::OkStatus();
  }

  absl::Status Finish() {
    std::sort(records_.begin(), records_.end());
    for (size_t i = 0; i < runs_.size(); ++i) {
      std::rewind(runs_[i].get());
      RETURN_IF_ERROR(Advance(i));
    }
    return absl::OkStatus();
  }

  // Sets `record` to the next one. `found` is false when there is none.
  absl::Status Next(Record* record, bool* found) {
    const bool in_memory = next_ < records_.size();
    *found = in_memory || !heads_.empty();
    if (!*found) return absl::OkStatus();
    if (heads_.empty() || (in_memory && records_[next_] <= heads_.top().first)) {
      *record = records_[next_++];
      return absl::OkStatus();
    }
    const size_t run = heads_.top().second;
    *record = heads_.top().first;
    heads_.pop();
    return Advance(run);
  }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using Head = std::pair<Record, size_t>;

  static absl::Status Failed() {
    return absl::UnavailableError("a temporary file cannot be written or read: is TMPDIR full?");
  }

  absl::Status Spill() {
    std::sort(records_.begin(), records_.end());
    std::unique_ptr<std::FILE, Closer> file(std::tmpfile());
    if (file == nullptr ||
        std::fwrite(records_.data(), kSize, records_.size(), file.get()) != records_.size() ||
        std::fflush(file.get()) != 0) {
      return Failed();
    }
    runs_.push_back(std::move(file));
    records_.clear();
    return absl::OkStatus();
  }

  // Takes the next record of a run into the heap.
  absl::Status Advance(size_t run) {
    Record record;
    if (std::fread(record.data(), kSize, 1, runs_[run].get()) == 1) {
      heads_.push({record, run});
    } else if (std::ferror(runs_[run].get()) != 0) {
      return Failed();
    }
    return absl::OkStatus();
  }

  const size_t records_max_;
  std::vector<Record> records_;
  size_t next_ = 0;
  std::vector<std::unique_ptr<std::FILE, Closer>> runs_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
};

}  // namespace records::tools::verify
