#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "records/api/v1/contact_service.pb.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "services/validation/fields.h"

namespace records::services {

// What a contact came with, for the rules of what is never recorded.
struct ContactCircumstances {
  bool has_service_request = false;
  bool response_due = false;
  bool mass_mailing = false;
  bool internal = false;
};

// FAILED_PRECONDITION, with the reason, for what is never put on a personal record (requirements,
// section 6): MASS_MAILING (CR-3.1b), INTERNAL_CALL (RC-1.5a), SOCIAL_MEDIA_WITHOUT_REQUEST
// (CR-3.3.3), WALKABOUT_WITHOUT_REQUEST (CR-3.2.1g).
absl::Status RefuseNeverRecorded(const records::events::v1::Contact& contact,
                                 const ContactCircumstances& circumstances);

// FAILED_PRECONDITION (VERBATIM_REASON_MISSING): a word-for-word text without one of the five
// reasons (CR-2.3).
absl::Status RefuseVerbatimWithoutReason(const records::events::v1::Verbatim& verbatim);

// FAILED_PRECONDITION (IDENTITY_NOT_CHECKED): something was disclosed without a passed check.
absl::Status RefuseDisclosureWithoutCheck(const records::events::v1::Contact& contact);

// The minimum content of a contact (CR-3.2.2) and what each channel demands (CR-3.2.1).
void CheckContact(absl::string_view field, const records::events::v1::Contact& contact,
                  FieldChecker& check);
void CheckServiceRequest(absl::string_view field,
                         const records::api::v1::ServiceRequestInput& input, FieldChecker& check);
void CheckAsbReport(absl::string_view field, const records::events::v1::AsbReport& report,
                    FieldChecker& check);
void CheckDocument(absl::string_view field, const records::events::v1::DocumentIndexEntry& entry,
                   FieldChecker& check);

}  // namespace records::services
