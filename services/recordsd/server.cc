#include "services/recordsd/server.h"

#include <grpcpp/health_check_service_interface.h>

#include <utility>

#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/recordsd/logging.h"
#include "services/recordsd/server_parts.h"

namespace records::services {

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  auto parts = std::make_unique<Parts>();
  parts->options = options;
  SetIncidentHook([](const Incident& incident) {
    Log(LogLevel::kError, "incident",
        {{"id", incident.id}, {"why", std::string(incident.status.message())}});
  });
  RETURN_IF_ERROR(parts->Prepare());
  RETURN_IF_ERROR(parts->LoadPolicy());
  RETURN_IF_ERROR(parts->OpenIssuers());
  RETURN_IF_ERROR(parts->OpenStore());
  RETURN_IF_ERROR(parts->OpenErasureLedger());
  RETURN_IF_ERROR(parts->OpenViews());
  parts->MakeServices();
  RETURN_IF_ERROR(parts->Bind());
  RETURN_IF_ERROR(parts->StartPublishing());
  RETURN_IF_ERROR(parts->StartMetrics());
  RETURN_IF_ERROR(parts->Bootstrap());
  parts->erasure_worker->Start();
  RETURN_IF_ERROR(parts->ServeAll());
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Server::~Server() {
  Drain();
  // What calls left behind ends before what it uses: first who asks the log, then the log, whose
  // last callbacks still find everything else.
  parts_->server.reset();
  parts_->erasure_worker->Stop();
  parts_->ledger.reset();
  parts_->metrics.reset();
  parts_->publisher.reset();
  parts_->bulk_executor->Stop();
  parts_->executor->Stop();
  parts_->timeline_owner.reset();
  parts_->grants_owner.reset();
  parts_->backups.reset();
  parts_->log.reset();
  parts_.reset();
  SetIncidentHook(nullptr);
}

int Server::port() const { return parts_->acceptor->port(); }

int Server::services_port() const {
  const auto& acceptor = parts_->services_acceptor;
  return acceptor == nullptr ? 0 : acceptor->port();
}

void Server::Drain() {
  if (parts_->drained) return;
  parts_->drained = true;
  parts_->StopServing();
  parts_->authoriser->streams().EndAll();
  parts_->AwaitCalls();
  const absl::Status signed_last = SignCheckpoint();
  if (!signed_last.ok()) {
    Log(LogLevel::kError, "checkpoint_not_signed", {{"why", std::string(signed_last.message())}});
  }
}

absl::Status Server::ReloadKeys() { return parts_->verifier->Reload(); }

void Server::UpdateHealth() {
  parts_->WatchPublisher();
  const absl::Status health = parts_->log->WriteHealth();
  if (health.ok() == parts_->healthy) return;
  parts_->healthy = health.ok();
  parts_->server->GetHealthCheckService()->SetServingStatus(parts_->healthy);
  Log(health.ok() ? LogLevel::kInfo : LogLevel::kError, "health",
      {{"log", health.ok() ? "ok" : std::string(health.message())}});
}

absl::Status Server::SignCheckpoint() {
  const uint64_t events = parts_->CountEvents();
  if (events == parts_->events_signed) return absl::OkStatus();
  RETURN_IF_ERROR(parts_->log->SignedCheckpoint().status());
  parts_->events_signed = events;
  return absl::OkStatus();
}

}  // namespace records::services
