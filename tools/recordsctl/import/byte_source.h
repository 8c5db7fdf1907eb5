#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace records::tools {

// Where the bytes of an extract come from.
//
// Not thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills part of `buffer` and returns how much; 0: the end. REQUIRES: !buffer.empty().
  // kDataLoss: the compressed data is damaged or cut short. kUnavailable: it cannot be read.
  virtual absl::StatusOr<size_t> Read(absl::Span<char> buffer) = 0;

  // Bytes of the file taken so far, and all it has; 0 when that is not known.
  virtual uint64_t taken() const { return 0; }
  virtual uint64_t size() const { return 0; }
};

// Opens a file, or standard input for "-". What starts with the magic bytes of gzip (RFC 1952) is
// unpacked, of any number of members; the name of the file does not matter.
// kNotFound, kUnavailable.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path);

// Bytes of a string, `chunk` at a time; for tests and for data that is built in.
std::unique_ptr<ByteSource> StringSource(std::string bytes, size_t chunk = 4096);

}  // namespace records::tools
