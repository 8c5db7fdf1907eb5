"""tools/demo tells its story without a keyboard, ends what it started, and fails when what it shows is not so."""

import os
import re
import shlex
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BIN, PATIENCE_SECONDS, ROOT, TEST_BIN, SystemTest, health, main, read, wait_until  # noqa: E402

DEMO = os.path.join(ROOT, "tools", "demo")
# What the issue allows for the whole story, after the build.
STORY_SECONDS_MAX = 300


class DemoTest(SystemTest):

    def tell(self, programs=BIN):
        return subprocess.run([DEMO, "--keep", self.path("kept")], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False, timeout=STORY_SECONDS_MAX,
                              env=dict(os.environ, RECORDS_BIN=programs))

    def listen_address(self, out):
        return re.search(r"recordsd --data data --listen (\S+)", out).group(1)

    # CR-3.3.5, CR-3.3.6, CR-3.1.2b
    def test_the_story_holds_and_its_last_line_goes_on_with_the_store(self):
        done = self.tell()
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr)
        self.assertEqual(health(self.listen_address(done.stdout)), "UNREACHABLE")
        last = shlex.split(done.stdout.splitlines()[-1])
        with open(self.path("again.log"), "wb") as log:
            server = subprocess.Popen(last, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.assertEqual(health(last[last.index("--listen") + 1], wait=PATIENCE_SECONDS), "SERVING",
                         read(self.path("again.log")))

    def test_an_interrupt_ends_the_server_too(self):
        with open(self.path("out"), "wb") as out:
            demo = subprocess.Popen([DEMO, "--keep", self.path("kept")], stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=out, env=dict(os.environ, RECORDS_BIN=BIN), start_new_session=True)
        self.addCleanup(demo.wait)
        self.addCleanup(demo.kill)
        wait_until(lambda: b"SERVING" in read(self.path("out")), "the server of the demonstration")
        os.killpg(demo.pid, signal.SIGINT)
        self.assertEqual(demo.wait(PATIENCE_SECONDS), 130)
        self.assertEqual(health(self.listen_address(read(self.path("out")).decode())), "UNREACHABLE")

    def test_it_fails_when_the_search_cannot_see_the_control_store(self):
        os.makedirs(self.path("other", "bin"))
        os.makedirs(self.path("other", "test_bin"))
        for name in ("recordsd", "recordsctl"):
            os.symlink(os.path.join(BIN, name), self.path("other", "bin", name))
        blind = self.path("other", "test_bin", "control_store")
        with open(blind, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nmkdir "$1"\n')
        os.chmod(blind, 0o755)
        self.assertTrue(os.access(os.path.join(TEST_BIN, "control_store"), os.X_OK))
        done = self.tell(programs=self.path("other", "bin"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("NOT AS IT SHOULD BE", done.stderr)
        self.assertIn("find_words", done.stdout.splitlines()[-3] + done.stdout.splitlines()[-2])
        self.assertEqual(health(self.listen_address(done.stdout)), "UNREACHABLE")


if __name__ == "__main__":
    main()
