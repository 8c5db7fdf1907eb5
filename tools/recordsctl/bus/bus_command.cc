#include <memory>

#include "eventstore/bus/topic_register.h"
#include "services/policy/method_table.h"
#include "tools/recordsctl/bus/asyncapi.h"
#include "tools/recordsctl/bus/bus_run.h"
#include "tools/recordsctl/bus/topic_source.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

void AddVerb(CLI::App* noun, Session& session, BusVerb verb, const std::string& name,
             const std::string& help) {
  auto* command = noun->add_subcommand(name, help);
  auto flags = std::make_shared<BusFlags>();
  command->add_option("--kafka", flags->kafka, "HOST:PORT of a broker on this machine");
  command->add_option("--kafka-settings", flags->kafka_settings,
                      "file with how the brokers are reached: bootstrap.servers,\n"
                      "security.protocol, sasl.*, ssl.*; mode 0600 where it holds a secret");
  command->add_option("--prefix", flags->prefix, "what the names of topics begin with, records");
  command->add_option("--topics", flags->topics,
                      "the topics and who may use them; deploy/kafka/topics.textproto as built in\n"
                      "by default");
  command
      ->add_option("--replicas", flags->replicas_max,
                   "at most so many copies of each topic: 1 for a single broker")
      ->check(CLI::Range(1, 9));
  if (verb != BusVerb::kStatus) {
    command->add_flag("--without-acls", flags->without_rules,
                      "do not look at access rules: for brokers that check none");
  }
  command->callback([&session, flags, verb] {
    session.run = [&session, flags, verb] { return RunBusVerb(session, *flags, verb); };
  });
}

int PrintAsyncApi(Session& session, const std::string& topics) {
  const auto reg = ReadTopicRegister(topics);
  absl::Status status = reg.status();
  const auto types = services::EventTypes();
  if (status.ok()) status = eventstore::CheckEventTopics(*reg, types);
  if (!status.ok()) {
    session.err << "recordsctl: the register of topics is refused\n"
                << Printable(status.message(), true) << "\n";
    return kExitUsage;
  }
  session.out << RenderAsyncApi(*reg, types);
  return kExitOk;
}

void AddAsyncApi(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "asyncapi", "Print the AsyncAPI 3 document of the topics; asks no broker");
  auto topics = std::make_shared<std::string>();
  command->add_option("--topics", *topics,
                      "the topics and who may use them; deploy/kafka/topics.textproto as built in\n"
                      "by default");
  command->callback([&session, topics] {
    session.run = [&session, topics] { return PrintAsyncApi(session, *topics); };
  });
}

}  // namespace

void AddBusCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("bus", "Topics of Kafka, and who may use them");
  AddVerb(noun, session, BusVerb::kApply, "apply",
          "Make topics and access rules as the register says. Never deletes a topic, and nothing\n"
          "that would lose records. Again: changes nothing.");
  AddVerb(noun, session, BusVerb::kDiff, "diff",
          "Say what `apply` would do, and what it leaves to a hand, one line each. Ends with 0\n"
          "nothing, 1 something, 2 could not run, 3 no broker was reached.");
  AddVerb(noun, session, BusVerb::kStatus, "status",
          "Show the topics, where each partition ends, and how far consumer groups are behind.");
  AddAsyncApi(noun, session);
}

}  // namespace records::tools
