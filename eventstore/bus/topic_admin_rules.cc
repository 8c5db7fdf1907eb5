#include "absl/strings/str_cat.h"
#include "eventstore/bus/bus_plan.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/bus/topic_admin.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::AdminCall;
using internal::KafkaDeleter;
using internal::KafkaEvent;
using Binding = std::unique_ptr<rd_kafka_AclBinding_t, KafkaDeleter<&rd_kafka_AclBinding_destroy>>;

// The numbers of BusRule are those of the protocol, and so librdkafka's.
static_assert(static_cast<int>(BusRule::Resource::kTransactionalId) ==
              RD_KAFKA_RESOURCE_TRANSACTIONAL_ID);
static_assert(static_cast<int>(BusRule::Resource::kCluster) == RD_KAFKA_RESOURCE_BROKER);
static_assert(static_cast<int>(BusRule::Operation::kIdempotentWrite) ==
              RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE);
static_assert(static_cast<int>(BusRule::Operation::kAll) == RD_KAFKA_ACL_OPERATION_ALL);

std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

BusRule RuleOf(const rd_kafka_AclBinding_t& binding) {
  const int resource = rd_kafka_AclBinding_restype(&binding);
  const int operation = rd_kafka_AclBinding_operation(&binding);
  BusRule rule;
  rule.principal = TextOf(rd_kafka_AclBinding_principal(&binding));
  rule.resource = resource >= RD_KAFKA_RESOURCE_TOPIC && resource < RD_KAFKA_RESOURCE__CNT
                      ? static_cast<BusRule::Resource>(resource)
                      : BusRule::Resource::kOther;
  rule.name = TextOf(rd_kafka_AclBinding_name(&binding));
  rule.prefixed =
      rd_kafka_AclBinding_resource_pattern_type(&binding) == RD_KAFKA_RESOURCE_PATTERN_PREFIXED;
  rule.operation =
      operation >= RD_KAFKA_ACL_OPERATION_ALL && operation < RD_KAFKA_ACL_OPERATION__CNT
          ? static_cast<BusRule::Operation>(operation)
          : BusRule::Operation::kOther;
  rule.allows = rd_kafka_AclBinding_permission_type(&binding) == RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW;
  rule.host = TextOf(rd_kafka_AclBinding_host(&binding));
  return rule;
}

// Binding and filter for one binding are made of the same parts.
template <auto Make>
Binding BindingOf(const BusRule& rule) {
  return Binding(
      Make(static_cast<rd_kafka_ResourceType_t>(rule.resource), rule.name.c_str(),
           rule.prefixed ? RD_KAFKA_RESOURCE_PATTERN_PREFIXED : RD_KAFKA_RESOURCE_PATTERN_LITERAL,
           rule.principal.c_str(), rule.host.c_str(),
           static_cast<rd_kafka_AclOperation_t>(rule.operation),
           rule.allows ? RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW : RD_KAFKA_ACL_PERMISSION_TYPE_DENY,
           nullptr, 0));
}

rd_kafka_resp_err_t CodeOf(const rd_kafka_error_t* error) {
  return error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
}

// What brokers say to the removal of a rule.
absl::StatusOr<rd_kafka_resp_err_t> Remove(rd_kafka_t* client, const BusRule& rule,
                                           absl::Duration timeout) {
  const std::string what = absl::StrCat("removing the rule ", RuleText(rule));
  const Binding filter = BindingOf<&rd_kafka_AclBindingFilter_new>(rule);
  if (filter == nullptr) return absl::InvalidArgumentError(what);
  const AdminCall call(client, RD_KAFKA_ADMIN_OP_DELETEACLS, timeout);
  rd_kafka_AclBindingFilter_t* filters[] = {filter.get()};
  rd_kafka_DeleteAcls(client, filters, 1, call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait(what));
  size_t count = 0;
  const rd_kafka_DeleteAcls_result_response_t** results =
      rd_kafka_DeleteAcls_result_responses(rd_kafka_event_DeleteAcls_result(event.get()), &count);
  if (count != 1) return absl::UnavailableError(absl::StrCat(what, ": no result"));
  return CodeOf(rd_kafka_DeleteAcls_result_response_error(results[0]));
}

}  // namespace

absl::StatusOr<std::optional<std::set<BusRule>>> TopicAdmin::ListRules(absl::Duration timeout) {
  const Binding all(rd_kafka_AclBindingFilter_new(
      RD_KAFKA_RESOURCE_ANY, nullptr, RD_KAFKA_RESOURCE_PATTERN_ANY, nullptr, nullptr,
      RD_KAFKA_ACL_OPERATION_ANY, RD_KAFKA_ACL_PERMISSION_TYPE_ANY, nullptr, 0));
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_DESCRIBEACLS, timeout);
  rd_kafka_DescribeAcls(client_.get(), all.get(), call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait("reading the access rules"));
  size_t count = 0;
  const rd_kafka_AclBinding_t** bindings =
      rd_kafka_DescribeAcls_result_acls(rd_kafka_event_DescribeAcls_result(event.get()), &count);
  std::set<BusRule> rules;
  for (size_t i = 0; i < count; ++i) rules.insert(RuleOf(*bindings[i]));
  if (!rules.empty()) return rules;
  // librdkafka 2.12.1 drops the error of this reply (rd_kafka_DescribeAclsResponse_parse), so no
  // rules, none that may be seen, and none that are checked look alike. The removal of a rule that
  // nobody has tells them apart: who may see rules by a rule would have seen that one.
  const BusRule nobodys = {.principal = "User:records-nobody", .name = "records-nothing"};
  ASSIGN_OR_RETURN(const rd_kafka_resp_err_t code, Remove(client_.get(), nobodys, timeout));
  if (code == RD_KAFKA_RESP_ERR_SECURITY_DISABLED) return std::nullopt;
  RETURN_IF_ERROR(KafkaStatus(code, "reading the access rules"));
  return rules;
}

absl::Status TopicAdmin::AddRule(const BusRule& rule, absl::Duration timeout) {
  const std::string what = absl::StrCat("adding the rule ", RuleText(rule));
  const Binding binding = BindingOf<&rd_kafka_AclBinding_new>(rule);
  if (binding == nullptr) return absl::InvalidArgumentError(what);
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_CREATEACLS, timeout);
  rd_kafka_AclBinding_t* bindings[] = {binding.get()};
  rd_kafka_CreateAcls(client_.get(), bindings, 1, call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait(what));
  size_t count = 0;
  const rd_kafka_acl_result_t** results =
      rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event.get()), &count);
  if (count != 1) return absl::UnavailableError(absl::StrCat(what, ": no result"));
  return KafkaStatus(CodeOf(rd_kafka_acl_result_error(results[0])), what);
}

absl::Status TopicAdmin::RemoveRule(const BusRule& rule, absl::Duration timeout) {
  ASSIGN_OR_RETURN(const rd_kafka_resp_err_t code, Remove(client_.get(), rule, timeout));
  return KafkaStatus(code, absl::StrCat("removing the rule ", RuleText(rule)));
}

}  // namespace records::eventstore
