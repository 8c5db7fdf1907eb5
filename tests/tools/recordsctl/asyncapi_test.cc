#include "tools/recordsctl/bus/asyncapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/topic_register.h"
#include "nlohmann/json.hpp"
#include "services/policy/method_table.h"
#include "tests/eventstore/sealing_fixture.h"

namespace records::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;
using Json = nlohmann::ordered_json;

constexpr char kTopicsFile[] = "deploy/kafka/topics.textproto";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Rendered() {
  const auto reg = eventstore::ParseTopicRegister(kTopicsFile, ReadFile(kTopicsFile));
  EXPECT_TRUE(reg.ok()) << reg.status();
  return RenderAsyncApi(*reg, services::EventTypes());
}

TEST(AsyncApiTest, TheDeployedDocumentIsUpToDate) {
  EXPECT_TRUE(Rendered() == ReadFile("deploy/kafka/asyncapi.json"))
      << "run: recordsctl bus asyncapi > deploy/kafka/asyncapi.json";
}

TEST(AsyncApiTest, NoEventTypeIsLeftOut) {
  EXPECT_THAT(services::EventTypes(), UnorderedElementsAreArray(eventstore::testing::EventTypes()));
}

// Checks that each "$ref" below leads somewhere.
void ExpectReferencesLead(const Json& document, const Json& part) {
  for (const auto& [key, value] : part.items()) {
    if (key == "$ref") {
      const std::string path = value.get<std::string>().substr(1);
      EXPECT_TRUE(document.contains(Json::json_pointer(path))) << path;
    } else if (value.is_structured()) {
      ExpectReferencesLead(document, value);
    }
  }
}

TEST(AsyncApiTest, EachReferenceLeadsSomewhere) {
  const Json document = Json::parse(Rendered());
  ExpectReferencesLead(document, document);
}

// CR-2.4b
TEST(AsyncApiTest, ASubscribersPartNamesItsStreamOnly) {
  const Json document = Json::parse(Rendered());
  std::vector<std::string> asb;
  for (const auto& [key, operation] : document["operations"].items()) {
    if (key.rfind("asb-", 0) == 0) asb.push_back(key);
  }
  EXPECT_EQ(asb, std::vector<std::string>{"asb-reads-asb-v1"});
  const Json& messages = document["channels"]["asb-v1"]["messages"];
  EXPECT_TRUE(messages.contains("AsbReported"));
  EXPECT_FALSE(messages.contains("ContactRecorded"));
  EXPECT_THAT(document["components"]["messages"]["AsbReported"]["payload"]["schema"],
              HasSubstr("message AsbReport {"));
}

TEST(AsyncApiTest, AWorkStreamDoesNotPromiseWhereInTheLogAnEventStands) {
  const Json document = Json::parse(Rendered());
  const Json& schemas = document["components"]["schemas"];
  EXPECT_THAT(schemas["log-headers"].dump(), HasSubstr("partition/sequence"));
  EXPECT_THAT(schemas["work-headers"].dump(), Not(HasSubstr("partition/sequence")));
}

TEST(AsyncApiTest, TheHeadersOfTheLogAreThoseThatTheRelayWrites) {
  eventstore::StoredEvent event;
  event.position = {3, 7};
  const auto record = eventstore::LogRecord("records", eventstore::StoreId(), event);
  std::vector<std::string> written;
  for (const auto& [name, value] : record.headers) written.push_back(name);
  const Json document = Json::parse(Rendered());
  EXPECT_EQ(document["components"]["schemas"]["log-headers"]["required"], Json(written));
}

TEST(AsyncApiTest, TheHeadersOfAWorkStreamAreThoseThatTheRelayWrites) {
  const auto record =
      eventstore::WorkRecord("records", eventstore::StoreId(), {}, "", 0, absl::UnixEpoch());
  std::vector<std::string> written;
  for (const auto& [name, value] : record.headers) written.push_back(name);
  const Json document = Json::parse(Rendered());
  const Json& headers = document["components"]["schemas"]["work-headers"];
  EXPECT_EQ(headers["required"], Json(written));
  EXPECT_EQ(headers["properties"]["content-type"]["const"], record.Header("content-type"));
}

}  // namespace
}  // namespace records::tools
