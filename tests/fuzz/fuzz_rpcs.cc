// Every rpc through its handler: validation, authorisation, decision, sealing, append, trace, view,
// over the real log and sealing in memory. One input is a few calls one after the other; see
// rpc_inputs.h for its form.
//
// The server lives for kInputsPerServer inputs: what a few inputs did together may break it too.
// With RECORDS_FUZZ_TRAIL=<folder> the inputs of the server's life are kept there, to be replayed
// in order.

#include <grpcpp/generic/generic_stub.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "records/api/v1/contact_service.pb.h"
#include "records/api/v1/customer_service.pb.h"
#include "records/api/v1/ledger_service.pb.h"
#include "services/errors/errors.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/rpc_inputs.h"
#include "tests/services/service_fixture.h"

namespace records::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using services::testing::TestServer;
using services::testing::Who;

constexpr int kInputsPerServer = 64;
constexpr size_t kRepliesMax = 64;          // of a stream; then the client hangs up
constexpr size_t kReplyBytesMax = 4 << 20;  // what a gRPC client takes by default
constexpr absl::string_view kCanary = "CANARY";

// Everybody who may call: a member of staff for each role, and those who may not.
class World {
 public:
  World() {
    for (const auto& role : server_.policy.roles()) {
      callers_.push_back(server_.Officer("officer-" + role.id(), {role.id()}).token);
    }
    const Who amy{callers_[0], "service-delivery"};
    for (const char* reference : {"R1", "R2"}) {
      server_.Register(amy, reference, "Pat Doe", absl::StrCat("T-", reference));
      words_["{entry}"] = server_.Record(amy, reference, "boiler out").reply.contact_id();
    }
    server_.CatchUp();
    callers_.push_back(server_.Token("nobody", {"contact-officer"}));
    callers_.push_back("");
    callers_.push_back("not a token");
    for (const auto& purpose : server_.policy.purposes()) purposes_.push_back(purpose.id());
    purposes_.insert(purposes_.end(), {"", "no-such-purpose", "UPPER"});
    channel_ = server_.Channel();
  }

  // What was written opens again: nothing that was acknowledged is unreadable.
  void ExpectWhole() {
    for (const auto ledger : {eventstore::Ledger::kEvents, eventstore::Ledger::kAccess}) {
      for (const auto& stored : server_.AllEvents(ledger)) {
        const auto opened =
            server_.sealer.Open(stored.event, [](absl::string_view) { return true; });
        FUZZ_EXPECT(opened.ok(), opened.status().ToString());
        // Of who was erased a restricted event tells nothing more.
        FUZZ_EXPECT(opened->message != nullptr || words_.contains("{erasure}"));
      }
    }
  }

  uint64_t Traces() const {
    uint64_t traces = 0;
    for (uint32_t partition = 0; partition < server_.log->partition_count(); ++partition) {
      traces += server_.log->Head(eventstore::Ledger::kAccess, partition).sequence;
    }
    return traces;
  }

  const std::string& Token(uint8_t who) const { return callers_[who % callers_.size()]; }
  const std::string& Purpose(uint8_t which) const { return purposes_[which % purposes_.size()]; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Puts what the server gave out in the place of words in braces.
  std::string Filled(const Call& call, const std::string& frame) {
    const auto request = NewMessage(*call.method->input_type());
    if (!request->ParseFromString(frame)) return frame;
    bool changed = false;
    ForEachString(request.get(), [&](const FieldDescriptor&, std::string& text) {
      if (text == "{new}") {
        text = absl::StrCat("00000000-0000-4000-8000-", absl::Hex(++fresh_, absl::kZeroPad12));
        changed = true;
      } else if (const auto word = words_.find(text); word != words_.end()) {
        text = word->second;
        changed = true;
      }
    });
    return changed ? request->SerializeAsString() : frame;
  }

  // Remembers what a client would hand back.
  void Learn(Message* reply) {
    ForEachString(reply, [this](const FieldDescriptor& field, std::string& text) {
      if (text.empty()) return;
      if (field.name() == "token") words_["{write}"] = text;
      if (field.name() == "next_page_token") words_["{page}"] = text;
      if (field.name() == "resume_token") words_["{resume}"] = text;
      if (field.name() == "plan_token") words_["{plan}"] = text;
      if (field.name() == "erasure") words_["{erasure}"] = text;
      if (field.full_name() == "records.api.v1.WorkRecord.reference") words_["{reference}"] = text;
      if (absl::EndsWith(field.name(), "_id") && field.name() != "request_id") {
        words_["{entry}"] = text;
      }
    });
  }

 private:
  TestServer server_;
  std::vector<std::string> callers_;
  std::vector<std::string> purposes_;
  std::map<std::string, std::string> words_;
  uint64_t fresh_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
};

// What came of a call.
struct Result {
  grpc::Status status;
  std::vector<std::string> replies;
  bool hung_up = false;
};

// Drives one call, step by step, with the queue of the client.
class Driver {
 public:
  Driver(World& world, const Call& call) : world_(world), call_(call) {
    TestServer::Prepare(context_, {world.Token(call.who), world.Purpose(call.purpose)});
    const std::string path =
        absl::StrCat("/", call.method->service()->full_name(), "/", call.method->name());
    stream_ = grpc::GenericStub(world.channel()).PrepareCall(&context_, path, &queue_);
  }

