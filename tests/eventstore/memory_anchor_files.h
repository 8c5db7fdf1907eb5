#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/anchor_file.h"

namespace records::eventstore {

// Anchor files in memory, whose disk fails when told.
//
// Fault model: a write or a sync fails with any status, having done nothing or a part; at a crash
// any set of the bytes that were written since the last sync may be on the disk; synced bytes never
// change.
class MemoryAnchorFiles final : public AnchorFiles {
 public:
  absl::StatusOr<std::unique_ptr<AnchorFile>> Open(const std::string& path,
                                                   Access access) override {
    absl::MutexLock lock(&mutex_);
    if (files_.count(path) == 0) return absl::NotFoundError("no such anchor file");
    return std::make_unique<File>(*this, path, access);
  }

  absl::Status Create(const std::string& path, absl::string_view content) override {
    absl::MutexLock lock(&mutex_);
    if (!next_create_.ok()) return std::exchange(next_create_, absl::OkStatus());
    if (files_.count(path) != 0) return absl::AlreadyExistsError("anchor file");
    files_[path] = {std::string(content), std::string(content)};
    return absl::OkStatus();
  }

  // The next call of its kind fails, having done nothing; a failed sync leaves the bytes visible.
  void FailNextCreate(absl::Status status) { Set(next_create_, std::move(status)); }
  void FailNextWrite(absl::Status status) { Set(next_write_, std::move(status)); }
  void FailNextSync(absl::Status status) { Set(next_sync_, std::move(status)); }

  // The power fails: of the bytes not synced, those stay for whose offset `keep` says so.
  void Crash(const std::string& path, const std::function<bool(size_t)>& keep) {
    absl::MutexLock lock(&mutex_);
    Content& content = files_.at(path);
    content.durable.resize(content.visible.size(), '\0');
    for (size_t i = 0; i < content.visible.size(); ++i) {
      if (keep(i)) content.durable[i] = content.visible[i];
    }
    content.visible = content.durable;
  }

  // What a reader sees, to be changed at will.
  std::string Get(const std::string& path) {
    absl::MutexLock lock(&mutex_);
    return files_.at(path).visible;
  }
  void Set(const std::string& path, std::string bytes) {
    absl::MutexLock lock(&mutex_);
    files_[path] = {bytes, bytes};
  }

  // Number of syncs that succeeded.
  int syncs() {
    absl::MutexLock lock(&mutex_);
    return syncs_;
  }

 private:
  struct Content {
    std::string visible;
    std::string durable;
  };

  class File final : public AnchorFile {
   public:
    File(MemoryAnchorFiles& files, std::string path, Access access)
        : files_(files), path_(std::move(path)), access_(access) {}

    absl::StatusOr<std::string> Read(uint64_t offset, size_t size) override {
      absl::MutexLock lock(&files_.mutex_);
      const std::string& visible = files_.files_.at(path_).visible;
      return visible.substr(std::min<size_t>(offset, visible.size()), size);
    }

    absl::Status Write(uint64_t offset, absl::string_view bytes) override {
      absl::MutexLock lock(&files_.mutex_);
      if (access_ == Access::kReadOnly) return absl::PermissionDeniedError("opened to read");
      if (!files_.next_write_.ok()) return std::exchange(files_.next_write_, absl::OkStatus());
      std::string& visible = files_.files_.at(path_).visible;
      if (visible.size() < offset + bytes.size()) visible.resize(offset + bytes.size(), '\0');
      std::copy(bytes.begin(), bytes.end(), visible.begin() + static_cast<std::ptrdiff_t>(offset));
      return absl::OkStatus();
    }

    absl::Status Sync() override {
      absl::MutexLock lock(&files_.mutex_);
      if (!files_.next_sync_.ok()) return std::exchange(files_.next_sync_, absl::OkStatus());
      Content& content = files_.files_.at(path_);
      content.durable = content.visible;
      ++files_.syncs_;
      return absl::OkStatus();
    }

   private:
    MemoryAnchorFiles& files_;
    const std::string path_;
    const Access access_;
  };

  void Set(absl::Status& place, absl::Status status) {
    absl::MutexLock lock(&mutex_);
    place = std::move(status);
  }

  absl::Mutex mutex_;
  std::map<std::string, Content> files_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_create_;
  absl::Status next_write_;
  absl::Status next_sync_;
  int syncs_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace records::eventstore
