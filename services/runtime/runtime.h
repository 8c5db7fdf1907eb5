#pragma once

#include <string>

#include "eventstore/bus/work_streams.h"
#include "eventstore/categories.h"
#include "eventstore/clock.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"
#include "eventstore/random.h"
#include "eventstore/sealing.h"
#include "services/runtime/executor.h"
#include "services/runtime/lawful_bases.h"

namespace records::services {

// What every service of a process shares. Owned by main; outlives the services.
struct Runtime {
  eventstore::EventLog& log;
  eventstore::KeyStore& keys;
  eventstore::Sealer& sealer;
  const eventstore::WorkStreams& work;
  const eventstore::Clock& clock;
  eventstore::Random& random;
  Executor& executor;
  Executor& bulk_executor;  // for rows of imports: nobody else waits behind them
  const eventstore::CategoryTable& categories;
  const LawfulBases& lawful_bases;
  std::string organisation;  // C50: on every stream
};

}  // namespace records::services
