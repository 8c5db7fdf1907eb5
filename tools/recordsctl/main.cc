#include <iostream>

#include "tools/recordsctl/app.h"

int main(int argc, char** argv) {
  return records::tools::RunCommandLine(argc, argv, std::cout, std::cerr);
}
