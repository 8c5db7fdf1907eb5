#pragma once

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_apply.h"
#include "eventstore/bus/topic_admin.h"
#include "tools/recordsctl/session.h"

namespace records::tools {

// What a verb works on. The session and the admin outlive it. Not thread-safe.
class BusRun {
 public:
  BusRun(Session& session, eventstore::TopicAdmin& admin, records::bus::v1::TopicRegister reg,
         eventstore::BusPlanOptions options, std::chrono::steady_clock::time_point end)
      : session(session),
        admin(admin),
        reg(std::move(reg)),
        options(std::move(options)),
        end_(end) {}

  Session& session;
  eventstore::TopicAdmin& admin;
  const records::bus::v1::TopicRegister reg;
  const eventstore::BusPlanOptions options;

  // What is left of --timeout.
  absl::Duration Left() const { return absl::FromChrono(end_ - std::chrono::steady_clock::now()); }

 private:
  const std::chrono::steady_clock::time_point end_;
};

// Says what could not be done, why, and what to do; returns the exit code. Where `refused` is not
// kExitRefused, that one has another meaning for the verb.
int FailBus(Session& session, absl::string_view doing, const absl::Status& status, int refused);

int DiffBus(BusRun& run);
int ApplyBus(BusRun& run);
int ShowBusStatus(BusRun& run);

}  // namespace records::tools
