"""Erasure as manager, officer and operator meet it: real programs, killed in the midst, and files searched."""

import base64
import os
import random
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import RECORDSCTL, SystemTest, main, read, rounds, seed_of_run, wait_until  # noqa: E402

OK, REFUSED, USAGE, UNREACHABLE, PARTLY = range(5)
MANAGER, OFFICER = "tenancy-management", "rights-request"
KILLS = 12 if os.environ.get("RECORDS_FULL") else 3


class ErasureTest(SystemTest):
    """Two customers; one of them is erased."""

    def setUp(self):
        super().setUp()
        self.start_server()
        self.amy = self.token("contact-officer", "amy")
        self.max = self.token("housing-manager", "max")
        self.dora = self.token("data-protection-officer", "dora")
        self.root = self.token("system-administrator", "root")
        self.register(self.amy, "R1-CANARY-REFERENCE", "Pat CANARY-NAME")
        self.register(self.amy, "R2", "Sam Roe")
        self.record(self.amy, "R1-CANARY-REFERENCE", "CANARY-SUMMARY-ERASED")
        self.record(self.amy, "R2", "the boiler of the other one")

    def erase(self, *flags):
        return self.call(self.max, MANAGER, "subject", "erase", "--customer", "R1-CANARY-REFERENCE", "--no-input",
                         *flags)

    def verify_log(self):
        done = self.ctl("log", "verify", "--data", self.server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def assert_erased_and_the_other_whole(self):
        gone = self.call(self.amy, "service-delivery", "timeline", "show", "--customer", "R1-CANARY-REFERENCE")
        never = self.call(self.amy, "service-delivery", "timeline", "show", "--customer", "R-NEVER")
        self.assertEqual((gone.returncode, gone.stdout, gone.stderr), (never.returncode, never.stdout, never.stderr))
        self.assertEqual(gone.returncode, REFUSED)
        self.assertEqual(self.summaries(self.amy, "R2"), ["the boiler of the other one"])

    def assert_nothing_is_left(self, *secrets):
        """Searches every file of the data folder, in bytes and in the usual encodings."""
        words = [b"CANARY-SUMMARY-ERASED", b"CANARY-NAME", b"R1-CANARY-REFERENCE", *secrets]
        words += [base64.b64encode(word)[:-4] for word in words] + [word.hex().encode() for word in words]
        files = 0
        for folder, _, names in os.walk(self.server.data):
            for name in names:
                content = read(os.path.join(folder, name))
                files += 1
                for word in words:
                    self.assertNotIn(word, content, name)
        self.assertGreater(files, 10)

    # DP-C4, DP-E4, C8, C59
    def test_a_manager_erases_and_the_officer_is_told(self):
        before = self.json(self.root, "system-operation", "log", "checkpoint")[0]["checkpoint"]
        dry = self.erase("--dry-run")
        self.assertEqual(dry.returncode, OK, dry.stderr)
        self.assertIn("identity", dry.stdout)
        self.assertIn("stays:", dry.stdout)
        unconfirmed = self.erase()
        self.assertEqual(unconfirmed.returncode, USAGE)
        self.assertIn("--confirm", unconfirmed.stderr)
        wrong = self.erase("--confirm", "R2")
        self.assertEqual(wrong.returncode, USAGE)
        self.assertIn("nothing was changed", wrong.stderr)
        self.assertEqual(self.summaries(self.amy, "R1-CANARY-REFERENCE"), ["CANARY-SUMMARY-ERASED"])

        certificate = self.path("certificate")
        done = self.erase("--confirm", "R1-CANARY-REFERENCE", "--ground", "consent-withdrawn", "--certificate",
                          certificate)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertIn("certified", done.stdout)
        self.assert_erased_and_the_other_whole()

        told = self.ok(self.dora, OFFICER, "subject", "erasures", "--unacknowledged")
        self.assertIn("consent-withdrawn", told)
        self.assertIn("max", told)
        erasure = re.search(r"[0-9a-f]{32}", told).group()
        self.ok(self.dora, OFFICER, "subject", "acknowledge", "--erasure", erasure, "--objection")
        self.assertIn("none", self.ok(self.dora, OFFICER, "subject", "erasures", "--unacknowledged"))
        self.assertIn("objected", self.ok(self.dora, OFFICER, "subject", "erasures"))

        checked = self.ctl("subject", "certificate", "verify", certificate, "--data", self.server.data)
        self.assertEqual(checked.returncode, OK, checked.stderr)
        self.assertIn("valid", checked.stdout)
        self.assertRegex(checked.stdout, r"for [1-9]\d* byte strings in [1-9]\d* files")
        self.server.stop()
        self.assert_nothing_is_left()
        self.assertIn("erasures", self.verify_log())
        kept = self.write("before.checkpoint", before)
        self.assertEqual(self.ctl("log", "verify", "--data", self.server.data, "--checkpoint", kept).returncode, 0)
        content = read(certificate).decode()
        altered = self.write("altered", content.replace("event C", "event D", 1))
        refused = self.ctl("subject", "certificate", "verify", altered, "--data", self.server.data)
        self.assertEqual(refused.returncode, REFUSED, refused.stdout)

    def test_killed_in_the_midst_it_is_finished_by_the_next_start(self):
        chance = random.Random(seed_of_run())
        kills = unfinished = 0
        for round_ in rounds(KILLS, lambda: unfinished > 0):
            reference = "R1-CANARY-REFERENCE"
            if round_ > 0:
                self.register(self.amy, reference, "Pat CANARY-NAME")
            command = [RECORDSCTL, "--server", self.server.listen, "--token-file", self.max, "--purpose", MANAGER,
                       "subject", "erase", "--customer", reference, "--no-input", "--confirm", reference,
                       "--certificate", self.path(f"certificate-{round_}")]
            decisions = self.fences()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as erasing:
                # The ledger grows in the midst of it: before and after that the server is killed at random.
                before = os.path.getsize(os.path.join(self.server.data, "erasure.ledger"))
                if chance.random() < 0.7:
                    wait_until(lambda: os.path.getsize(os.path.join(self.server.data, "erasure.ledger")) > before
                               or erasing.poll() is not None, "the erasure to be in its ledger")
                else:
                    wait_until(lambda: self.fences() > decisions or erasing.poll() is not None, "the fence")
                self.server.stop(signal.SIGKILL)
                kills += 1
                unfinished += 0 if os.path.exists(self.path(f"certificate-{round_}")) else 1
            self.server.start()
            wait_until(lambda: "running" not in self.ok(self.dora, OFFICER, "subject", "erasures"), "the certificate")
            told = self.ok(self.dora, OFFICER, "subject", "erasures")
            self.assertEqual(told.count("certified"), round_ + 1, told)
            self.assert_erased_and_the_other_whole()
        print(f"kills {kills}, of them before the certificate was written {unfinished}", flush=True)
        self.assertGreaterEqual(kills, KILLS)
        self.assertGreater(unfinished, 0)
        self.server.stop()
        self.assert_nothing_is_left()
        self.verify_log()

    def fences(self):
        """How many subjects are fenced, by the metrics of the server."""
        status = self.json(self.root, "system-operation", "key", "status")[0]
        return int(status.get("fencedSubjects", status.get("fenced_subjects", 0)))


if __name__ == "__main__":
    main()
