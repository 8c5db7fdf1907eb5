#include "services/recordsd/options.h"

#include <CLI/CLI.hpp>

#include "services/defaults/defaults.h"

namespace records::services {
namespace {

constexpr char kFooter[] = R"(Examples:
  recordsd                                       everything, on loopback, with a store of its own
  recordsd --data /srv/records --config /etc/recordsd.toml

Signals: SIGTERM and SIGINT drain and stop; SIGHUP reads the issuers' keys again.
Exit codes: 0 stopped as asked; 1 could not start, or stopped by an error that the log names;
2 wrong usage.)";

void AddStoreOptions(CLI::App& app, ServerOptions& options) {
  app.add_option("--disk-reserve-mib", options.disk_reserve_mib,
                 "Room on the disk below which only read traces and erasures are written")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--disk-floor-mib", options.disk_floor_mib,
                 "Room below which nothing is written; compactions need it")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--log-cache-mib", options.log_cache_mib, "Memory for blocks of the log")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--log-unflushed-mib", options.log_unflushed_mib,
                 "How much a start may have to replay; less of it means more flushes")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

void AddKafkaOptions(CLI::App& app, ServerOptions& options) {
  app.add_option("--kafka", options.kafka,
                 "Kafka on this machine, HOST:PORT, that the log is published to, or that "
                 "--serve timeline alone reads");
  app.add_option("--kafka-settings", options.kafka_settings_file,
                 "The same by a file, mode 600, of librdkafka's bootstrap.servers, "
                 "security.protocol, sasl.* and ssl.*");
  app.add_option("--kafka-prefix", options.kafka_prefix, "What the names of topics begin with")
      ->capture_default_str();
}

void AddServiceOptions(CLI::App& app, ServerOptions& options) {
  app.add_option("--services-listen", options.services_listen,
                 "Address for views in processes of their own; certificates on both sides");
  app.add_option("--service-certificate", options.service_certificate,
                 "PEM that this process shows to other services; of a view with the URI "
                 "urn:records:view:NAME");
  app.add_option("--service-private-key", options.service_private_key,
                 "PEM, readable by its owner only");
  app.add_option("--service-ca", options.service_ca,
                 "PEM; the certificates of other services must be of it");
  app.add_option("--ledger", options.ledger,
                 "With --serve timeline alone: --services-listen of the server that has the log");
  app.add_option("--advertise", options.advertise,
                 "With --ledger: where callers reach this process; default: --listen");
  app.add_option("--instance", options.instance,
                 "With --ledger: a name that this process keeps over restarts, so that its "
                 "partitions wait for it");
}

void AddOptions(CLI::App& app, ServerOptions& options) {
  app.add_option("--data", options.data_folder, "Folder of all that the server keeps")
      ->capture_default_str();
  app.add_option("--master-key", options.master_key_file,
                 "File of the master key, best on another disk; default: master.key in --data");
  app.add_option("--backup-log-folder", options.backup_log_folder,
                 "Folder of the backups of the log, best on another disk");
  app.add_option("--backup-keys-folder", options.backup_keys_folder,
                 "Folder of the backups of the keys, apart from those of the log");
  app.add_option("--erasure-ledger", options.erasure_ledger_file,
                 "File of the erasure ledger, best on another disk; default: erasure.ledger in "
                 "--data. A start without the newest one is refused");
  app.add_option("--listen", options.listen, "Address; off loopback TLS is required")
      ->capture_default_str();
  app.add_option("--metrics", options.metrics, "Address of Prometheus metrics; empty: none")
      ->capture_default_str();
  app.add_option("--policy", options.policy_folder,
                 "Folder of the registers; default: those of deploy/policy, built in");
  app.add_option("--serve", options.serve,
                 "What this process serves: all, ledger, ledger,timeline, or timeline alone, "
                 "which is fed by --kafka and asks --ledger")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--organisation", options.organisation, "Organisation of the landlord group")
      ->capture_default_str();
  app.add_option("--partitions", options.partitions, "Partitions of a new log, 1 to 64; fixed then")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--token-issuer", options.token_issuers,
                 "Issuer of tokens as NAME=FILE, FILE its JWK Set; may be repeated");
  app.add_option("--token-audience", options.token_audience, "Audience that tokens must name")
      ->capture_default_str();
  app.add_flag("--development-issuer,!--no-development-issuer", options.development_issuer,
               "Accept tokens of the development issuer, on loopback only; the default");
  app.add_option("--first-administrator", options.first_administrator,
                 "ISSUER=SUBJECT who is granted system-administrator at the start");
  app.add_option("--tls-certificate", options.tls_certificate, "PEM, with its chain");
  app.add_option("--tls-private-key", options.tls_private_key, "PEM, readable by its owner only");
  app.add_option("--tls-client-ca", options.tls_client_ca,
                 "PEM; clients must have a certificate of it");
  AddServiceOptions(app, options);
  app.add_option("--calls-per-second", options.calls_per_second, "Limit for each caller")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--connections", options.connections_max,
                 "Clients at a time; one more is closed at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--drain-seconds", options.drain_seconds, "For calls under way at the stop")
      ->check(CLI::Range(0, 600))
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  AddStoreOptions(app, options);
  AddKafkaOptions(app, options);
  app.set_config("--config", "", "File with the same options as KEY=VALUE, in TOML");
}

}  // namespace

ParsedOptions ParseOptions(int argc, char** argv) {
  ParsedOptions parsed;
  parsed.options.data_folder = DefaultDataFolder().string();
  parsed.options.listen = kDefaultListenAddress;
  CLI::App app("The records server: log, keys, views and services.", "recordsd");
  app.footer(kFooter);
  AddOptions(app, parsed.options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    parsed.exit_code = code == 0 ? 0 : 2;
  }
  return parsed;
}

}  // namespace records::services
