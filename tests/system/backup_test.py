"""Backups of a server that serves: made under load, verified, restored, damaged, killed in the midst."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (PATIENCE_SECONDS, RECORDSCTL, Server, SystemTest, main, read, rounds,  # noqa: E402
                     seed_of_run, wait_until)

FULL = os.environ.get("RECORDS_FULL") == "1"
ADMIN = "system-operation"
CLEAN, DAMAGED, NOT_RUN = range(3)


class BackupTest(SystemTest):
    """A server with folders for backups, and the master key and the erasure ledger apart."""

    def setUp(self):
        super().setUp()
        for name in ("backup-log", "backup-keys", "safe"):
            os.mkdir(self.path(name))
        self.start_server(*self.flags())
        self.amy = self.token("contact-officer", "amy")
        self.ops = self.token("system-administrator", "ops")

    def flags(self):
        return ("--master-key", self.path("safe", "master.key"),
                "--erasure-ledger", self.path("safe", "erasure.ledger"),
                "--backup-log-folder", self.path("backup-log"), "--backup-keys-folder", self.path("backup-keys"))

    def create(self, name):
        """Returns what was made."""
        return self.json(self.ops, ADMIN, "backup", "create", "--name", name)[0]

    def verify(self, name, *flags):
        return self.ctl("backup", "verify", "--log", self.path("backup-log", name), "--keys",
                        self.path("backup-keys", name), *flags)

    def restore_command(self, name, to, *flags):
        return ["backup", "restore", "--log", self.path("backup-log", name), "--keys", self.path("backup-keys", name),
                "--erasure-ledger", self.path("safe", "erasure.ledger"), "--master-key",
                self.path("safe", "master.key"), "--to", to, *flags]

    def restore(self, name, to, *flags):
        return self.ctl(*self.restore_command(name, to, *flags))

    def serve_restored(self, to):
        self.server = self.make_server(*self.flags())
        self.server.data = to
        self.server.start()
        # The development issuer's key is in no backup: tokens are made anew, for the same people.
        self.amy = self.token("contact-officer", "amy")
        self.ops = self.token("system-administrator", "ops")

    def test_everything_up_to_the_position_comes_back_and_nothing_after_it(self):
        self.register(self.amy, "R1", name="Zanzibar Quillfeather")
        acknowledged, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                text = f"call number {len(acknowledged)} zephyrine"
                self.record(self.amy, "R1", text)
                acknowledged.append(text)

        writer = threading.Thread(target=load)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(stop.set)
        wait_until(lambda: len(acknowledged) >= 5, "some calls to be recorded")
        before = len(acknowledged)
        made = self.create("first")
        after = len(acknowledged)
        wait_until(lambda: len(acknowledged) >= after + 3, "more calls to be recorded")
        stop.set()
        writer.join()
        note = self.write("kept.note", self.ok(self.ops, ADMIN, "log", "checkpoint"))
        vkey = self.ctl("--token-file", self.ops, "--purpose", ADMIN, "log", "checkpoint").stderr.split()[-1]
        self.assertIn("first", self.ok(self.ops, ADMIN, "backup", "list"))

        # DP-I5: nothing of it is in the clear, and what opens it is not in it.
        found = self.find_words(["Quillfeather", "zephyrine"], self.path("backup-log"), self.path("backup-keys"))
        self.assertEqual(found[0], 1, found[1])
        for folder, _, files in os.walk(self.path("backup-log")):
            self.assertNotIn("master.key", files, folder)

        checked = self.verify("first", "--vkey", vkey)
        self.assertEqual(checked.returncode, CLEAN, checked.stdout + checked.stderr)
        # One that was signed later shows what the backup does not hold.
        behind = self.verify("first", "--checkpoint", note)
        self.assertEqual(behind.returncode, DAMAGED, behind.stdout)
        self.assertIn("SHORTER_THAN_CHECKPOINT", behind.stdout)

        self.assertEqual(self.server.stop(), 0)
        to = self.path("restored")
        done = self.restore("first", to, "--checkpoint", note)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{made['events']} events", done.stdout)
        self.assertIn("gone", done.stdout)
        checked = self.ctl("log", "verify", "--data", to)
        self.assertEqual(checked.returncode, CLEAN, checked.stdout)
        behind = self.ctl("log", "verify", "--data", to, "--checkpoint", note)
        self.assertEqual(behind.returncode, DAMAGED, behind.stdout)
        self.assertIn("SHORTER_THAN_CHECKPOINT", behind.stdout)

        self.serve_restored(to)
        there = list(reversed(self.summaries(self.amy, "R1")))
        self.assertEqual(there, acknowledged[:len(there)], "a prefix, in order")
        self.assertGreaterEqual(len(there), before)
        self.assertLessEqual(len(there), after + 1)
        # It goes on, and can be backed up again.
        self.record(self.amy, "R1", "after the restore")
        self.create("second")
        self.assertEqual(self.verify("second").returncode, CLEAN)
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.ctl("log", "verify", "--data", to).returncode, CLEAN)

    # RC-3
    def test_what_was_erased_after_the_backup_stays_erased(self):
        manager = self.token("housing-manager", "max")
        self.register(self.amy, "R1", name="Zanzibar Quillfeather")
        self.register(self.amy, "R2")
        self.record(self.amy, "R1", "zephyrine")
        self.record(self.amy, "R2", "the other one")
        self.create("first")
        ledger = self.path("safe", "erasure.ledger")
        old_ledger = self.path("safe", "old.ledger")
        shutil.copy(ledger, old_ledger)
        self.ok(manager, "tenancy-management", "subject", "erase", "--customer", "R1", "--ground",
                "consent-withdrawn", "--confirm", "R1", "--no-input", "--certificate", self.path("certificate"))
        note = self.write("kept.note", self.ok(self.ops, ADMIN, "log", "checkpoint"))
        self.assertEqual(self.server.stop(), 0)

        # A ledger from before the erasure: a checkpoint from after it tells.
        to = self.path("restored")
        command = self.restore_command("first", to, "--checkpoint", note)
        command[command.index(ledger)] = old_ledger
        refused = self.ctl(*command)
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("erasure ledger", refused.stderr)
        os.rename(ledger, ledger + ".away")
        refused = self.restore("first", to)
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("erasure ledger", refused.stderr)
        os.rename(ledger + ".away", ledger)

        done = self.restore("first", to, "--checkpoint", note)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 of them destroyed anew", done.stdout)
        self.assertEqual(self.find_words(["Quillfeather", "zephyrine"], to)[0], 1)
        # A start with the ledger of before is refused, too.
        old = self.make_server("--master-key", self.path("safe", "master.key"), "--erasure-ledger", old_ledger)
        old.data = to
        old.spawn()
        self.assertEqual(old.process.wait(PATIENCE_SECONDS), 1)
        self.serve_restored(to)
        gone = self.call(self.amy, "service-delivery", "timeline", "show", "--customer", "R1")
        never = self.call(self.amy, "service-delivery", "timeline", "show", "--customer", "R-NEVER")
        self.assertEqual((gone.returncode, gone.stdout, gone.stderr), (never.returncode, never.stdout, never.stderr))
        self.assertEqual(self.summaries(self.amy, "R2"), ["the other one"])

        # As deploy/README.md has it each night, and after a restore.
        vkey = self.ctl("--token-file", self.ops, "--purpose", ADMIN, "log", "checkpoint").stderr.split()[-1]
        self.create("second")
        checked = self.verify("second", "--vkey", vkey)
        self.assertEqual(checked.returncode, CLEAN, checked.stdout)
        self.assertIn("erasure ledger", checked.stdout)
        checked = self.verify("second", "--vkey", vkey, "--erasure-ledger", ledger)
        self.assertEqual(checked.returncode, CLEAN, checked.stdout)
        checked = self.verify("second", "--vkey", vkey, "--erasure-ledger", old_ledger)
        self.assertEqual(checked.returncode, DAMAGED, checked.stdout)
        self.assertEqual(self.server.stop(), 0)
        checked = self.ctl("log", "verify", "--data", to, "--erasure-ledger", ledger)
        self.assertEqual(checked.returncode, CLEAN, checked.stdout)

    def test_a_damaged_backup_is_named_and_never_restored(self):
        self.register(self.amy, "R1")
        self.create("first")
        files = []
        for home in ("backup-log", "backup-keys"):
            for folder, _, names in os.walk(self.path(home, "first")):
                files += [os.path.join(folder, name) for name in names]
        for path in files if FULL else random.Random(seed_of_run()).sample(files, 6):
            whole = read(path)
            name = os.path.basename(path)
            if whole:
                middle = len(whole) // 2
                with open(path, "wb") as file:
                    file.write(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:])
                refused = self.restore("first", self.path("restored"))
                self.assertEqual(refused.returncode, 1, f"{path} {refused.stdout}")
                if name != "backup.manifest":
                    checked = self.verify("first")
                    self.assertEqual(checked.returncode, DAMAGED, path)
                    self.assertIn(name, checked.stdout)
            os.remove(path)
            checked = self.verify("first")
            self.assertEqual(checked.returncode, DAMAGED, path)
            self.assertIn(name, checked.stdout)
            self.assertEqual(self.restore("first", self.path("restored")).returncode, 1, path)
            with open(path, "wb") as file:
                file.write(whole)
        self.assertEqual(self.verify("first").returncode, CLEAN)
        with open(self.path("backup-log", "first", "log", "999999.sst"), "wb") as file:
            file.write(b"foreign")
        self.assertEqual(self.verify("first").returncode, DAMAGED)

    def test_a_server_killed_in_the_midst_leaves_no_half_of_a_backup(self):
        self.register(self.amy, "R1")
        rng = random.Random(seed_of_run())
        unfinished, whole = 0, 0
        for number in rounds(30 if FULL else 6, lambda: unfinished > 0):
            self.record(self.amy, "R1", f"call {number}")
            name = f"b{number}"
            command = [RECORDSCTL, "--server", self.server.listen, "--token-file", self.ops, "--purpose", ADMIN,
                       "backup", "create", "--name", name]
            creating = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(creating.kill)
            marks = [self.path("backup-log", f".{name}.unfinished"), self.path("backup-keys", f".{name}.unfinished"),
                     os.path.join(self.server.data, "backup.staging"), self.path("backup-log", name)]
            mark = rng.choice(marks)
            while not os.path.exists(mark) and creating.poll() is None:
                pass
            self.server.stop(signal.SIGKILL)
            creating.wait(PATIENCE_SECONDS)
            unfinished += any(os.path.exists(left) for left in marks[:3])
            self.server.start()
            self.assertFalse(any(os.path.exists(left) for left in marks[:3]), "what was cut short is removed")
            halves = [os.path.exists(self.path(home, name)) for home in ("backup-log", "backup-keys")]
            self.assertEqual(halves[0], halves[1], "half of a backup has its name")
            if all(halves):
                whole += 1
                checked = self.verify(name)
                self.assertEqual(checked.returncode, CLEAN, checked.stdout)
            self.create(f"again{number}")
        print(f"cut short {unfinished}, whole {whole}", flush=True)
        self.assertGreater(unfinished, 0, "no kill ever hit a backup: the test tests nothing")

    def test_a_restore_killed_in_the_midst_is_never_served_and_can_be_run_again(self):
        for number in range(10):
            self.register(self.amy, f"R{number}")
        self.create("first")
        self.assertEqual(self.server.stop(), 0)
        rng = random.Random(seed_of_run())
        cut = 0
        for number in rounds(30 if FULL else 6, lambda: cut > 0):
            to = self.path(f"to{number}")
            restoring = subprocess.Popen([RECORDSCTL, *self.restore_command("first", to)], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
            mark = os.path.join(to, rng.choice(["restore.unfinished", "keys", "checkpoint.key", "log", "log.anchor"]))
            while not os.path.exists(mark) and restoring.poll() is None:
                pass
            restoring.kill()
            restoring.wait(PATIENCE_SECONDS)
            if os.path.exists(os.path.join(to, "restore.unfinished")):
                cut += 1
                server = self.make_server(*self.flags())
                server.data = to
                server.spawn()
                self.assertEqual(server.process.wait(PATIENCE_SECONDS), 1)
                self.assertIn("restore", server.log().splitlines()[-1])
            if os.path.exists(os.path.join(to, "restore.unfinished")) or not os.path.exists(to):
                done = self.restore("first", to)
                self.assertEqual(done.returncode, 0, done.stderr)
            checked = self.ctl("log", "verify", "--data", to)
            self.assertEqual(checked.returncode, CLEAN, checked.stdout)
        print(f"cut short {cut}", flush=True)
        self.assertGreater(cut, 0, "no kill ever hit a restore: the test tests nothing")
        self.serve_restored(to)
        self.assertEqual(len(self.summaries(self.amy, "R3")), 0)

    def test_a_rotation_ends_the_older_backups_of_the_keys(self):
        self.register(self.amy, "R1")
        self.record(self.amy, "R1", "before the rotation")
        self.create("old")
        old = self.path("safe", "old-master.key")
        shutil.copy(self.path("safe", "master.key"), old)
        self.ok(self.ops, ADMIN, "key", "rotate", "--confirm")
        refused = self.restore("old", self.path("restored"))
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("MASTER_KEY_ENDED", refused.stderr)
        self.create("new")
        done = self.restore("new", self.path("restored"))
        self.assertEqual(done.returncode, 0, done.stderr)
        # Until the old key is destroyed everywhere, the old backup opens with it: that is why it must be.
        command = self.restore_command("old", self.path("restored-old"))
        command[command.index("--master-key") + 1] = old
        self.assertEqual(self.ctl(*command).returncode, 0)
        os.remove(old)
        self.assertEqual(self.ctl(*command).returncode, 1)

    def test_what_a_client_may_not_choose_is_refused(self):
        refused = self.call(self.ops, ADMIN, "backup", "create", "--name", "../elsewhere")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("a-z, 0-9 and hyphen", refused.stderr)
        refused = self.call(self.amy, "service-delivery", "backup", "create", "--name", "mine")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertEqual(os.listdir(self.path("backup-log")), [])
        self.create("first")
        again = self.call(self.ops, ADMIN, "backup", "create", "--name", "first")
        self.assertEqual(again.returncode, 1)
        self.assertIn("of that name", again.stderr)

    def test_a_server_without_folders_says_what_to_do(self):
        self.assertEqual(self.server.stop(), 0)
        self.start_server(*self.flags()[:4])
        refused = self.call(self.ops, ADMIN, "backup", "create", "--name", "first")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--backup-log-folder", refused.stderr)

    def test_one_folder_for_both_is_refused_at_the_start(self):
        self.assertEqual(self.server.stop(), 0)
        server = self.make_server(*self.flags()[:4], "--backup-log-folder", self.path("backup-log"),
                                  "--backup-keys-folder", self.path("backup-log") + "/")
        server.spawn()
        self.assertEqual(server.process.wait(PATIENCE_SECONDS), 1)
        self.assertIn("one folder", server.log())


if __name__ == "__main__":
    main()
