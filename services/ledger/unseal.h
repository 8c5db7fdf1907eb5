#pragma once

#include <functional>

#include "records/api/v1/ledger_service.pb.h"
#include "services/runtime/rpc.h"

namespace records::services {

inline constexpr int kUnsealReferencesMax = 100;

// Opens what the references of the caller's work stream lead to, as far as the caller may, and
// fills `response`; then leaves a trace with each person whose event was opened, one for each root,
// or with the caller where the events are about nobody. Calls `finish` once: with OK when all
// traces are durable, else the response is empty. Who is fenced meanwhile is answered as erased.
//
// INVALID_ARGUMENT: not 1 to kUnsealReferencesMax references. kDataLoss: the log is damaged there.
//
// Backend and response must live until `finish` is called. May wait for a disk.
void Unseal(const Backend& backend, const Authorised& caller,
            const records::api::v1::UnsealRequest& request,
            records::api::v1::UnsealResponse& response, std::function<void(absl::Status)> finish);

}  // namespace records::services
