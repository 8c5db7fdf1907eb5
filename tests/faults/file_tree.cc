#include "tests/faults/file_tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace records::faults {
namespace {

// Disks write whole sectors of this size.
constexpr uint64_t kSectorSize = 512;

// Copies bytes of `from` into `to`, filling with zeros what lies between.
void CopyRange(const std::string& from, uint64_t begin, uint64_t end, std::string& to) {
  end = std::min<uint64_t>(end, from.size());
  if (begin >= end) return;
  if (to.size() < end) to.resize(end, '\0');
  std::copy(from.begin() + static_cast<std::ptrdiff_t>(begin),
            from.begin() + static_cast<std::ptrdiff_t>(end),
            to.begin() + static_cast<std::ptrdiff_t>(begin));
}

}  // namespace

void Node::Wrote(uint64_t begin, uint64_t end) {
  lost.Remove(begin, end);
  dirty.Add(begin, end);
}

void Node::Shortened(uint64_t size) {
  lost.Remove(size, UINT64_MAX);
  dirty.Remove(size, UINT64_MAX);
  cut_to = std::min(size, cut_to.value_or(UINT64_MAX));
}

void Node::Synced(const std::string& content) {
  if (cut_to.has_value() && *cut_to < on_disk.size()) on_disk.resize(*cut_to);
  for (const auto& [begin, end] : dirty.ranges()) CopyRange(content, begin, end, on_disk);
  on_disk.resize(content.size(), '\0');
  dirty.Clear();
  cut_to.reset();
}

void Node::SyncFailed() {
  lost.Add(dirty);
  dirty.Clear();
}

std::string Node::AfterPowerCut(const std::string& content, bool in_order,
                                std::mt19937_64& random) const {
  enum { kNothing, kAll, kCut, kScattered, kWays };
  uint64_t way = random() % kWays;
  if (in_order && way == kScattered) way = kCut;
  std::string left = on_disk;
  if (way == kNothing) return left;
  if (cut_to.has_value() && (way == kAll || random() % 2 == 0) && *cut_to < left.size()) {
    left.resize(*cut_to);
  }
  uint64_t bytes = 0;
  for (const auto& [begin, end] : dirty.ranges()) bytes += end - begin;
  uint64_t room = way == kCut && bytes > 0 ? random() % bytes : bytes;
  for (const auto& [begin, end] : dirty.ranges()) {
    if (way != kScattered) {
      const uint64_t taken = std::min(room, end - begin);
      CopyRange(content, begin, begin + taken, left);
      room -= taken;
      continue;
    }
    for (uint64_t at = begin; at < end;) {
      const uint64_t next = std::min(end, (at / kSectorSize + 1) * kSectorSize);
      if (random() % 2 == 0) CopyRange(content, at, next, left);
      at = next;
    }
  }
  // The length may be there before the bytes are: they read as zeros.
  if (way == kScattered && random() % 2 == 0 && left.size() < content.size()) {
    left.resize(content.size(), '\0');
  }
  return left;
}

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

FileImage ReadImage(const std::string& folder) {
  FileImage image;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    FileImage::Entry kept;
    struct stat about {};
    if (stat(entry.path().c_str(), &about) != 0) std::abort();
    kept.mode = about.st_mode & 07777;
    kept.is_folder = entry.is_directory();
    if (!kept.is_folder) kept.content = ReadFile(entry.path()).value();
    image.entries.emplace(entry.path().lexically_relative(folder), std::move(kept));
  }
  return image;
}

void WriteImage(const std::string& folder, const FileImage& image) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::filesystem::remove_all(entry.path());
  }
  // Sorted by path: a folder comes before what is in it.
  for (const auto& [name, entry] : image.entries) {
    const std::string path = folder + "/" + name;
    if (entry.is_folder) {
      std::filesystem::create_directory(path);
    } else {
      std::ofstream file(path, std::ios::binary);
      file.write(entry.content.data(), static_cast<std::streamsize>(entry.content.size()));
      if (!file.flush()) std::abort();
    }
    if (chmod(path.c_str(), entry.mode) != 0) std::abort();
  }
}

}  // namespace records::faults
