#include "tools/recordsctl/examples.h"

#include <utility>

namespace records::tools {
namespace {

// {command, examples}. --input comes first: personal data in flags shows in the list of processes
// and in the shell's history.
constexpr std::pair<absl::string_view, absl::string_view> kExamples[] = {
    {"", R"(  recordsctl token --role contact-officer --name amy > amy.token
  recordsctl --token-file amy.token --purpose service-delivery customer register --input pat.json
  recordsctl --token-file amy.token --purpose service-delivery contact record --input -
  recordsctl --token-file amy.token --purpose service-delivery timeline show --customer R1
)"},
    {"token", R"(  recordsctl token --role contact-officer --name amy > amy.token
  recordsctl token --role system-administrator,auditor --name root --lifetime 1h > root.token
)"},
    {"customer register", R"(  recordsctl customer register --input - <<'END'
  {"person": {"reference": "R1", "name": "Pat Doe",
              "dateOfBirth": {"year": 1980, "month": 1, "day": 31}},
   "tenancy": {"tenure": "TENURE_RENT", "contractReference": "T-1"}}
  END
  recordsctl customer register --reference R1 --name "Pat Doe" --born 1980-01-31 \
      --tenure rent --contract T-1
)"},
    {"customer correct", R"(  recordsctl customer correct --input correction.json
  recordsctl customer correct --customer R1 --name "Pat Roe" --born 1980-01-31 \
      --reason "married"
)"},
    {"customer needs", R"(  recordsctl customer needs --input needs.json
  recordsctl customer needs --customer R1 --interpreter --language so \
      --access-need "extra time to reach the door"
)"},
    {"customer safety", R"(  recordsctl customer safety --input safety.json
  recordsctl customer safety --customer R1 --call yes --voicemail no --write no
)"},
    {"customer address", R"(  recordsctl customer address --input address.json
  recordsctl customer address --customer R1 --end
)"},
    {"customer authority", R"(  recordsctl customer authority --input authority.json
  recordsctl customer authority --customer R1 --name "Sam Doe" --scope repairs \
      --expires 2027-01-31 --evidence "signed form"
)"},
    {"customer household", R"(  recordsctl customer household --input member.json
)"},
    {"customer tenants", R"(  recordsctl customer tenants --customer R1
)"},
    {"subject erase", R"(  recordsctl subject erase --customer R1 --dry-run
  recordsctl subject erase --customer R1 --ground consent-withdrawn --confirm R1
)"},
    {"subject erasures", R"(  recordsctl subject erasures --unacknowledged
)"},
    {"subject acknowledge",
     R"(  recordsctl subject acknowledge --erasure 0123456789abcdef0123456789abcdef
)"},
    {"subject certificate verify",
     R"(  recordsctl subject certificate verify erasure.certificate --data /srv/records
)"},
    {"contact record", R"(  recordsctl contact record --input - <<'END'
  {"customer": "R1",
   "contact": {"channel": "CHANNEL_PHONE", "direction": "DIRECTION_INBOUND",
               "subjects": ["heating"], "summary": "boiler out, two children at home",
               "actions": [{"description": "engineer booked"}]}}
  END
  recordsctl contact record --customer R1 --channel phone --direction inbound \
      --subject heating --summary "boiler out, two children at home" --action "engineer booked"
  recordsctl contact record --customer R1 --channel phone --direction outbound \
      --outcome not-answered --voicemail not-left --subject heating --summary "no answer" \
      --action "try again" --due 2026-11-30
)"},
    {"contact correct", R"(  recordsctl contact correct --input correction.json
  recordsctl contact correct --customer R1 --contact-id ID --reason "wrong channel" \
      --channel email --direction inbound --subject heating --summary "boiler out" \
      --no-further-action
)"},
    {"contact split", R"(  recordsctl contact split --input - <<'END'
  {"customer": "R1",
   "contact": {"channel": "CHANNEL_EMAIL", "direction": "DIRECTION_INBOUND",
               "subjects": ["heating"], "summary": "boiler out", "noFurtherAction": true},
   "serviceRequests": [{"request": {"kind": "SERVICE_REQUEST_KIND_REPAIR",
                                    "description": "boiler out",
                                    "hazards": ["HAZARD_EXCESS_COLD"]}}],
   "asbReport": {"description": "loud music after midnight", "kind": "noise"},
   "anonymous": true}
  END
)"},
    {"document index", R"(  recordsctl document index --input entry.json
  recordsctl document index --customer R1 --file letter.pdf --medium letter --direction inbound \
      --system crm --matter "rent query" --sensitivity personal \
      --retention-class document-index
)"},
    {"timeline show", R"(  recordsctl timeline show --customer R1
  recordsctl timeline show --customer R1 --kind contact --channel phone --from 2026-01-01 --all
)"},
    {"timeline follow", R"(  recordsctl timeline follow --customer R1
)"},
    {"import contacts", R"(  recordsctl import contacts --format nyc311 --dry-run requests.csv.gz
  recordsctl import contacts --format nyc311 requests.csv.gz --rejects rejects.csv
)"},
    {"access list", R"(  recordsctl --purpose audit access list --customer R1
)"},
    {"role grant", R"(  recordsctl --purpose system-operation role grant --subject bea \
      --role housing-manager
)"},
    {"role revoke", R"(  recordsctl --purpose system-operation role revoke --subject bea \
      --role housing-manager
)"},
    {"log tail", R"(  recordsctl --purpose system-operation log tail --last 20
  recordsctl --purpose system-operation --json log tail --follow
)"},
    {"log checkpoint", R"(  recordsctl --purpose audit log checkpoint > checkpoint.note
)"},
    {"log verify", R"(  recordsctl log verify
  recordsctl log verify --data /srv/records-backup --checkpoint checkpoint.note
)"},
    {"key status", R"(  recordsctl --purpose system-operation key status
)"},
    {"key rotate", R"(  recordsctl --purpose system-operation key rotate
  recordsctl --purpose system-operation key rotate --confirm
)"},
    {"bus apply", R"(  recordsctl bus apply --kafka-settings admin.properties
  recordsctl bus apply --kafka 127.0.0.1:9092 --replicas 1 --without-acls
)"},
    {"bus diff", R"(  recordsctl bus diff --kafka-settings admin.properties
)"},
    {"bus asyncapi", R"(  recordsctl bus asyncapi > deploy/kafka/asyncapi.json
)"},
    {"bus status", R"(  recordsctl bus status --kafka-settings admin.properties
)"},
    {"work follow",
     R"(  recordsctl --purpose service-delivery work follow --stream repairs.v1 --stop-at-head
  recordsctl --purpose service-delivery work follow --stream repairs.v1 --open
)"},
    {"backup create", R"(  recordsctl --purpose system-operation backup create --name 2026-11-22
)"},
    {"backup list", R"(  recordsctl --purpose system-operation backup list
)"},
    {"backup verify",
     R"(  recordsctl backup verify --log /backup/log/2026-11-22 --keys /backup/keys/2026-11-22
  recordsctl backup verify --log /backup/log/2026-11-22 --checkpoint checkpoint.note --vkey KEY
)"},
    {"backup restore",
     R"(  recordsctl backup restore --log /backup/log/2026-11-22 --keys /backup/keys/2026-11-22 \
      --erasure-ledger /safe/erasure.ledger --master-key /safe/master.key --to /srv/records
  recordsctl backup restore --log /backup/log/2026-11-22 --keys /backup/keys/2026-11-22 \
      --erasure-ledger /safe/erasure.ledger --master-key /safe/master.key --to /srv/records \
      --checkpoint checkpoint.note --tail-kafka-settings relay.properties
)"},
    {"view status", R"(  recordsctl --purpose system-operation view status
  recordsctl --purpose system-operation --server timeline-1.internal:7400 view status
)"},
    {"view rebuild", R"(  recordsctl --purpose system-operation view rebuild --name timeline
)"},
    {"view undo", R"(  recordsctl --purpose system-operation view undo --name timeline
)"},
};

}  // namespace

std::string ExamplesFor(absl::string_view path) {
  for (const auto& [command, examples] : kExamples) {
    if (command == path) return std::string(examples);
  }
  return "";
}

}  // namespace records::tools
