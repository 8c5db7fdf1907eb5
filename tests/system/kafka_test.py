"""A server that publishes its log to a real Kafka broker, looked at by kcat, which knows nothing of us."""

import collections
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (BROKER_SECONDS, PATIENCE_SECONDS, RECORDSD, ROOT, BusTest, Server, SystemTest, main,  # noqa: E402
                     wait_until)

CANARY = "kafka-canary-boiler"

Record = collections.namedtuple("Record", "partition offset headers")


class KafkaTest(BusTest):

    def setUp(self):
        super().setUp()
        self.make_topics("--kafka", self.address, "--without-acls")
        self.flags = ("--kafka", self.address, "--kafka-prefix", self.prefix)

    def serve(self, *more):
        server = self.start_server(*self.flags, *more)
        self.amy = self.token("contact-officer", "amy")
        return server

    def events(self):
        return int(self.gauge('records_log_events{ledger="events"}'))

    def records(self):
        found = []
        for line in self.kcat("%p %o %h\n").decode("utf-8").splitlines():
            partition, offset, headers = line.split(" ", 2)
            found.append(Record(int(partition), int(offset), dict(pair.split("=", 1) for pair in headers.split(","))))
        return found

    def assert_exactly_once(self, records):
        """Positions are dense in each partition, in order, each naming the one before; ids are there once."""
        last = collections.defaultdict(int)
        for record in sorted(records, key=lambda record: (record.partition, record.offset)):
            number = last[record.partition] + 1
            self.assertEqual(record.headers["records_position"], f"{record.partition}/{number}")
            self.assertEqual(record.headers["records_previous"], f"{record.partition}/{number - 1}")
            last[record.partition] = number
        self.assertEqual(len({record.headers["ce_id"] for record in records}), len(records))
        self.assertEqual(len(records), self.events())

    def test_kcat_reads_cloud_events_headers_and_sealed_values(self):
        server = self.serve()
        self.register(self.amy, "R1")
        for number in range(20):
            self.record(self.amy, "R1", f"{CANARY} {number}")
        self.wait_until_published()
        records = self.records()
        self.assert_exactly_once(records)
        types = {record.headers["ce_type"] for record in records}
        self.assertIn("records.events.v1.ContactRecorded", types)
        for record in records:
            self.assertEqual(record.headers["ce_specversion"], "1.0")
            self.assertRegex(record.headers["ce_source"], r"^/records/[0-9a-f]+$")
            self.assertRegex(record.headers["ce_time"], r"^20\d\d-\d\d-\d\dT")
        # After a start the reconciler begins at once.
        self.assertEqual(server.stop(), 0)
        server.start()
        self.wait_until_compared(len(records))
        everything = self.kcat("%k %h %s\n")
        self.assertGreater(len(everything), 20 * 200)
        for word in (CANARY, "Pat Doe", "amy@"):
            self.assertNotIn(word.encode(), everything)

    def test_writes_go_on_while_the_broker_is_away_and_all_is_published_when_it_is_back(self):
        self.serve()
        self.register(self.amy, "R1")
        self.wait_until_published()
        self.broker("stop", "--kill")
        try:
            for number in range(10):
                self.record(self.amy, "R1", f"away {number}")
            self.assertGreaterEqual(self.gauge("records_relay_lag_events"), 10)
            self.assertGreater(self.gauge("records_relay_lag_seconds"), 0)
        finally:
            self.broker("start")
        self.wait_until_published()
        self.assert_exactly_once(self.records())
        self.assertEqual(len(self.summaries(self.amy, "R1")), 10)

    def test_a_server_that_is_killed_while_it_publishes_publishes_each_event_once(self):
        server = self.serve()
        self.register(self.amy, "R1")
        for number in range(4):
            self.record(self.amy, "R1", f"before kill {number}")
            self.assertEqual(server.stop(signal.SIGKILL), -signal.SIGKILL)
            server.start()
        self.wait_until_published()
        self.assert_exactly_once(self.records())

    def test_topics_of_another_log_are_refused_and_the_server_goes_on(self):
        server = self.serve()
        self.register(self.amy, "R1")
        self.wait_until_published()
        self.assertEqual(server.stop(), 0)
        before = sorted(self.kcat("%p/%o ").split())  # kcat takes the partitions in any order
        shutil.rmtree(server.data)
        self.serve()
        self.register(self.amy, "R2")
        wait_until(lambda: '"state":"refused"' in server.log() or '"state":"refused"' in self.server.log(),
                   "the relay to refuse", BROKER_SECONDS)
        self.assertIn("OTHER_LOG", self.server.log())
        self.assertEqual(self.gauge("records_relay_running"), 0)
        self.record(self.amy, "R2", "the server goes on")
        self.assertEqual(sorted(self.kcat("%p/%o ").split()), before)

    def test_a_server_whose_relay_is_fenced_says_so_and_ends(self):
        first = self.serve()
        self.register(self.amy, "R1")
        self.wait_until_published()
        os.mkdir(self.path("second"))
        second = Server(self.path("second"), *self.flags).start()
        self.addCleanup(second.end)
        wait_until(lambda: '"state":"refused"' in second.log(), "the second server to see another log", BROKER_SECONDS)
        self.record(self.amy, "R1", "what the first would publish")
        wait_until(lambda: first.process.poll() is not None, "the first server to end", BROKER_SECONDS)
        self.assertNotEqual(first.process.returncode, 0)
        self.assertIn("relay_fenced", first.log())

    def test_wrong_options_end_the_start_with_what_to_do(self):
        open_to_all = self.write("open.properties", "bootstrap.servers=x:1\nsasl.password=s3cret\n", 0o644)
        for flags, said in ((("--kafka", "10.0.0.1:9092"), "not on this machine"),
                            (("--kafka", "nonsense"), "not HOST:PORT"),
                            (("--kafka", self.address, "--kafka-settings", "x"), "one of the two"),
                            (("--kafka-settings", self.path("none")), "cannot read"),
                            (("--kafka-settings", open_to_all), "chmod 600"),
                            (("--kafka", self.address, "--kafka-prefix", "Wrong.Prefix"), "prefix")):
            with self.subTest(flags):
                done = subprocess.run([RECORDSD, "--data", self.path("wrong"), "--listen", "127.0.0.1:0", "--metrics",
                                       "", *flags], capture_output=True, text=True, check=False,
                                      timeout=PATIENCE_SECONDS)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertNotIn("s3cret", done.stderr)


class BrokerTest(SystemTest):

    def test_a_broker_ends_with_the_process_that_it_is_for_however_that_ends(self):
        broker = [os.path.join(ROOT, "tools", "broker"), "--data", self.path("broker"), "--memory", "256"]
        test = subprocess.Popen(["sleep", "infinity"])
        self.addCleanup(test.wait)
        self.addCleanup(test.kill)
        subprocess.run([broker[0], "start", *broker[1:], "--with", str(test.pid)], capture_output=True, check=True,
                       timeout=BROKER_SECONDS)
        status = [broker[0], "status", *broker[1:]]
        self.assertEqual(subprocess.run(status, capture_output=True, check=False).returncode, 0)
        test.kill()  # not waited for: it is a zombie as well
        wait_until(lambda: subprocess.run(status, capture_output=True, check=False).returncode == 1, "its end")


if __name__ == "__main__":
    main()
