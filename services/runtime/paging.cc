#include "services/runtime/paging.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

constexpr absl::string_view kLabel = "page";

std::string Binding(const Authorised& caller, absl::string_view arguments) {
  return absl::StrCat(caller.Name().size(), ":", caller.Name(), caller.method.size(), ":",
                      caller.method, arguments);
}

}  // namespace

absl::StatusOr<size_t> PageSize(int32_t asked) {
  if (asked < 0) return InvalidField("page_size", "must not be negative");
  if (asked == 0) return kPageSizeDefault;
  return std::min<size_t>(static_cast<size_t>(asked), kPageSizeMax);
}

absl::StatusOr<std::string> SealPageToken(const ReadRuntime& runtime, const Authorised& caller,
                                          absl::string_view arguments, absl::string_view cursor) {
  return runtime.keys.SealToken(kLabel, Binding(caller, arguments), cursor);
}

eventstore::TokenContent PageTokenContent(const Authorised& caller, absl::string_view arguments,
                                          absl::string_view cursor) {
  return {std::string(kLabel), Binding(caller, arguments), std::string(cursor)};
}

absl::StatusOr<std::string> OpenPageToken(const ReadRuntime& runtime, const Authorised& caller,
                                          absl::string_view arguments, absl::string_view token) {
  if (token.empty()) return std::string();
  auto cursor = runtime.keys.OpenToken(kLabel, Binding(caller, arguments), token);
  if (cursor.ok()) return cursor;
  return InvalidField("page_token",
                      "must come from the reply before, with the same request otherwise");
}

}  // namespace records::services
