#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "projections/view_rows.h"
#include "services/recordsd/view.h"
#include "tests/faults/damage_subject.h"
#include "tests/projections/fake_log.h"
#include "tests/projections/note_projection.h"

namespace records::faults {
namespace {

using namespace projections;  // NOLINT(build/namespaces)
using eventstore::Ledger;
using eventstore::Position;

constexpr auto kWithAll = std::filesystem::copy_options::recursive;
constexpr uint32_t kPartitions = 2;
constexpr uint8_t kRoots = 5;
constexpr uint8_t kEventsPerRoot = 4;
constexpr absl::Duration kPatience = absl::Seconds(30);

class ViewSubject final : public DamageSubject {
 public:
  absl::Status Make(const Folders& folders) override {
    std::filesystem::create_directory(folders.closed);
    AddEvents(0, kEventsPerRoot / 2);
    {
      ASSIGN_OR_RETURN(const auto view, Open(folders.closed));
      RETURN_IF_ERROR(CatchUp(*view));
    }
    ASSIGN_OR_RETURN(const auto view, Open(folders.closed));
    AddEvents(kEventsPerRoot / 2, kEventsPerRoot - 1);
    RETURN_IF_ERROR(CatchUp(*view));
    std::filesystem::copy(folders.closed, folders.older, kWithAll);
    AddEvents(kEventsPerRoot - 1, kEventsPerRoot);
    RETURN_IF_ERROR(CatchUp(*view));
    std::filesystem::copy(folders.closed, folders.killed, kWithAll);
    return absl::OkStatus();
  }

  bool TakesTheSame(const std::string&, const std::string&, const std::string&) override {
    return false;
  }

  Reading ReadEverything(const std::string& folder) override {
    if (log_.Head(Ledger::kEvents, 0).sequence == 0) AddEvents(0, kEventsPerRoot);
    Reading reading;
    const auto view = Open(folder);
    reading.start = view.status();
    if (!view.ok()) return reading;
    reading.start = CatchUp(**view);
    if (!reading.start.ok()) return reading;
    const std::string aside = folder + "/views/notes.put-aside";
    if (std::filesystem::exists(aside)) reading.mended = "put aside and folded anew";
    const auto live = (*view)->live();
    for (size_t table = 0; table < kNoteTables; ++table) {
      const auto cursor = live->storage->NewCursor(eventstore::Table{table});
      std::string rows;
      for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
        absl::StrAppend(&rows, cursor->key(), "=", cursor->value(), "|");
      }
      reading.answers.push_back(cursor->status().ok()
                                    ? absl::StatusOr<std::string>(std::move(rows))
                                    : absl::StatusOr<std::string>(cursor->status()));
    }
    reading.answers.emplace_back(absl::StrCat(live->runner->ParkedRoots().size(), " parked"));
    return reading;
  }

  // A view is derived; nobody verifies its files.
  Verified Verify(const std::string&) override { return {}; }

 private:
  void AddEvents(uint8_t from, uint8_t to) {
    for (uint8_t i = from; i < to; ++i) {
      for (uint8_t root = 0; root < kRoots; ++root) {
        auto event = NoteEvent(TestRoot(root % kPartitions, root), absl::StrCat("type", i));
        event.set_id(absl::StrCat("the event ", i, " of ", root));
        log_.Add(std::move(event));
      }
    }
  }

  absl::StatusOr<std::unique_ptr<View>> Open(const std::string& folder) {
    return services::OpenView(folder, log_, notes_, {.idle_wait = absl::Milliseconds(1)});
  }

  absl::Status CatchUp(View& view) {
    for (uint32_t p = 0; p < kPartitions; ++p) {
      const Position head = log_.Head(Ledger::kEvents, p);
      const absl::Time deadline = absl::Now() + kPatience;
      RETURN_IF_ERROR(view.live()->runner->WaitFor(head, deadline));
    }
    return absl::OkStatus();
  }

  FakeLog log_{kPartitions, eventstore::StoreId({1, 1})};
  NoteProjection notes_;
};

}  // namespace

std::unique_ptr<DamageSubject> MakeViewSubject() { return std::make_unique<ViewSubject>(); }

}  // namespace records::faults
