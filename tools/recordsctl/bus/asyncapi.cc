#include "tools/recordsctl/bus/asyncapi.h"

#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "eventstore/bus/bus_plan.h"
#include "nlohmann/json.hpp"
#include "records/log/v1/bus.pb.h"
#include "records/log/v1/event.pb.h"
#include "records/log/v1/options.pb.h"

namespace records::tools {
namespace {

namespace bus = records::bus::v1;
using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

constexpr char kProtobuf[] = "application/protobuf";
constexpr char kSealedReference[] = "application/vnd.records.sealed-reference";

// Keys of a document have no dots, so that a reference to them needs no escapes.
std::string KeyOf(absl::string_view name) { return absl::StrReplaceAll(name, {{".", "-"}}); }

Json Reference(const std::string& path) { return {{"$ref", absl::StrCat("#/", path)}}; }

// A type and all that it is made of, as a proto file.
class ProtoText {
 public:
  explicit ProtoText(const Descriptor& type) {
    text_ = absl::StrCat("syntax = \"proto3\";\npackage ", type.file()->package(), ";\n");
    Add(type);
  }
  const std::string& text() const { return text_; }

 private:
  void Add(const Descriptor& type) {
    if (!seen_.insert(type.full_name()).second) return;
    absl::StrAppend(&text_, "\n", type.DebugString());
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (field.message_type() != nullptr) Add(*field.message_type());
      if (field.enum_type() == nullptr || !seen_.insert(field.enum_type()->full_name()).second) {
        continue;
      }
      absl::StrAppend(&text_, "\n", field.enum_type()->DebugString());
    }
  }

  std::set<std::string> seen_;
  std::string text_;
};

Json Text(const std::string& description, const std::string& pattern = "") {
  Json schema = {{"type", "string"}, {"description", description}};
  if (!pattern.empty()) schema["pattern"] = pattern;
  return schema;
}

Json HeadersSchema(const Json& properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {{"type", "object"}, {"required", required}, {"properties", properties}};
}

// CloudEvents 1.0, Kafka protocol binding, binary mode.
Json LogHeaders() {
  const std::string hex = "^[0-9a-f]{32}$";
  const std::string position = "^[0-9]+/[0-9]+$";
  return HeadersSchema(
      {{"ce_specversion", {{"type", "string"}, {"const", "1.0"}}},
       {"ce_id", Text("id of the event", hex)},
       {"ce_source", Text("/records/ and the id of the log", "^/records/[0-9a-f]+$")},
       {"ce_type", Text("full name of the event type; records.events.v1.Restricted hides it")},
       {"ce_subject", Text("root of the stream", hex)},
       {"ce_time", Text("when it was recorded, RFC 3339, UTC")},
       {"content-type", {{"type", "string"}, {"const", kProtobuf}}},
       {"records_position", Text("partition/sequence in the log", position)},
       {"records_previous", Text("position of the event before, in the partition", position)}});
}

// What leads to a person or a place in the log is on the log's own topic only.
Json WorkHeaders() {
  const std::string hex = "^[0-9a-f]{32}$";
  return HeadersSchema(
      {{"ce_specversion", {{"type", "string"}, {"const", "1.0"}}},
       {"ce_id", Text("id of the record, on this topic only", hex)},
       {"ce_source", Text("/records/ and the id of the log", "^/records/[0-9a-f]+$")},
       {"ce_type", Text("full name of the event type; records.events.v1.Restricted hides it; "
                        "records.log.v1.Erased: the subject is erased, drop what you hold of it")},
       {"ce_subject", Text("name of the subject, on this topic only; the record's key", hex)},
       {"ce_time", Text("the day when it was recorded, RFC 3339, UTC")},
       {"content-type", {{"type", "string"}, {"const", kSealedReference}}},
       {"records_previous",
        Text("ce_id of the record before it on this topic, from the same partition of the log; "
             "empty: it is the first. Nothing is missing where each names one that was read, once",
             "^([0-9a-f]{32})?$")}});
}

Json MessageOf(const Descriptor& type, const std::string& description, const std::string& headers) {
  Json message = {{"name", type.full_name()},
                  {"title", type.name()},
                  {"description", description},
                  {"contentType", kProtobuf}};
  if (!headers.empty()) message["headers"] = Reference("components/schemas/" + headers);
  message["payload"] = {{"schemaFormat", "application/vnd.google.protobuf;version=3"},
                        {"schema", ProtoText(type).text()}};
  return message;
}

// Builds one document.
class AsyncApiDocument {
 public:
  AsyncApiDocument(const bus::TopicRegister& reg, const std::vector<const Descriptor*>& event_types)
      : reg_(reg), event_types_(event_types), wanted_(eventstore::WantedBus(reg, {})) {}

