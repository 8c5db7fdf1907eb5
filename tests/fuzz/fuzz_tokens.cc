// Tokens that callers hand back: page tokens, read-your-write and resume tokens, entry ids. One
// opens for who it was made for, for what, and as it was; and what is in it may be anything.
//
// Input: which token, how it is changed, then what is in it.

#include <string>

#include "projections/timeline/timeline_reader.h"
#include "services/runtime/command.h"
#include "services/runtime/entry_id.h"
#include "services/runtime/paging.h"
#include "services/timeline/timeline_follow.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/services/service_fixture.h"

namespace records::fuzz {
namespace {

using eventstore::Position;
using services::Authorised;

services::testing::TestServer& Server() {
  static auto* const server = new services::testing::TestServer;
  return *server;
}

Authorised CallerOf(absl::string_view subject, absl::string_view method) {
  Authorised caller;
  caller.caller.issuer = "issuer";
  caller.caller.subject = std::string(subject);
  caller.method = std::string(method);
  return caller;
}

// A token as it comes back. Returns whether it is another one.
bool Change(Input& in, std::string& token) {
  const std::string before = token;
  const uint8_t how = in.Byte();
  const uint64_t place = in.Number(2);
  if (how % 4 == 1 && !token.empty()) token[place % token.size()] = static_cast<char>(in.Byte());
  if (how % 4 == 2) token.resize(place % (token.size() + 1));
  if (how % 4 == 3) token += std::string(in.Bytes(in.Byte()));
  return token != before;
}

void PageTokens(Input& in) {
  const auto& runtime = *Server().runtime;
  const std::string subject(in.Bytes(in.Byte() % 8)), method(in.Bytes(in.Byte() % 8));
  const std::string arguments(in.Bytes(in.Byte() % 16));
  const Authorised caller = CallerOf(subject, method);
  const std::string subject2(in.Bytes(in.Byte() % 8)), method2(in.Bytes(in.Byte() % 8));
  const std::string arguments2(in.Bytes(in.Byte() % 16));
  const bool as_another = in.Byte() % 2 == 1;
  Input change(in.Chunk());
  const std::string cursor(in.Rest());
  auto token = services::SealPageToken(runtime, caller, arguments, cursor);
  if (!token.ok()) return FUZZ_EXPECT(cursor.size() > 100, token.status().ToString());
  const bool changed = Change(change, *token);
  const Authorised opener = as_another ? CallerOf(subject2, method2) : caller;
  const std::string& given = as_another ? arguments2 : arguments;
  const bool same =
      opener.Name() == caller.Name() && opener.method == caller.method && given == arguments;
  const auto opened = services::OpenPageToken(runtime, opener, given, *token);
  if (token->empty()) return FUZZ_EXPECT(opened.ok() && opened->empty());
  FUZZ_EXPECT(opened.ok() == (same && !changed));
  if (opened.ok()) FUZZ_EXPECT(*opened == cursor);
}

// The cursor in a page token is the server's own, but nothing may rest on that.
void Cursors(Input& in) {
  projections::TimelineQuery query;
  query.root = *eventstore::RootId::FromBytes(std::string(16, 'r'));
  query.page_size = in.Byte();
  query.cursor = std::string(in.Rest());
  const auto page = Server().timeline_reader.GetPage(query, [](absl::string_view) { return true; });
  FUZZ_EXPECT(page.ok() || absl::IsInvalidArgument(page.status()), page.status().ToString());
}

void EntryIds(Input& in) {
  const auto& runtime = *Server().runtime;
  const Position position{static_cast<uint32_t>(in.Number(4)), in.Number(8)};
  auto id = services::EntryIdOf(runtime, position);
  FUZZ_EXPECT(id.ok());
  const bool changed = Change(in, *id);
  const auto opened = services::PositionOfEntry(runtime, "entry_id", *id);
  FUZZ_EXPECT(opened.ok() == !changed);
  if (opened.ok()) FUZZ_EXPECT(*opened == position);
}

void WriteTokens(Input& in) {
  const auto& runtime = *Server().runtime;
  const Authorised caller = CallerOf("amy", "method");
  const services::Outcome outcome{.last = {static_cast<uint32_t>(in.Number(4)), in.Number(8)}};
  auto token = Server().commands->WriteToken(caller, outcome);
  FUZZ_EXPECT(token.ok());
  const bool for_another = in.Byte() % 2 == 1;
  const bool changed = Change(in, *token);
  const auto opened =
      services::OpenWriteToken(runtime, for_another ? CallerOf("ben", "method") : caller, *token);
  FUZZ_EXPECT(opened.ok() == (!changed && !for_another));
  if (opened.ok()) FUZZ_EXPECT(*opened == outcome.last);
}

void ResumeTokens(Input& in) {
  const auto& runtime = *Server().runtime;
  const std::string customer(in.Bytes(in.Byte() % 8)), other(in.Bytes(in.Byte() % 8));
  const uint64_t sequence = in.Number(8);
  const Authorised caller = CallerOf("amy", "method");
  auto token = services::TimelineFollow::ResumeToken(runtime, caller, customer, sequence);
  FUZZ_EXPECT(token.ok());
  const bool changed = Change(in, *token);
  const auto opened = services::TimelineFollow::OpenResumeToken(runtime, caller, other, *token);
  FUZZ_EXPECT(opened.ok() == (!changed && customer == other));
  if (opened.ok()) FUZZ_EXPECT(*opened == sequence);
}

// Bytes as they come. The fuzzer reads real tokens out of comparisons, so they are for a caller who
// has none; an entry id is for everybody, and is one only in the form that it was given out in.
void Foreign(Input& in) {
  const auto& runtime = *Server().runtime;
  const std::string bytes(in.Rest());
  const Authorised caller = CallerOf("somebody-without-tokens", "method");
  FUZZ_EXPECT(bytes.empty() || !services::OpenPageToken(runtime, caller, "", bytes).ok());
  FUZZ_EXPECT(!services::OpenWriteToken(runtime, caller, bytes).ok());
  FUZZ_EXPECT(!services::TimelineFollow::OpenResumeToken(runtime, caller, "R1", bytes).ok());
  const auto entry = services::PositionOfEntry(runtime, "entry_id", bytes);
  if (entry.ok()) FUZZ_EXPECT(*services::EntryIdOf(runtime, *entry) == bytes);
  const auto position = services::DecodePosition(bytes);
  FUZZ_EXPECT(position.ok() == (bytes.size() == 12));
  if (position.ok()) FUZZ_EXPECT(services::EncodePosition(*position) == bytes);
}

}  // namespace

void TestOne(absl::string_view input) {
  Input in(input);
  using Target = void (*)(Input&);
  static constexpr Target kTargets[] = {PageTokens,  Cursors,      EntryIds,
                                        WriteTokens, ResumeTokens, Foreign};
  kTargets[in.Byte() % 6](in);
}

void WriteSeeds(const SeedSink& sink) {
  const std::string whole = Chunk(std::string(3, '\0'));
  const std::string caller = Byte(3) + "amy" + Byte(3) + "get" + Byte(2) + "R1";
  const std::string other = Byte(3) + "ben" + Byte(3) + "get" + Byte(2) + "R2";
  sink("page", Byte(0) + caller + other + Byte(0) + whole + "cursor");
  sink("page-of-another", Byte(0) + caller + other + Byte(1) + whole + "cursor");
  sink("page-changed", Byte(0) + caller + other + Byte(0) + Chunk("\1aab") + "cursor");
  sink("cursor", Byte(1) + Byte(50) + std::string(16, 'c'));
  sink("entry", Byte(2) + std::string(12, '\1') + std::string(3, '\0'));
  sink("write", Byte(3) + std::string(12, '\1') + std::string(4, '\0'));
  sink("resume",
       Byte(4) + Byte(2) + "R1" + Byte(2) + "R1" + std::string(8, '\1') + std::string(3, '\0'));
  const auto token = services::EntryIdOf(*Server().runtime, {1, 5});
  sink("foreign", Byte(5) + std::string(token->size(), 'A'));
  sink("position", Byte(5) + std::string(12, '\2'));
}

}  // namespace records::fuzz
