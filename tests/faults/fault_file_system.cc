#include "tests/faults/fault_file_system.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "tests/faults/system_calls.h"

namespace records::faults {
namespace {

std::atomic<FaultFileSystem*> installed{nullptr};

// The file system's own calls are nobody's business.
thread_local int own_calls = 0;
class OwnCalls {
 public:
  OwnCalls() { ++own_calls; }
  ~OwnCalls() { --own_calls; }
};

bool IsSync(Operation operation) {
  return operation == Operation::kSync || operation == Operation::kFolderSync;
}

// RocksDB does not start on a MANIFEST whose last record has holes, also where it was never synced
// (README): file systems that give a file its length after its bytes leave none.
bool WrittenInOrder(const std::string& name) {
  return name.starts_with("MANIFEST") && std::getenv("RECORDS_FAULT_TORN_MANIFEST") == nullptr;
}

double Fraction(std::mt19937_64& random) {
  return std::uniform_real_distribution<double>(0, 1)(random);
}

}  // namespace

std::string_view Name(Fault fault) {
  static constexpr std::array<std::string_view, kFaultCount> kNames = {
      "none", "crash", "torn write", "short write", "EIO", "ENOSPC", "lying sync", "EIO on a read"};
  return kNames[static_cast<size_t>(fault)];
}

std::string_view Name(Operation operation) {
  static constexpr std::array<std::string_view, 13> kNames = {
      "open",  "create", "write", "truncate", "sync",        "folder sync",  "range sync",
      "close", "rename", "link",  "delete",   "make folder", "delete folder"};
  return kNames[static_cast<size_t>(operation)];
}

bool CanBefall(Fault fault, Operation operation) {
  switch (fault) {
    case Fault::kNone:
      return false;
    case Fault::kCrash:
    case Fault::kError:
      return true;
    case Fault::kTornWrite:
    case Fault::kShortWrite:
      return operation == Operation::kWrite;
    case Fault::kNoSpace:
      return operation == Operation::kWrite || operation == Operation::kCreate ||
             operation == Operation::kLink || operation == Operation::kMakeFolder;
    case Fault::kLyingSync:
      return IsSync(operation);
    case Fault::kReadError:
      return false;
  }
  return false;
}

FaultFileSystem::FaultFileSystem(std::string folder) : folder_(std::move(folder)) {
  {
    const std::lock_guard lock(mutex_);
    Scan();
  }
  if (installed.exchange(this) != nullptr) std::abort();
}

FaultFileSystem::~FaultFileSystem() { installed = nullptr; }

bool FaultFileSystem::Ignored(const std::string& name) {
  return name.starts_with("LOG") || name == "LOCK" || name.ends_with(".lock");
}

FaultFileSystem* FaultFileSystem::Current() { return own_calls > 0 ? nullptr : installed.load(); }

void FaultFileSystem::Arm(FaultPlan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
  random_.seed(plan_.seed);
  operations_.clear();
  reads_ = 0;
  fired_ = false;
  written_short_ = nullptr;
  went_on_ = false;
}

std::vector<Operation> FaultFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

uint64_t FaultFileSystem::reads() const {
  const std::lock_guard lock(mutex_);
  return reads_;
}

bool FaultFileSystem::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

bool FaultFileSystem::went_on() const {
  const std::lock_guard lock(mutex_);
  return went_on_;
}

bool FaultFileSystem::crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

bool FaultFileSystem::Strikes(Operation operation, const std::string& path) const {
  if (!CanBefall(plan_.fault, operation) || operations_.size() < plan_.at) return false;
  if (plan_.fault == Fault::kLyingSync) return plan_.liar == nullptr || plan_.liar(path);
  return !fired_ || plan_.fault == Fault::kNoSpace;
}

FaultFileSystem::Verdict FaultFileSystem::Judge(Operation operation, const std::string& path) {
  if (crashed_) return {.error = EIO};
  operations_.push_back(operation);
  if (!Strikes(operation, path)) return {};
  const bool again = std::exchange(fired_, true);
  switch (plan_.fault) {
    case Fault::kNone:
    case Fault::kReadError:
      return {};
    case Fault::kCrash:
      crashed_ = true;
      return {.error = EIO};
    case Fault::kTornWrite:
      return {.share = Fraction(random_), .crash_after = true};
    case Fault::kShortWrite:
      return {.share = Fraction(random_)};
    case Fault::kError:
      return {.error = EIO};
    case Fault::kNoSpace:
      if (again || operation != Operation::kWrite) return {.error = ENOSPC};
      return {.error = ENOSPC, .share = Fraction(random_)};
    case Fault::kLyingSync:
      return {.lie = true};
  }
  return {};
}

void FaultFileSystem::KeepSomeNames(std::mt19937_64& random) {
  enum { kNothing, kAll, kPrefix, kSubset, kWays };
  const uint64_t way = random() % kWays;
  const size_t prefix = pending_.empty() ? 0 : random() % (pending_.size() + 1);
  std::set<std::pair<const Node*, std::string>> skipped;
  for (size_t i = 0; i < pending_.size(); ++i) {
    bool happens =
        way == kAll || (way == kPrefix && i < prefix) || (way == kSubset && random() % 2 == 0);
    // What builds on a change that did not happen does not happen either.
    for (const NameChange& change : pending_[i]) {
      happens = happens && !skipped.contains({change.folder.get(), change.name});
    }
    if (happens) {
      PutOnDisk(pending_[i]);
      continue;
    }
    for (const NameChange& change : pending_[i]) {
      skipped.emplace(change.folder.get(), change.name);
    }
  }
}

bool FaultFileSystem::CutPower(std::optional<uint64_t> seed) {
  const std::lock_guard lock(mutex_);
  const OwnCalls own;
  std::mt19937_64 random(seed.value_or(0));
  std::map<const Node*, std::string> paths;
  const std::function<void(const Node&, const std::string&)> walk = [&](const Node& folder,
                                                                        const std::string& path) {
    for (const auto& [name, node] : folder.names) {
      paths.emplace(node.get(), path + "/" + name);
      if (node->is_folder) walk(*node, path + "/" + name);
    }
  };
  walk(*top_, folder_);
  if (seed.has_value()) KeepSomeNames(random);

  FileImage image;
  const std::function<void(const Node&, const std::string&)> keep = [&](const Node& folder,
                                                                        const std::string& path) {
    for (const auto& [name, node] : folder.names_on_disk) {
      FileImage::Entry& entry = image.entries[path + name];
      entry.is_folder = node->is_folder;
      entry.mode = node->mode;
      entry.content = node->on_disk;
      if (node->is_folder) keep(*node, path + name + "/");
      if (node->is_folder || !seed.has_value()) continue;
      const auto visible = paths.find(node.get());
      const auto content = visible == paths.end() ? node->last_content : ReadFile(visible->second);
      entry.content =
          node->AfterPowerCut(content.value_or(node->on_disk), WrittenInOrder(name), random);
    }
  };
  keep(*top_, "");
  const bool dropped = Differs(image);
  WriteImage(folder_, image);
  Scan();
  return dropped;
}

bool FaultFileSystem::Differs(const FileImage& image) const {
  FileImage seen = ReadImage(folder_);
  std::erase_if(seen.entries, [](const auto& one) {
    return Ignored(std::filesystem::path(one.first).filename());
  });
  if (seen.entries.size() != image.entries.size()) return true;
  for (const auto& [path, entry] : seen.entries) {
    const auto kept = image.entries.find(path);
    if (kept == image.entries.end() || kept->second.content != entry.content) return true;
  }
  return false;
}

FileImage FaultFileSystem::Save() {
  const std::lock_guard lock(mutex_);
  const OwnCalls own;
  return ReadImage(folder_);
}

void FaultFileSystem::Load(const FileImage& image) {
  const std::lock_guard lock(mutex_);
  const OwnCalls own;
  WriteImage(folder_, image);
  Scan();
}

void FaultFileSystem::Scan() {
  const OwnCalls own;
  crashed_ = false;
  descriptors_.clear();
  pending_.clear();
  const std::function<NodePointer(const std::string&)> scan = [&](const std::string& path) {
    auto node = std::make_shared<Node>();
    struct stat about {};
    if (stat(path.c_str(), &about) != 0) std::abort();
    node->is_folder = S_ISDIR(about.st_mode);
    node->mode = about.st_mode & 07777;
    node->device = about.st_dev;
    node->number = about.st_ino;
    if (!node->is_folder) {
      node->on_disk = ReadFile(path).value();
      return node;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      const std::string name = entry.path().filename();
      if (!Ignored(name)) node->names.emplace(name, scan(entry.path()));
    }
    node->names_on_disk = node->names;
    return node;
  };
  top_ = scan(folder_);
}

void FaultFileSystem::PutOnDisk(const std::vector<NameChange>& changes) {
  for (const NameChange& change : changes) {
    if (change.node == nullptr) {
      change.folder->names_on_disk.erase(change.name);
    } else {
      change.folder->names_on_disk[change.name] = change.node;
    }
  }
}

void FaultFileSystem::Change(std::vector<NameChange> changes) {
  for (const NameChange& change : changes) {
    if (change.node == nullptr) {
      change.folder->names.erase(change.name);
    } else {
      change.folder->names[change.name] = change.node;
    }
  }
  pending_.push_back(std::move(changes));
}

}  // namespace records::faults
