#pragma once

#include <optional>
#include <string>
#include <utility>

#include "eventstore/master_keys.h"

namespace records::eventstore::testing_support {

// A master key in memory, whose disk fails when told.
class MemoryMasterKeys final : public MasterKeyHome {
 public:
  absl::StatusOr<std::optional<MasterKeys>> Load() override {
    if (!keys_.has_value()) return std::nullopt;
    return CopyOf(*keys_);
  }

  absl::Status Save(const MasterKeys& keys) override {
    if (fail_before_) return absl::UnknownError("disk");
    keys_ = CopyOf(keys);
    return fail_after_ ? absl::UnknownError("disk") : absl::OkStatus();
  }

  std::string name() const override { return "memory"; }

  // Save() fails, having done nothing or all of it.
  void FailBefore(bool fail) { fail_before_ = fail; }
  void FailAfter(bool fail) { fail_after_ = fail; }

  void Set(std::optional<MasterKeys> keys) { keys_ = std::move(keys); }
  const std::optional<MasterKeys>& keys() const { return keys_; }

  static MasterKeys CopyOf(const MasterKeys& keys) {
    MasterKeys copy;
    for (const MasterKey& key : keys) copy.push_back(key.Copy());
    return copy;
  }

 private:
  std::optional<MasterKeys> keys_;
  bool fail_before_ = false;
  bool fail_after_ = false;
};

}  // namespace records::eventstore::testing_support
