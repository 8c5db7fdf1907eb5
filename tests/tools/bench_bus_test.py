"""The bars of the bus at tiny counts, on a real broker: each runs against its reference, and the figures are whole. No
time is judged."""

import json
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("RECORDS_BIN", os.path.join(ROOT, "build", "dev", "bin")))
RUN = os.path.join(ROOT, "tools", "bench", "run")
PATIENCE_SECONDS = 800
TINY = ["--seconds", "0.5", "--warm-up", "0.1", "--runs", "1", "--customers", "20", "--events", "20000"]
# Every bar, its target, and whether a reference runs beside it.
BARS = {"bus-relay-1000": (0.7, True), "bus-relay-5000": (0.7, True), "bus-relay-1000-log": (0.7, True),
        "bus-relay-5000-log": (0.7, True), "bus-catch-up": (0.4, True), "bus-catch-up-topic": (0.4, True),
        "bus-consumer-lag": (150, False), "bus-append": (1.25, True), "bus-append-mock": (1.25, True),
        "bus-maximum": (5000, False)}


class BenchBusTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="records-bench-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = os.path.join(cls.folder.name, "work")
        os.mkdir(cls.work)
        path = os.path.join(cls.folder.name, "bench.json")
        command = [RUN, "--bin", BIN, "--bus", "--work", cls.work, "--json", path, *TINY]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        if done.returncode != 0:
            raise AssertionError(f"the benchmark failed: {done.stderr}")
        with open(path, encoding="utf-8") as file:
            cls.results = {result["bar"]: result for result in json.load(file)}

    def test_every_bar_is_measured_against_its_reference_and_target(self):
        self.assertEqual(set(self.results), set(BARS))
        for name, (target, has_reference) in BARS.items():
            result = self.results[name]
            self.assertEqual(result["target"], target, name)
            self.assertEqual(len(result["runs"]), 1, name)
            self.assertGreaterEqual(result["measured"], 0, name)
            self.assertEqual(len(result["reference_runs"]), 1 if has_reference else 0, name)

    def test_transactions_are_as_large_as_they_say(self):
        for events in (1000, 5000):
            for suffix in ("", "-log"):
                measured = self.results[f"bus-relay-{events}{suffix}"]["details"]["events_per_transaction"]
                self.assertGreater(measured, events * 0.7)
                self.assertLess(measured, events * 1.2)

    def test_what_only_explains_is_not_judged(self):
        for name in ("bus-catch-up-topic", "bus-append-mock"):
            self.assertIsNone(self.results[name]["met"], name)

    def test_nothing_is_left_of_stores_and_brokers(self):
        self.assertEqual(os.listdir(self.work), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
