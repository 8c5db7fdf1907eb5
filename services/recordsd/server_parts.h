#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/backup.h"
#include "eventstore/erasure_ledger.h"
#include "eventstore/event_log.h"
#include "eventstore/key_store.h"
#include "eventstore/key_store_open.h"
#include "projections/grants/grants_projection.h"
#include "projections/grants/grants_view.h"
#include "projections/timeline/timeline_projection.h"
#include "projections/view.h"
#include "services/access/access_service.h"
#include "services/backup/backup_service.h"
#include "services/contact/contact_service.h"
#include "services/customer/customer_service.h"
#include "services/customer/local_gate.h"
#include "services/erasure/erasure_register.h"
#include "services/erasure/erasure_service.h"
#include "services/erasure/erasure_worker.h"
#include "services/ledger/ledger_service.h"
#include "services/recordsd/publisher.h"
#include "services/recordsd/server.h"
#include "services/recordsd/server_frame.h"
#include "services/timeline/timeline_service.h"
#include "services/views/local_operator_gate.h"
#include "services/views/managed_view.h"
#include "services/views/view_service.h"

// Private to server.cc and server_parts.cc.
namespace records::services {

// Members are destroyed from the last to the first: each may use those above it.
struct Server::Parts : ServerFrame {
  std::unique_ptr<eventstore::KeyStore> keys;
  std::unique_ptr<eventstore::EventLog> log;
  std::unique_ptr<eventstore::Backups> backups;
  std::unique_ptr<eventstore::ErasureLedger> erasure_ledger;
  // By the replay at the start, until the worker takes it.
  std::map<eventstore::SubjectId, eventstore::DestroyedSubject> destroyed_at_start;
  std::unique_ptr<eventstore::Sealer> sealer;
  std::unique_ptr<eventstore::WorkStreams> work;
  projections::GrantsProjection grants_projection;
  std::unique_ptr<projections::TimelineKeys> timeline_keys;
  std::unique_ptr<projections::TimelineProjection> timeline_projection;
  std::unique_ptr<projections::View> grants_owner;
  std::unique_ptr<projections::View> timeline_owner;  // null: not served
  std::unique_ptr<projections::GrantsView> grants_view;

  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<Tracer> tracer;
  std::unique_ptr<Authoriser> authoriser;
  std::unique_ptr<CommandRunner> commands;
  std::unique_ptr<CustomerServiceImpl> customers;
  std::unique_ptr<ContactServiceImpl> contacts;
  std::unique_ptr<ReadGate> gate;
  std::unique_ptr<TimelineViews> timeline_views;
  std::unique_ptr<TimelineServiceImpl> timelines;
  std::unique_ptr<AccessServiceImpl> access;
  bool views_were_served = false;      // by a server before this one
  std::unique_ptr<ViewBacking> views;  // null: no view ever was in a process of its own
  std::unique_ptr<LedgerServiceImpl> ledger;
  std::unique_ptr<BackupServiceImpl> backup;
  std::unique_ptr<ErasureRegister> erasure_register;
  std::unique_ptr<ErasureWorker> erasure_worker;
  std::unique_ptr<ErasureServiceImpl> erasures;
  std::vector<std::unique_ptr<ManagedView>> managed_views;
  std::unique_ptr<OperatorGate> operator_gate;
  std::unique_ptr<ViewServiceImpl> view_service;
  std::unique_ptr<Publisher> publisher;  // null: the log is not published
  std::string publisher_said;            // what was logged of it last
  bool drained = false;
  bool healthy = true;
  uint64_t events_signed = 0;  // of both ledgers, when a checkpoint was signed last

  absl::Status Prepare();
  absl::Status OpenStore();
  absl::Status OpenBackups();
  absl::Status OpenErasureLedger();
  absl::Status OpenViews();
  // The views that are served, with their projections.
  std::vector<std::pair<const projections::Projection*, projections::View*>> OpenedViews() const;
  void AddViewGauges(std::vector<Gauge>& gauges);
  ErasureWorkerOptions ErasureOptions();
  void MakeServices();
  absl::Status StartPublishing();
  void AddPublisherGauges(std::vector<Gauge>& gauges);
  // Logs how the publisher stands, where that changed.
  void WatchPublisher();
  absl::Status StartMetrics();
  absl::Status Bootstrap();
  absl::Status ServeAll();
  uint64_t CountEvents() const;
  Backend MakeBackend() { return {*runtime, *authoriser, *commands, *tracer}; }
};

}  // namespace records::services
