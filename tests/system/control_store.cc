// control_store FOLDER WORD: writes what a product never writes, events that are not sealed, into a
// RocksDB with the tables and options of the event log. A search that is to show that the products
// keep nothing in the clear must find WORD here, or it finds nothing because it cannot search.
//
// For tests and the demonstration only. No product links it, and none can turn sealing off.

#include <cstdio>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "eventstore/log_format.h"
#include "eventstore/log_tables.h"
#include "eventstore/rocks_storage.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"
#include "records/log/v1/event.pb.h"

namespace {

namespace es = records::eventstore;
namespace events = records::events::v1;

// An event whose whole message stands in the envelope's clear field.
std::string Unsealed(const google::protobuf::Message& message) {
  records::log::v1::Event event;
  event.set_type(message.GetDescriptor()->full_name());
  event.set_facts(message.SerializeAsString());
  return event.SerializeAsString();
}

absl::Status WriteUnsealed(const std::string& folder, const std::string& word) {
  events::CustomerRegistered registered;
  registered.mutable_person()->set_name(absl::StrCat("Kim ", word));
  events::ContactRecorded contact;
  contact.mutable_contact()->set_summary(absl::StrCat("asks about ", word));
  events::AsbReported report;
  report.mutable_report()->set_description(absl::StrCat("heard ", word));

  auto storage = es::RocksStorage::Open(
      {.path = folder, .tables = es::LogTables(), .mode = es::RocksMode::kCreate});
  if (!storage.ok()) return storage.status();
  es::StorageBatch batch;
  int row = 0;
  for (const google::protobuf::Message* message :
       {static_cast<google::protobuf::Message*>(&registered),
        static_cast<google::protobuf::Message*>(&contact),
        static_cast<google::protobuf::Message*>(&report)}) {
    batch.Put(es::Table{0}, absl::StrCat("unsealed ", ++row), Unsealed(*message));
  }
  return (*storage)->Write(batch, es::Storage::Durability::kSynced);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: control_store FOLDER WORD\n");
    return 2;
  }
  const absl::Status written = WriteUnsealed(argv[1], argv[2]);
  if (written.ok()) return 0;
  std::fprintf(stderr, "control_store: %s\n", std::string(written.message()).c_str());
  return 1;
}
