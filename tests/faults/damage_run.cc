#include "tests/faults/damage_run.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <new>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::faults {
namespace {

namespace fs = std::filesystem;

// A child that takes longer over one damage hangs, which is wrong too.
constexpr unsigned kSecondsPerDamage = 60;
// Children are ended now and then, so that nothing piles up in them.
constexpr size_t kDamagesPerChild = 4096;
constexpr size_t kWhyBytes = 240;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  // The master key must be readable by its owner only.
  const mode_t before = umask(0077);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  umask(before);
}

void WriteList(const fs::path& path, const std::vector<std::string>& list) {
  std::string bytes;
  for (const std::string& item : list) absl::StrAppend(&bytes, item.size(), " ", item);
  WriteFile(path, bytes);
}

std::vector<std::string> ReadList(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> list;
  size_t size = 0;
  while (file >> size) {
    file.get();
    std::string item(size, 0);
    file.read(item.data(), static_cast<std::streamsize>(size));
    list.push_back(std::move(item));
  }
  return list;
}

// An error must say what it is, and at the start what to do about it.
bool SaysEnough(const absl::Status& status) { return status.message().size() > 20; }

bool SaysWhatToDo(const absl::Status& status) {
  for (const char* word : {"restore", "Restore", "bring together", "Bring together", "chmod",
                           "stop the", "Stop that", "start a program"}) {
    if (absl::StrContains(status.message(), word)) return true;
  }
  return false;
}

// Where Debian's RocksDB 7.8, which is built with assertions, is known to end on damaged bytes.
struct KnownAssertion {
  const char* file;
  const char* function;
  const char* condition;
};
constexpr std::array kKnownAssertions = {
    // A data block that seems to have a hash index, which these stores never write.
    KnownAssertion{"/data_block_hash_index.cc:", "rocksdb::DataBlockHashIndex::Initialize(",
                   "`num_buckets_ > 0'"}};

bool IsOf(const KnownAssertion& known, const std::string& said) {
  return absl::StrContains(said, known.file) && absl::StrContains(said, known.function) &&
         absl::StrContains(said, known.condition);
}

// One line of the table that parent and children share.
struct Shared {
  Verdict verdict;
  char why[kWhyBytes];
};

struct Board {
  volatile size_t current = 0;
  Shared* results = nullptr;
};

void Put(Shared& shared, const Judgement& judgement) {
  std::strncpy(shared.why, judgement.why.c_str(), kWhyBytes - 1);
  shared.verdict = judgement.verdict;
}

// Runs `work` in a child of this process; returns its wait status.
template <typename Work>
int InChild(const std::string& errors, Work work) {
  const fs::directory_iterator threads("/proc/self/task");
  if (std::distance(threads, fs::directory_iterator()) != 1) {
    std::cerr << "a process with threads cannot be forked: open stores in children only\n";
    std::abort();
  }
  std::cout << std::flush;
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    // What the product logs would drown the test's own words.
    if (std::freopen("/dev/null", "w", stdout) == nullptr) std::_Exit(3);
    if (std::freopen(errors.c_str(), "w", stderr) == nullptr) std::_Exit(3);
    alarm(kSecondsPerDamage);
    work();
    std::_Exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace

std::string MakeWorkFolder() {
  struct statvfs space {};
  const bool in_memory = statvfs("/dev/shm", &space) == 0 &&
                         uint64_t{space.f_bavail} * space.f_frsize > (uint64_t{256} << 20);
  const char* given = std::getenv("TEST_TMPDIR");
  const std::string on_disk = given != nullptr ? given : "/tmp";
  std::string name = absl::StrCat(in_memory ? "/dev/shm" : on_disk, "/records_XXXXXX");
  if (mkdtemp(name.data()) == nullptr) std::abort();
  return name;
}

FolderContent ReadFolder(const std::string& folder) {
  FolderContent content;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    content[fs::relative(entry.path(), folder)] = ReadFile(entry.path());
  }
  return content;
}

void WriteFolder(const std::string& folder, const FolderContent& content) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& [file, bytes] : content) WriteFile(fs::path(folder) / file, bytes);
}

