#include "eventstore/bus/topic_register.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "eventstore/status_macros.h"
#include "records/log/v1/options.pb.h"

namespace records::eventstore {
namespace {

namespace bus = records::bus::v1;

constexpr size_t kTopicNameMax = 40;
constexpr size_t kPrincipalNameMax = 32;
constexpr size_t kDescriptionMax = 300;
constexpr uint32_t kPartitionsMax = 1024;
constexpr uint32_t kReplicasMax = 9;
constexpr uint32_t kRetentionDaysMax = 3650;
constexpr uint32_t kRecordBytesMin = 600'000;
constexpr uint32_t kRecordBytesMax = 8 << 20;

// Keeps the first error of a parse, with its place.
class ParseError : public google::protobuf::io::ErrorCollector {
 public:
  explicit ParseError(absl::string_view file) : message_(absl::StrCat(file, ": does not parse")) {}

  void AddError(int line, int column, const std::string& message) override {
    if (std::exchange(has_error_, true)) return;
    // The parser counts from 0; -1 means that it names no place.
    const std::string file = message_.substr(0, message_.rfind(": "));
    message_ = line < 0 ? absl::StrCat(file, ": ", message)
                        : absl::StrCat(file, ":", line + 1, ":", column + 1, ": ", message);
  }

  const std::string& message() const { return message_; }

 private:
  bool has_error_ = false;
  std::string message_;
};

bool IsName(absl::string_view name, size_t length_max) {
  return !name.empty() && name.size() <= length_max && absl::ascii_islower(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

// Collects the faults of one register.
class TopicValidator {
 public:
  explicit TopicValidator(const bus::TopicRegister& reg) : reg_(reg) {}

  absl::Status Run() {
    CheckSize("topics", static_cast<size_t>(reg_.topics_size()), 1, kTopicsMax);
    CheckSize("principals", static_cast<size_t>(reg_.principals_size()), 0, kBusPrincipalsMax);
    for (const bus::Topic& topic : reg_.topics()) CheckTopic(topic);
    CheckLogTopic();
    for (const bus::Principal& principal : reg_.principals()) CheckPrincipal(principal);
    for (const bus::Topic& topic : reg_.topics()) {
      if (written_.contains(topic.name())) continue;
      Fault(Row(topic), "no principal may write it");
    }
    if (faults_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(faults_, "\n"));
  }

 private:
  template <typename... Parts>
  void Fault(absl::string_view row, const Parts&... parts) {
    faults_.push_back(absl::StrCat(row, ": ", parts...));
  }

  static std::string Row(const bus::Topic& topic) {
    return absl::StrCat("topic '", topic.name(), "'");
  }

  void CheckSize(absl::string_view what, size_t size, size_t size_min, size_t size_max) {
    if (size < size_min) Fault("register", "has no ", what);
    if (size > size_max) Fault("register", "has ", size, " ", what, ", more than ", size_max);
  }

  void CheckNumber(absl::string_view row, absl::string_view field, uint32_t value, uint32_t min,
                   uint32_t max) {
    if (value >= min && value <= max) return;
    Fault(row, field, " is ", value, ", not ", min, " to ", max);
  }

  void CheckDescription(absl::string_view row, const std::string& text) {
    if (text.empty() || text.size() > kDescriptionMax) {
      Fault(row, "its description has ", text.size(), " characters, not 1 to ", kDescriptionMax);
    }
  }

  void CheckTopic(const bus::Topic& topic) {
    const std::string row = Row(topic);
    if (!IsTopicName(topic.name())) {
      Fault(row, "the name is not [a-z][a-z0-9-]* of at most ", kTopicNameMax,
            " characters and a version such as .v1");
    }
    if (!topics_.insert(topic.name()).second) Fault(row, "stands there twice");
    CheckDescription(row, topic.description());
    if (topic.kind() == bus::TOPIC_KIND_UNSPECIFIED || !bus::TopicKind_IsValid(topic.kind())) {
      Fault(row, "has no kind");
    }
    CheckNumber(row, "partitions", topic.partitions(), 1, kPartitionsMax);
    CheckNumber(row, "replicas", topic.replicas(), 1, kReplicasMax);
    CheckNumber(row, "replicas_in_sync_min", topic.replicas_in_sync_min(), 1,
                std::max(topic.replicas(), 1u));
    CheckNumber(row, "record_bytes_max", topic.record_bytes_max(), kRecordBytesMin,
                kRecordBytesMax);
    CheckRetention(topic, row);
  }

  void CheckRetention(const bus::Topic& topic, const std::string& row) {
    const bus::TopicRetention& retention = topic.retention();
    switch (retention.kept_case()) {
      case bus::TopicRetention::kDays:
        CheckNumber(row, "retention days", retention.days(), 1, kRetentionDaysMax);
        if (topic.kind() == bus::TOPIC_KIND_LOG) Fault(row, "the log is kept for ever");
        return;
      case bus::TopicRetention::kForEver:
        if (!retention.for_ever()) Fault(row, "for_ever can only be true");
        return;
      case bus::TopicRetention::kLastOfEachKey:
        if (!retention.last_of_each_key()) Fault(row, "last_of_each_key can only be true");
        if (topic.kind() != bus::TOPIC_KIND_SYSTEM) Fault(row, "has positions: never compacted");
        return;
      case bus::TopicRetention::KEPT_NOT_SET:
        Fault(row, "has no retention");
    }
  }

  void CheckLogTopic() {
    const bus::Topic* log = nullptr;
    for (const bus::Topic& topic : reg_.topics()) {
      const bool is_log = topic.kind() == bus::TOPIC_KIND_LOG;
      if (is_log != (topic.name() == kLogTopicName)) {
        Fault(Row(topic), "'", kLogTopicName, "' and no other is of the kind TOPIC_KIND_LOG");
      }
      if (is_log) log = &topic;
    }
    if (log == nullptr) return Fault("register", "has no topic '", kLogTopicName, "'");
    for (const bus::Topic& topic : reg_.topics()) {
      if (topic.kind() != bus::TOPIC_KIND_WORK || topic.partitions() == 0) continue;
      if (log->partitions() % topic.partitions() == 0) continue;
      Fault(Row(topic), topic.partitions(), " partitions do not divide the log's ",
            log->partitions());
    }
  }

  void CheckPrincipal(const bus::Principal& principal) {
    const std::string row = absl::StrCat("principal '", principal.name(), "'");
    if (!IsName(principal.name(), kPrincipalNameMax)) {
      Fault(row, "the name is not [a-z][a-z0-9-]* of at most ", kPrincipalNameMax, " characters");
    }
    if (!principals_.insert(principal.name()).second) Fault(row, "stands there twice");
    CheckDescription(row, principal.description());
    CheckNames(row, "reads", principal.reads());
    CheckNames(row, "writes", principal.writes());
    written_.insert(principal.writes().begin(), principal.writes().end());
    const bool has_rules =
        principal.reads_size() > 0 || principal.writes_size() > 0 || principal.transactional();
    if (principal.administrator() && has_rules) {
      Fault(row, "is an administrator, whose rules are made elsewhere");
    }
    if (!principal.administrator() && principal.reads_size() + principal.writes_size() == 0) {
      Fault(row, "may use no topic");
    }
    if (principal.transactional() && principal.writes_size() == 0) {
      Fault(row, "is transactional and may write nothing");
    }
  }

  void CheckNames(const std::string& row, absl::string_view field,
                  const google::protobuf::RepeatedPtrField<std::string>& names) {
    std::set<std::string> seen;
    for (const std::string& name : names) {
      if (!topics_.contains(name)) Fault(row, field, " '", name, "', which is no topic here");
      if (!seen.insert(name).second) Fault(row, field, " '", name, "' twice");
    }
  }

  const bus::TopicRegister& reg_;
  std::set<std::string> topics_;
  std::set<std::string> principals_;
  std::set<std::string> written_;
  std::vector<std::string> faults_;
};

}  // namespace

absl::StatusOr<bus::TopicRegister> ParseTopicRegister(absl::string_view file,
                                                      const std::string& text) {
  if (text.size() > kTopicRegisterBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": longer than ", kTopicRegisterBytesMax, " bytes"));
  }
  bus::TopicRegister reg;
  ParseError error(file);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.ParseFromString(text, &reg)) return absl::InvalidArgumentError(error.message());
  RETURN_IF_ERROR(ValidateTopicRegister(reg));
  return reg;
}

