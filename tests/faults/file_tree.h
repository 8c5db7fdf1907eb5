#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "tests/faults/byte_ranges.h"

// Files and folders as the disk has them, beside the real ones.
namespace records::faults {

struct Node;
using NodePointer = std::shared_ptr<Node>;

// A file or a folder.
struct Node {
  bool is_folder = false;
  mode_t mode = 0600;
  dev_t device = 0;
  ino_t number = 0;

  // Of a folder: its names now, and those on the disk.
  std::map<std::string, NodePointer> names;
  std::map<std::string, NodePointer> names_on_disk;

  // Of a file: what is on the disk, and which bytes were written since; `lost` are those whose sync
  // failed: no later sync writes them.
  std::string on_disk;
  ByteRanges dirty;
  ByteRanges lost;
  std::optional<uint64_t> cut_to;  // shortened to this, not synced
  // Its bytes when the last name was taken away; the disk may still have the name.
  std::optional<std::string> last_content;

  void Wrote(uint64_t begin, uint64_t end);
  void Shortened(uint64_t size);
  // `content`: the file as it is now.
  void Synced(const std::string& content);
  void SyncFailed();
  // What a power cut may leave of it. `in_order`: of what was written, no byte without those
  // before.
  std::string AfterPowerCut(const std::string& content, bool in_order,
                            std::mt19937_64& random) const;
};

// `name` in `folder` leads to `node`, or to nothing.
struct NameChange {
  NodePointer folder;
  std::string name;
  NodePointer node;
};

// Files by their path below a folder, with content; folders without.
struct FileImage {
  struct Entry {
    bool is_folder = false;
    mode_t mode = 0600;
    std::string content;
  };
  std::map<std::string, Entry> entries;
};

// The bytes of a file, or nothing where there is none.
std::optional<std::string> ReadFile(const std::string& path);

FileImage ReadImage(const std::string& folder);
// Replaces what is in `folder`.
void WriteImage(const std::string& folder, const FileImage& image);

}  // namespace records::faults
