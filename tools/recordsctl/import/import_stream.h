#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "records/api/v1/contact_service.grpc.pb.h"
#include "tools/recordsctl/client.h"
#include "tools/recordsctl/import/nyc311.h"

namespace records::tools {

// Rows that were sent and not yet acknowledged, in their order. Not thread-safe.
class ImportWindow {
 public:
  // The server stops reading when this many are under way.
  static constexpr size_t kRowsMax = 256;

  bool full() const { return rows_.size() >= kRowsMax; }
  bool empty() const { return rows_.empty(); }
  const std::deque<MappedRow>& rows() const { return rows_; }

  // REQUIRES: !full().
  void Add(MappedRow row) { rows_.push_back(std::move(row)); }

  // Takes the row out that `reply` is about. kInternal: that is not the oldest one, so the server
  // acknowledged out of order.
  absl::StatusOr<MappedRow> Acknowledge(const records::api::v1::ImportContactsResponse& reply);

 private:
  std::deque<MappedRow> rows_;
};

struct ImportStreamOptions {
  absl::Duration stall_max =
      absl::Seconds(30);  // without an acknowledgement while rows are under way
  absl::Duration drain_max = absl::Seconds(10);  // for what is under way after Interrupt()
  int tries_max = 5;                             // of one row that the server puts off
};

// Sends rows to ImportContacts and takes their acknowledgements. A connection that is lost is made
// again, for `stall_max` after the last acknowledgement, and what was not acknowledged is sent
// again: a row that was durable is then acknowledged as seen before. A row that the server puts off
// (busy, or a conflict with another row) is sent again once the window is empty.
//
// Send() and Finish() are for one thread; Interrupt() is thread-safe. `on_reply` runs on a thread
// of its own, in the order of the rows. `client` must outlive it.
class ImportStream {
 public:
  using OnReply =
      std::function<void(const MappedRow&, const records::api::v1::ImportContactsResponse&)>;

  ImportStream(const Client& client, ImportStreamOptions options, OnReply on_reply);
  ~ImportStream();

  // Sends a row; waits while the window is full. kCancelled: interrupted, and the row was not sent.
  // Any other error ends the import: refused, or the connection is lost for good.
  absl::Status Send(MappedRow row);

  // Waits until all rows sent are acknowledged, and ends the stream.
  absl::Status Finish();

  // Lets Send() take no more rows, and gives those under way `drain_max`.
  void Interrupt();

 private:
  using Stream = grpc::ClientReaderWriter<records::api::v1::ImportContactsRequest,
                                          records::api::v1::ImportContactsResponse>;

  bool PutOff(MappedRow& row, const records::api::v1::ImportContactsResponse& reply)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SendRow(MappedRow row);
  absl::Status SendPutOff();
  absl::Status Connect();
  absl::Status Reconnect();
  bool WaitForServer(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status EndStream();
  void ReadReplies();
  void Watch();
  bool IsLate(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Client& client_;
  const ImportStreamOptions options_;
  const OnReply on_reply_;
  std::unique_ptr<records::api::v1::ContactService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Stream> stream_;
  std::thread reader_;
  std::thread watcher_;

  mutable absl::Mutex mutex_;
  ImportWindow window_ ABSL_GUARDED_BY(mutex_);
  std::deque<MappedRow> put_off_ ABSL_GUARDED_BY(mutex_);
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);  // the server broke the protocol
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;   // no more replies on this stream
  bool late_ ABSL_GUARDED_BY(mutex_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time last_progress_ ABSL_GUARDED_BY(mutex_);
  absl::Time drain_until_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  // When the last acknowledgement came, on any connection; before the first: never.
  absl::Time last_reply_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int attempts_ ABSL_GUARDED_BY(mutex_) = 0;  // connections in a row that brought nothing
};

}  // namespace records::tools