  Result Run() {
    stream_->StartCall(&queue_);
    Wait();
    for (const std::string& frame : Frames()) {
      grpc::Slice slice(world_.Filled(call_, frame));
      stream_->Write(grpc::ByteBuffer(&slice, 1), &queue_);
      if (!Wait()) break;
    }
    stream_->WritesDone(&queue_);
    Wait();
    ReadReplies();
    stream_->Finish(&result_.status, &queue_);
    Wait();
    return std::move(result_);
  }

 private:
  // A call that is no stream has one message: the frames are put together, as protobuf merges them.
  std::vector<std::string> Frames() const {
    if (call_.method->client_streaming()) return call_.frames;
    std::string whole;
    for (const std::string& frame : call_.frames) whole += frame;
    return {whole};
  }

  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    FUZZ_EXPECT(queue_.Next(&tag, &ok));
    return ok;
  }

  // Reads to the end, or until a stream that never ends has sent all that stood.
  void ReadReplies() {
    while (true) {
      grpc::ByteBuffer bytes;
      stream_->Read(&bytes, &queue_);
      if (!Wait()) return;
      grpc::Slice whole;
      FUZZ_EXPECT(bytes.DumpToSingleSlice(&whole).ok());
      result_.replies.emplace_back(reinterpret_cast<const char*>(whole.begin()), whole.size());
      if (result_.hung_up || !call_.method->server_streaming()) continue;
      const auto reply = NewMessage(*call_.method->output_type());
      FUZZ_EXPECT(reply->ParseFromString(result_.replies.back()));
      const FieldDescriptor* caught_up = reply->GetDescriptor()->FindFieldByName("caught_up");
      const bool over = caught_up != nullptr && reply->GetReflection()->GetBool(*reply, caught_up);
      if (!over && result_.replies.size() < kRepliesMax) continue;
      result_.hung_up = true;
      context_.TryCancel();
    }
  }

  World& world_;
  const Call& call_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  Result result_;
};

// The codes that services/errors gives callers on purpose.
bool IsDocumented(grpc::StatusCode code) {
  static const std::set<grpc::StatusCode> kCodes = {
      grpc::INVALID_ARGUMENT,   grpc::PERMISSION_DENIED, grpc::UNAUTHENTICATED,
      grpc::ALREADY_EXISTS,     grpc::NOT_FOUND,         grpc::FAILED_PRECONDITION,
      grpc::RESOURCE_EXHAUSTED, grpc::ABORTED,           grpc::DEADLINE_EXCEEDED,
      grpc::UNAVAILABLE};
  return kCodes.contains(code);
}

void ExpectReason(const google::protobuf::Any& detail) {
  google::rpc::ErrorInfo info;
  FUZZ_EXPECT(detail.UnpackTo(&info));
  FUZZ_EXPECT(info.domain() == services::kErrorDomain);
  FUZZ_EXPECT(!info.reason().empty() && info.reason().size() <= 63);
  FUZZ_EXPECT(std::all_of(info.reason().begin(), info.reason().end(), [](char c) {
    return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_';
  }));
}

