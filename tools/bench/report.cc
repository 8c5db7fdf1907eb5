#include "tools/bench/report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace records::bench {
namespace {

// Three digits that count.
std::string Short(double value) {
  if (value >= 1000) return absl::StrFormat("%.0f", value);
  if (value >= 10) return absl::StrFormat("%.1f", value);
  return absl::StrFormat("%.2f", value);
}

std::string Spread(const std::vector<double>& runs) {
  if (runs.size() < 2) return "";
  const auto [low, high] = std::minmax_element(runs.begin(), runs.end());
  return absl::StrCat(" [", Short(*low), "..", Short(*high), "]");
}

std::string TargetText(const BarResult& result) {
  return absl::StrCat(result.better == Better::kHigher ? ">= " : "<= ", Short(result.target),
                      result.reference_name.empty() ? "" : " x");
}

std::string MetText(const BarResult& result) {
  const std::optional<bool> met = result.IsMet();
  if (!met.has_value()) return absl::StrCat("not judged: ", result.not_judged);
  return *met ? "yes" : "no";
}

}  // namespace

std::string AsTable(const std::vector<BarResult>& results) {
  std::string text =
      absl::StrFormat("%-28s %-12s %-30s %-30s %-8s %-10s %s\n", "bar", "unit",
                      "measured [min..max]", "reference [min..max]", "ratio", "target", "met");
  for (const BarResult& result : results) {
    const auto ratio = result.Ratio();
    absl::StrAppendFormat(
        &text, "%-28s %-12s %-30s %-30s %-8s %-10s %s\n", result.bar, result.unit,
        absl::StrCat(Short(result.measured), Spread(result.runs)),
        result.reference ? absl::StrCat(Short(*result.reference), Spread(result.reference_runs))
                         : "-",
        ratio ? Short(*ratio) : "-", TargetText(result), MetText(result));
    if (!result.reference_name.empty()) {
      absl::StrAppend(&text, "    against ", result.reference_name, "\n");
    }
    for (const auto& [name, value] : result.details) {
      absl::StrAppend(&text, "    ", name, " ", Short(value), "\n");
    }
  }
  return text;
}

std::string AsJson(const std::vector<BarResult>& results) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const BarResult& result : results) {
    nlohmann::ordered_json line;
    line["bar"] = result.bar;
    line["measured"] = result.measured;
    line["reference"] = nullptr;
    line["ratio"] = nullptr;
    if (result.reference) line["reference"] = *result.reference;
    if (const auto ratio = result.Ratio()) line["ratio"] = *ratio;
    line["target"] = result.target;
    line["met"] = nullptr;
    if (const auto met = result.IsMet()) line["met"] = *met;
    if (!result.not_judged.empty()) line["not_judged"] = result.not_judged;
    line["better"] = result.better == Better::kHigher ? "higher" : "lower";
    line["unit"] = result.unit;
    line["reference_name"] = result.reference_name;
    line["runs"] = result.runs;
    line["reference_runs"] = result.reference_runs;
    line["details"] = result.details;
    if (!result.series.empty()) line["series"] = result.series;
    list.push_back(std::move(line));
  }
  return list.dump(2) + "\n";
}

}  // namespace records::bench
