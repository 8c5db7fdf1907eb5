#include "absl/strings/str_cat.h"
#include "eventstore/key_store_impl.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<KeyStoreCopy> DurableKeyStore::CopyTo(const std::string& folder) {
  if (copy_database_ == nullptr) {
    return absl::UnimplementedError("this key store has no files to copy");
  }
  // A rotation destroys the old master key: rows of two generations would never open again.
  absl::MutexLock lock(&rotation_mutex_);
  KeyStoreCopy copy{.master_key_generation = GetStatus().master_key_generation};
  {
    absl::ReaderMutexLock reading(&master_mutex_);
    if (masters_.size() > 1) {
      return absl::FailedPreconditionError(
          "a rotation of the master key was cut short: finish it (recordsctl key rotate), then "
          "back up");
    }
  }
  // Changes wait for the copy, so that it is where its anchor says; reads go on.
  RETURN_IF_ERROR(committer_.Pause([&](const KeyStoreState& state) -> absl::Status {
    RETURN_IF_ERROR(copy_database_(absl::StrCat(folder, "/", kKeyStoreFolder)));
    copy.sequence = state.sequence;
    copy.erasures = committer_.erasures();
    return Anchor::Create(
        *ports_.anchors, absl::StrCat(folder, "/", kKeyStoreAnchorFile),
        EncodeKeyStoreAnchor({store_, state.sequence, state.hash, copy.erasures}));
  }));
  return copy;
}

}  // namespace records::eventstore