std::string KindOf(const std::string& file) {
  const std::string name = fs::path(file).filename();
  if (name == "LOG" || absl::StartsWith(name, "LOG.old") || name == "LOCK" || name == "log.lock") {
    return "";
  }
  if (absl::EndsWith(name, ".sst")) return "SST";
  if (absl::EndsWith(name, ".log")) return "WAL";
  for (const char* prefix : {"MANIFEST", "OPTIONS"}) {
    if (absl::StartsWith(name, prefix)) return prefix;
  }
  return name;
}

std::string Damage::Describe() const {
  switch (kind) {
    case Kind::kFlip:
      return absl::StrCat(file, ": byte ", offset, " xor ", mask);
    case Kind::kCut:
      return absl::StrCat(file, ": cut to ", offset);
    case Kind::kDelete:
      return absl::StrCat(file, ": deleted");
    case Kind::kReplace:
      return absl::StrCat(file, ": an older copy");
  }
  return file;
}

void Damage::Apply(const FolderContent& pristine, const std::string& folder) const {
  const fs::path path = fs::path(folder) / file;
  if (kind == Kind::kDelete) {
    fs::remove(path);
    return;
  }
  std::string bytes = kind == Kind::kReplace ? replacement : pristine.at(file);
  if (kind == Kind::kFlip) bytes[offset] = static_cast<char>(bytes[offset] ^ mask);
  if (kind == Kind::kCut) bytes.resize(offset);
  WriteFile(path, bytes);
}

const char* NameOf(Verdict verdict) {
  constexpr const char* kNames[kVerdicts] = {"not run", "start", "read",    "verify", "crash",
                                             "mended",  "noted", "nothing", "WRONG"};
  return kNames[static_cast<int>(verdict)];
}

absl::StatusOr<std::unique_ptr<DamageRun>> DamageRun::Create(SubjectMaker maker, StoreState state,
                                                             const std::string& folder) {
  std::unique_ptr<DamageRun> run(new DamageRun(std::move(maker), folder));
  RETURN_IF_ERROR(run->Build(state));
  return run;
}

absl::Status DamageRun::Build(StoreState state) {
  fs::remove_all(folder_);
  fs::create_directories(folder_);
  const std::string kept = folder_ + (state == StoreState::kClosed ? "/closed" : "/killed");
  const int status = InChild(folder_ + "/errors", [&] {
    const auto subject = maker_();
    const absl::Status made = subject->Make({.closed = folder_ + "/closed",
                                             .killed = folder_ + "/killed",
                                             .older = folder_ + "/older"});
    if (!made.ok()) WriteFile(folder_ + "/error", made.ToString());
    if (!made.ok()) std::_Exit(1);
  });
  if (status != 0) return absl::InternalError("building: " + ReadFile(folder_ + "/error"));
  for (auto& [file, bytes] : ReadFolder(kept)) {
    if (!KindOf(file).empty() && !bytes.empty()) pristine_[file] = bytes;
  }
  older_ = ReadFolder(folder_ + "/older");
  WriteFolder(folder_ + "/whole", pristine_);
  const int read = InChild(folder_ + "/errors", [&] {
    const auto subject = maker_();
    const std::string work = folder_ + "/work";
    WriteFolder(work, pristine_);
    const DamageSubject::Verified verified = subject->Verify(work);
    WriteList(folder_ + "/findings", verified.findings);
    WriteList(folder_ + "/notes", verified.notes);
    const Reading reading = subject->ReadEverything(work);
    std::vector<std::string> answers;
    for (const auto& answer : reading.answers) {
      answers.push_back(answer.ok() ? *answer : answer.status().ToString());
      if (!answer.ok()) WriteFile(folder_ + "/error", answer.status().ToString());
      if (!answer.ok()) std::_Exit(1);
    }
    if (!reading.start.ok()) WriteFile(folder_ + "/error", reading.start.ToString());
    if (!reading.start.ok()) std::_Exit(1);
    WriteList(folder_ + "/answers", answers);
  });
  if (read != 0) return absl::InternalError("reading: " + ReadFile(folder_ + "/error"));
  expected_ = ReadList(folder_ + "/answers");
  verified_.findings = ReadList(folder_ + "/findings");
  verified_.notes = ReadList(folder_ + "/notes");
  if (!verified_.findings.empty()) {
    return absl::InternalError("the whole store is not clean: " + verified_.findings.front());
  }
  return absl::OkStatus();
}