// An error is as services/errors/README.md promises, and holds nothing of the request.
void ExpectWellFormed(const grpc::Status& status) {
  const std::string message = status.error_message(), details = status.error_details();
  FUZZ_EXPECT(message.size() <= services::kErrorMessageBytesMax);
  FUZZ_EXPECT(details.size() <= 2 * services::kErrorDetailsBytesMax);
  FUZZ_EXPECT(std::all_of(message.begin(), message.end(), absl::ascii_isprint));
  FUZZ_EXPECT(!absl::StrContains(message, kCanary) && !absl::StrContains(details, kCanary),
              message);
  if (status.error_code() == grpc::UNAUTHENTICATED && details.empty()) {
    // All that gRPC 1.51 sends from a metadata processor.
    return FUZZ_EXPECT(!services::ReasonOf(services::FromGrpcStatus(status)).empty(), message);
  }
  if (status.error_code() == grpc::PERMISSION_DENIED && details.empty()) {
    // So does what only services may call, on the port that everybody reaches.
    return FUZZ_EXPECT(message == services::PermissionDenied().message(), message);
  }
  google::rpc::Status parsed;
  FUZZ_EXPECT(parsed.ParseFromString(details));
  FUZZ_EXPECT(parsed.code() == status.error_code() && parsed.message() == message);
  std::set<std::string> types;
  for (const auto& detail : parsed.details()) {
    FUZZ_EXPECT(types.insert(detail.type_url()).second, "a type of detail twice");
    if (detail.Is<google::rpc::ErrorInfo>()) ExpectReason(detail);
  }
  FUZZ_EXPECT(types.contains("type.googleapis.com/google.rpc.ErrorInfo"), message);
  if (status.error_code() != grpc::PERMISSION_DENIED) return;
  // Absent and forbidden look the same, whoever asks for whatever.
  static const std::string refusal = details;
  FUZZ_EXPECT(details == refusal);
}

// Whether the server can read the request; what it cannot read never reaches a handler.
bool Parses(const Call& call) {
  std::string whole;
  for (const std::string& frame : call.frames) {
    if (call.method->client_streaming()) whole.clear();
    whole += frame;
    if (!call.method->client_streaming()) continue;
    if (!NewMessage(*call.method->input_type())->ParseFromString(whole)) return false;
  }
  return call.method->client_streaming() ||
         NewMessage(*call.method->input_type())->ParseFromString(whole);
}

void RunCall(World& world, const Call& call) {
  const uint64_t traces = world.Traces();
  const Result result = Driver(world, call).Run();
  const std::string name = call.method->full_name();
  static const bool talks = std::getenv("RECORDS_FUZZ_TALKS") != nullptr;
  if (talks) {
    std::printf("  %s %d %s\n", name.c_str(), static_cast<int>(result.status.error_code()),
                services::ReasonOf(services::FromGrpcStatus(result.status)).c_str());
  }
  size_t bytes = 0;
  for (const std::string& text : result.replies) {
    bytes += text.size();
    const auto reply = NewMessage(*call.method->output_type());
    FUZZ_EXPECT(reply->ParseFromString(text), name);
    world.Learn(reply.get());
  }
  FUZZ_EXPECT(bytes <= kReplyBytesMax, name);
  if (result.hung_up && result.status.error_code() == grpc::CANCELLED) return;
  if (!Parses(call)) {
    FUZZ_EXPECT(!result.status.ok() || call.method->client_streaming(), name);
    return;
  }
  if (!result.status.ok()) {
    FUZZ_EXPECT(IsDocumented(result.status.error_code()), name, ": ",
                static_cast<int>(result.status.error_code()), " ", result.status.error_message());
    ExpectWellFormed(result.status);
    FUZZ_EXPECT(result.replies.empty() || call.method->server_streaming(), name);
    return;
  }
  // No read of a customer's record without a trace, durable before the answer.
  const auto& access = call.method->options().GetExtension(policy::v1::access);
  if (access.action() == policy::v1::ACTION_READ && !call.method->server_streaming() &&
      call.method->input_type()->FindFieldByName("customer") != nullptr) {
    FUZZ_EXPECT(world.Traces() > traces, name, " left no trace");
  }
}

