#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "records/api/v1/contact_service.pb.h"

namespace records::tools {

// Flags that describe a contact, for its recording and its correction.
struct ContactFlags {
  std::string customer;
  std::string channel;
  std::string other_channel;
  std::string direction;
  std::string outcome;
  std::string voicemail;
  std::string place;
  std::vector<std::string> subjects;
  std::string summary;
  std::vector<std::string> actions;
  std::vector<std::string> owners;
  std::vector<std::string> due_dates;
  bool no_further_action = false;
  std::string identity_check;
  bool identity_failed = false;
  bool disclosed = false;
  std::string third_party;
  std::string generated_by;
};

// Adds the flags to `command`; `flags` must outlive it.
void AddContactFlags(CLI::App* command, ContactFlags& flags);

// Builds the contact. Owners and due dates go with the actions in their order: none, one for all,
// or one for each. kInvalidArgument names the flag that is wrong.
absl::Status FillContact(const ContactFlags& flags, records::events::v1::Contact& contact);

// Flags of a service request asked for in a contact.
struct ServiceRequestFlags {
  std::string kind;
  std::string description;
  std::string place;
  std::vector<std::string> hazards;
  std::vector<std::string> vulnerabilities;

  bool any() const {
    return !kind.empty() || !description.empty() || !place.empty() || !hazards.empty() ||
           !vulnerabilities.empty();
  }
};

void AddServiceRequestFlags(CLI::App* command, ServiceRequestFlags& flags);
absl::Status FillServiceRequest(const ServiceRequestFlags& flags,
                                records::api::v1::ServiceRequestInput& input);

}  // namespace records::tools