Judgement DamageRun::JudgeAnswers(const Reading& reading) const {
  if (reading.answers.size() != expected_.size()) {
    return {Verdict::kWrong, absl::StrCat(reading.answers.size(), " answers instead of ",
                                          expected_.size(), ": something is missing")};
  }
  Judgement judgement{Verdict::kNothing, ""};
  bool closed = false;
  for (size_t i = 0; i < expected_.size(); ++i) {
    const auto& answer = reading.answers[i];
    if (answer.ok()) {
      if (*answer == expected_[i]) continue;
      return {Verdict::kWrong, absl::StrCat("answer ", i, " was served changed")};
    }
    // Once its committer met damage the log takes no writes, and says only that.
    if (closed && absl::IsUnavailable(answer.status())) continue;
    closed = true;
    if (!absl::IsDataLoss(answer.status()) || !SaysEnough(answer.status())) {
      return {Verdict::kWrong, "a read does not name the damage: " + answer.status().ToString()};
    }
    judgement = {Verdict::kNamedByRead, std::string(answer.status().message())};
  }
  return judgement;
}

bool DamageRun::IsUntouched(const Damage& damage) const {
  const std::string work = folder_ + "/work";
  for (const auto& [file, bytes] : pristine_) {
    if (file != damage.file && ReadFile(fs::path(work) / file) != bytes) return false;
  }
  for (const auto& entry : fs::recursive_directory_iterator(work)) {
    const std::string file = fs::relative(entry.path(), work);
    if (entry.is_regular_file() && !KindOf(file).empty() && !pristine_.contains(file)) return false;
  }
  return true;
}

std::string DamageRun::WhatIsLost(DamageSubject& subject, const Damage& damage) const {
  const std::string work = folder_ + "/work";
  WriteFile(fs::path(work) / damage.file, pristine_.at(damage.file));
  const Reading reading = subject.ReadEverything(work);
  if (!reading.start.ok()) return absl::StrCat("mended, ", reading.start.message());
  const Judgement judgement = JudgeAnswers(reading);
  return judgement.verdict == Verdict::kNothing ? "" : "mended, " + judgement.why;
}

Judgement DamageRun::UnlessLost(DamageSubject& subject, const Damage& damage,
                                Judgement judgement) const {
  const std::string lost = WhatIsLost(subject, damage);
  return lost.empty() ? judgement : Judgement{Verdict::kWrong, "destroyed: " + lost};
}

bool DamageRun::IsAsDamaged(const Damage& damage, const std::string& damaged) const {
  const fs::path path = fs::path(folder_) / "work" / damage.file;
  const bool same = damage.kind == Damage::Kind::kDelete
                        ? !fs::exists(path)
                        : fs::exists(path) && ReadFile(path) == damaged;
  return same && IsUntouched(damage);
}

