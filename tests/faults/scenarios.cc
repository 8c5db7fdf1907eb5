#include "tests/faults/scenarios.h"

namespace records::faults {
namespace {

const Customer kFirst = CustomerNumber(0);
const Customer kSecond = CustomerNumber(1);  // in the other partition

// Two customers whose keys are there, and a few events of theirs.
void SomeEvents(RecordsUnderFault& records) {
  for (int i = 0; i < 3; ++i) {
    records.Send({{kFirst}});
    records.Send({{kSecond}, {kSecond, "notes"}});
  }
}

void Nothing(RecordsUnderFault&) {}

void FirstStart(RecordsUnderFault& records) {
  records.Restart();
  records.Send({{kFirst}});
}

void AppendTwo(RecordsUnderFault& records) {
  records.Restart();
  records.Send({{kFirst}});
  records.Send({{kSecond}});
}

void AppendBatch(RecordsUnderFault& records) {
  records.Restart();
  records.SendTogether({{{kFirst}, {kFirst, "notes"}, {kFirst, "calls"}},
                        {{kSecond}},
                        {{kFirst}, {kFirst, "notes"}},
                        {{kSecond, "calls"}, {kSecond, "calls"}}});
  records.Send({{kSecond, "notes"}, {kSecond}});
}

void RetryOldAndNew(RecordsUnderFault& records) {
  records.Restart();
  records.Send({{kFirst}});
  const size_t last = records.acknowledged().appends.size() - 1;
  records.Retry(last).IgnoreError();
  records.Retry(0).IgnoreError();
}

// A stop flushes what is in memory; the next start begins a new write-ahead log.
void FlushAtStop(RecordsUnderFault& records) {
  records.Restart();
  records.Send({{kFirst}});
  records.Restart();
}

// Three table files on level 0: the next one starts a compaction.
void ThreeFlushes(RecordsUnderFault& records) {
  for (int i = 0; i < 3; ++i) {
    SomeEvents(records);
    records.Restart();
  }
}

void CompactAfterFlush(RecordsUnderFault& records) {
  records.Restart();
  records.Send({{kFirst}});
  records.Restart();
  records.Close();
}

void NewKeys(RecordsUnderFault& records) {
  records.Restart();
  records.Claim("R-10");
  records.Send({{CustomerNumber(10)}});
  records.Send({{CustomerNumber(11)}});
  records.Claim("R-11");
}

void EndKeys(RecordsUnderFault& records) {
  records.Restart();
  records.EndKey(records.ContactKey(kFirst));
  records.Fence(kSecond.subject);
  records.Send({{CustomerNumber(10)}});
}

void RotateMasterKey(RecordsUnderFault& records) {
  records.Restart();
  records.RotateMasterKey();
  records.Send({{CustomerNumber(10)}});
}

void EventsAndSecrets(RecordsUnderFault& records) {
  SomeEvents(records);
  records.RememberSecrets(kFirst);
}

void Erase(RecordsUnderFault& records) {
  records.Restart();
  records.Erase(kFirst);
  records.Send({{kSecond}});
  records.Erase(kFirst);
}

void MakeBackup(RecordsUnderFault& records) {
  records.Restart();
  records.Send({{kFirst}});
  records.MakeBackup();
  records.Send({{kSecond}});
}

void EventsAndBackup(RecordsUnderFault& records) {
  SomeEvents(records);
  records.MakeBackup();
  records.Send({{kFirst}});
}

// Events of both partitions after the backup: on the topic, and one that never came there.
void EventsBackupAndTail(RecordsUnderFault& records) {
  SomeEvents(records);
  records.MakeBackup();
  SomeEvents(records);
  records.Publish();
  records.Send({{kFirst}});
}

void RestoreBackup(RecordsUnderFault& records) { records.RestoreBackup().IgnoreError(); }

void SignCheckpoints(RecordsUnderFault& records) {
  records.Restart();
  for (int i = 0; i < 2; ++i) {
    records.Send({{kFirst}, {kFirst, "notes"}});
    records.SignCheckpoint();
  }
}

void EventsAndTrace(RecordsUnderFault& records) {
  SomeEvents(records);
  records.Trace(kFirst);
}

void TraceReads(RecordsUnderFault& records) {
  records.Restart();
  records.Trace(kFirst);
  records.Send({{kFirst}});
  records.Trace(kSecond);
  records.SignCheckpoint();
  records.Trace(kFirst);
}

void FoldView(RecordsUnderFault& records) {
  records.Restart();
  records.Send({{kFirst}});
  records.CatchUp();
  records.Send({{kSecond}});
  records.CatchUp();
}

void RebuildView(RecordsUnderFault& records) {
  records.Restart();
  records.RebuildView();
  records.Send({{kFirst}});
  records.CatchUp();
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> all = {
      {"first-start", false, false, false, nullptr, FirstStart},
      {"append", false, false, false, SomeEvents, AppendTwo},
      {"batch", false, false, false, SomeEvents, AppendBatch},
      {"retry", false, false, false, SomeEvents, RetryOldAndNew},
      {"flush", false, false, false, SomeEvents, FlushAtStop},
      {"compaction", false, false, false, ThreeFlushes, CompactAfterFlush},
      {"new-keys", false, false, false, Nothing, NewKeys},
      {"end-keys", false, false, false, SomeEvents, EndKeys},
      {"rotate-master-key", false, false, false, SomeEvents, RotateMasterKey},
      {"checkpoint", false, false, false, SomeEvents, SignCheckpoints},
      {"trace", false, false, false, EventsAndTrace, TraceReads},
      {"view-fold", true, false, false, SomeEvents, FoldView},
      {"view-rebuild", true, false, false, SomeEvents, RebuildView},
      {"erase", false, true, false, EventsAndSecrets, Erase},
      {"backup", false, true, true, SomeEvents, MakeBackup},
      {"restore", false, true, true, EventsAndBackup, RestoreBackup},
      {"restore-tail", false, true, true, EventsBackupAndTail, RestoreBackup},
  };
  return all;
}

}  // namespace records::faults
