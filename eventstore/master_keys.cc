#include "eventstore/master_keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr absl::string_view kFirstLine = "records master key, version 1";
constexpr absl::string_view kFirstWords = "records master key, version ";
constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%SZ";
constexpr size_t kFileSizeMax = 4096;

absl::Status Damaged() {
  return absl::DataLossError("the master key file is damaged: restore it from where it is kept");
}

absl::StatusOr<absl::string_view> TakeField(absl::string_view line, absl::string_view name) {
  if (!absl::ConsumePrefix(&line, name)) return Damaged();
  return line;
}

absl::StatusOr<MasterKey> DecodeKey(absl::string_view generation_line,
                                    absl::string_view created_line, absl::string_view key_line) {
  MasterKey key;
  ASSIGN_OR_RETURN(const absl::string_view generation, TakeField(generation_line, "generation: "));
  ASSIGN_OR_RETURN(const absl::string_view created, TakeField(created_line, "created: "));
  ASSIGN_OR_RETURN(const absl::string_view base64, TakeField(key_line, "key: "));
  if (!absl::SimpleAtoi(generation, &key.generation) || key.generation == 0 ||
      !absl::ParseTime(kTimeFormat, created, &key.created_at, nullptr) ||
      key.created_at == absl::InfiniteFuture() || key.created_at == absl::InfinitePast()) {
    return Damaged();
  }
  absl::StatusOr<std::string> bytes = Base64Decode(base64);
  if (!bytes.ok()) return Damaged();
  key.key = SecretBytes::TakeFrom(*bytes);
  if (key.key.size() != kAeadKeySize) return Damaged();
  return key;
}

absl::Status FromErrno(absl::string_view what, const std::string& path) {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::StrCat(what, " ", path));
}

absl::Status WriteAll(int file, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FromErrno("cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return FromErrno("cannot open", folder);
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  return fsync(file) == 0 ? absl::OkStatus() : FromErrno("cannot sync", folder);
}

}  // namespace

absl::StatusOr<MasterKey> MasterKey::Generate(uint32_t generation, absl::Time now, Random& random) {
  ASSIGN_OR_RETURN(SecretBytes key, SecretBytes::Generate(random, kAeadKeySize));
  return MasterKey{generation, absl::FromUnixSeconds(absl::ToUnixSeconds(now)), std::move(key)};
}

SecretBytes EncodeMasterKeys(const MasterKeys& keys) {
  std::string text;
  // Never grows, so that no copy of a key is left where it was.
  text.reserve(kFileSizeMax);
  absl::StrAppend(&text, kFirstLine, "\n");
  for (const MasterKey& key : keys) {
    std::string base64 = Base64Encode(key.key.view());
    absl::StrAppend(&text, "generation: ", key.generation, "\ncreated: ",
                    absl::FormatTime(kTimeFormat, key.created_at, absl::UTCTimeZone()),
                    "\nkey: ", base64, "\n");
    WipeString(base64);
  }
  return SecretBytes::TakeFrom(text);
}

absl::StatusOr<MasterKeys> DecodeMasterKeys(absl::string_view text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines[0] != kFirstLine) {
    if (!absl::StartsWith(lines[0], kFirstWords)) return Damaged();
    return absl::FailedPreconditionError(
        "the master key file is of a later version: start a program of that version, or restore "
        "the file where it was not written by one");
  }
  // One or two keys of three lines, between the first line and the end of the last.
  if ((lines.size() != 5 && lines.size() != 8) || !lines.back().empty()) return Damaged();
  MasterKeys keys;
  for (size_t i = 1; i + 3 < lines.size(); i += 3) {
    ASSIGN_OR_RETURN(MasterKey key, DecodeKey(lines[i], lines[i + 1], lines[i + 2]));
    keys.push_back(std::move(key));
  }
  if (keys.size() == 2 && keys[1].generation != keys[0].generation + 1) return Damaged();
  // Numbers and times have other spellings, which nobody wrote here.
  if (EncodeMasterKeys(keys).view() != text) return Damaged();
  return keys;
}

absl::StatusOr<std::optional<MasterKeys>> MasterKeyFile::Load() {
  const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return std::nullopt;
  if (file < 0) return FromErrno("cannot open", path_);
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  struct stat about;
  if (fstat(file, &about) != 0) return FromErrno("cannot look at", path_);
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("others may read the master key: run chmod 600 ", path_));
  }
  SecretBytes text(kFileSizeMax);
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file, text.mutable_span().data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromErrno("cannot read", path_);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  ASSIGN_OR_RETURN(MasterKeys keys, DecodeMasterKeys(text.view().substr(0, size)));
  return keys;
}

absl::Status MasterKeyFile::Save(const MasterKeys& keys) {
  const SecretBytes text = EncodeMasterKeys(keys);
  const std::string next = path_ + ".new";
  // What an earlier attempt left is never read.
  unlink(next.c_str());
  const int file = open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return FromErrno("cannot create", next);
  {
    const auto close_file = absl::MakeCleanup([file] { close(file); });
    RETURN_IF_ERROR(WriteAll(file, text.view(), next));
    if (!PLANTED_BUG("master-key-unsynced") && fsync(file) != 0)
      return FromErrno("cannot sync", next);
  }
  if (rename(next.c_str(), path_.c_str()) != 0) return FromErrno("cannot rename", next);
  return SyncFolderOf(path_);
}

}  // namespace records::eventstore
