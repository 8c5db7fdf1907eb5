#include "tests/simulation/options.h"

#include "absl/strings/str_cat.h"

namespace records::simulation {

Options Options::Draw(uint64_t seed) {
  Dice dice(seed);
  Options options;
  options.seed = seed;
  options.partitions = static_cast<uint32_t>(dice.Between(1, 3));
  options.steps = dice.Between(60, 160);
  options.customers = dice.Between(1, 4);
  options.staff = dice.Between(1, 3);
  options.followers = dice.Between(1, 3);
  options.open_requests_max = dice.Between(1, 6);
  // Some runs write enough to fill tiles and pages.
  options.append_events_max = dice.OneIn(4) ? 64 : dice.Between(1, 4);
  options.cached_keys = dice.OneIn(3) ? 2 : 1000;
  options.fold_batch_events = dice.OneIn(2) ? dice.Between(1, 5) : 2048;
  options.crash_one_in = dice.OneIn(8) ? 0 : dice.Between(15, 60);
  options.clock_jump_one_in = dice.Between(10, 40);
  options.erase_one_in = dice.OneIn(2) ? dice.Between(20, 60) : 0;
  // Most runs have one kind of failing disk, so that a rare fault meets an otherwise busy system.
  const uint64_t kind = dice.Below(6);
  if (kind == 0) options.faults.write_refused = dice.Between(20, 80);
  if (kind == 1) options.faults.sync_failed = dice.Between(20, 80);
  if (kind == 2) options.faults.no_space = dice.Between(20, 80);
  if (kind == 3) options.faults.read_failed = dice.Between(200, 2000);
  if (kind == 4) options.faults = {100, 100, 100, 2000};
  return options;
}

std::string Options::ToString() const {
  return absl::StrCat("seed=", seed, " partitions=", partitions, " steps=", steps,
                      " customers=", customers, " staff=", staff, " followers=", followers,
                      " open-requests=", open_requests_max, " append-events=", append_events_max,
                      " cached-keys=", cached_keys, " fold-batch=", fold_batch_events,
                      " crash-one-in=", crash_one_in, " clock-jump-one-in=", clock_jump_one_in,
                      " erase-one-in=", erase_one_in,
                      " faults(refused,sync,space,read)=", faults.write_refused, ",",
                      faults.sync_failed, ",", faults.no_space, ",", faults.read_failed);
}

}  // namespace records::simulation
