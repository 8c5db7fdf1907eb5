#include "tools/recordsctl/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

constexpr size_t kGap = 2;              // columns between cells
constexpr size_t kNarrowestColumn = 8;  // no column is wrapped narrower

size_t WidestLine(absl::string_view cell) {
  size_t widest = 0;
  for (absl::string_view line : absl::StrSplit(cell, '\n')) {
    widest = std::max(widest, DisplayWidth(line));
  }
  return widest;
}

void AppendPadded(absl::string_view cell, size_t width, std::string& line) {
  absl::StrAppend(&line, cell);
  const size_t used = DisplayWidth(cell);
  if (used < width) line.append(width - used, ' ');
}

void AppendRow(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
               std::string& out) {
  std::vector<std::vector<std::string>> columns;
  size_t height = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    columns.push_back(Wrap(cells[i], std::max<size_t>(widths[i], 2)));
    height = std::max(height, columns.back().size());
  }
  for (size_t row = 0; row < height; ++row) {
    std::string line;
    for (size_t i = 0; i < columns.size(); ++i) {
      const bool is_last = i + 1 == columns.size();
      const std::string cell = row < columns[i].size() ? columns[i][row] : "";
      AppendPadded(cell, is_last ? 0 : widths[i] + kGap, line);
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    absl::StrAppend(&out, line, "\n");
  }
}

}  // namespace

void Table::AddRow(const std::vector<std::string>& cells) {
  std::vector<std::string> row;
  for (const std::string& cell : cells) row.push_back(Printable(cell, /*keep_lines=*/true));
  row.resize(headings_.size());
  rows_.push_back(std::move(row));
}

void Table::FixWidth(size_t index, size_t width) {
  fixed_widths_.resize(headings_.size());
  fixed_widths_[index] = width;
}

std::vector<size_t> Table::ColumnWidths(size_t width) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < headings_.size(); ++i) {
    size_t widest = DisplayWidth(headings_[i]);
    for (const auto& row : rows_) widest = std::max(widest, WidestLine(row[i]));
    const size_t fixed = i < fixed_widths_.size() ? fixed_widths_[i] : 0;
    widths.push_back(fixed > 0 ? fixed : widest);
  }
  size_t total = kGap * (widths.size() - 1);
  for (size_t column : widths) total += column;
  // The widest column gives way first, so that short ones (times, codes) stay in one piece.
  while (total > width) {
    auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kNarrowestColumn) break;
    --*widest;
    --total;
  }
  return widths;
}

std::string Table::Render(size_t width, bool with_headings) const {
  const std::vector<size_t> widths = ColumnWidths(width);
  std::string out;
  if (with_headings) AppendRow(headings_, widths, out);
  for (const auto& row : rows_) AppendRow(row, widths, out);
  return out;
}

std::string RenderFields(const std::vector<std::pair<std::string, std::string>>& fields,
                         size_t width) {
  Table table({"", ""});
  size_t widest = 0;
  for (const auto& [name, value] : fields) widest = std::max(widest, DisplayWidth(name));
  table.FixWidth(0, widest);
  for (const auto& [name, value] : fields) table.AddRow({name, value});
  return table.Render(width, /*with_headings=*/false);
}

}  // namespace records::tools
