#include "tools/bench/raw_writes.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/bench/load.h"

namespace records::bench {
namespace {

// A recorded contact as it lies in the log, and the anchor of 16 partitions' trees.
constexpr size_t kEventBytes = 1000;
constexpr size_t kAnchorBytes = 1400;
constexpr off_t kAnchorCopyBytes = 12 << 10;

}  // namespace

absl::StatusOr<Histogram> TimeSyncedPuts(const std::filesystem::path& folder,
                                         absl::Duration duration) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  if (!rocksdb::DB::Open(options, folder.string(), &raw).ok()) {
    return absl::UnavailableError("the reference store cannot be opened");
  }
  const std::unique_ptr<rocksdb::DB> store(raw);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const std::string value(kEventBytes, 'v');
  Histogram times;
  const absl::Time until = absl::Now() + duration;
  for (uint64_t n = 0; absl::Now() < until && !interrupted; ++n) {
    const std::string key = absl::StrCat(absl::Hex(n, absl::kZeroPad16));
    const absl::Time start = absl::Now();
    if (!store->Put(synced, key, value).ok()) return absl::UnavailableError("a put failed");
    times.Record(absl::Now() - start);
  }
  return times;
}

absl::StatusOr<Histogram> TimeAnchorSyncs(const std::filesystem::path& folder,
                                          absl::Duration duration) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto path = folder / "anchor";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return absl::UnavailableError("the reference anchor cannot be made");
  const absl::Cleanup closer = [file] { close(file); };
  const std::string copy(static_cast<size_t>(kAnchorCopyBytes), '\0');
  for (int i = 0; i < 2; ++i) {
    if (pwrite(file, copy.data(), copy.size(), i * kAnchorCopyBytes) < 0) {
      return absl::UnavailableError("the reference anchor cannot be written");
    }
  }
  fsync(file);
  const std::string payload(kAnchorBytes, 'a');
  Histogram times;
  const absl::Time until = absl::Now() + duration;
  for (int n = 0; absl::Now() < until && !interrupted; ++n) {
    const absl::Time start = absl::Now();
    if (pwrite(file, payload.data(), payload.size(), (n % 2) * kAnchorCopyBytes) < 0 ||
        fdatasync(file) != 0) {
      return absl::UnavailableError("an anchor write failed");
    }
    times.Record(absl::Now() - start);
  }
  return times;
}

}  // namespace records::bench
