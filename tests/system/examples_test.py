"""The examples of subscribers against a server and a broker that demands passwords, TLS and rules of access."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUS_PYTHON, PATIENCE_SECONDS, ROOT, BusTest, main  # noqa: E402

TOPICS = ("contacts.v1", "repairs.v1", "asb.v1", "rights.v1")


class ExamplesTest(BusTest):
    BROKER_FLAGS = ("--secure",)

    def setUp(self):
        super().setUp()
        self.make_topics("--kafka-settings", self.settings_of("admin"))
        self.start_server("--kafka-settings", self.settings_of("relay"), "--kafka-prefix", self.prefix)
        self.amy = self.token("contact-officer", "amy")
        self.max = self.token("housing-manager", "max")
        self.repairs = self.token("repairs-system", "repairs")
        self.asb = self.token("asb-system", "asb")

    def split(self, message):
        with open(os.path.join(ROOT, "tests", "data", "mixed_messages", message + ".json"), encoding="utf-8") as file:
            self.ok(self.amy, "service-delivery", "--input", "-", "contact", "split", stdin=file.read())

    def store_of(self, program, principal):
        return self.path(program + "." + principal + ".sqlite")

    def run_example(self, program, principal, token, expected=0, before=(), settings=None):
        """Lets a system do what there is to do; returns what it said."""
        command = [BUS_PYTHON, *before, os.path.join(ROOT, "tools", "examples", program), "--kafka-settings",
                   settings or self.settings_of(principal), "--prefix", self.prefix, "--ledger", self.server.listen,
                   "--token-file", token, "--store", self.store_of(program, principal), "--once"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def dump(self, principal, topic):
        """All records of a topic, as that principal gets them."""
        return subprocess.run([BUS_PYTHON, os.path.join(ROOT, "tests", "system", "topic_dump.py"),
                               self.settings_of(principal), f"{self.prefix}.{topic}"], capture_output=True, check=False,
                              timeout=PATIENCE_SECONDS)

    def dump_all(self, topic):
        dumped = self.dump("relay", topic)
        self.assertEqual(dumped.returncode, 0, dumped.stderr)
        return dumped.stdout

    def record_matters(self):
        self.register(self.amy, "S-1")
        for message in ("damp_noise_and_question", "anonymous_report_in_repair_email"):
            self.split(message)
        self.wait_until_published()

    def test_each_system_does_its_own_work_once_and_forgets_who_is_erased(self):
        self.record_matters()
        jobs = self.run_example("repairs_system.py", "repairs", self.repairs)
        self.assertIn("Kitchen tap cannot be closed", jobs)
        self.assertNotIn("noise", jobs)
        cases = self.run_example("asb_system.py", "asb", self.asb)
        self.assertIn("noise", cases)
        self.assertIn("(anonymous)", cases)
        self.assertNotIn("Kitchen tap", cases)
        # Again: nothing is done twice; then only what is new.
        self.assertEqual(self.run_example("repairs_system.py", "repairs", self.repairs), "")
        self.ok(self.max, "tenancy-management", "subject", "erase", "--customer", "S-1", "--ground",
                "no-longer-necessary", "--no-input", "--confirm", "S-1", "--certificate", self.path("certificate.txt"))
        self.wait_until_published()
        subject = re.search(r"job for ([0-9a-f]{8}): repair", jobs)[1]
        self.assertRegex(self.run_example("repairs_system.py", "repairs", self.repairs),
                         rf"forget {subject}: [1-9]\d* jobs")
        # DP-C4: the officer sees who has dropped the person and who is waited for; told once, though asked again.
        self.run_example("asb_system.py", "asb", self.asb)
        self.assertEqual(self.run_example("repairs_system.py", "repairs", self.repairs), "")
        self.assertEqual(self.confirmations(), ["repairs.v1", "asb.v1"])

    def run_repairs(self, expected=0, before=()):
        """As one instance of its group: what comes after one that was killed need not wait for the end of a session."""
        settings = self.path("instance.properties")
        if not os.path.exists(settings):
            shutil.copy(self.settings_of("repairs"), settings)
            with open(settings, "a", encoding="utf-8") as file:
                file.write("group.instance.id=one\n")
        return self.run_example("repairs_system.py", "repairs", self.repairs, expected, before, settings)

    def kill_at(self, step):
        self.run_repairs(-signal.SIGKILL, (os.path.join(ROOT, "tests", "system", "killed_subscriber.py"), step))

    def jobs(self):
        with contextlib.closing(sqlite3.connect(self.store_of("repairs_system.py", "repairs"))) as store:
            return store.execute("SELECT count(*) FROM jobs").fetchone()[0]

    def confirmations(self):
        told = json.loads(self.ok(self.token("data-protection-officer", "dora"), "rights-request", "--json", "subject",
                                  "erasures"))
        return [one["stream"] for erasure in told["erasures"] for one in erasure.get("confirmations", [])]

    def test_a_system_that_is_killed_between_effect_and_commit_does_each_job_once(self):
        self.record_matters()
        jobs = self.run_repairs().count("job for")
        self.assertGreater(jobs, 1)
        os.remove(self.store_of("repairs_system.py", "repairs"))
        self.kill_at("effect")
        self.assertEqual(self.jobs(), 0)
        self.kill_at("committed")
        self.assertEqual(self.jobs(), 1)
        self.kill_at("effect")
        self.assertEqual(self.jobs(), 1)
        self.run_repairs()
        self.assertEqual(self.jobs(), jobs)
        self.ok(self.max, "tenancy-management", "subject", "erase", "--customer", "S-1", "--ground",
                "no-longer-necessary", "--no-input", "--confirm", "S-1", "--certificate", self.path("certificate.txt"))
        self.wait_until_published()
        self.kill_at("dropped")
        self.assertLess(self.jobs(), jobs)
        self.assertEqual(self.confirmations(), [])
        self.kill_at("confirmed")
        self.run_repairs()
        self.assertEqual(self.confirmations(), ["repairs.v1"])

    def test_a_system_stops_where_a_record_is_missing_before_the_next(self):
        self.record_matters()
        self.run_example("repairs_system.py", "repairs", self.repairs)
        done = self.jobs()
        with contextlib.closing(sqlite3.connect(self.store_of("repairs_system.py", "repairs"))) as store, store:
            store.execute("DELETE FROM heads")  # as if what came last had never come
        self.split("damp_noise_and_question")
        self.wait_until_published()
        said = self.run_example("repairs_system.py", "repairs", self.repairs, expected=1)
        self.assertIn("one is missing before", said)
        self.assertEqual(self.jobs(), done)

    # CR-2.4b, CR-3.1.2b: by the rules of the brokers.
    def test_a_system_cannot_read_the_topic_of_another(self):
        self.record_matters()
        said = self.run_example("asb_system.py", "repairs", self.asb, expected=1)
        self.assertIn("AUTHORIZATION_FAILED", said)
        dumped = self.dump("repairs", "asb.v1")
        self.assertNotEqual(dumped.returncode, 0)
        self.assertEqual(dumped.stdout, b"")

    # CR-2.4b, CR-3.1.3: and, where all topics have leaked, by key.
    def test_who_holds_all_topics_with_the_grants_of_repairs_learns_only_how_much_there_is(self):
        self.record_matters()
        topics = {topic: self.dump_all(topic) for topic in TOPICS}
        self.assertEqual(topics["asb.v1"].count(b"ce_id="), 2)
        for topic, dump in topics.items():
            for word in (b"Kitchen", b"noise", b"Mould", b"Asb", b"drugs"):
                self.assertNotIn(word, dump, topic)
        # No name, id or reference of one topic is in another.
        names = {topic: set(re.findall(rb"[0-9a-f]{32}", re.sub(rb"ce_source=/records/\w+", b"", dump)))
                 for topic, dump in topics.items()}
        for one in TOPICS:
            for other in TOPICS:
                self.assertTrue(one == other or not names[one] & names[other], f"{one} and {other} can be joined")
        # Days, so that the repair and the anonymous report of one message are not seen to belong together.
        for dump in topics.values():
            self.assertEqual(set(re.findall(rb"ce_time=[^T]+T([^,]+)", dump)) - {b"00:00:00Z"}, set())
        # The ledger does not open for repairs what is ASB's, on whichever stream it is asked for.
        refused = self.call(self.repairs, "service-delivery", "work", "follow", "--stream", "asb.v1", "--stop-at-head")
        absent = self.call(self.repairs, "service-delivery", "work", "follow", "--stream", "none.v1", "--stop-at-head")
        self.assertNotEqual(refused.returncode, 0)
        self.assertEqual(refused.stderr, absent.stderr)


if __name__ == "__main__":
    main()
