#include "eventstore/checkpoint_signer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

std::string TreeLine(size_t index, size_t trees, const TreeHead& tree) {
  const size_t partitions = trees / 2;
  return absl::StrCat(index < partitions ? "events/" : "access/", index % partitions, " ",
                      tree.size, " ", Base64Encode(AsBytes(tree.root)));
}

Hash RootOverLines(const std::vector<std::string>& lines) {
  Frontier frontier;
  for (const std::string& line : lines) frontier.Append(HashLeaf(line));
  return frontier.Root();
}

constexpr absl::string_view kErasureWord = "erasures ";

bool HasErasureLine(const Checkpoint& checkpoint) {
  return !checkpoint.extensions.empty() &&
         absl::StartsWith(checkpoint.extensions.back(), kErasureWord);
}

// Also of the line of the erasure ledger, whose head has the form of a tree's.
absl::StatusOr<TreeHead> ParseTreeLine(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  TreeHead tree;
  if (words.size() == 3 && absl::SimpleAtoi(words[1], &tree.size)) {
    const absl::StatusOr<std::string> root = Base64Decode(words[2]);
    if (root.ok() && root->size() == kDigestSize) {
      std::copy(root->begin(), root->end(), tree.root.begin());
      return tree;
    }
  }
  return absl::DataLossError("a checkpoint of the log has a line that is no tree's");
}

}  // namespace

std::string CheckpointOrigin(const StoreId& store) {
  return absl::StrCat("records/", store.ToHex());
}

Checkpoint MakeCheckpoint(const StoreId& store, const std::vector<TreeHead>& trees,
                          const ErasureHead& erasures) {
  Checkpoint checkpoint;
  checkpoint.origin = CheckpointOrigin(store);
  for (size_t i = 0; i < trees.size(); ++i) {
    checkpoint.size += trees[i].size;
    checkpoint.extensions.push_back(TreeLine(i, trees.size(), trees[i]));
  }
  checkpoint.root = RootOverLines(checkpoint.extensions);
  if (erasures.size > 0) {
    checkpoint.extensions.push_back(
        absl::StrCat(kErasureWord, erasures.size, " ", Base64Encode(AsBytes(erasures.hash))));
  }
  return checkpoint;
}

absl::StatusOr<std::vector<TreeHead>> TreesOf(const Checkpoint& checkpoint, const StoreId& store) {
  if (checkpoint.origin != CheckpointOrigin(store)) {
    return absl::FailedPreconditionError("the checkpoint is of another log");
  }
  std::vector<TreeHead> trees;
  ASSIGN_OR_RETURN(const ErasureHead erasures, ErasuresOf(checkpoint));
  const size_t lines = checkpoint.extensions.size() - (HasErasureLine(checkpoint) ? 1 : 0);
  for (const std::string& line : absl::MakeSpan(checkpoint.extensions).first(lines)) {
    ASSIGN_OR_RETURN(const TreeHead tree, ParseTreeLine(line));
    trees.push_back(tree);
  }
  if (trees.empty() || trees.size() % 2 != 0 ||
      MakeCheckpoint(store, trees, erasures) != checkpoint) {
    return absl::DataLossError("the checkpoint is not one that a log makes");
  }
  return trees;
}

absl::StatusOr<ErasureHead> ErasuresOf(const Checkpoint& checkpoint) {
  if (!HasErasureLine(checkpoint)) return ErasureHead();
  ASSIGN_OR_RETURN(const TreeHead head, ParseTreeLine(checkpoint.extensions.back()));
  return ErasureHead{head.size, head.root};
}

absl::StatusOr<std::unique_ptr<CheckpointSigner>> CheckpointSigner::Open(CheckpointFiles& files,
                                                                         const StoreId& store,
                                                                         Random& random) {
  absl::StatusOr<SecretBytes> seed = files.ReadKey();
  if (absl::IsNotFound(seed.status())) {
    if (!absl::IsNotFound(files.ReadLatest().status())) {
      return absl::DataLossError(
          "checkpoint.key is missing, though checkpoints were signed with it: restore it");
    }
    ASSIGN_OR_RETURN(const Ed25519PrivateKey fresh, Ed25519PrivateKey::Generate(random));
    RETURN_IF_ERROR(files.WriteKey(fresh.seed()));
    seed = files.ReadKey();
  }
  RETURN_IF_ERROR(seed.status());
  ASSIGN_OR_RETURN(Ed25519PrivateKey key, Ed25519PrivateKey::FromSeed(*std::move(seed)));
  ASSIGN_OR_RETURN(NoteSigner signer, NoteSigner::Create(CheckpointOrigin(store), std::move(key)));
  std::unique_ptr<CheckpointSigner> result(new CheckpointSigner(files, store, std::move(signer)));
  RETURN_IF_ERROR(result->LoadLatest());
  return result;
}

absl::Status CheckpointSigner::LoadLatest() {
  const absl::StatusOr<std::string> note = files_.ReadLatest();
  if (absl::IsNotFound(note.status())) return absl::OkStatus();
  RETURN_IF_ERROR(note.status());
  const absl::StatusOr<OpenedNote> opened = OpenNote(*note, {signer_.verifier()});
  if (!opened.ok()) {
    return absl::DataLossError(absl::StrCat("checkpoint.latest was not signed by checkpoint.key (",
                                            opened.status().message(),
                                            "): restore the two files that belong together"));
  }
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, ParseCheckpoint(opened->text));
  ASSIGN_OR_RETURN(latest_at_start_, TreesOf(checkpoint, store_));
  ASSIGN_OR_RETURN(erasures_at_start_, ErasuresOf(checkpoint));
  absl::MutexLock lock(&mutex_);
  latest_ = latest_at_start_;
  latest_erasures_ = erasures_at_start_;
  latest_note_ = *note;
  return absl::OkStatus();
}

absl::StatusOr<std::string> CheckpointSigner::Sign(absl::FunctionRef<State()> state) {
  absl::MutexLock lock(&mutex_);
  const auto [trees, erasures] = state();
  if (trees == latest_ && erasures == latest_erasures_) return latest_note_;
  if (erasures.size < latest_erasures_.size) {
    return absl::FailedPreconditionError("a later checkpoint knew of more erasures");
  }
  for (size_t i = 0; i < latest_.size(); ++i) {
    if (i < trees.size() && trees[i].size >= latest_[i].size) continue;
    return absl::FailedPreconditionError("a later checkpoint was signed before");
  }
  ASSIGN_OR_RETURN(const std::string text,
                   FormatCheckpoint(MakeCheckpoint(store_, trees, erasures)));
  ASSIGN_OR_RETURN(std::string note, signer_.Sign(text));
  if (!PLANTED_BUG("checkpoint-not-kept")) RETURN_IF_ERROR(files_.WriteLatest(note));
  latest_ = trees;
  latest_erasures_ = erasures;
  latest_note_ = note;
  return note;
}

absl::StatusOr<std::string> CheckpointSigner::SignText(absl::string_view text) const {
  if (absl::StartsWith(text, CheckpointOrigin(store_))) {
    return absl::InvalidArgumentError("a checkpoint is signed by Sign() alone");
  }
  return signer_.Sign(text);
}

}  // namespace records::eventstore
