#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::services {

// Longest file of keys or certificates that is read.
inline constexpr size_t kKeyFileBytesMax = 1 << 20;

// Reads a whole regular file.
// kNotFound: it is not there. kInvalidArgument: longer than kKeyFileBytesMax, or not a file.
// kUnavailable: it cannot be read. Messages name the path, never the content.
absl::StatusOr<std::string> ReadKeyFile(const std::filesystem::path& path);

// Who else may have access to a secret.
struct SecretFileRule {
  mode_t forbidden_mode = 077;  // none of these permissions: nobody but the owner
  bool follow_links = false;
};

// As ReadKeyFile(), for a secret. kFailedPrecondition: the file belongs to somebody else (and not
// to root), has a permission that the rule forbids, or is a symbolic link and none is followed.
absl::StatusOr<std::string> ReadSecretFile(const std::filesystem::path& path,
                                           const SecretFileRule& rule = {});

// Writes a file that appears at once and whole, synced, with `mode`.
// kAlreadyExists: `replace` is false and the file is there; it is left as it is.
// kUnavailable: the folder cannot be written.
absl::Status WriteKeyFile(const std::filesystem::path& path, absl::string_view content, mode_t mode,
                          bool replace);

}  // namespace records::services
