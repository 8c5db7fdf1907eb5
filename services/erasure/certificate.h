#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "eventstore/log.h"

namespace records::services {

// The certificate that stands at `position` of the register of erasures, as text that anybody can
// verify without the server: the event as it is stored, its inclusion proof and the signed
// checkpoint that the proof leads to. README.md has its form. Signs a new checkpoint when the last
// one does not reach the event. Errors: those of the log.
absl::StatusOr<std::string> CertificateText(eventstore::EventLog& log,
                                            eventstore::Position position);

}  // namespace records::services
