#include "tools/recordsctl/import/byte_source.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::tools {
namespace {

constexpr size_t kBlockBytes = 64 << 10;
constexpr int kGzipWindowBits = 15 + 16;  // zlib: the largest window, gzip's header only

struct FileCloser {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, FileCloser>;

class PlainFile final : public ByteSource {
 public:
  PlainFile(File file, std::string name, uint64_t size)
      : file_(std::move(file)), name_(std::move(name)), size_(size) {}

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    const size_t bytes = std::fread(buffer.data(), 1, buffer.size(), file_.get());
    if (bytes == 0 && std::ferror(file_.get()) != 0) {
      return absl::UnavailableError(absl::StrCat("cannot read ", name_, ": ", strerror(errno)));
    }
    taken_ += bytes;
    return bytes;
  }

  uint64_t taken() const override { return taken_; }
  uint64_t size() const override { return size_; }

 private:
  File file_;
  const std::string name_;
  const uint64_t size_;
  uint64_t taken_ = 0;
};

// Gives back the first bytes that were read to find out what the file is.
class Rewound final : public ByteSource {
 public:
  Rewound(std::string head, std::unique_ptr<ByteSource> rest)
      : head_(std::move(head)), rest_(std::move(rest)) {}

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    if (head_.empty()) return rest_->Read(buffer);
    const size_t bytes = std::min(buffer.size(), head_.size());
    std::memcpy(buffer.data(), head_.data(), bytes);
    head_.erase(0, bytes);
    return bytes;
  }

  uint64_t taken() const override { return rest_->taken(); }
  uint64_t size() const override { return rest_->size(); }

 private:
  std::string head_;
  std::unique_ptr<ByteSource> rest_;
};

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> packed)
      : packed_(std::move(packed)), block_(kBlockBytes) {
    is_ready_ = inflateInit2(&stream_, kGzipWindowBits) == Z_OK;
  }
  ~GzipSource() override {
    if (is_ready_) inflateEnd(&stream_);
  }

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    if (!is_ready_) return absl::ResourceExhaustedError("no memory to unpack gzip");
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = static_cast<uInt>(buffer.size());
    while (stream_.avail_out == buffer.size()) {
      if (stream_.avail_in == 0) {
        ASSIGN_OR_RETURN(const bool more, Refill());
        if (!more && in_member_) return absl::DataLossError("the gzip data ends too early");
        if (!more) return 0;
      }
      RETURN_IF_ERROR(Inflate());
    }
    return buffer.size() - stream_.avail_out;
  }

  uint64_t taken() const override { return packed_->taken(); }
  uint64_t size() const override { return packed_->size(); }

 private:
  absl::StatusOr<bool> Refill() {
    ASSIGN_OR_RETURN(const size_t bytes, packed_->Read(absl::MakeSpan(block_)));
    stream_.next_in = reinterpret_cast<Bytef*>(block_.data());
    stream_.avail_in = static_cast<uInt>(bytes);
    return bytes > 0;
  }

  absl::Status Inflate() {
    in_member_ = true;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      in_member_ = false;
      inflateReset(&stream_);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return absl::DataLossError("the gzip data is damaged");
    }
    return absl::OkStatus();
  }

  std::unique_ptr<ByteSource> packed_;
  std::vector<char> block_;
  z_stream stream_{};
  bool is_ready_ = false;
  bool in_member_ = false;
};

class StringBytes final : public ByteSource {
 public:
  StringBytes(std::string bytes, size_t chunk) : bytes_(std::move(bytes)), chunk_(chunk) {}

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    const size_t bytes = std::min({buffer.size(), chunk_, bytes_.size() - at_});
    std::memcpy(buffer.data(), bytes_.data() + at_, bytes);
    at_ += bytes;
    return bytes;
  }

  uint64_t taken() const override { return at_; }
  uint64_t size() const override { return bytes_.size(); }

 private:
  const std::string bytes_;
  const size_t chunk_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path) {
  const bool is_stdin = path == "-";
  File file(is_stdin ? fdopen(0, "rb") : std::fopen(path.c_str(), "rb"));
  if (file == nullptr) {
    return absl::NotFoundError(absl::StrCat("cannot open ", path, ": ", strerror(errno)));
  }
  struct stat info {};
  const bool has_size = fstat(fileno(file.get()), &info) == 0 && S_ISREG(info.st_mode);
  const uint64_t size = has_size ? static_cast<uint64_t>(info.st_size) : 0;
  auto plain = std::make_unique<PlainFile>(std::move(file), path, size);
  std::string head(2, '\0');
  size_t bytes = 0;
  while (bytes < head.size()) {
    ASSIGN_OR_RETURN(const size_t more, plain->Read(absl::MakeSpan(&head[bytes], 2 - bytes)));
    if (more == 0) break;
    bytes += more;
  }
  head.resize(bytes);
  const bool is_gzip = head == "\x1f\x8b";
  auto whole = std::make_unique<Rewound>(std::move(head), std::move(plain));
  if (!is_gzip) return whole;
  return std::make_unique<GzipSource>(std::move(whole));
}

std::unique_ptr<ByteSource> StringSource(std::string bytes, size_t chunk) {
  return std::make_unique<StringBytes>(std::move(bytes), chunk);
}

}  // namespace records::tools
