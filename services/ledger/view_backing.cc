#include "services/ledger/view_backing.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "eventstore/store_secrets.h"
#include "services/customer/local_gate.h"
#include "services/ledger/view_ticket.h"
#include "services/policy/register.h"
#include "services/policy/view_policy.h"
#include "services/runtime/administration.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
namespace policy = records::policy::v1;
using eventstore::kIdSize;

// What views make tokens for. A token of another kind would open more than a view needs: the log's
// own key is sealed in one.
constexpr absl::string_view kViewLabels[] = {"entry", "page", "follow", "write", "timeline-header"};

// What methods about views themselves declare as their view.
constexpr absl::string_view kViewOperations = "view";

bool IsViewLabel(absl::string_view label) {
  for (const absl::string_view known : kViewLabels) {
    if (label == known) return true;
  }
  return false;
}

absl::Status CheckCount(absl::string_view field, int count) {
  if (count >= 1 && count <= ViewBacking::kItemsMax) return absl::OkStatus();
  return InvalidField(field, "must be 1 to 256");
}

}  // namespace

ViewBacking::ViewBacking(Backend backend, const policy::Register& reg, const MethodTable& methods,
                         const eventstore::Clock& steady)
    : backend_(backend),
      methods_(methods),
      register_digest_(RegisterDigest(reg)),
      releases_(steady) {
  for (const std::string& name : methods.Names()) {
    const policy::MethodAccess& access = *methods.Find(name);
    if (access.action() != policy::ACTION_READ || views_.contains(access.view())) continue;
    views_[access.view()] = CategoriesOfView(reg, ApiFiles(), access.view());
  }
}

absl::StatusOr<const ViewBacking::Categories*> ViewBacking::CategoriesOf(
    absl::string_view view) const {
  const auto found = views_.find(view);
  if (found == views_.end()) return PermissionDenied();
  return &found->second;
}

absl::Status ViewBacking::CheckRegister(const std::string& digest) const {
  if (digest == register_digest_) return absl::OkStatus();
  return Refusal(absl::StatusCode::kFailedPrecondition, "REGISTER_DIFFERS",
                 "View and ledger decide by different registers. Start both with the same ones.");
}

absl::Status ViewBacking::Introduce(absl::string_view view,
                                    const api::IntroduceViewRequest& request,
                                    api::IntroduceViewResponse& response) const {
  RETURN_IF_ERROR(CategoriesOf(view).status());
  RETURN_IF_ERROR(CheckRegister(request.register_digest()));
  response.set_log_id(std::string(backend_.runtime.log.store_id().bytes()));
  response.set_partitions(backend_.runtime.log.partition_count());
  response.set_organisation(backend_.runtime.organisation);
  return absl::OkStatus();
}

template <typename Request>
absl::StatusOr<Caller> ViewBacking::CallerOf(const Request& request) const {
  CallMetadata metadata;
  const auto add = [&metadata](const char* name, const std::string& value) {
    if (!value.empty()) metadata.emplace(name, value);
  };
  add("authorization", request.authorization());
  add("purpose", request.purpose());
  add("break-glass-reason", request.break_glass_reason());
  const absl::string_view peer = request.over_loopback() ? "ipv4:127.0.0.1" : "";
  const Authenticator& authenticator = backend_.authoriser.authenticator();
  if (request.again()) return authenticator.CallerFrom(metadata, peer);
  return authenticator.Admit(metadata, peer);
}

absl::Status ViewBacking::Answer(absl::string_view view, const Authorised& caller,
                                 const std::string& customer,
                                 api::ResolveResponse& response) const {
  ASSIGN_OR_RETURN(const AdmittedRead read, FindForRead(backend_.runtime, caller, customer));
  ASSIGN_OR_RETURN(const auto granted, backend_.authoriser.GrantedRoles(caller.staff));
  response.set_root(std::string(read.whom.root.bytes()));
  response.set_absent(read.absent);
  for (const std::string& role : granted) response.add_granted_roles(role);
  ASSIGN_OR_RETURN(*response.mutable_ticket(), SealTicket(backend_.runtime, view, read));
  return absl::OkStatus();
}

void ViewBacking::Resolve(absl::string_view view, const api::ResolveRequest& request,
                          api::ResolveResponse& response,
                          std::function<void(absl::Status)> finish) {
  if (absl::Status same = CheckRegister(request.register_digest()); !same.ok()) return finish(same);
  const policy::MethodAccess* access = methods_.Find(request.method());
  // A view asks about its own questions only.
  if (access == nullptr || access->view() != view || access->action() != policy::ACTION_READ) {
    return finish(PermissionDenied());
  }
  absl::StatusOr<Caller> caller = CallerOf(request);
  if (!caller.ok()) return finish(caller.status());
  backend_.authoriser.AuthoriseCaller(
      *std::move(caller), request.method(), request.customer(),
      [this, view = std::string(view), &request, &response,
       finish = std::move(finish)](absl::StatusOr<Authorised> authorised) {
        if (!authorised.ok()) return finish(authorised.status());
        absl::Status answered = Answer(view, *authorised, request.customer(), response);
        if (!answered.ok()) response.Clear();
        finish(std::move(answered));
      });
}

