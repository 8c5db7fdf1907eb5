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

// What answering questions takes. A view in a process of its own has a log that it reads from Kafka
// and keys that the ledger leases to it; neither takes a change.
struct ReadRuntime {
  eventstore::EventLog& log;
  eventstore::KeyStore& keys;
  const eventstore::Clock& clock;
  Executor& executor;
  std::string organisation;  // C50: on every stream
};

// What every service of a process shares. Owned by main; outlives the services.
struct Runtime : ReadRuntime {
  eventstore::Sealer& sealer;
  const eventstore::WorkStreams& work;
  eventstore::Random& random;
  Executor& bulk_executor;  // for rows of imports: nobody else waits behind them
  const eventstore::CategoryTable& categories;
  const LawfulBases& lawful_bases;
};

}  // namespace records::services
