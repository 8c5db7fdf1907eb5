#include "tools/recordsctl/import/import_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "tools/recordsctl/timeline_follow.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;

constexpr absl::Duration kPause = absl::Milliseconds(250);  // before a lost stream is made anew
constexpr absl::Duration kWatchPeriod = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<MappedRow> ImportWindow::Acknowledge(const api::ImportContactsResponse& reply) {
  if (rows_.empty() || rows_.front().request.request_id() != reply.request_id()) {
    return absl::InternalError(
        absl::StrCat("the server acknowledged line ", reply.line(), " out of order"));
  }
  MappedRow row = std::move(rows_.front());
  rows_.pop_front();
  return row;
}

ImportStream::ImportStream(const Client& client, ImportStreamOptions options, OnReply on_reply)
    : client_(client),
      options_(options),
      on_reply_(std::move(on_reply)),
      stub_(api::ContactService::NewStub(client.channel())),
      last_progress_(absl::Now()) {
  watcher_ = std::thread([this] { Watch(); });
}

ImportStream::~ImportStream() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  watcher_.join();
  if (stream_ != nullptr) EndStream().IgnoreError();
}

absl::Status ImportStream::Connect() {
  std::vector<api::ImportContactsRequest> again;
  {
    absl::MutexLock lock(&mutex_);
    ended_ = false;
    last_progress_ = absl::Now();
    context_ = client_.NewContext(/*endless=*/true);
    for (const MappedRow& row : window_.rows()) again.push_back(row.request);
    stream_ = stub_->ImportContacts(context_.get());
  }
  reader_ = std::thread([this] { ReadReplies(); });
  for (const api::ImportContactsRequest& request : again) {
    if (!stream_->Write(request)) break;  // the reader sees the end of the stream
  }
  return absl::OkStatus();
}

// Ends the stream and tells why it ended.
absl::Status ImportStream::EndStream() {
  reader_.join();
  const absl::Status status = services::FromGrpcStatus(stream_->Finish());
  absl::MutexLock lock(&mutex_);
  stream_.reset();
  context_.reset();
  if (!broken_.ok()) return broken_;
  if (late_ && interrupted_) return absl::CancelledError("stopped before all was acknowledged");
  if (late_) {
    return absl::DeadlineExceededError(absl::StrCat("the server acknowledged nothing for ",
                                                    absl::FormatDuration(options_.stall_max)));
  }
  if (!status.ok() || window_.empty()) return status;
  return absl::UnavailableError("the server ended the stream before all was acknowledged");
}

// Makes a lost connection anew, after a pause; returns why it was lost when that cannot help.
absl::Status ImportStream::Reconnect() {
  const absl::Status why = EndStream();
  absl::Duration wait;
  {
    absl::MutexLock lock(&mutex_);
    // A server that was never reached is an answer; one that was may be starting again.
    const bool may_come_back = absl::Now() - last_reply_ < options_.stall_max;
    if (!absl::IsUnavailable(why) || !may_come_back) {
      return why.ok() ? absl::UnavailableError("the server ended the stream") : why;
    }
    wait = BackOff(++attempts_);
    // Not at once: a server may be there and end every stream.
    if (mutex_.AwaitWithTimeout(absl::Condition(&interrupted_), std::min(wait, kPause))) return why;
  }
  return WaitForServer(absl::Now() + wait) ? Connect() : why;
}

// Waits until the server is there, or `deadline`; false after an interrupt. gRPC makes a connection
// only while somebody waits for it, so a plain pause would end with none.
bool ImportStream::WaitForServer(absl::Time deadline) {
  while (absl::Now() < deadline) {
    const absl::Time slice = std::min(deadline, absl::Now() + kWatchPeriod);
    if (client_.channel()->WaitForConnected(absl::ToChronoTime(slice))) return true;
    absl::MutexLock lock(&mutex_);
    if (interrupted_) return false;
  }
  return true;
}