Judgement DamageRun::JudgeOne(DamageSubject& subject, const Damage& damage, bool& whole) const {
  const std::string work = folder_ + "/work";
  if (!whole) WriteFolder(work, pristine_);
  whole = false;
  damage.Apply(pristine_, work);
  if (subject.TakesTheSame(folder_ + "/whole", work, damage.file)) {
    WriteFile(fs::path(work) / damage.file, pristine_.at(damage.file));
    whole = true;
    return {Verdict::kNothing, ""};
  }
  const Reading reading = subject.ReadEverything(work);
  if (!reading.start.ok()) {
    const std::string why(reading.start.message());
    if (!SaysEnough(reading.start)) return {Verdict::kWrong, "refused without saying why: " + why};
    if (!SaysWhatToDo(reading.start)) return {Verdict::kWrong, "does not say what to do: " + why};
    // What was not damaged is untouched, and the damaged file was never open for writing.
    whole = IsUntouched(damage);
    if (whole) WriteFile(fs::path(work) / damage.file, pristine_.at(damage.file));
    const std::string lost = whole ? "" : WhatIsLost(subject, damage);
    if (!lost.empty()) return {Verdict::kWrong, "destroyed by the refused start: " + lost};
    return {Verdict::kNamedByStart, why};
  }
  Judgement judgement = JudgeAnswers(reading);
  if (judgement.verdict == Verdict::kWrong) return judgement;
  if (!reading.mended.empty()) judgement = {Verdict::kMended, reading.mended};
  // The store was open for writing: it may have written over what the damage hid from it.
  judgement = UnlessLost(subject, damage, judgement);
  if (judgement.verdict != Verdict::kNothing) return judgement;
  WriteFolder(work, pristine_);
  damage.Apply(pristine_, work);
  const std::string damaged = ReadFile(fs::path(work) / damage.file);
  const DamageSubject::Verified verified = subject.Verify(work);
  if (!IsAsDamaged(damage, damaged)) return {Verdict::kWrong, "`log verify` changed the store"};
  if (!verified.findings.empty()) return {Verdict::kNamedByVerify, verified.findings.back()};
  for (const std::string& note : verified.notes) {
    const auto known = std::find(verified_.notes.begin(), verified_.notes.end(), note);
    if (known == verified_.notes.end()) return {Verdict::kNoted, note};
  }
  return judgement;
}

Judgement DamageRun::JudgeCrash(int signal) const {
  if (signal == SIGALRM) return {Verdict::kWrong, "it hung"};
  // "PROGRAM: ./table/block_based/FILE.cc:79: FUNCTION: Assertion `...' failed."
  const std::string said = ReadFile(folder_ + "/errors");
  const size_t place = said.find(": ./");
  const bool known = signal == SIGABRT && place != std::string::npos &&
                     absl::StrContains(said.substr(place), "Assertion") &&
                     std::any_of(kKnownAssertions.begin(), kKnownAssertions.end(),
                                 [&](const auto& one) { return IsOf(one, said.substr(place)); });
  if (!known) return {Verdict::kWrong, absl::StrCat("ended by signal ", signal, ": ", said)};
  return {Verdict::kNamedByCrash, said.substr(place + 2)};
}

std::vector<Judgement> DamageRun::Judge(const std::vector<Damage>& damages) const {
  const size_t bytes = sizeof(Shared) * damages.size();
  void* memory = mmap(nullptr, bytes + sizeof(Board), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  Board* board = new (memory) Board();
  board->results = reinterpret_cast<Shared*>(static_cast<char*>(memory) + sizeof(Board));
  size_t next = 0;
  while (next < damages.size()) {
    const int status = InChild(folder_ + "/errors", [&] {
      const auto subject = maker_();
      bool whole = false;
      const size_t end = std::min(damages.size(), next + kDamagesPerChild);
      for (size_t i = next; i < end; ++i) {
        board->current = i;
        alarm(kSecondsPerDamage);
        Put(board->results[i], JudgeOne(*subject, damages[i], whole));
        board->current = i + 1;
      }
    });
    next = board->current;
    const bool crashed = WIFSIGNALED(status) && next < damages.size();
    if (!crashed && status != 0) std::abort();
    if (!crashed) continue;
    Put(board->results[next], JudgeCrash(WTERMSIG(status)));
    const int after = InChild(folder_ + "/errors", [&] {
      const std::string lost = WhatIsLost(*maker_(), damages[next]);
      if (!lost.empty()) Put(board->results[next], {Verdict::kWrong, "destroyed: " + lost});
    });
    if (after != 0) Put(board->results[next], {Verdict::kWrong, "mended, it ends the process"});
    board->current = ++next;
  }
  std::vector<Judgement> judgements;
  for (size_t i = 0; i < damages.size(); ++i) {
    judgements.push_back({board->results[i].verdict, board->results[i].why});
  }
  munmap(memory, bytes + sizeof(Board));
  return judgements;
}

}  // namespace records::faults
