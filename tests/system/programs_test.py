"""recordsd and recordsctl as operators meet them: starts, stops, mistakes and what is said about them."""

import concurrent.futures
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (NYC_DAY, PATIENCE_SECONDS, RECORDSCTL, RECORDSD, Server, SystemTest, free_ports,  # noqa: E402
                     health, main, read, seed_of_run, wait_until)

OK, REFUSED, USAGE, UNREACHABLE, PARTLY = range(5)


# A token expires half a minute after its time, for clocks that differ: made before all tests, used by the last.
EARLY = {}


def setUpModule():
    EARLY["folder"] = tempfile.mkdtemp(prefix="records-system-")
    EARLY["server"] = Server(EARLY["folder"])
    EARLY["server"].start()
    done = subprocess.run([RECORDSCTL, "--server", EARLY["server"].listen, "token", "--data", EARLY["server"].data,
                           "--role", "contact-officer", "--name", "bea", "--lifetime", "1s"], capture_output=True,
                          text=True, check=True)
    EARLY["token"] = done.stdout


def tearDownModule():
    EARLY["server"].end()
    shutil.rmtree(EARLY["folder"], ignore_errors=True)


class StartTest(SystemTest):
    """What a start refuses, and in which words."""

    def assert_not_started(self, server, *words):
        """The server must end with 1 within the patience, and say each of the words."""
        before = len(server.log()) if os.path.exists(server.log_path) else 0
        server.spawn()
        self.assertEqual(server.process.wait(PATIENCE_SECONDS), 1, server.log())
        said = server.log()[before:]
        for word in words:
            self.assertIn(word, said)
        return said

    def test_a_second_server_on_one_store_is_refused(self):
        first = self.start_server()
        amy = self.token("contact-officer", "amy")
        self.assert_not_started(self.make_server(), "stop the other process")
        self.register(amy, "R1")
        self.assertEqual(first.stop(), 0)

    def test_a_port_in_use_is_named(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = self.make_server()
        free, server.listen = server.listen, address
        self.assert_not_started(server, address, "--listen")
        server.listen, server.metrics = free, address
        self.assert_not_started(server, address, "--metrics")

    def test_a_master_key_that_others_can_read_is_refused(self):
        server = self.start_server()
        self.assertEqual(server.stop(), 0)
        key = os.path.join(server.data, "master.key")
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        os.chmod(key, 0o640)
        self.assert_not_started(server, "others may read the master key", "chmod 600")
        os.chmod(key, 0o600)
        server.start()

    def test_the_master_key_may_lie_apart_from_the_data(self):
        server = self.make_server()
        key = os.path.join(server.folder, "other.key")
        server.flags = ("--master-key", key)
        server.start()
        self.assertEqual(server.stop(), 0)
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        self.assertFalse(os.path.exists(os.path.join(server.data, "master.key")))
        os.rename(key, key + ".away")
        self.assert_not_started(server, key, "missing")
        os.rename(key + ".away", key)
        server.start()

    def test_the_data_folder_is_closed_to_others(self):
        server = self.start_server()
        self.assertEqual(stat.S_IMODE(os.stat(server.data).st_mode), 0o700)

    def test_an_operator_rebuilds_a_view_and_a_kill_in_the_midst_leaves_the_one_that_answered(self):
        server = self.start_server()
        amy = self.token("contact-officer", "amy")
        root = self.token("system-administrator", "root")
        self.register(amy, "R1")
        for number in range(20):
            self.record(amy, "R1", f"contact {number}")
        expected = self.summaries(amy, "R1")
        folder = os.path.join(server.data, "views", "timeline")

        def share():
            views = self.json(root, "system-operation", "view", "status")[0]["views"]
            self.assertEqual([view["name"] for view in views], ["grants", "timeline"])
            return views[1]["shares"][0]
        self.assertEqual((share()["copy"], share()["canUndo"]), ("1", False))
        for view in ("timeline", "grants"):
            self.assertRegex(self.ok(root, "system-operation", "view", "rebuild", "--name", view),
                             r"Compared with the copy before: [1-9]\d* rows, all alike\.")
        self.assertEqual((share()["copy"], share()["canUndo"]), ("2", True))
        self.assertEqual(self.summaries(amy, "R1"), expected)
        self.assertIn("to copy 2", self.ok(root, "system-operation", "view", "undo", "--name", "timeline"))
        refused = self.call(amy, "service-delivery", "view", "status")
        self.assertIn("PERMISSION_DENIED", refused.stderr)
        choice = random.Random(seed_of_run())
        for _ in range(4):
            copy = share()["copy"]
            with subprocess.Popen([RECORDSCTL, "--server", server.listen, "--token-file", root, "--purpose",
                                   "system-operation", "view", "rebuild", "--name", "timeline"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as rebuilding:
                time.sleep(choice.random() * 0.3)  # lint: allow(sleep) when the kill comes
                server.stop(signal.SIGKILL)
                rebuilding.wait()
            server.start()
            now = share()
            self.assertNotIn("switching", {name for name, value in now.items() if value})
            # Not switched, or switched in whole: nothing else lies there.
            kept = {f"g{now['copy']}"} | ({f"g{now['previousCopy']}"} - {"g0"})
            self.assertEqual({name for name in os.listdir(folder) if name.startswith("g")}, kept)
            self.assertTrue(now["copy"] == copy or now["previousCopy"] == copy, now)
            self.assertEqual(self.summaries(amy, "R1"), expected)

    def test_one_view_alone_is_refused(self):
        said = self.assert_not_started(self.make_server("--serve", "timeline"), "ledger")
        self.assertNotIn("serving", said)

    def test_a_wrong_flag_is_a_usage_error(self):
        done = subprocess.run([RECORDSD, "--dta", "x"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--dta", done.stderr + done.stdout)

    def test_off_loopback_tls_is_required(self):
        server = self.make_server()
        server.listen = f"0.0.0.0:{free_ports(1)[0]}"
        said = self.assert_not_started(server)
        self.assertRegex(said, "(?i)tls|issuer")

    def test_a_config_file_gives_the_same_options(self):
        listen, metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
        config = self.write("recordsd.toml", f'data = "{self.path("elsewhere")}"\nlisten = "{listen}"\n'
                            f'metrics = "{metrics}"\npartitions = 3\n')
        server = self.make_server()
        server.listen, server.metrics = listen, metrics
        server.command = lambda: [RECORDSD, "--config", config]
        server.start()
        self.assertTrue(os.path.exists(self.path("elsewhere", "log", "CURRENT")))
        self.assertFalse(os.path.exists(server.data))

    def filled_store(self):
        """A store with two hundred events, whose server was killed: write-ahead logs hold some of them."""
        server = self.start_server()
        amy = self.token("contact-officer", "amy")
        self.register(amy, "R1")
        for number in range(5):
            self.record(amy, "R1", f"contact {number}")
        self.assertEqual(server.stop(signal.SIGKILL), -signal.SIGKILL)
        return server, amy

    def damaged(self, server, mend, folder, suffix, damage):
        """Damages the files of a folder that end so; returns what the refused start said. Mends them again."""
        shutil.rmtree(mend, ignore_errors=True)
        shutil.copytree(server.data, mend)
        names = [name for name in os.listdir(os.path.join(server.data, folder)) if name.endswith(suffix)]
        self.assertTrue(names, f"no {suffix} in {folder}")
        for name in names:
            damage(os.path.join(server.data, folder, name))
        said = self.assert_not_started(server, "not_started")
        shutil.rmtree(server.data)
        shutil.copytree(mend, server.data)
        return said

    def test_a_damaged_store_is_refused_and_named(self):
        server, amy = self.filled_store()
        mend = self.path("mend")
        for folder, suffix, words in (("log", ".log", "log"), ("keys", ".log", "key"), ("", "log.anchor", "anchor"),
                                      ("", "master.key", "master key")):
            with self.subTest(f"{folder}/*{suffix} removed"):
                self.assertRegex(self.damaged(server, mend, folder, suffix, os.remove).lower(), words)
        with self.subTest("a log cut off"):
            said = self.damaged(server, mend, "log", ".log", lambda path: os.truncate(path, os.path.getsize(path) // 2))
            self.assertRegex(said, "log|partition")
        # None of the refused starts changed anything.
        server.start()
        self.assertEqual(self.summaries(amy, "R1"), [f"contact {number}" for number in reversed(range(5))])


class StopTest(SystemTest):
    """What a stop and a crash leave."""

    def test_sigterm_drains_and_ends_with_0(self):
        server = self.start_server()
        amy = self.token("contact-officer", "amy")
        command = ["--server", server.listen, "--token-file", amy, "--purpose", "service-delivery", "import",
                   "contacts", "--format", "nyc311", NYC_DAY, "--rejects", self.path("rejects.csv")]
        importer = subprocess.Popen([RECORDSCTL, *command],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(importer.kill)

        def events():
            lines = [line for line in server.metrics_page().splitlines() if 'ledger="events"' in line]
            return float(lines[0].split()[-1]) > 500

        wait_until(events, "the import to be under way")
        self.assertEqual(server.stop(), 0)
        self.assertIn('"event":"draining"', server.log())
        self.assertIn('"event":"stopped"', server.log())
        self.assertNotIn('"event":"incident"', server.log())
        self.assertEqual(health(server.listen), "UNREACHABLE")
        # The importer tries again by itself: started anew, the server gets the rest, and nothing twice.
        server.start()
        out, err = importer.communicate(timeout=PATIENCE_SECONDS)
        again = self.json(amy, "service-delivery", "import", "contacts", "--format", "nyc311", NYC_DAY)[0]
        self.assertEqual((again["rows"], again["imported"] + again["seenBefore"], again["rejected"]), (6765, 6765, 0),
                         out + err)

    def test_a_follow_does_not_hold_up_the_stop(self):
        # What a stop waits for calls that do not end.
        server = self.start_server("--drain-seconds", str(2 * PATIENCE_SECONDS))
        amy = self.token("contact-officer", "amy")
        self.register(amy, "R1")
        command = [RECORDSCTL, "--server", server.listen, "--token-file",
                   amy, "--purpose", "service-delivery", "timeline", "follow", "--customer", "R1"]
        with open(self.path("follow.txt"), "w", encoding="utf-8") as out, \
                open(self.path("follow.err"), "w", encoding="utf-8") as err:
            follow = subprocess.Popen(command, stdout=out, stderr=err)
        self.addCleanup(follow.kill)
        wait_until(lambda: b"following" in read(self.path("follow.err")), "the follow to begin")
        self.assertEqual(server.stop(), 0)
        server.start()
        wait_until(lambda: b"connected again" in read(self.path("follow.err")), "the follow to find the server again")
        self.record(amy, "R1", "after the stop")
        wait_until(lambda: b"after the stop" in read(self.path("follow.txt")), "the follow to go on")
        follow.send_signal(signal.SIGINT)
        self.assertEqual(follow.wait(PATIENCE_SECONDS), OK)

    # Promise 1 and 2 of the README.
    def test_after_a_kill_what_was_acknowledged_is_there_and_a_retry_gets_its_first_reply(self):
        server = self.start_server()
        amy = self.token("contact-officer", "amy")
        self.register(amy, "R1")
        acknowledged = {}

        def record_until_killed(thread):
            for number in range(1000):
                request, summary = str(uuid.uuid4()), f"{thread}/{number}"
                done = self.call(amy, "service-delivery", "--json", "contact", "record", "--customer", "R1",
                                 "--channel", "phone", "--direction", "inbound", "--subject", "x", "--summary",
                                 summary, "--no-further-action", "--request-id", request)
                if done.returncode != OK:
                    return
                acknowledged[summary] = (request, done.stdout)

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            runs = [pool.submit(record_until_killed, thread) for thread in range(3)]
            wait_until(lambda: len(acknowledged) >= 30, "contacts to be acknowledged")
            server.stop(signal.SIGKILL)
            for run in runs:
                run.result()
        server.start()
        there = self.summaries(amy, "R1")
        self.assertEqual(set(acknowledged) - set(there), set())
        self.assertEqual(len(there), len(set(there)))
        for summary, (request, reply) in list(acknowledged.items())[-5:]:
            again = self.ok(amy, "service-delivery", "--json", "contact", "record", "--customer", "R1", "--channel",
                            "phone", "--direction", "inbound", "--subject", "x", "--summary", summary,
                            "--no-further-action", "--request-id", request)
            self.assertEqual(again, reply)
        other = self.call(amy, "service-delivery", "contact", "record", "--customer", "R1", "--channel", "phone",
                          "--direction", "inbound", "--subject", "x", "--summary", "another", "--no-further-action",
                          "--request-id", request)
        self.assertEqual(other.returncode, REFUSED)
        self.assertIn("REQUEST_ID_REUSED", other.stderr)
        self.assertEqual(sorted(self.summaries(amy, "R1")), sorted(there))


class MistakesTest(SystemTest):
    """Exit codes, and messages that a person can act on."""

    def setUp(self):
        super().setUp()
        self.start_server()
        self.amy = self.token("contact-officer", "amy")
        self.register(self.amy, "R1")

    def assert_said(self, done, code, *words):
        self.assertEqual(done.returncode, code, done.stderr)
        for word in ("what to do: ", *words):
            self.assertIn(word, done.stderr)
        self.assertEqual(done.stdout, "")

    def show(self, token, purpose="service-delivery", reference="R1"):
        return self.call(token, purpose, "timeline", "show", "--customer", reference)

    def test_no_token(self):
        self.assert_said(self.ctl("--purpose", "service-delivery", "timeline", "show", "--customer", "R1"), USAGE,
                         "no token", "--token-file")
        self.assert_said(self.show(self.path("no-such-file")), USAGE, "no-such-file")

    def test_a_token_of_another_server(self):
        other = Server(self.path("other"))
        os.mkdir(self.path("other"))
        self.addCleanup(other.end)
        mine, self.server = self.server, other.start()
        foreign = self.token("contact-officer", "mallory")
        self.server = mine
        self.assert_said(self.show(foreign), REFUSED, "UNAUTHENTICATED", "get one with")

    # CR-3.1.2a
    def test_a_wrong_role_and_an_absent_customer_are_refused_alike(self):
        analyst = self.token("analyst", "ana")
        refused = self.show(analyst, "equality-statistics")
        self.assert_said(refused, REFUSED, "PERMISSION_DENIED")
        self.assertEqual(self.show(analyst, "equality-statistics", "NOBODY").stderr, refused.stderr)
        self.assertEqual(self.show(self.amy, reference="NOBODY").stderr, refused.stderr)
        self.assertEqual(self.show(self.amy, purpose="audit").stderr, refused.stderr)

    def test_a_revoked_role(self):
        root = self.token("system-administrator", "root")
        self.ok(self.amy, "service-delivery", "timeline", "show", "--customer", "R1")
        self.ok(root, "system-operation", "role", "revoke", "--subject", "amy", "--role", "contact-officer")
        self.assert_said(self.show(self.amy), REFUSED, "PERMISSION_DENIED")

    def test_wrong_input(self):
        broken = self.call(self.amy, "service-delivery", "--input", "-", "contact", "record", stdin="{not json")
        self.assert_said(broken, USAGE, "not the JSON of a RecordContactRequest")
        refused = self.call(self.amy, "service-delivery", "--input", "-", "contact", "record",
                            stdin='{"customer": "R1", "contact": {"channel": "CHANNEL_PHONE"}}')
        self.assert_said(refused, REFUSED, "INVALID_ARGUMENT", "field contact.direction", "field contact.summary")
        date = self.call(self.amy, "service-delivery", "customer", "register", "--reference", "R2", "--name", "Pat",
                         "--born", "31.1.1980", "--tenure", "rent", "--contract", "T")
        self.assert_said(date, USAGE, "--born", "YYYY-MM-DD")
        self.assert_said(self.call(self.amy, "service-delivery", "contact", "record", "--customer", "R1"), USAGE,
                         "--channel", "--summary")

    def test_what_is_never_recorded_says_why(self):
        done = self.call(self.amy, "service-delivery", "contact", "record", "--customer", "R1", "--channel",
                         "social-media", "--direction", "inbound", "--subject", "x", "--summary", "x",
                         "--no-further-action")
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn("SOCIAL_MEDIA_WITHOUT_REQUEST", done.stderr)

    def test_an_unknown_command_gets_a_suggestion(self):
        self.assert_said(self.ctl("timeline", "shwo"), USAGE, "no such command: shwo", "did you mean `show`")
        self.assert_said(self.ctl("timeline", "show", "--custmer", "R1"), USAGE, "did you mean `--customer`")
        self.assert_said(self.ctl("--customer", "R1", "timeline", "show"), USAGE, "--customer stands too early",
                         "behind `recordsctl timeline show`")

    def test_a_server_that_is_not_there(self):
        absent = Server(self.path("absent"))
        done = self.ctl("--token-file", self.amy, "--purpose", "service-delivery", "timeline", "show", "--customer",
                        "R1", server=absent)
        self.assert_said(done, UNREACHABLE, "UNAVAILABLE", "see that recordsd runs")

    def test_metrics_and_health_answer(self):
        self.assertEqual(health(self.server.listen), "SERVING")
        self.show(self.amy)
        # A view folds, and a call is counted, when the answer is out already.
        for line in ('records_log_writable 1', 'records_calls_total{code="0",method="/records.api.v1.TimelineService',
                     'records_view_lag_events{view="timeline"} 0', 'records_call_seconds_bucket'):
            wait_until(lambda text=line: text in self.server.metrics_page(), line)


class TokenTest(SystemTest):
    """Comes last by its name."""

    def test_an_expired_token_is_refused(self):
        self.server = EARLY["server"]
        short = self.write("bea.token", EARLY["token"])

        def refused():
            done = self.call(short, "service-delivery", "timeline", "show", "--customer", "R1")
            return done if "UNAUTHENTICATED" in done.stderr else None

        done = wait_until(refused, "the token to expire")
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn("TOKEN_EXPIRED", done.stderr)
        self.assertIn("what to do: get a fresh token", done.stderr)


if __name__ == "__main__":
    main()
