#include "services/defaults/defaults.h"

#include <cstdlib>

namespace records::services {
namespace {

// The specification wants relative paths ignored.
std::filesystem::path AbsolutePathIn(const char* variable) {
  const char* value = std::getenv(variable);
  const std::filesystem::path path = value == nullptr ? "" : value;
  return path.is_absolute() ? path : "";
}

}  // namespace

std::filesystem::path DefaultDataFolder() {
  const std::filesystem::path data = AbsolutePathIn("XDG_DATA_HOME");
  if (!data.empty()) return data / "records";
  const std::filesystem::path home = AbsolutePathIn("HOME");
  if (!home.empty()) return home / ".local" / "share" / "records";
  return "records-data";
}

}  // namespace records::services
