#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/runtime/authoriser.h"
#include "services/runtime/runtime.h"

namespace records::services {

inline constexpr size_t kPageSizeDefault = 50;
inline constexpr size_t kPageSizeMax = 200;

// The page size that a request means (AIP-158): 0 is the default, more than the largest is the
// largest, negative is INVALID_ARGUMENT.
absl::StatusOr<size_t> PageSize(int32_t asked);

// A page token: `cursor`, sealed for the caller, the method and `arguments`, which are the
// request's other fields. With other arguments it does not open.
absl::StatusOr<std::string> SealPageToken(const ReadRuntime& runtime, const Authorised& caller,
                                          absl::string_view arguments, absl::string_view cursor);

// What that is a token of, for KeyStore::ExpectTokens().
eventstore::TokenContent PageTokenContent(const Authorised& caller, absl::string_view arguments,
                                          absl::string_view cursor);

// The cursor of a token; empty for an empty token. INVALID_ARGUMENT: not a token for this request.
absl::StatusOr<std::string> OpenPageToken(const ReadRuntime& runtime, const Authorised& caller,
                                          absl::string_view arguments, absl::string_view token);

}  // namespace records::services