  Json Build() {
    for (const bus::Topic& topic : reg_.topics()) AddChannel(topic);
    for (const bus::Principal& principal : reg_.principals()) AddOperations(principal);
    Json document = {
        {"asyncapi", "3.0.0"},
        {"info",
         {{"title", "The bus of the records backend"},
          {"version", "1.0.0"},
          {"description",
           "Generated from deploy/kafka/topics.textproto and the event types by "
           "`recordsctl bus asyncapi`. A work stream carries sealed references; who was granted "
           "it opens them by LedgerService.Unseal."}}},
        {"defaultContentType", kProtobuf},
        {"servers", {{"kafka", Server()}}},
        {"channels", channels_},
        {"operations", operations_},
    };
    document["components"] = {
        {"messages", messages_},
        {"schemas", {{"log-headers", LogHeaders()}, {"work-headers", WorkHeaders()}}},
        {"securitySchemes",
         {{"scram", {{"type", "scramSha512"}, {"description", "SASL/SCRAM-SHA-512 over TLS"}}}}}};
    return document;
  }

 private:
  static Json Server() {
    return {{"host", "{brokers}"},
            {"protocol", "kafka-secure"},
            {"description",
             "Brokers of Kafka from 3.7 on; read with isolation.level="
             "read_committed: what was not committed may come again."},
            {"variables",
             {{"brokers", {{"default", "localhost:9093"}, {"description", "host and port"}}}}},
            {"security", Json::array({Reference("components/securitySchemes/scram")})}};
  }

  // Adds what the topic carries to the messages; returns their keys.
  std::vector<std::string> AddMessages(const bus::Topic& topic) {
    if (topic.kind() == bus::TOPIC_KIND_LOG) {
      const Descriptor& type = *records::log::v1::Event::descriptor();
      messages_["Event"] = MessageOf(type, "An event as stored.", "log-headers");
      return {"Event"};
    }
    if (topic.kind() == bus::TOPIC_KIND_SYSTEM) {
      const Descriptor& type = *records::log::v1::RelayProgress::descriptor();
      messages_["RelayProgress"] = MessageOf(type, "Its key is the id of the log.", "");
      return {"RelayProgress"};
    }
    std::vector<std::string> keys;
    for (const Descriptor* type : event_types_) {
      const auto& option = type->options().GetExtension(records::log::v1::event_type);
      if (std::count(option.topics().begin(), option.topics().end(), topic.name()) == 0) continue;
      const absl::string_view what =
          option.restricted() ? "Restricted: nothing in the clear tells its type. " : "";
      messages_[type->name()] =
          MessageOf(*type,
                    absl::StrCat(what,
                                 "The value is a sealed reference; this is what "
                                 "LedgerService.Unseal gives for it."),
                    "work-headers");
      keys.push_back(type->name());
    }
    return keys;
  }

  Json BindingsOf(const bus::Topic& topic) const {
    const auto& wanted = wanted_.topics.at(absl::StrCat("records.", topic.name()));
    const auto number = [&wanted](const std::string& parameter) {
      int64_t value = 0;
      (void)absl::SimpleAtoi(wanted.configuration.at(parameter), &value);
      return value;
    };
    return {{"kafka",
             {{"partitions", wanted.partitions},
              {"replicas", wanted.replicas},
              {"topicConfiguration",
               {{"cleanup.policy", Json::array({wanted.configuration.at("cleanup.policy")})},
                {"retention.ms", number("retention.ms")},
                {"retention.bytes", number("retention.bytes")},
                {"max.message.bytes", number("max.message.bytes")}}},
              {"bindingVersion", "0.5.0"}}}};
  }

  void AddChannel(const bus::Topic& topic) {
    const std::string key = KeyOf(topic.name());
    Json messages = Json::object();
    for (const std::string& message : AddMessages(topic)) {
      messages[message] = Reference("components/messages/" + message);
    }
    channels_[key] = {
        {"address", absl::StrCat("{prefix}.", topic.name())},
        {"title", topic.name()},
        {"description", topic.description()},
        {"messages", messages},
        {"parameters",
         {{"prefix",
           {{"default", "records"}, {"description", "what the names of all topics begin with"}}}}},
        {"bindings", BindingsOf(topic)}};
  }

  void AddOperations(const bus::Principal& principal) {
    for (const std::string& topic : principal.reads()) AddOperation(principal, topic, true);
    for (const std::string& topic : principal.writes()) AddOperation(principal, topic, false);
  }

  void AddOperation(const bus::Principal& principal, const std::string& topic, bool reads) {
    const std::string channel = KeyOf(topic);
    operations_[absl::StrCat(principal.name(), reads ? "-reads-" : "-writes-", channel)] = {
        {"action", reads ? "receive" : "send"},
        {"channel", Reference("channels/" + channel)},
        {"title", absl::StrCat(principal.name(), reads ? " reads " : " writes ", topic)},
        {"description", principal.description()}};
  }

  const bus::TopicRegister& reg_;
  const std::vector<const Descriptor*>& event_types_;
  const eventstore::BusState wanted_;
  Json channels_ = Json::object();
  Json operations_ = Json::object();
  Json messages_ = Json::object();
};

}  // namespace

std::string RenderAsyncApi(const bus::TopicRegister& reg,
                           std::vector<const Descriptor*> event_types) {
  std::sort(event_types.begin(), event_types.end(),
            [](const auto* a, const auto* b) { return a->full_name() < b->full_name(); });
  return AsyncApiDocument(reg, event_types)
             .Build()
             .dump(2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace records::tools
