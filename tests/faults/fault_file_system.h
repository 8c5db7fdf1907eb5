#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/faults/file_tree.h"

namespace records::faults {

// What a program asks of the disk. Reads change nothing and are counted apart.
enum class Operation {
  kOpen,
  kCreate,
  kWrite,
  kTruncate,
  kSync,
  kFolderSync,
  kRangeSync,
  kClose,  // of a file that was opened for writing
  kRename,
  kLink,
  kDelete,
  kMakeFolder,
  kDeleteFolder,
};

enum class Fault {
  kNone,
  kCrash,       // the power fails before the operation: it and all later ones fail
  kTornWrite,   // a part of the write is there, then the power fails
  kShortWrite,  // the system takes a part of the write and says so
  kError,       // EIO, once; after a failed sync the kernel forgets what was not written
  kNoSpace,     // ENOSPC, from then on for all that needs room
  kLyingSync,   // from then on syncs say OK and do nothing: a control, it must be seen
  kReadError,   // EIO, once, for who reads; FaultPlan::at counts reads
};
inline constexpr size_t kFaultCount = 8;

std::string_view Name(Fault fault);
std::string_view Name(Operation operation);

// Whether `fault` can befall `operation`.
bool CanBefall(Fault fault, Operation operation);

struct FaultPlan {
  Fault fault = Fault::kNone;
  // Strikes the first operation from this one on (counted from 1) that it can befall.
  uint64_t at = 0;
  uint64_t seed = 1;
  // kLyingSync: whose syncs lie, by path; nullptr: all.
  std::function<bool(const std::string& path)> liar;
};

// A file system that fails. It stands in for the calls of the C library that change files
// (file_calls.cc), below RocksDB, std::filesystem and our own files alike: all of them under
// `folder` count in one sequence, and no file gets around it. The files are real ones; beside them
// it keeps, for each file, what was synced, and for each folder, which names were. CutPower() makes
// of these what a disk may hold after a power cut.
//
// Not modelled: reads of other bytes than were written, files of RocksDB's own log (LOG*) and
// locks, writes by mmap, room taken by fallocate, dup of descriptors.
//
// Thread-safe. One at a time in a process; all files below `folder` must be closed at CutPower(),
// Load() and the end.
class FaultFileSystem {
 public:
  // What lies in `folder` counts as on the disk.
  explicit FaultFileSystem(std::string folder);
  ~FaultFileSystem();
  FaultFileSystem(const FaultFileSystem&) = delete;
  FaultFileSystem& operator=(const FaultFileSystem&) = delete;

  // The one of this process, or nullptr; also nullptr for its own calls.
  static FaultFileSystem* Current();

  // Counts operations from 1 again, and lets this fault happen.
  void Arm(FaultPlan plan);
  // Nothing fails from now on but a crashed disk.
  void Disarm() { Arm({}); }

  // Operations since Arm(), in order.
  std::vector<Operation> operations() const;
  // Reads since Arm(); none of the file system's own.
  uint64_t reads() const;
  // Whether the armed fault struck.
  bool fired() const;
  // kShortWrite: whether the program wrote to that file again afterwards.
  bool went_on() const;
  bool crashed() const;

  // Ends what was written and not synced, as `seed` says: all, nothing, a cut, or scattered
  // sectors; names likewise. Without seed: all of it. The disk works again. Returns whether
  // anything is otherwise than programs saw it.
  bool CutPower(std::optional<uint64_t> seed);

  // The content of the folder, and back: what is loaded counts as on the disk.
  FileImage Save();
  void Load(const FileImage& image);

  // The calls, as the C library has them. Each returns nullopt when it is not about a file of the
  // folder: the caller makes the call itself.
  using Outcome = std::optional<ssize_t>;  // -1: errno says why
  Outcome Open(int folder, const char* path, int flags, mode_t mode);
  Outcome Close(int file);
  // Of a read: nullopt, or that it fails.
  Outcome Read(int file);
  Outcome Write(int file, const void* bytes, size_t size, std::optional<off_t> at);
  Outcome Truncate(int file, off_t size);
  Outcome Sync(int file);
  Outcome RangeSync(int file, off_t size);
  Outcome Rename(const char* from, const char* to);
  Outcome Link(const char* from, const char* to);
  Outcome Delete(int folder, const char* path, bool is_folder);
  Outcome MakeFolder(const char* path, mode_t mode);
  bool Tracks(int file);

 private:
  // A name in a folder, and what it leads to, if anything.
  struct Place {
    NodePointer folder;  // nullptr: the top
    std::string name;
    NodePointer node;
  };
  struct Descriptor {
    NodePointer node;
    std::string path;
    bool writable = false;
  };
  // What becomes of an operation.
  struct Verdict {
    int error = 0;                // errno, or 0
    bool lie = false;             // say OK, do nothing
    std::optional<double> share;  // of a write that is done
    bool crash_after = false;
  };

  // RocksDB's own log and locks: what becomes of them matters to nobody.
  static bool Ignored(const std::string& name);

  std::optional<Place> Locate(int folder, const char* path);
  Descriptor* Find(int file);
  Verdict Judge(Operation operation, const std::string& path = {});
  bool Strikes(Operation operation, const std::string& path) const;
  Outcome OpenAt(const Place& place, int folder, const char* path, int flags, mode_t mode);
  // Notes changes of names that are not on the disk yet.
  void Change(std::vector<NameChange> changes);
  static void PutOnDisk(const std::vector<NameChange>& changes);
  void KeepSomeNames(std::mt19937_64& random);
  // Before the last name of a file goes.
  static void KeepContent(const Place& place, int folder, const char* path);
  // Whether what programs see is other than `image`.
  bool Differs(const FileImage& image) const;
  void Scan();

  const std::string folder_;
  mutable std::mutex mutex_;
  NodePointer top_;
  std::map<int, Descriptor> descriptors_;
  std::vector<std::vector<NameChange>> pending_;  // each as a whole or not at all
  FaultPlan plan_;
  std::mt19937_64 random_;
  std::vector<Operation> operations_;
  bool fired_ = false;
  uint64_t reads_ = 0;
  const Node* written_short_ = nullptr;
  bool went_on_ = false;
  bool crashed_ = false;
};

}  // namespace records::faults
