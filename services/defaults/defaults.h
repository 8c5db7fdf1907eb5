#pragma once

#include <filesystem>

// What `recordsd` and `recordsctl` take when nothing is said, so that the one finds the other.
namespace records::services {

// Where the server listens.
inline constexpr char kDefaultListenAddress[] = "127.0.0.1:7400";

// The folder of all that a server keeps: $XDG_DATA_HOME/records, else ~/.local/share/records
// (XDG Base Directory Specification 0.8), else ./records-data for a user without a home. It need
// not exist.
std::filesystem::path DefaultDataFolder();

}  // namespace records::services
