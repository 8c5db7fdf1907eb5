"""A disk that fills up, and empties again, under a running recordsd: a real small tmpfs."""

import os
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import RECORDSCTL, SystemTest, wait_until  # noqa: E402
from small_disk import SmallDisk, main_that_mounts  # noqa: E402

DISK_MIB = 160
RESERVE_MIB = 48
FLOOR_MIB = 24
# RocksDB sets blocks aside for its logs; this keeps them small, as a small disk wants.
FLAGS = ("--partitions", "2", "--disk-reserve-mib", str(RESERVE_MIB), "--disk-floor-mib", str(FLOOR_MIB),
         "--log-unflushed-mib", "2")
# Far more than fits between the ballast and the reserve.
CONTACTS_MAX = 4000


class FullDiskTest(SystemTest):

    def setUp(self):
        super().setUp()
        folder = self.path("disk")
        os.mkdir(folder)
        self.disk = SmallDisk(folder, DISK_MIB)
        self.addCleanup(self.disk.unmount)

    def try_record(self, summary, request):
        """Returns the finished process."""
        return self.call(self.amy, "service-delivery", "contact", "record", "--customer", "R1", "--channel", "phone",
                         "--direction", "inbound", "--subject", "heating", "--summary", summary,
                         "--no-further-action", "--request-id", request)

    def record_until_refused(self):
        """Writes until the disk is nearly full; returns the refused one."""
        for number in range(CONTACTS_MAX):
            summary, request = f"contact {number} " + "x" * 1900, str(uuid.uuid4())
            done = self.try_record(summary, request)
            if done.returncode != 0:
                return summary, request, done
            self.acknowledged.append(summary)
        self.fail(f"{CONTACTS_MAX} contacts and the disk is not full: {self.disk.free_mib()} MiB are free")

    def assert_refused(self, done):
        self.assertEqual(done.returncode, 1, done.stderr)
        for word in ("RESOURCE_EXHAUSTED", "DISK_NEARLY_FULL", "try again in"):
            self.assertIn(word, done.stderr)

    def traces(self):
        for line in self.server.metrics_page().splitlines():
            if line.startswith('records_log_events{ledger="access"}'):
                return float(line.split()[-1])
        return self.fail("no count of traces")

    def show(self):
        return self.call(self.amy, "service-delivery", "timeline", "show", "--customer", "R1")

    def test_writes_stop_before_the_disk_is_full_reads_go_on_and_all_resumes(self):
        self.acknowledged = []
        self.server = self.make_server(*FLAGS)
        self.server.data = os.path.join(self.disk.folder, "data")
        self.server.start()
        self.amy = self.token("contact-officer", "amy")
        self.register(self.amy, "R1")

        # Nearly full: the last MiB before the reserve are filled by real writes.
        self.disk.leave(RESERVE_MIB + 1)
        summary, request, refused = self.record_until_refused()
        self.assertGreater(len(self.acknowledged), 10)
        self.assert_refused(refused)
        self.assertLess(self.disk.free_mib(), RESERVE_MIB)
        print(f"{len(self.acknowledged)} contacts until the reserve, {self.disk.free_mib():.1f} MiB free", flush=True)

        # Reads, each with its trace, go on from the reserve.
        self.disk.leave(FLOOR_MIB + 4)
        before = self.traces()
        for _ in range(5):
            self.assertEqual(self.show().returncode, 0, self.show().stderr)
        self.assertGreaterEqual(self.traces(), before + 5)
        self.assert_refused(self.try_record("not written", str(uuid.uuid4())))

        # The reserve is spent too: no trace, no answer.
        self.disk.leave(FLOOR_MIB - 4)
        self.assert_refused(self.show())
        self.disk.leave(1)
        self.assert_refused(self.show())
        self.assert_refused(self.try_record("not written", str(uuid.uuid4())))

        # Room comes back: first for reads, then for writes, by itself. The refused one was not written.
        self.disk.leave(FLOOR_MIB + 4)
        self.assertEqual(self.show().returncode, 0)
        self.disk.leave(RESERVE_MIB + 20)
        wait_until(lambda: self.try_record(summary, request).returncode == 0, "writing to resume")
        self.acknowledged.append(summary)
        self.assertEqual(self.try_record(summary, request).returncode, 0)
        self.assertIsNone(self.server.process.poll(), "the server did not live through it")
        self.assertEqual(self.summaries(self.amy, "R1"), self.acknowledged[::-1])

        # And nothing of it is only in memory.
        self.assertEqual(self.server.stop(), 0)
        verified = subprocess.run([RECORDSCTL, "log", "verify", "--data", self.server.data], capture_output=True,
                                  text=True, check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.server.start()
        self.assertEqual(self.summaries(self.amy, "R1"), self.acknowledged[::-1])


if __name__ == "__main__":
    main_that_mounts()
