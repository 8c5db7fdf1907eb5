#pragma once

#include <string>

#include "tools/recordsctl/session.h"

namespace records::tools {

// What the verbs of `bus` are told on the command line.
struct BusFlags {
  std::string kafka;           // an address on this machine, or
  std::string kafka_settings;  // a file that says how the brokers are reached
  std::string prefix = "records";
  std::string topics;  // the file with the register; the deployed one by default
  int replicas_max = 9;
  bool without_rules = false;
};

enum class BusVerb { kApply, kDiff, kStatus };

// Runs one of the verbs that need brokers; returns an exit code, see README.md.
int RunBusVerb(Session& session, const BusFlags& flags, BusVerb verb);

}  // namespace records::tools
