// In the place of bus_run.cc where librdkafka is not.

#include "tools/recordsctl/bus/bus_run.h"

namespace records::tools {

int RunBusVerb(Session& session, const BusFlags&, BusVerb) {
  return session.Usage("this recordsctl was built without librdkafka, so it cannot reach brokers",
                       "run tools/setup --kafka, then cmake --preset dev and build it again");
}

}  // namespace records::tools
