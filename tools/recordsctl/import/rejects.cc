#include "tools/recordsctl/import/rejects.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace records::tools {
namespace {

constexpr char kHeader[] = "first_line,last_line,key,reason,what_to_do";

// Removes what an earlier run wrote, and nothing else that has this name.
void RemoveOldRejects(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  if (std::getline(file, line) && line == kHeader) unlink(path.c_str());
}

}  // namespace

std::string CsvField(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

void RejectsFile::Open() {
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  file_.open(path_, std::ios::binary | std::ios::app);
  file_ << kHeader << '\n';
}

void RejectsFile::Add(const RowReject& reject) {
  absl::MutexLock lock(&mutex_);
  if (count_++ == 0) Open();
  file_ << reject.first_line << ',' << reject.last_line << ',' << CsvField(reject.key) << ','
        << CsvField(reject.reason) << ',' << CsvField(reject.message) << '\n';
}

absl::Status RejectsFile::Close() {
  absl::MutexLock lock(&mutex_);
  if (count_ == 0) {
    RemoveOldRejects(path_);
    return absl::OkStatus();
  }
  file_.close();
  if (file_) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the rejects could not be written to ", path_));
}

uint64_t RejectsFile::count() const {
  absl::MutexLock lock(&mutex_);
  return count_;
}

}  // namespace records::tools