// Keeps the inputs of one life of the server.
void KeepTrail(int place, absl::string_view input) {
  static const char* const folder = std::getenv("RECORDS_FUZZ_TRAIL");
  if (folder == nullptr) return;
  if (place == 0) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  std::ofstream(absl::StrCat(folder, "/", absl::Dec(place, absl::kZeroPad4)), std::ios::binary)
      .write(input.data(), static_cast<std::streamsize>(input.size()));
}

// A message with most of its fields set to what tends to be right.
std::string GoodFrame(const google::protobuf::Descriptor& type) {
  using services::testing::GoodPerson;
  namespace api = records::api::v1;
  const auto message = NewMessage(type);
  if (auto* record = dynamic_cast<api::RecordContactRequest*>(message.get())) {
    *record = services::testing::GoodRecordContact();
  }
  if (auto* split = dynamic_cast<api::SplitMessageRequest*>(message.get())) {
    *split = services::testing::GoodSplit();
  }
  if (auto* registers = dynamic_cast<api::RegisterCustomerRequest*>(message.get())) {
    *registers->mutable_person() = GoodPerson("R-new");
    *registers->mutable_tenancy() = services::testing::GoodTenancy();
  }
  if (auto* corrects = dynamic_cast<api::CorrectCustomerDetailsRequest*>(message.get())) {
    *corrects->mutable_person() = GoodPerson("", "Pat Smith");
    corrects->set_reason("married");
  }
  if (auto* corrects = dynamic_cast<api::CorrectContactRequest*>(message.get())) {
    *corrects->mutable_contact() = services::testing::GoodContact();
    corrects->set_reason("typed wrong");
  }
  if (auto* indexes = dynamic_cast<api::IndexDocumentRequest*>(message.get())) {
    *indexes->mutable_entry() = services::testing::GoodDocument();
  }
  if (auto* row = dynamic_cast<api::ImportContactsRequest*>(message.get())) {
    *row->mutable_customer()->mutable_person() = GoodPerson("R-imported");
    *row->mutable_customer()->mutable_tenancy() = services::testing::GoodTenancy("T-imported");
    *row->mutable_contact() = services::testing::GoodContact();
  }
  const auto set = [&](const char* name, const char* text) {
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return;
    message->GetReflection()->SetString(message.get(), field, text);
  };
  set("request_id", "{new}");
  set("customer", "R1");
  set("contact_id", "{entry}");
  set("subject", "nobody");
  set("role", "contact-officer");
  set("name", "daily");
  set("address", "2 High Street");
  set("relation", "daughter");
  set("plan_token", "{plan}");
  set("erasure", "{erasure}");
  if (auto* follows = dynamic_cast<api::FollowWorkRequest*>(message.get())) {
    follows->set_stream("repairs.v1");
  }
  if (auto* unseals = dynamic_cast<api::UnsealRequest*>(message.get())) {
    unseals->set_stream("repairs.v1");
    unseals->add_references("{reference}");
  }
  if (const FieldDescriptor* ground = type.FindFieldByName("ground")) {
    message->GetReflection()->SetEnumValue(message.get(), ground, 1);
  }
  return message->SerializeAsString();
}

// The caller and purpose that the register permits the method to, as bytes of an input.
std::pair<uint8_t, uint8_t> Permitted(const google::protobuf::MethodDescriptor& method) {
  const auto& access = method.options().GetExtension(policy::v1::access);
  const auto reg = *services::EmbeddedRegister();
  for (int r = 0; r < reg.roles_size(); ++r) {
    for (const auto& permission : reg.roles(r).permissions()) {
      if (permission.view() != access.view() || permission.action() != access.action()) continue;
      for (int p = 0; p < reg.purposes_size(); ++p) {
        if (reg.purposes(p).id() == permission.purposes(0)) {
          return {static_cast<uint8_t>(r), static_cast<uint8_t>(p)};
        }
      }
    }
  }
  return {0, 0};
}

Call GoodCall(const google::protobuf::MethodDescriptor& method) {
  const auto [who, purpose] = Permitted(method);
  Call call{.method = &method, .who = who, .purpose = purpose};
  call.frames.push_back(GoodFrame(*method.input_type()));
  if (method.client_streaming()) call.frames.push_back(call.frames[0]);
  return call;
}

}  // namespace

