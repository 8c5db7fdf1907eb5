#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/crypto.h"
#include "eventstore/random.h"

namespace records::eventstore {

// The key that wraps everything in a key store.
struct MasterKey {
  uint32_t generation = 0;  // from 1
  absl::Time created_at;    // whole seconds
  SecretBytes key;          // 32 bytes

  static absl::StatusOr<MasterKey> Generate(uint32_t generation, absl::Time now, Random& random);
  MasterKey Copy() const { return {generation, created_at, SecretBytes::CopyOf(key.view())}; }
};

// One master key, or during a rotation two: the old one, then the new one of the next generation.
using MasterKeys = std::vector<MasterKey>;

// The text of a master key file (FORMAT.md). REQUIRES: one or two keys.
[[nodiscard]] SecretBytes EncodeMasterKeys(const MasterKeys& keys);
// kDataLoss: not what EncodeMasterKeys() returns. kFailedPrecondition: of a version not known here.
[[nodiscard]] absl::StatusOr<MasterKeys> DecodeMasterKeys(absl::string_view text);

// Where the master key lies: a file in the product, memory in tests that crash.
//
// Not thread-safe.
class MasterKeyHome {
 public:
  virtual ~MasterKeyHome() = default;

  // nullopt: there is none. kFailedPrecondition: others may read it.
  [[nodiscard]] virtual absl::StatusOr<std::optional<MasterKeys>> Load() = 0;

  // Replaces what is there; after a crash either the old or the new is there. OK means on the disk.
  [[nodiscard]] virtual absl::Status Save(const MasterKeys& keys) = 0;

  // What an operator calls it.
  virtual std::string name() const = 0;
};

// A file that only its owner can read (0600); another one is refused. Replaced by renaming: the
// blocks of the old file are freed, but no program can make a modern disk forget them at once, so
// old copies of the key store must be thought of as readable until the disk is encrypted or
// destroyed.
class MasterKeyFile final : public MasterKeyHome {
 public:
  explicit MasterKeyFile(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::optional<MasterKeys>> Load() override;
  absl::Status Save(const MasterKeys& keys) override;
  std::string name() const override { return path_; }

 private:
  const std::string path_;
};

}  // namespace records::eventstore
