#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/key_store_open.h"
#include "eventstore/status_macros.h"
#include "tests/faults/anchor_readers.h"
#include "tests/faults/damage_subject.h"
#include "tools/recordsctl/verify/key_store_check.h"

namespace records::faults {
namespace {

using namespace eventstore;  // NOLINT(build/namespaces)

constexpr auto kWithAll = std::filesystem::copy_options::recursive;
constexpr uint8_t kSubjects = 6;
constexpr uint8_t kFenced = 5;

SubjectId Subject(uint8_t number) { return SubjectId({number, 7}); }

KeyPurpose Purpose(uint8_t number) { return {Subject(number), 3, {}}; }

class KeyStoreSubject final : public DamageSubject {
 public:
  absl::Status Make(const Folders& folders) override {
    std::filesystem::create_directory(folders.closed);
    {
      ASSIGN_OR_RETURN(const auto store, Open(folders.closed));
      RETURN_IF_ERROR(Fill(*store, 0, kSubjects / 2));
    }
    ASSIGN_OR_RETURN(const auto store, Open(folders.closed));
    RETURN_IF_ERROR(Fill(*store, kSubjects / 2, kSubjects - 1));
    std::filesystem::copy(folders.closed, folders.older, kWithAll);
    RETURN_IF_ERROR(Fill(*store, kSubjects - 1, kSubjects));
    RETURN_IF_ERROR(store->EndKey(Purpose(0)));
    RETURN_IF_ERROR(store->Fence(Subject(kFenced)));
    std::filesystem::copy(folders.closed, folders.killed, kWithAll);
    return absl::OkStatus();
  }

  bool TakesTheSame(const std::string& whole, const std::string& damaged,
                    const std::string& file) override {
    return file == "keys.anchor" && TakeTheSame(whole + "/" + file, damaged + "/" + file);
  }

  Reading ReadEverything(const std::string& folder) override {
    Reading reading;
    const auto store = Open(folder);
    reading.start = store.status();
    if (!store.ok()) return reading;
    for (uint8_t number = 0; number < kSubjects; ++number) Ask(**store, number, reading);
    const auto hash = (*store)->KeyedHash("label", "data");
    reading.answers.emplace_back(std::string(hash.begin(), hash.end()));
    reading.answers.push_back((*store)->SealToken("label", "caller", "data"));
    const KeyStoreStatus status = (*store)->GetStatus();
    reading.answers.emplace_back(absl::StrCat(status.master_key_generation, " ", status.keys, " ",
                                              status.fenced_subjects, " ", status.sequence));
    return reading;
  }

  Verified Verify(const std::string& folder) override {
    tools::verify::Report report(20);
    Verified verified;
    const absl::Status ran = tools::verify::CheckKeyStore(folder, std::nullopt, report);
    if (!ran.ok()) verified.findings.emplace_back(ran.message());
    for (const auto& finding : report.findings.Sorted()) {
      verified.findings.push_back(finding.message);
    }
    verified.notes = report.notes;
    return verified;
  }

 private:
  static absl::StatusOr<std::unique_ptr<KeyStore>> Open(const std::string& folder) {
    return OpenKeyStore({.data_dir = folder});
  }

  static absl::Status Fill(KeyStore& store, uint8_t from, uint8_t to) {
    for (uint8_t number = from; number < to; ++number) {
      RETURN_IF_ERROR(store.GetOrCreateKey(Purpose(number)).status());
      RETURN_IF_ERROR(store.Claim("north", "customer", absl::StrCat("R", number)).status());
    }
    return absl::OkStatus();
  }

  // Tells two keys apart without showing either.
  static absl::StatusOr<std::string> Describe(const absl::StatusOr<std::optional<LeasedKey>>& key) {
    RETURN_IF_ERROR(key.status());
    if (!key->has_value()) return std::string("none");
    return (*key)->aead->Seal(std::string(12, 'n'), "text", (*key)->id.bytes());
  }

  static void Ask(KeyStore& store, uint8_t number, Reading& reading) {
    reading.answers.push_back(Describe(store.FindKey(Purpose(number))));
    const auto entry = store.Resolve("north", "customer", absl::StrCat("R", number));
    if (!entry.ok()) {
      reading.answers.emplace_back(entry.status());
    } else if (!entry->has_value()) {
      reading.answers.emplace_back("none");
    } else {
      reading.answers.emplace_back(absl::StrCat((*entry)->subject.bytes(), (*entry)->root.bytes()));
      const auto reference = store.ReferenceOf((*entry)->subject);
      reading.answers.push_back(reference.ok()
                                    ? absl::StatusOr<std::string>(reference->value_or("none"))
                                    : absl::StatusOr<std::string>(reference.status()));
    }
    reading.answers.emplace_back(store.IsFenced(Subject(number)) ? "fenced" : "free");
    // A lost key must not be made anew in silence. Subject 0's was ended: making it is right.
    if (number == 0 || number == kFenced) return;
    const auto again = store.GetOrCreateKey(Purpose(number));
    reading.answers.push_back(again.ok() ? Describe(std::optional<LeasedKey>(*again))
                                         : absl::StatusOr<std::string>(again.status()));
  }
};

}  // namespace

std::unique_ptr<DamageSubject> MakeKeyStoreSubject() { return std::make_unique<KeyStoreSubject>(); }

}  // namespace records::faults