void TestOne(absl::string_view input) {
  // The last server ends with the process, after OpenSSL would have cleaned up behind itself.
  static const int openssl = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  FUZZ_EXPECT(openssl == 1);
  static std::unique_ptr<World> world;
  static int inputs = 0;
  if (inputs++ % kInputsPerServer == 0) {
    if (world != nullptr) world->ExpectWhole();
    world.reset();
    world = std::make_unique<World>();
    inputs = 1;
  }
  KeepTrail(inputs - 1, input);
  for (const Call& call : CallsOf(input)) RunCall(*world, call);
}

void WriteSeeds(const SeedSink& sink) {
  for (const auto* method : Methods()) {
    const Call good = GoodCall(*method);
    Call refused = good;
    refused.who = 255;
    sink(method->name(), InputOf({good}));
    sink(absl::StrCat(method->name(), "-refused"), InputOf({refused}));
    Call broken = good;
    broken.frames[0] = "\x0a\x02\xff\xfe";
    sink(absl::StrCat(method->name(), "-not-utf8"), InputOf({broken}));
  }
  const auto find = [](absl::string_view name) {
    return *std::find_if(Methods().begin(), Methods().end(),
                         [name](const auto* method) { return method->name() == name; });
  };
  const Call record = GoodCall(*find("RecordContact")), read = GoodCall(*find("GetTimeline"));
  sink("record-read-correct", InputOf({record, read, GoodCall(*find("CorrectContact")), read}));
  sink("work", InputOf({GoodCall(*find("SplitMessage")), GoodCall(*find("FollowWork")),
                        GoodCall(*find("Unseal"))}));
  sink("record-twice", InputOf({record, record}));
  sink("erase",
       InputOf({record, GoodCall(*find("PlanErasure")), GoodCall(*find("EraseSubject")),
                GoodCall(*find("GetErasure")), GoodCall(*find("AcknowledgeErasure")), read}));
}

// Mutates what the handlers see, a field at a time; one time in four the bytes, as they come.
void MutateCalls(std::minstd_rand& random, std::vector<Call>& calls,
                 const std::function<std::string(std::string)>& mutate_text) {
  const auto& methods = Methods();
  const uint32_t way = random() % 16;
  if (calls.empty() || (way == 0 && calls.size() < kCallsMax)) {
    calls.push_back(GoodCall(*methods[random() % methods.size()]));
    return;
  }
  Call& call = calls[random() % calls.size()];
  if (way == 1) return void(calls.erase(calls.begin() + (&call - calls.data())));
  if (way == 2) return void(call.who = static_cast<uint8_t>(random()));
  if (way == 3) return void(call.purpose = static_cast<uint8_t>(random()));
  if (way == 4 && calls.size() < kCallsMax) return void(calls.push_back(Call(call)));
  if (call.frames.empty() || (way == 5 && call.frames.size() < kFramesMax)) {
    call.frames.push_back(GoodFrame(*call.method->input_type()));
    return;
  }
  std::string& frame = call.frames[random() % call.frames.size()];
  const auto message = NewMessage(*call.method->input_type());
  if (way == 6) {
    frame = mutate_text(frame);
    return;
  }
  // What does not parse stops at gRPC: it is tried, and seldom kept.
  if (!message->ParseFromString(frame)) {
    frame = GoodFrame(*call.method->input_type());
    return;
  }
  for (uint32_t changes = 1 + random() % 3; changes > 0; --changes) {
    MutateMessage(random, message.get(), mutate_text);
  }
  frame = message->SerializeAsString();
}

}  // namespace records::fuzz

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  using namespace records::fuzz;  // NOLINT(google-build-using-namespace) the one function outside
  std::minstd_rand random(seed);
  if (random() % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  const auto mutate_text = [](std::string text) {
    const size_t before = text.size();
    text.resize(before + 64);
    text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), before, text.size()));
    return text;
  };
  auto calls = CallsOf({reinterpret_cast<const char*>(data), size});
  MutateCalls(random, calls, mutate_text);
  const std::string mutated = InputOf(calls);
  if (mutated.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(mutated.begin(), mutated.end(), data);
  return mutated.size();
}
