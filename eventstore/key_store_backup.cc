#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/key_store_impl.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::StatusOr<std::string> HashOfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Sha256Stream hash;
  std::string piece(size_t{1} << 16, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    hash.Update(absl::string_view(piece).substr(0, static_cast<size_t>(file.gcount())));
  }
  if (!file.eof()) return absl::UnavailableError(absl::StrCat("cannot read ", path));
  return absl::BytesToHexString(AsBytes(hash.Finish()));
}

// One line for each file, sorted by name: hash, two spaces, name.
absl::StatusOr<std::string> ManifestOf(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::recursive_directory_iterator entry(folder, error), end;
       !error && entry != end; entry.increment(error)) {
    if (entry->is_regular_file()) {
      names.push_back(std::filesystem::relative(entry->path(), folder, error).string());
    }
  }
  if (error) return absl::UnavailableError(absl::StrCat("cannot list ", folder));
  std::sort(names.begin(), names.end());
  std::string manifest;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const std::string hash, HashOfFile(absl::StrCat(folder, "/", name)));
    absl::StrAppend(&manifest, hash, "  ", name, "\n");
  }
  return manifest;
}

}  // namespace

absl::Status DurableKeyStore::Backup(const std::string& folder) {
  if (copy_database_ == nullptr) {
    return absl::UnimplementedError("this key store has no files to copy");
  }
  if (mkdir(folder.c_str(), S_IRWXU) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", folder));
  }
  // Changes wait for the copy, so that it is where its anchor says; reads go on.
  RETURN_IF_ERROR(committer_.Pause([&](const KeyStoreState& state) -> absl::Status {
    RETURN_IF_ERROR(copy_database_(absl::StrCat(folder, "/", kKeyStoreFolder)));
    return Anchor::Create(
        PosixAnchorFiles(), absl::StrCat(folder, "/", kKeyStoreAnchorFile),
        EncodeKeyStoreAnchor({store_, state.sequence, state.hash, committer_.erasures()}));
  }));
  // Last: a backup without it is not complete.
  ASSIGN_OR_RETURN(const std::string manifest, ManifestOf(folder));
  return PosixAnchorFiles().Create(absl::StrCat(folder, "/", kKeyBackupManifest), manifest);
}

}  // namespace records::eventstore
