"""The benchmark at tiny counts: every bar runs against its reference, and the figures are whole. No time is judged."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("RECORDS_BIN", os.path.join(ROOT, "build", "dev", "bin")))
RUN = os.path.join(ROOT, "tools", "bench", "run")
PATIENCE_SECONDS = 240
TINY = ["--seconds", "0.3", "--warm-up", "0.1", "--runs", "2", "--customers", "20", "--events", "2000", "--lengths",
        "1000,2000"]
# Every bar of the design's table that has its subject, and whether a reference runs beside it.
BARS = {"record-contact": True, "one-client": True, "import": True, "fold": False, "rebuild-linear": True,
        "view-lag": False, "timeline-page": False, "memory": False, "start": False}

sys.path.insert(0, os.path.join(ROOT, "tools", "bench"))
import readme  # noqa: E402


def run(folder, *arguments):
    # The bars of the bus have a test of their own.
    command = [RUN, "--bin", BIN, "--no-broker", "--work", folder, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


class BenchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="records-bench-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = os.path.join(cls.folder.name, "work")
        os.mkdir(cls.work)
        cls.json_path = os.path.join(cls.folder.name, "bench.json")
        cls.done = run(cls.work, "--json", cls.json_path, *TINY)
        if cls.done.returncode != 0:
            raise AssertionError(f"the benchmark failed: {cls.done.stderr}")
        with open(cls.json_path, encoding="utf-8") as file:
            cls.results = {result["bar"]: result for result in json.load(file)}

    def test_every_bar_is_measured(self):
        self.assertEqual(set(self.results), set(BARS))
        for name, result in self.results.items():
            if name != "memory":  # small stores do not fill the caches
                self.assertGreater(result["measured"], 0, name)
            self.assertIn(name, self.done.stdout)

    def test_references_ran_as_often_as_what_is_measured(self):
        for name, has_reference in BARS.items():
            result = self.results[name]
            if not has_reference:
                self.assertIsNone(result["reference"], name)
                self.assertIsNone(result["ratio"], name)
                continue
            self.assertEqual(len(result["reference_runs"]), 2, name)
            self.assertEqual(len(result["runs"]), 1 if name == "memory" else 2, name)
            self.assertTrue(all(value > 0 for value in result["reference_runs"]), name)

    def test_medians_and_ratios_are_those_of_the_runs(self):
        for name, result in self.results.items():
            self.assertAlmostEqual(result["measured"], sum(result["runs"]) / len(result["runs"]), msg=name)
            if BARS[name]:
                self.assertAlmostEqual(result["reference"], sum(result["reference_runs"]) / 2, msg=name)
                self.assertAlmostEqual(result["ratio"], result["measured"] / result["reference"], msg=name)

    def test_met_follows_from_ratio_or_measured_and_target(self):
        for name, result in self.results.items():
            judged = result["measured"] if result["ratio"] is None else result["ratio"]
            higher = result["better"] == "higher"
            if name in ("memory", "start"):
                self.assertIsNone(result["met"], "the store is far from 10 million events")
                continue
            self.assertEqual(result["met"], judged >= result["target"] if higher else judged <= result["target"], name)

    def test_targets_are_those_of_the_design(self):
        targets = {name: result["target"] for name, result in self.results.items()}
        self.assertEqual(targets, {"record-contact": 0.5, "one-client": 2, "import": 0.25, "fold": 150000,
                                   "rebuild-linear": 1.2, "view-lag": 50, "timeline-page": 2, "memory": 512,
                                   "start": 2})

    def test_the_scale_has_a_point_for_each_length(self):
        series = self.results["memory"]["series"]
        self.assertEqual(len(series), 2)
        # The load of the point before may have added some.
        self.assertEqual(series[0]["events"], 1000)
        self.assertGreaterEqual(series[1]["events"], 2000)
        for point in series:
            for name in ("append_us_per_event", "rebuild_us_per_event", "start_seconds", "rss_mib_after_load"):
                self.assertGreater(point[name], 0, name)

    def test_nothing_is_left_of_the_stores(self):
        self.assertEqual(os.listdir(self.work), [])

    def test_the_readme_takes_the_figures_between_its_marks(self):
        path = os.path.join(self.folder.name, "README.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"before\n{readme.BEGIN}\nstale figures\n{readme.END}\nafter\n")
        with open(self.json_path, encoding="utf-8") as file:
            results = json.load(file)
        readme.replace(path, results)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"))
        self.assertNotIn("stale figures", text)
        for name in BARS:
            self.assertIn(f"`{name}`", text)
        self.assertIn("## Against length", text)

    def test_unknown_bar_is_refused(self):
        done = run(self.work, "--only", "nothing")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no bar is called nothing", done.stderr)

    def test_the_list_names_what_can_be_chosen(self):
        done = run(self.work, "--list")
        names = [line.split()[0] for line in done.stdout.splitlines()]
        others = [name for name in names if not name.startswith("bus-")]
        self.assertEqual(others, ["record-contact", "one-client", "import", "fold", "view-lag", "timeline-page",
                                  "scale", "peers"])

    def test_the_bars_of_the_bus_are_left_out_aloud_without_a_broker(self):
        names = [line.split()[0] for line in run(self.work, "--list").stdout.splitlines()]
        bus = [name for name in names if name.startswith("bus-")]
        for name in bus:
            self.assertIn(f"{name}: left out", self.done.stderr)

    def test_an_interrupt_ends_what_was_started(self):
        command = [RUN, "--bin", BIN, "--work", self.work, "--only", "record-contact", "--seconds", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
            self.assertIn("record-contact", bench.stderr.readline())
            while not os.listdir(self.work) and bench.poll() is None:
                pass
            bench.send_signal(signal.SIGTERM)
            bench.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(bench.returncode, 130)
        self.assertEqual(os.listdir(self.work), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
