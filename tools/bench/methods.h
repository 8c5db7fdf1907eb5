#pragma once

#include <cstdint>

#include "records/api/v1/contact_service.pb.h"
#include "records/api/v1/timeline_service.pb.h"
#include "tools/bench/load.h"

// The methods that bars call, for the generators.
namespace records::bench {

using RecordContactMethod =
    UnaryMethod<records::api::v1::RecordContactRequest, records::api::v1::RecordContactResponse>;
using GetTimelineMethod =
    UnaryMethod<records::api::v1::GetTimelineRequest, records::api::v1::GetTimelineResponse>;

// Contacts of customers at random.
RecordContactMethod RecordContacts(uint64_t customers);

// Contacts of one customer after the other, so that each gets as many. For one run.
RecordContactMethod RecordContactsInTurn(uint64_t customers);

// First pages of customers at random.
GetTimelineMethod GetTimelines(uint64_t customers, int page_size);

}  // namespace records::bench
