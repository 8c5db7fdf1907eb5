#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/runtime/read_gate.h"
#include "services/runtime/runtime.h"

namespace records::services {

// A read that was admitted for a view, sealed for that view: who reads, whom, by which method and
// for what, until the reader's token expires. So a view can leave traces of reads that were
// admitted, and of no others.
[[nodiscard]] absl::StatusOr<std::string> SealTicket(const Runtime& runtime, absl::string_view view,
                                                     const AdmittedRead& read);

// The read, with as much of it as a trace takes. INVALID_ARGUMENT: no ticket for this view.
// UNAUTHENTICATED (TOKEN_EXPIRED): the reader's token has expired since.
[[nodiscard]] absl::StatusOr<AdmittedRead> OpenTicket(const Runtime& runtime,
                                                      absl::string_view view,
                                                      absl::string_view ticket);

}  // namespace records::services
