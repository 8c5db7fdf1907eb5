#include "services/policy/register.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/policy/embedded.h"

namespace records::services {
namespace {

namespace policy = records::policy::v1;

// Keeps the first error of a parse, with its place.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(absl::string_view file) : file_(file) {}

  void AddError(int line, int column, const std::string& message) override {
    if (!message_.empty()) return;
    // The parser counts from 0; -1 means that it names no place.
    message_ = line < 0 ? absl::StrCat(file_, ": ", message)
                        : absl::StrCat(file_, ":", line + 1, ":", column + 1, ": ", message);
  }

  const std::string& message() const { return message_; }

 private:
  const std::string file_;
  std::string message_;
};

absl::StatusOr<policy::Register> ParseFile(absl::string_view file, const std::string& text) {
  policy::Register reg;
  FirstError error(file);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.ParseFromString(text, &reg)) {
    return absl::InvalidArgumentError(
        error.message().empty() ? absl::StrCat(file, ": does not parse") : error.message());
  }
  return reg;
}

// Each file holds its own kind, so that a reader finds every row where it belongs.
absl::Status CheckKind(absl::string_view file, const policy::Register& reg) {
  const bool strange = (file != kCategoriesFile && reg.categories_size() > 0) ||
                       (file != kRolesFile && reg.roles_size() > 0) ||
                       (file != kPurposesFile && reg.purposes_size() > 0);
  if (!strange) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(file, ": holds rows of another kind"));
}

absl::StatusOr<std::string> ReadText(const std::string& folder, absl::string_view file) {
  const std::string path = absl::StrCat(folder, "/", file);
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  text.resize(kRegisterFileBytesMax + 1);
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad() || (stream.fail() && !stream.eof())) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  text.resize(static_cast<size_t>(stream.gcount()));
  if (text.size() > kRegisterFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": above the limit of ", kRegisterFileBytesMax, " bytes"));
  }
  return text;
}

}  // namespace

absl::StatusOr<policy::Register> RegisterFromTexts(const RegisterTexts& texts) {
  policy::Register whole;
  const std::pair<absl::string_view, const std::string*> files[] = {
      {kCategoriesFile, &texts.categories},
      {kRolesFile, &texts.roles},
      {kPurposesFile, &texts.purposes}};
  for (const auto& [file, text] : files) {
    ASSIGN_OR_RETURN(const policy::Register part, ParseFile(file, *text));
    RETURN_IF_ERROR(CheckKind(file, part));
    whole.MergeFrom(part);
  }
  RETURN_IF_ERROR(ValidateRegister(whole));
  return whole;
}

absl::StatusOr<policy::Register> LoadRegister(const std::string& folder) {
  RegisterTexts texts;
  ASSIGN_OR_RETURN(texts.categories, ReadText(folder, kCategoriesFile));
  ASSIGN_OR_RETURN(texts.roles, ReadText(folder, kRolesFile));
  ASSIGN_OR_RETURN(texts.purposes, ReadText(folder, kPurposesFile));
  return RegisterFromTexts(texts);
}

absl::StatusOr<policy::Register> EmbeddedRegister() {
  return RegisterFromTexts({.categories = internal::kEmbeddedCategories,
                            .roles = internal::kEmbeddedRoles,
                            .purposes = internal::kEmbeddedPurposes});
}

absl::string_view LawfulBasisName(policy::LawfulBasis basis) {
  switch (basis) {
    case policy::LAWFUL_BASIS_CONSENT:
      return "consent";
    case policy::LAWFUL_BASIS_CONTRACT:
      return "contract";
    case policy::LAWFUL_BASIS_LEGAL_OBLIGATION:
      return "legal-obligation";
    case policy::LAWFUL_BASIS_VITAL_INTERESTS:
      return "vital-interests";
    case policy::LAWFUL_BASIS_PUBLIC_TASK:
      return "public-task";
    case policy::LAWFUL_BASIS_LEGITIMATE_INTERESTS:
      return "legitimate-interests";
    default:
      return "";
  }
}

}  // namespace records::services
