#include "eventstore/tree_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// A root needs one node for each set bit of its size: enough for some thousand different sizes.
constexpr size_t kRememberedNodesMax = 16'384;

}  // namespace

TileSource OpenTree(const Storage& storage, Ledger ledger, uint32_t partition, uint64_t size) {
  auto read_tile = [&storage, ledger, partition](const TileId& id) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(auto bytes, storage.Get(kTreeTable, TileKey(ledger, partition, id)));
    if (!bytes) {
      return absl::DataLossError(absl::StrCat("the tree of partition ", partition, " of ",
                                              LedgerName(ledger), " misses its tile ", id.index,
                                              " of level ", id.level));
    }
    return *std::move(bytes);
  };
  auto read_leaf = [&storage, ledger, partition](uint64_t index) -> absl::StatusOr<Hash> {
    const Position position{partition, index + 1};
    ASSIGN_OR_RETURN(const auto bytes, storage.Get(EventTable(ledger), EventKey(position)));
    if (!bytes) {
      return absl::DataLossError(absl::StrCat("the log is damaged at ", Describe(ledger, position),
                                              ": the event is missing"));
    }
    return HashLeaf(*bytes);
  };
  return TileSource(size, std::move(read_tile), std::move(read_leaf));
}

// A tree that looks into what is remembered first.
class RememberedTree final : public NodeSource {
 public:
  RememberedTree(const TreeReader& reader, Ledger ledger, uint32_t partition, uint64_t head)
      : reader_(reader),
        ledger_(ledger),
        partition_(partition),
        tree_(OpenTree(reader.storage_, ledger, partition, head)) {}

  absl::StatusOr<Hash> Node(uint32_t level, uint64_t index) override {
    const TreeReader::NodeName name{ledger_, partition_, level, index};
    {
      absl::MutexLock lock(&reader_.mutex_);
      const auto found = reader_.nodes_.find(name);
      if (found != reader_.nodes_.end()) return found->second;
    }
    ASSIGN_OR_RETURN(const Hash hash, tree_.Node(level, index));
    absl::MutexLock lock(&reader_.mutex_);
    if (reader_.nodes_.size() >= kRememberedNodesMax) reader_.nodes_.clear();
    reader_.nodes_.emplace(name, hash);
    return hash;
  }

 private:
  const TreeReader& reader_;
  const Ledger ledger_;
  const uint32_t partition_;
  TileSource tree_;
};

absl::StatusOr<Hash> TreeReader::RootAt(Ledger ledger, uint32_t partition, uint64_t size,
                                        uint64_t head) const {
  RememberedTree tree(*this, ledger, partition, head);
  return TreeRoot(tree, size);
}

}  // namespace records::eventstore
