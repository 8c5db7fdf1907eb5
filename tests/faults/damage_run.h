#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/faults/damage_subject.h"

// Damages a store in one place at a time and judges what it then says.
namespace records::faults {

// Files by their path in the folder.
using FolderContent = std::map<std::string, std::string>;

FolderContent ReadFolder(const std::string& folder);
// Makes `folder` hold exactly `content`.
void WriteFolder(const std::string& folder, const FolderContent& content);

// What a file is to the store: "WAL", "SST", "MANIFEST", ... "" for text that only people read and
// files that are empty.
std::string KindOf(const std::string& file);

struct Damage {
  enum class Kind { kFlip, kCut, kDelete, kReplace };
  Kind kind = Kind::kFlip;
  std::string file;
  uint64_t offset = 0;      // of the byte; kCut: the length that stays
  uint8_t mask = 0;         // kFlip
  std::string replacement;  // kReplace

  std::string Describe() const;
  // Does it to a folder that holds `pristine`.
  void Apply(const FolderContent& pristine, const std::string& folder) const;
};

enum class Verdict : uint8_t {
  kNotRun,
  kNamedByStart,
  kNamedByRead,
  kNamedByVerify,
  kNamedByCrash,  // a known assertion of RocksDB ended the process: nothing was served
  kMended,        // put aside and made anew from what it is derived from
  kNoted,         // `log verify` mentions it as no damage; everything read is right
  kNothing,       // everything read is right, and nobody mentions it
  kWrong,         // served changed, destroyed, or refused without saying what to do
};
inline constexpr int kVerdicts = 9;
const char* NameOf(Verdict verdict);

// A new folder, in memory when there is room: a store is written anew for each damage.
std::string MakeWorkFolder();

struct Judgement {
  Verdict verdict = Verdict::kNotRun;
  std::string why;  // the words of who named it, or what is wrong
};

using SubjectMaker = std::function<std::unique_ptr<DamageSubject>()>;

enum class StoreState { kClosed, kKilled };

// A store built once, in memory, and judged as often as needed. RocksDB may end the process that
// opens a damaged store, so stores are only opened in children of this one.
class DamageRun {
 public:
  // `folder`: of this run alone; everything in it is replaced.
  static absl::StatusOr<std::unique_ptr<DamageRun>> Create(SubjectMaker maker, StoreState state,
                                                           const std::string& folder);

  // The store as it was built. Only files that are more than text for people.
  const FolderContent& pristine() const { return pristine_; }

  // The same store some time before, all its files.
  const FolderContent& older() const { return older_; }

  // Judges each damage; the results in the same order.
  std::vector<Judgement> Judge(const std::vector<Damage>& damages) const;

 private:
  DamageRun(SubjectMaker maker, const std::string& folder)
      : maker_(std::move(maker)), folder_(folder) {}

  absl::Status Build(StoreState state);
  // `whole`: the work folder holds the store as it was built; set for the next one.
  Judgement JudgeOne(DamageSubject& subject, const Damage& damage, bool& whole) const;
  // Of what ended a child by a signal.
  Judgement JudgeCrash(int signal) const;
  Judgement JudgeAnswers(const Reading& reading) const;
  // Whether no file but the damaged one differs from how the store was built.
  bool IsUntouched(const Damage& damage) const;
  // Whether the folder still is as the damage, which left these bytes of its file, made it.
  bool IsAsDamaged(const Damage& damage, const std::string& damaged) const;
  // The judgement, unless something is lost of the store once it is mended.
  Judgement UnlessLost(DamageSubject& subject, const Damage& damage, Judgement judgement) const;
  // "" when the store, mended, gives everything again; else what is wrong.
  std::string WhatIsLost(DamageSubject& subject, const Damage& damage) const;

  const SubjectMaker maker_;
  const std::string folder_;
  FolderContent pristine_;
  FolderContent older_;
  std::vector<std::string> expected_;
  DamageSubject::Verified verified_;  // of the pristine store
};

}  // namespace records::faults
