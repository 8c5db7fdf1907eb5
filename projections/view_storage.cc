#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/ids.h"
#include "eventstore/rocks_storage.h"
#include "eventstore/status_macros.h"
#include "projections/view.h"

namespace records::projections {

using eventstore::RocksMode;
using eventstore::RocksStorage;
using eventstore::RocksStorageOptions;
using eventstore::Storage;

StorageOpener RocksViewStorage(size_t block_cache_bytes, ViewLayout layout) {
  return [block_cache_bytes, layout](
             const std::string& folder,
             const std::vector<std::string>& tables) -> absl::StatusOr<std::unique_ptr<Storage>> {
    const bool by_root = layout == ViewLayout::kByRoot;
    RocksStorageOptions options;
    options.path = folder;
    options.mode = RocksMode::kCreate;
    options.block_cache_bytes = block_cache_bytes;
    for (size_t i = 0; i < tables.size(); ++i) {
      eventstore::RocksTable table{.name = tables[i]};
      // The first is the runner's own: each question asks it for its root, which is hardly there.
      if (i == 0) {
        table.point_lookups = true;
      } else if (by_root) {
        table.ascending_prefix_bytes = eventstore::kIdSize;
      }
      options.tables.push_back(std::move(table));
    }
    ASSIGN_OR_RETURN(auto storage, RocksStorage::Open(std::move(options)));
    return std::unique_ptr<Storage>(std::move(storage));
  };
}

}  // namespace records::projections