// A name, a dot, and a version from 1.
bool IsTopicName(absl::string_view name) {
  const size_t dot = name.rfind(".v");
  if (dot == absl::string_view::npos) return false;
  const absl::string_view digits = name.substr(dot + 2);
  uint32_t version = 0;
  return IsName(name.substr(0, dot), kTopicNameMax) && absl::SimpleAtoi(digits, &version) &&
         version > 0 && digits == absl::StrCat(version);
}

absl::Status ValidateTopicRegister(const bus::TopicRegister& reg) {
  return TopicValidator(reg).Run();
}

absl::Status CheckEventTopics(const bus::TopicRegister& reg,
                              absl::Span<const google::protobuf::Descriptor* const> event_types) {
  std::set<std::string> unnamed;
  std::set<std::string> work;
  for (const bus::Topic& topic : reg.topics()) {
    if (topic.kind() == bus::TOPIC_KIND_WORK) work.insert(topic.name());
  }
  unnamed = work;
  std::vector<std::string> faults;
  for (const google::protobuf::Descriptor* type : event_types) {
    for (const std::string& name :
         type->options().GetExtension(records::log::v1::event_type).topics()) {
      unnamed.erase(name);
      if (work.contains(name)) continue;
      faults.push_back(absl::StrCat(type->full_name(), ": '", name, "' is no work stream"));
    }
  }
  for (const std::string& name : unnamed) {
    faults.push_back(absl::StrCat("topic '", name, "': no event type names it"));
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
}

absl::Status CheckBusPrefix(absl::string_view prefix) {
  if (IsName(prefix, kPrincipalNameMax)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the prefix '", prefix,
                                                 "' is not [a-z][a-z0-9-]* of at most ",
                                                 kPrincipalNameMax, " characters"));
}

}  // namespace records::eventstore