void ViewBacking::AdmitOperator(absl::string_view view, const api::AdmitOperatorRequest& request,
                                std::function<void(absl::Status)> finish) {
  absl::Status known = CategoriesOf(view).status();
  known.Update(CheckRegister(request.register_digest()));
  if (!known.ok()) return finish(known);
  const policy::MethodAccess* access = methods_.Find(request.method());
  // A view lets nobody in to what is the ledger's own.
  if (access == nullptr || access->view() != kViewOperations ||
      access->action() != policy::ACTION_ADMINISTER) {
    return finish(PermissionDenied());
  }
  absl::StatusOr<Caller> caller = CallerOf(request);
  if (!caller.ok()) return finish(caller.status());
  std::function<void(absl::StatusOr<Authorised>)> done =
      [finish = std::move(finish)](const absl::StatusOr<Authorised>& authorised) {
        finish(authorised.status());
      };
  if (!request.again()) done = TraceCaller(backend_, std::move(done));
  backend_.authoriser.AuthoriseCaller(*std::move(caller), request.method(), "", std::move(done));
}

absl::StatusOr<api::ReleasedKey> ViewBacking::Release(const std::string& view,
                                                      const Categories& categories,
                                                      const std::string& reference) {
  const Runtime& runtime = backend_.runtime;
  api::ReleasedKey released;
  const auto opened = runtime.keys.OpenReference(reference);
  if (absl::IsDataLoss(opened.status())) {
    released.set_damaged(true);
    return released;
  }
  RETURN_IF_ERROR(opened.status());
  const eventstore::KeyPurpose& purpose = opened->purpose;
  const bool allowed = categories.contains(purpose.category) || PLANTED_BUG("any-key-released");
  if (purpose.category == 0 || !allowed) return released;
  const auto name = [&](absl::string_view label, absl::string_view data) {
    const auto hash = runtime.keys.KeyedHash(absl::StrCat(label, view), data);
    return std::string(eventstore::AsBytes(hash).substr(0, kIdSize));
  };
  released.set_category(purpose.category);
  released.set_subject(name("view-subject:", purpose.subject.bytes()));
  released.set_purpose(name("view-purpose:", eventstore::EncodePurpose(purpose)));
  // Noted only where there may be a key: who asks for a fenced subject's again and again does not
  // hold up its erasure.
  if (runtime.keys.IsFenced(purpose.subject)) return released;
  if (!PLANTED_BUG("release-not-noted")) releases_.Note(purpose.subject);
  ASSIGN_OR_RETURN(const auto key, runtime.keys.ReleaseKey(*opened));
  if (!key.has_value()) return released;
  released.set_key_id(std::string(key->id.bytes()));
  released.set_key(std::string(key->key.view()));
  return released;
}

absl::Status ViewBacking::ReleaseKeys(absl::string_view view,
                                      const api::ReleaseKeysRequest& request,
                                      api::ReleaseKeysResponse& response) {
  ASSIGN_OR_RETURN(const Categories* categories, CategoriesOf(view));
  RETURN_IF_ERROR(CheckCount("references", request.references_size()));
  const std::string name(view);
  for (const std::string& reference : request.references()) {
    ASSIGN_OR_RETURN(*response.add_keys(), Release(name, *categories, reference));
  }
  response.set_lease_us(absl::ToInt64Microseconds(eventstore::kReleasedKeyLease));
  return absl::OkStatus();
}

void ViewBacking::TraceRead(absl::string_view view, const api::TraceReadRequest& request,
                            std::function<void(absl::Status)> finish) {
  auto read = OpenTicket(backend_.runtime, view, request.ticket());
  if (!read.ok()) return finish(read.status());
  if (request.refused() || read->absent) {
    return backend_.authoriser.Refuse(read->caller, read->asked_for, std::move(finish));
  }
  if (request.categories_size() > static_cast<int>(kRegisterCategoriesMax)) {
    return finish(InvalidField("categories", "must be at most those of the register"));
  }
  const std::vector<std::string> categories(request.categories().begin(),
                                            request.categories().end());
  backend_.tracer.Trace(read->whom, kCustomers,
                        TraceOf(read->caller, categories, request.events_opened()),
                        std::move(finish));
}

absl::Status ViewBacking::ExchangeTokens(absl::string_view view,
                                         const api::ExchangeTokensRequest& request,
                                         api::ExchangeTokensResponse& response) const {
  RETURN_IF_ERROR(CategoriesOf(view).status());
  RETURN_IF_ERROR(CheckCount("tokens", request.tokens_size()));
  const eventstore::KeyStore& keys = backend_.runtime.keys;
  for (const api::TokenExchange& token : request.tokens()) {
    if (!IsViewLabel(token.label())) return PermissionDenied();
    const auto exchanged = token.open()
                               ? keys.OpenToken(token.label(), token.binding(), token.data())
                               : keys.SealToken(token.label(), token.binding(), token.data());
    api::ExchangedToken& answer = *response.add_tokens();
    if (exchanged.ok()) {
      answer.set_data(*exchanged);
    } else if (absl::IsInvalidArgument(exchanged.status())) {
      answer.set_refused(true);
    } else {
      return exchanged.status();
    }
  }
  return absl::OkStatus();
}

absl::Status ViewBacking::NameStaff(absl::string_view view, const api::NameStaffRequest& request,
                                    api::NameStaffResponse& response) const {
  RETURN_IF_ERROR(CategoriesOf(view).status());
  RETURN_IF_ERROR(CheckCount("subjects", request.subjects_size()));
  for (const std::string& bytes : request.subjects()) {
    const auto subject = eventstore::SubjectId::FromBytes(bytes);
    if (!subject.ok()) return InvalidField("subjects", "must have 16 bytes each");
    ASSIGN_OR_RETURN(const auto name, backend_.runtime.keys.ReferenceOf(*subject));
    // Customers are named without an issuer, and are nobody's colleagues.
    const bool is_staff = name.has_value() && name->find('\n') != std::string::npos;
    response.add_names(is_staff ? *name : "");
  }
  return absl::OkStatus();
}

}  // namespace records::services
