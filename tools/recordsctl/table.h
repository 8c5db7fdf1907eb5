#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace records::tools {

// A table for people: columns aligned, the widest wrapped so that lines fit the terminal. Cells are
// made printable here, so what is recorded cannot drive the terminal; line feeds in a cell stay.
//
// Not thread-safe.
class Table {
 public:
  // With empty `headings` no heading line is printed.
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

  // REQUIRES: as many cells as headings.
  void AddRow(const std::vector<std::string>& cells);

  // Gives column `index` this width whatever is in it, so that rows printed one by one line up.
  void FixWidth(size_t index, size_t width);

  // Returns the lines, each with a line feed, at most `width` columns where that is possible.
  std::string Render(size_t width, bool with_headings = true) const;

  bool empty() const { return rows_.empty(); }

 private:
  std::vector<size_t> ColumnWidths(size_t width) const;

  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> fixed_widths_;
};

// Names and values, one under the other, values wrapped beside their names.
std::string RenderFields(const std::vector<std::pair<std::string, std::string>>& fields,
                         size_t width);

}  // namespace records::tools
