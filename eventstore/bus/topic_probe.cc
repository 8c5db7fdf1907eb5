#include "eventstore/bus/topic_probe.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr size_t kScanRecords = 256;
constexpr absl::Duration kScanWait = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<TopicReader*> TopicProbe::Reader() {
  if (reader_ == nullptr) {
    ASSIGN_OR_RETURN(reader_, TopicReader::Open(settings_, group_,
                                                {{"queued.max.messages.kbytes", "2048"},
                                                 {"fetch.queue.backoff.ms", "10"}}));
  }
  return reader_.get();
}

absl::Status TopicProbe::Settle(absl::Status status) {
  if (reader_ != nullptr && status.ok()) status = reader_->Rest();
  if (!status.ok()) reader_.reset();
  return status;
}

absl::StatusOr<int32_t> TopicProbe::CountPartitions() {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(TopicReader * reader, Reader());
  auto count = reader->CountPartitions(topic_, timeout_);
  if (!count.ok()) reader_.reset();
  return count;
}

absl::StatusOr<std::optional<BusRecord>> TopicProbe::Last(uint32_t partition) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(TopicReader * reader, Reader());
  auto last = reader->ReadLast(topic_, static_cast<int32_t>(partition), timeout_);
  RETURN_IF_ERROR(Settle(last.status()));
  return last;
}

absl::StatusOr<std::optional<BusRecord>> TopicProbe::FirstFrom(uint32_t partition, int64_t offset) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(TopicReader * reader, Reader());
  std::vector<BusRecord> found;
  RETURN_IF_ERROR(Settle(
      ScanWith(*reader, partition, offset, 1, [&found](BusRecord record) -> absl::StatusOr<bool> {
        found.push_back(std::move(record));
        return false;
      })));
  // Beyond the end a reader starts at the beginning.
  if (found.empty() || found.front().offset < offset) return std::nullopt;
  return std::move(found.front());
}

absl::Status TopicProbe::Scan(uint32_t partition, int64_t offset,
                              absl::FunctionRef<absl::StatusOr<bool>(BusRecord)> take) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(TopicReader * reader, Reader());
  return Settle(ScanWith(*reader, partition, offset, kScanRecords, take));
}

absl::Status TopicProbe::ScanWith(TopicReader& reader, uint32_t partition, int64_t offset,
                                  size_t page_records,
                                  absl::FunctionRef<absl::StatusOr<bool>(BusRecord)> take) {
  RETURN_IF_ERROR(reader.Seek(topic_, static_cast<int32_t>(partition), offset));
  absl::Duration silent;
  while (true) {
    ASSIGN_OR_RETURN(TopicReader::Page page, reader.Read(page_records, kScanWait));
    silent = page.records.empty() ? silent + kScanWait : absl::ZeroDuration();
    for (BusRecord& record : page.records) {
      ASSIGN_OR_RETURN(const bool more, take(std::move(record)));
      if (!more) return absl::OkStatus();
    }
    if (page.at_end) return absl::OkStatus();
    if (silent >= timeout_) {
      return absl::UnavailableError(
          absl::StrCat("the end of ", topic_, "/", partition, " was not reached in time"));
    }
  }
}

}  // namespace records::eventstore
