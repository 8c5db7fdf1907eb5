"""The commands of the top README work as they stand."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BIN, PATIENCE_SECONDS, ROOT, SystemTest, health, main  # noqa: E402

TOOLS = os.path.join(ROOT, "build", "tools", "bin")


def commands():
    """The indented lines of `Try it by hand`, from the start of the server on."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = file.read().split("\n## Try it by hand\n")[1].split("\n## ")[0]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    return "\n".join(lines[lines.index("recordsd &"):])


def without_grpcurl(script):
    """The commands before the first grpcurl: those come last, over several lines in quotes."""
    kept, _, rest = script.partition("\ngrpcurl ")
    assert "recordsctl" not in rest, "README has commands after those of grpcurl"
    return kept


def own_network():
    """How to run a command in a network of its own, where nobody has taken the default ports."""
    wrap = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    try:
        works = subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        works = False
    return wrap if works else []


class ReadmeTest(SystemTest):

    def run_script(self, script):
        """Runs the commands with folders of their own; the server must stop with 0 after them."""
        wrap = own_network()
        if not wrap:
            self.assertEqual(health("127.0.0.1:7400"), "UNREACHABLE", "a server has the default port: stop it first")
        whole = ("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + script +
                 "\nkill %1\nwait %1\ntrap - EXIT\n")
        environment = dict(os.environ, HOME=self.folder, XDG_DATA_HOME=self.path("share"),
                           PATH=f"{BIN}:{TOOLS}:{os.environ['PATH']}")
        return subprocess.run([*wrap, "bash", "-c", whole], cwd=self.folder, env=environment, capture_output=True,
                              text=True, check=False, timeout=PATIENCE_SECONDS)

    def test_the_lines_work_as_they_stand(self):
        script = commands()
        for line in ("recordsctl token ", "customer register ", "contact record ", "timeline show "):
            self.assertIn(line, script)
        has_grpcurl = shutil.which("grpcurl", path=f"{TOOLS}:{os.environ['PATH']}") is not None
        done = self.run_script(script if has_grpcurl else without_grpcurl(script))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("customer registered"), 2)
        self.assertIn('"summary":"boiler out, two children at home"', done.stdout)
        self.assertTrue(os.path.exists(self.path("share", "records", "log", "CURRENT")))
        self.assertNotIn("warning", done.stderr)
        if has_grpcurl:
            self.assertIn('"summary": "engineer comes at ten"', done.stdout)

    def test_grpcurl_is_refused_without_a_token(self):
        if shutil.which("grpcurl", path=f"{TOOLS}:{os.environ['PATH']}") is None:
            self.skipTest("grpcurl is not there; tools/setup --demo brings it")
        self.start_server()
        environment = dict(os.environ, PATH=f"{TOOLS}:{os.environ['PATH']}")
        listed = subprocess.run(["grpcurl", "-plaintext", self.server.listen, "list"], env=environment,
                                capture_output=True, text=True, check=False)
        for service in ("CustomerService", "ContactService", "TimelineService", "AccessService", "LedgerService"):
            self.assertIn("records.api.v1." + service, listed.stdout)
        done = subprocess.run(["grpcurl", "-plaintext", "-d", '{"customer": "R1"}', self.server.listen,
                               "records.api.v1.TimelineService/GetTimeline"], env=environment, capture_output=True,
                              text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Unauthenticated", done.stderr)
        self.assertIn("TOKEN_MISSING", done.stderr)


if __name__ == "__main__":
    main()
