"""A log restored from before what it published: refused by its topics, and mended from them, with real programs."""

import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BROKER_SECONDS, PATIENCE_SECONDS, RECORDSCTL, BusTest, main, wait_until  # noqa: E402

ADMIN = "system-operation"
# Of a call after the backup, made again after the restore.
REQUEST = "7f1d8a52-36c4-4d0e-9b1f-2a6c5e8d9034"


class TailTest(BusTest):
    """A server that publishes and is backed up; each test has topics of its own on one broker."""

    def setUp(self):
        super().setUp()
        self.make_topics("--kafka", self.address, "--without-acls")
        for name in ("backup-log", "backup-keys", "safe"):
            os.mkdir(self.path(name))
        self.start_server(*self.flags())
        self.sign_in()

    def sign_in(self):
        self.amy = self.token("contact-officer", "amy")
        self.ops = self.token("system-administrator", "ops")
        self.max = self.token("housing-manager", "max")

    def flags(self):
        return ("--master-key", self.path("safe", "master.key"),
                "--erasure-ledger", self.path("safe", "erasure.ledger"), "--backup-log-folder",
                self.path("backup-log"), "--backup-keys-folder", self.path("backup-keys"), "--kafka", self.address,
                "--kafka-prefix", self.prefix)

    def events(self):
        return int(self.gauge('records_log_events{ledger="events"}'))

    def restore(self, to, *flags, log="first", keys="first"):
        return self.ctl(*self.restore_command(to, *flags, log=log, keys=keys))

    def restore_command(self, to, *flags, log="first", keys="first"):
        return ["backup", "restore", "--log", self.path("backup-log", log), "--keys", self.path("backup-keys", keys),
                "--erasure-ledger", self.path("safe", "erasure.ledger"), "--master-key",
                self.path("safe", "master.key"), "--to", to, *flags]

    def tail_flags(self):
        return ("--tail-from-kafka", self.address, "--topic-prefix", self.prefix)

    def serve_restored(self, to):
        self.server = self.make_server(*self.flags())
        self.server.data = to
        self.server.start()
        self.sign_in()

    def expect_reconciled(self):
        """The relay goes on, and what readers of the topics get is the log, each event once."""
        self.wait_until_published()
        self.wait_until_compared(self.events())
        self.assertNotIn("EVENT_", self.server.log())

    def expect_clean(self, to):
        checked = self.ctl("log", "verify", "--data", to, "--erasure-ledger", self.path("safe", "erasure.ledger"))
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def make_history(self):
        """A backup "first", and after it what only the log's topic has; returns a reply from after it."""
        for reference in ("R1", "R2"):
            self.register(self.amy, reference)
            self.record(self.amy, reference, f"{reference} before the backup")
        self.ok(self.ops, ADMIN, "backup", "create", "--name", "first")
        first = self.record(self.amy, "R1", "after the backup", "--request-id", REQUEST)
        for number in range(20):
            self.record(self.amy, "R1", f"after the backup {number}")
        self.register(self.amy, "R3")
        self.record(self.amy, "R3", "a customer of the tail")
        self.ok(self.max, "tenancy-management", "subject", "erase", "--customer", "R2", "--ground",
                "consent-withdrawn", "--confirm", "R2", "--no-input", "--certificate", self.path("certificate"))
        self.wait_until_published()
        return first

    def test_a_log_behind_its_topics_is_refused_by_name_and_mended_from_them(self):
        first = self.make_history()
        summaries = self.summaries(self.amy, "R1")
        self.wait_until_published()
        note = self.write("kept.note", self.ok(self.ops, ADMIN, "log", "checkpoint"))
        events = self.events()
        self.assertEqual(self.server.stop(), 0)

        behind = self.path("behind")
        self.assertEqual(self.restore(behind).returncode, 0)
        self.serve_restored(behind)
        wait_until(lambda: re.search('"event":"relay","state":"refused","why":"LOG_BEHIND_TOPICS', self.server.log()),
                   "the relay to refuse", BROKER_SECONDS)
        self.assertEqual(self.gauge("records_relay_running"), 0)
        self.assertEqual(self.server.stop(), 0)

        to = self.path("restored")
        done = self.restore(to, *self.tail_flags(), "--checkpoint", note)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = " ".join(done.stdout.split())
        self.assertRegex(said, r"\d+ events added from the topics")
        self.assertIn("(0 that the checkpoint knows of)", said)
        # R3 came after the backup of the keys. What it is about is not told.
        self.assertRegex(said, r"[1-9]\d* of them cannot be opened")
        self.assertRegex(said, r"\d+/\d+ customers")
        self.assertNotIn("Pat Doe", done.stdout)
        self.assertRegex(said, r"every read trace after the backup, [1-9]\d* that the checkpoint knows of")
        self.assertIn("1 of them destroyed anew", said)
        self.expect_clean(to)

        self.serve_restored(to)
        self.expect_reconciled()
        self.assertGreaterEqual(self.events(), events)
        again = self.record(self.amy, "R1", "after the backup", "--request-id", REQUEST)
        self.assertEqual(again, first, "the token names the position")
        self.assertEqual(self.summaries(self.amy, "R1"), summaries)
        refused = self.call(self.amy, "service-delivery", "timeline", "show", "--customer", "R2")
        self.assertNotEqual(refused.returncode, 0, "an erased customer came back")
        self.record(self.amy, "R1", "goes on")
        self.expect_reconciled()
        self.assertEqual(self.server.stop(), 0)
        self.expect_clean(to)

    def test_with_newer_keys_all_of_the_tail_opens_also_after_a_restore_that_was_killed(self):
        self.make_history()
        summaries = {reference: self.summaries(self.amy, reference) for reference in ("R1", "R3")}
        self.ok(self.ops, ADMIN, "backup", "create", "--name", "second")
        self.wait_until_published()
        self.assertEqual(self.server.stop(), 0)
        to = self.path("restored")
        restoring = subprocess.Popen([RECORDSCTL, *self.restore_command(to, *self.tail_flags(), keys="second")],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(os.path.join(to, "log.anchor")) or restoring.poll() is not None,
                   "the log to be copied")
        restoring.send_signal(signal.SIGKILL)
        restoring.wait(PATIENCE_SECONDS)
        if not os.path.exists(os.path.join(to, "restore.unfinished")):
            shutil.rmtree(to)
        done = self.restore(to, *self.tail_flags(), keys="second")
        self.assertEqual(done.returncode, 0, done.stderr)
        said = " ".join(done.stdout.split())
        self.assertIn("each of them has its keys", said)
        self.assertIn("how many nobody can tell", said)
        self.serve_restored(to)
        self.expect_reconciled()
        for reference, expected in summaries.items():
            self.assertEqual(self.summaries(self.amy, reference), expected)

    def test_a_backup_that_has_all_that_was_published_gets_nothing_added(self):
        self.make_history()
        self.ok(self.ops, ADMIN, "backup", "create", "--name", "second")
        self.wait_until_published()
        self.assertEqual(self.server.stop(), 0)
        to = self.path("restored")
        done = self.restore(to, *self.tail_flags(), log="second", keys="second")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("nothing was added", " ".join(done.stdout.split()))
        self.serve_restored(to)
        self.expect_reconciled()

    def test_what_cannot_be_read_or_is_of_another_log_leaves_nothing(self):
        self.make_history()
        self.assertEqual(self.server.stop(), 0)
        to = self.path("restored")
        for flags, code, said in ((("--timeout", "2", "--tail-from-kafka", "127.0.0.1:1"), 3,
                                   "no broker answers"),
                                  (("--tail-from-kafka", "10.0.0.1:9092"), 2, "not on this machine"),
                                  (("--tail-from-kafka", self.address, "--tail-kafka-settings", "x"), 2,
                                   "one of the two"),
                                  (("--tail-from-kafka", self.address, "--topic-prefix", "none"), 1, "none.log.v1")):
            with self.subTest(flags):
                refused = self.restore(to, *flags)
                self.assertEqual(refused.returncode, code, refused.stdout + refused.stderr)
                self.assertIn(said, refused.stderr)
                self.assertEqual(os.listdir(to) if os.path.exists(to) else [], [])
        # Topics of another log.
        shutil.rmtree(self.server.data)
        os.rename(self.path("safe"), self.path("safe-of-first"))
        os.mkdir(self.path("safe"))
        self.server = self.make_server(*self.flags())
        self.server.start()
        self.sign_in()
        self.register(self.amy, "R1")
        self.ok(self.ops, ADMIN, "backup", "create", "--name", "other")
        self.assertEqual(self.server.stop(), 0)
        refused = self.restore(to, *self.tail_flags(), log="other", keys="other")
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("OTHER_LOG", refused.stderr)
        self.assertEqual(os.listdir(to), [])


if __name__ == "__main__":
    main()
