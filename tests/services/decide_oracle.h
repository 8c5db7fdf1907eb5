#pragma once

// The meaning of the register, said a second time and as plainly as possible. It shares no code
// with services/policy/decide.cc: loops over strings, one question at a time.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "records/policy/v1/register.pb.h"

namespace records::services {

struct OracleQuestion {
  std::vector<std::string> offered;
  std::vector<std::string> granted;
  std::string view;
  int action = 0;
  std::string purpose;
  bool assigned = false;
  bool same_team = false;
  std::string work_stream;  // empty: the question is about none
};

struct OracleAnswer {
  std::string refused;                          // why; empty: allowed
  std::string role;                             // that permits the call
  std::map<std::string, std::string> readable;  // category to the role that allows it
};

inline bool OracleHas(const std::vector<std::string>& names, const std::string& wanted) {
  for (const std::string& name : names) {
    if (name == wanted) return true;
  }
  return false;
}

inline bool OraclePermits(const records::policy::v1::Role& role, const OracleQuestion& question) {
  for (const auto& permission : role.permissions()) {
    if (permission.view() != question.view || permission.action() != question.action) continue;
    for (const std::string& purpose : permission.purposes()) {
      if (purpose == question.purpose) return true;
    }
  }
  return false;
}

inline bool OracleReads(const records::policy::v1::Category& category, const std::string& role,
                        const OracleQuestion& question) {
  for (const auto& reader : category.readers()) {
    if (reader.role() != role) continue;
    const std::string relation = records::policy::v1::Relation_Name(reader.relation());
    if (relation == "RELATION_ASSIGNED" && !question.assigned) continue;
    if (relation == "RELATION_SAME_TEAM" && !question.same_team) continue;
    for (const std::string& purpose : reader.purposes()) {
      if (purpose == question.purpose) return true;
    }
  }
  return false;
}

inline bool OracleTakes(const records::policy::v1::Role& role, const std::string& stream) {
  for (const std::string& taken : role.work_streams()) {
    if (taken == stream) return true;
  }
  return false;
}

inline OracleAnswer AskOracleOnNoStream(const records::policy::v1::Register& reg,
                                        const OracleQuestion& question) {
  bool purpose_known = false;
  for (const auto& purpose : reg.purposes()) {
    if (purpose.id() == question.purpose) purpose_known = true;
  }
  if (!purpose_known) return {.refused = "purpose-unknown"};

  OracleAnswer answer;
  bool any_counts = false;
  for (const auto& role : reg.roles()) {
    if (!OracleHas(question.offered, role.id()) || !OracleHas(question.granted, role.id()))
      continue;
    any_counts = true;
    if (!OraclePermits(role, question)) continue;
    if (answer.role.empty()) answer.role = role.id();
    if (question.action != records::policy::v1::ACTION_READ) continue;
    for (const auto& category : reg.categories()) {
      if (answer.readable.count(category.id()) > 0) continue;
      if (OracleReads(category, role.id(), question)) answer.readable[category.id()] = role.id();
    }
  }
  if (!any_counts) return {.refused = "no-role-counts"};
  if (answer.role.empty()) return {.refused = "not-permitted"};
  if (question.action == records::policy::v1::ACTION_READ && answer.readable.empty()) {
    return {.refused = "nothing-readable"};
  }
  return answer;
}

// On a work stream: as if the caller had no roles but those that take it.
inline OracleAnswer AskOracle(const records::policy::v1::Register& reg,
                              const OracleQuestion& question) {
  OracleAnswer answer = AskOracleOnNoStream(reg, question);
  if (question.work_stream.empty() || !answer.refused.empty()) return answer;
  OracleQuestion taken = question;
  taken.granted.clear();
  for (const auto& role : reg.roles()) {
    if (OracleHas(question.granted, role.id()) && OracleTakes(role, question.work_stream)) {
      taken.granted.push_back(role.id());
    }
  }
  answer = AskOracleOnNoStream(reg, taken);
  if (!answer.refused.empty() || answer.readable.empty()) return {.refused = "not-on-the-stream"};
  return answer;
}

}  // namespace records::services
