#pragma once

#include "CLI/CLI.hpp"
#include "tools/recordsctl/session.h"

namespace records::tools {

// Adds `certificate verify` to `noun`: verifies the certificate of an erasure on this machine,
// without a server. `session` must outlive `noun`.
void AddSubjectCertificate(CLI::App* noun, Session& session);

}  // namespace records::tools