// Says whether the row goes again, and keeps it for that.
bool ImportStream::PutOff(MappedRow& row, const api::ImportContactsResponse& reply) {
  const bool is_passing = reply.code() == grpc::StatusCode::ABORTED ||
                          reply.code() == grpc::StatusCode::UNAVAILABLE ||
                          reply.code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
                          // Another row of the building registered its customer a moment before.
                          reply.reason() == "CUSTOMER_EXISTS";
  if (!is_passing || interrupted_ || ++row.tries >= options_.tries_max) return false;
  put_off_.push_back(std::move(row));
  return true;
}

absl::Status ImportStream::SendRow(MappedRow row) {
  if (stream_ == nullptr) RETURN_IF_ERROR(Connect());
  const api::ImportContactsRequest request = row.request;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const auto may_go_on = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !window_.full() || ended_ || interrupted_;
      };
      mutex_.Await(absl::Condition(&may_go_on));
      if (interrupted_) return absl::CancelledError("interrupted");
      if (!ended_) {
        if (window_.empty()) last_progress_ = absl::Now();
        window_.Add(std::move(row));
        break;
      }
    }
    RETURN_IF_ERROR(Reconnect());
  }
  // A write that fails is no loss: the row is in the window, and goes again with the next stream.
  stream_->Write(request);
  return absl::OkStatus();
}

// Sends again what was put off, once nothing is under way that it could be in conflict with.
absl::Status ImportStream::SendPutOff() {
  std::deque<MappedRow> rows;
  {
    absl::MutexLock lock(&mutex_);
    if (put_off_.empty()) return absl::OkStatus();
    const auto may_go_on = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return window_.empty() || ended_ || interrupted_;
    };
    mutex_.Await(absl::Condition(&may_go_on));
    rows.swap(put_off_);
  }
  for (MappedRow& row : rows) RETURN_IF_ERROR(SendRow(std::move(row)));
  return absl::OkStatus();
}

absl::Status ImportStream::Send(MappedRow row) {
  RETURN_IF_ERROR(SendPutOff());
  return SendRow(std::move(row));
}

absl::Status ImportStream::Finish() {
  if (stream_ == nullptr) return absl::OkStatus();
  while (true) {
    bool is_lost = false;
    {
      absl::MutexLock lock(&mutex_);
      const auto is_settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return window_.empty() || ended_;
      };
      mutex_.Await(absl::Condition(&is_settled));
      if (interrupted_) put_off_.clear();  // the next run brings them
      if (window_.empty() && put_off_.empty() && broken_.ok()) {
        drain_until_ = std::min(drain_until_, absl::Now() + options_.drain_max);
        break;
      }
      is_lost = ended_;
    }
    if (is_lost) RETURN_IF_ERROR(Reconnect());
    RETURN_IF_ERROR(SendPutOff());
  }
  // All is durable; how the stream ends after that does not matter.
  stream_->WritesDone();
  EndStream().IgnoreError();
  return absl::OkStatus();
}

void ImportStream::Interrupt() {
  absl::MutexLock lock(&mutex_);
  interrupted_ = true;
  drain_until_ = absl::Now() + options_.drain_max;
}

void ImportStream::ReadReplies() {
  api::ImportContactsResponse reply;
  while (stream_->Read(&reply)) {
    absl::StatusOr<MappedRow> row = absl::CancelledError();
    bool is_put_off = false;
    {
      absl::MutexLock lock(&mutex_);
      row = window_.Acknowledge(reply);
      last_progress_ = last_reply_ = absl::Now();
      attempts_ = 0;
      if (!row.ok()) {
        broken_ = row.status();
        context_->TryCancel();
        break;
      }
      is_put_off = PutOff(*row, reply);
    }
    if (!is_put_off) on_reply_(*row, reply);
  }
  absl::MutexLock lock(&mutex_);
  ended_ = true;
}

bool ImportStream::IsLate(absl::Time now) const {
  if (now > drain_until_) return true;
  return !window_.empty() && now - last_progress_ > options_.stall_max;
}

void ImportStream::Watch() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&closing_), kWatchPeriod)) {
    if (context_ == nullptr || late_ || !IsLate(absl::Now())) continue;
    late_ = true;
    context_->TryCancel();
  }
}

}  // namespace records::tools
