#pragma once

#include "eventstore/categories.h"

namespace records::eventstore::testing {

// All categories that the event types name, and a second one for fold parts, for tests that have no
// register. Numbers and scopes are those of deploy/policy/categories.textproto.
inline CategoryTable TestCategories() {
  using enum KeyScopeKind;
  return CategoryTable::Create({{"identity", 1, kSubject},
                                {"tenancy", 2, kSubject},
                                {"contact", 3, kYear},
                                {"contact-verbatim", 4, kYear},
                                {"service-request", 5, kYear},
                                {"vulnerability", 6, kYear},
                                {"communication-needs", 7, kSubject},
                                {"contact-safety", 8, kSubject},
                                {"confidential-address", 9, kSubject},
                                {"third-party-authority", 10, kSubject},
                                {"document-index", 11, kYear},
                                {"asb", 12, kRoot},
                                {"household", 13, kSubject},
                                {"access-trace", 14, kYear},
                                {"timeline-fold", 15, kYear},
                                {"request-digest", 16, kSubject},
                                {"independent-living", 17, kRoot},
                                {"work-erasure", 18, kYear},
                                {"second-fold", 65'535, kMonth}})
      .value();
}

}  // namespace records::eventstore::testing
