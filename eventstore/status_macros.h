#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// RETURN_IF_ERROR(expression): returns the status from the enclosing function unless it is OK.
// ASSIGN_OR_RETURN(target, expression): assigns or declares `target` from a StatusOr, or returns
// its status. Name a type that has a comma with an alias first.
//
// Both work in functions that return absl::Status or any absl::StatusOr.

#define RECORDS_STATUS_CONCAT_INNER(a, b) a##b
#define RECORDS_STATUS_CONCAT(a, b) RECORDS_STATUS_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression) \
  RECORDS_RETURN_IF_ERROR_INNER(RECORDS_STATUS_CONCAT(records_status_, __COUNTER__), expression)

#define RECORDS_RETURN_IF_ERROR_INNER(status, expression)                \
  do {                                                                   \
    if (absl::Status status = (expression); !status.ok()) return status; \
  } while (false)

#define ASSIGN_OR_RETURN(target, expression)                                                     \
  RECORDS_ASSIGN_OR_RETURN_INNER(RECORDS_STATUS_CONCAT(records_status_or_, __COUNTER__), target, \
                                 expression)

#define RECORDS_ASSIGN_OR_RETURN_INNER(status_or, target, expression) \
  auto status_or = (expression);                                      \
  if (!status_or.ok()) return std::move(status_or).status();          \
  target = *std::move(status_or)
