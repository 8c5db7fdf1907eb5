#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "google/protobuf/descriptor.h"
#include "records/policy/v1/register.pb.h"

namespace records::services {

// The lawful basis that an event of a type is processed on: that of the register's row for the
// first category of the type. Types without personal data (grants of roles) rest on a legal
// obligation: UK GDPR Art 32, to limit who processes.
//
// Immutable, thread-safe.
class LawfulBases {
 public:
  explicit LawfulBases(const records::policy::v1::Register& policy);

  std::string Of(const google::protobuf::Descriptor& event_type) const;

 private:
  absl::flat_hash_map<std::string, std::string> by_category_;
};

}  // namespace records::services
