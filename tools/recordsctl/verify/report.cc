#include "tools/recordsctl/verify/report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tools/recordsctl/verify/hashes.h"

namespace records::tools::verify {
namespace {

using Json = nlohmann::ordered_json;

std::string Line(absl::string_view label, absl::string_view text) {
  return absl::StrCat(label, std::string(label.size() < 13 ? 13 - label.size() : 1, ' '), text,
                      "\n");
}

std::string Counted(uint64_t count, absl::string_view one, absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

std::string RenderTrees(const Report& report) {
  std::string text;
  for (const TreeResult& tree : report.trees) {
    if (tree.size == 0) continue;
    text += Line(absl::StrCat("  ", NameOf(tree.ledger), "/", tree.partition),
                 absl::StrCat(tree.size, " ",
                              tree.has_all_events ? EncodeBase64(AsView(tree.root)) : "no root"));
  }
  return text;
}

std::string RenderWhatWasRead(const Report& report) {
  if (report.store_id.empty()) return "";
  std::string text = Line(
      "log", absl::StrCat(report.store_id, ", ", report.trees.size() / 2, " partitions, made ",
                          absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(report.created_at_us),
                                           absl::UTCTimeZone())));
  text += Line("events", absl::StrCat(report.CountOf(Ledger::kEvents)));
  text += Line("access", absl::StrCat(Counted(report.CountOf(Ledger::kAccess), "trace", "traces")));
  if (!report.trees.empty()) text += "roots\n" + RenderTrees(report);
  text += Line("anchor", Counted(report.anchored_events, "event", "events"));
  for (const ComparedCheckpoint& checkpoint : report.checkpoints) {
    text += Line("checkpoint",
                 absl::StrCat(checkpoint.source, ", ", Counted(checkpoint.size, "event", "events"),
                              ", signature ",
                              checkpoint.signed_by.empty()
                                  ? "not verified"
                                  : absl::StrCat("verified with ", checkpoint.signed_by)));
  }
  text += Line("key store", report.has_key_store
                                ? absl::StrCat(Counted(report.keys, "key", "keys"), ", sequence ",
                                               report.key_store_sequence)
                                : "not in this folder");
  if (report.erasures > 0) text += Line("erasures", absl::StrCat(report.erasures));
  return text;
}

std::string RenderVerdict(const Report& report) {
  if (report.is_clean()) {
    return absl::StrCat("clean: ", Counted(report.CountOf(Ledger::kEvents), "event", "events"),
                        " and ",
                        Counted(report.CountOf(Ledger::kAccess), "access trace", "access traces"),
                        " are as they were written\n");
  }
  const Finding worst = report.findings.Sorted().back();
  const std::string where = Describe(worst.place);
  return absl::StrCat("DAMAGED (", Counted(report.findings.count(), "finding", "findings"),
                      "): ", where, where.empty() ? "" : ": ", worst.message,
                      ". Keep this folder as it is and restore a backup into another one.\n");
}

Json PlaceAsJson(const Place& place) {
  Json json = Json::object();
  json["ledger"] = place.ledger ? Json(NameOf(*place.ledger)) : Json(nullptr);
  json["partition"] = place.partition ? Json(*place.partition) : Json(nullptr);
  json["sequence"] = place.sequence ? Json(*place.sequence) : Json(nullptr);
  json["file"] = place.file.empty() ? Json(nullptr) : Json(place.file);
  return json;
}

Json TreesAsJson(const Report& report) {
  Json trees = Json::array();
  for (const TreeResult& tree : report.trees) {
    trees.push_back(
        {{"ledger", NameOf(tree.ledger)},
         {"partition", tree.partition},
         {"size", tree.size},
         {"root", tree.has_all_events ? Json(EncodeBase64(AsView(tree.root))) : Json(nullptr)}});
  }
  return trees;
}

Json CheckpointsAsJson(const Report& report) {
  Json checkpoints = Json::array();
  for (const ComparedCheckpoint& checkpoint : report.checkpoints) {
    checkpoints.push_back(
        {{"source", checkpoint.source},
         {"size", checkpoint.size},
         {"signedBy", checkpoint.signed_by.empty() ? Json(nullptr) : Json(checkpoint.signed_by)}});
  }
  return checkpoints;
}

Json FindingsAsJson(const Report& report) {
  Json findings = Json::array();
  for (const Finding& finding : report.findings.Sorted()) {
    Json json = PlaceAsJson(finding.place);
    json["code"] = NameOf(finding.code);
    json["message"] = finding.message;
    findings.push_back(std::move(json));
  }
  return findings;
}

// Bytes of damaged names are no UTF-8: they are replaced, never thrown about.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

uint64_t Report::CountOf(Ledger ledger) const {
  uint64_t count = 0;
  for (const TreeResult& tree : trees) {
    if (tree.ledger == ledger) count += tree.size;
  }
  return count;
}

std::string RenderText(const Report& report) {
  std::string text = RenderWhatWasRead(report);
  for (const std::string& note : report.notes) text += Line("note", note);
  for (const std::string& part : report.not_checked) text += Line("not checked", part);
  for (const Finding& finding : report.findings.Sorted()) {
    const std::string where = Describe(finding.place);
    text += absl::StrCat(NameOf(finding.code), "  ", where, where.empty() ? "" : ": ",
                         finding.message, "\n");
  }
  if (report.findings.omitted() > 0) {
    text += absl::StrCat("and ", report.findings.omitted(), " more of these kinds\n");
  }
  return text + RenderVerdict(report);
}

std::string RenderJson(const Report& report) {
  Json json = Json::object();
  json["result"] = report.is_clean() ? "clean" : "damaged";
  json["storeId"] = report.store_id;
  json["createdAtUs"] = report.created_at_us;
  json["partitions"] = report.trees.size() / 2;
  json["events"] = report.CountOf(Ledger::kEvents);
  json["accessTraces"] = report.CountOf(Ledger::kAccess);
  json["trees"] = TreesAsJson(report);
  json["anchoredEvents"] = report.anchored_events;
  json["checkpoints"] = CheckpointsAsJson(report);
  json["keyStore"] = report.has_key_store
                         ? Json{{"keys", report.keys}, {"sequence", report.key_store_sequence}}
                         : Json(nullptr);
  json["live"] = report.is_live;
  json["notes"] = report.notes;
  json["notChecked"] = report.not_checked;
  json["findings"] = FindingsAsJson(report);
  json["findingsTotal"] = report.findings.count();
  return Dump(json);
}

std::string RenderCouldNotRunAsJson(const std::string& message) {
  return Dump({{"result", "could-not-run"}, {"message", message}});
}

}  // namespace records::tools::verify
