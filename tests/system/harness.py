"""Real programs for tests: recordsd on a store of its own, and recordsctl against it. Standard library only."""

import functools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("RECORDS_BIN", os.path.join(ROOT, "build", "dev", "bin")))
TEST_BIN = os.path.join(os.path.dirname(BIN), "test_bin")
HELPERS = os.path.join(ROOT, "tools", "demo.d")
RECORDSD = os.path.join(BIN, "recordsd")
RECORDSCTL = os.path.join(BIN, "recordsctl")
# With what talks to Kafka, where tools/setup --kafka was run.
BUS_PYTHON = os.path.join(ROOT, "build", "tools", "python", "bin", "python")
NYC_DAY = os.path.join(ROOT, "tests", "data", "nyc311_2018-10-21.csv.gz")

# Above what the slowest machine needs; a wait ends as soon as its condition holds.
PATIENCE_SECONDS = 60
# Beyond what tools/broker waits for a start.
BROKER_SECONDS = 180
POLL_SECONDS = 0.02
# Rounds of a kill at a random moment, of which one must come in the midst of something.
ROUNDS_MAX = 40


def wait_until(condition, what, seconds=PATIENCE_SECONDS):
    """Returns the first true value that `condition` gives; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        # lint: allow(sleep) other processes give no signal to wait for
        time.sleep(POLL_SECONDS)


@functools.cache
def seed_of_run():
    """What a test draws its choices by: RECORDS_SEED, else another in each run. Prints it, once."""
    seed = int(os.environ.get("RECORDS_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}; replay: RECORDS_SEED={seed}", flush=True)
    return seed


def rounds(count, hit):
    """So many numbers, and more until hit() says that one came in the midst."""
    for number in range(ROUNDS_MAX):
        if number >= count and hit():
            return
        yield number


def free_ports(count):
    """Ports that nobody else is given while this process lives."""
    command = [os.path.join(HELPERS, "free_ports"), str(count), str(os.getpid())]
    out = subprocess.run(command, capture_output=True, check=True)
    return [int(port) for port in out.stdout.split()]


def health(address, wait=0):
    """Returns SERVING, NOT_SERVING or UNREACHABLE."""
    command = [os.path.join(HELPERS, "health"), "--wait", str(wait), address]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Server:
    """A recordsd on `folder`/data. Its log is in `folder`/recordsd.log, over all its starts."""

    def __init__(self, folder, *flags):
        self.folder, self.flags = folder, flags
        self.data = os.path.join(folder, "data")
        self.log_path = os.path.join(folder, "recordsd.log")
        ports = free_ports(2)
        self.listen, self.metrics = (f"127.0.0.1:{port}" for port in ports)
        self.process = None

    def command(self):
        return [RECORDSD, "--data", self.data, "--listen", self.listen, "--metrics", self.metrics, *self.flags]

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self, seconds=PATIENCE_SECONDS):
        self.spawn()
        wait_until(lambda: self.process.poll() is not None or health(self.listen) == "SERVING", "the server to serve",
                   seconds)
        if self.process.poll() is not None:
            raise AssertionError(f"recordsd ended with {self.process.returncode}: {self.log()}")
        return self

    def stop(self, number=signal.SIGTERM):
        """Returns the exit code, negative for a signal."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def end(self):
        """Whatever happened, nothing of it stays."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self):
        return read(self.log_path).decode("utf-8", "replace")

    def metrics_page(self):
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=PATIENCE_SECONDS) as page:
            return page.read().decode("utf-8")


class SystemTest(unittest.TestCase):
    """A test with a folder of its own, and servers that end with it."""

    def setUp(self):
        for program in (RECORDSD, RECORDSCTL):
            self.assertTrue(os.access(program, os.X_OK), f"{program} is not built")
        self.folder = tempfile.mkdtemp(prefix="records-system-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = None

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, content, mode=0o600):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def make_server(self, *flags):
        server = Server(self.folder, *flags)
        self.addCleanup(server.end)
        return server

    def start_server(self, *flags):
        self.server = self.make_server(*flags).start()
        return self.server

    def ctl(self, *arguments, server=None, stdin=""):
        """Runs recordsctl; returns the finished process."""
        command = [RECORDSCTL, "--server", (server or self.server).listen, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False,
                              timeout=PATIENCE_SECONDS)

    def token(self, role, name, *flags):
        """Mints a token into a file, and returns its path."""
        done = self.ctl("token", "--data", self.server.data, "--role", role, "--name", name, *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.write(name + ".token", done.stdout)

    def call(self, token, purpose, *arguments, stdin=""):
        return self.ctl("--token-file", token, "--purpose", purpose, *arguments, stdin=stdin)

    def ok(self, token, purpose, *arguments, stdin=""):
        """Runs a command that must succeed; returns its standard output."""
        done = self.call(token, purpose, *arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        return done.stdout

    def json(self, token, purpose, *arguments, stdin=""):
        """Runs a command that must succeed; returns its replies."""
        out = self.ok(token, purpose, "--json", *arguments, stdin=stdin)
        return [json.loads(line) for line in out.splitlines()]

    def register(self, token, reference, name="Pat Doe"):
        self.ok(token, "service-delivery", "customer", "register", "--reference", reference, "--name", name, "--born",
                "1980-01-31", "--tenure", "rent", "--contract", "T-" + reference)

    def record(self, token, reference, summary, *flags):
        """Records a contact; returns the reply."""
        return self.json(token, "service-delivery", "contact", "record", "--customer", reference, "--channel", "phone",
                         "--direction", "inbound", "--subject", "heating", "--summary", summary, "--no-further-action",
                         *flags)[0]

    def summaries(self, token, reference):
        """Returns the summaries of all contacts of a customer that are recorded, newest first."""
        wait_until(lambda: 'records_view_lag_events{view="timeline"} 0\n' in self.server.metrics_page(),
                   "the timeline to show all")
        pages = self.json(token, "service-delivery", "timeline", "show", "--customer", reference, "--kind", "contact",
                          "--all")
        return [entry["contact"]["contact"]["summary"] for page in pages for entry in page["entries"]]

    def find_words(self, words, *paths):
        """Searches files for words; returns (exit code, what it said). 1: searched and found nothing."""
        command = [os.path.join(HELPERS, "find_words")]
        for word in words:
            command += ["--word", word]
        done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class BusTest(SystemTest):
    """A test with a broker, one for all tests of its class, and a prefix, and so topics, of its own.

    However the tests end, the broker ends with them.
    """

    BROKER_FLAGS = ()

    @classmethod
    def setUpClass(cls):
        cls.broker_folder = tempfile.mkdtemp(prefix="records-broker-")
        cls.addClassCleanup(shutil.rmtree, cls.broker_folder, ignore_errors=True)
        cls.prepare_broker_folder()
        cls.addClassCleanup(cls.broker, "stop", "--kill")
        cls.address = cls.broker("start", *cls.BROKER_FLAGS).strip()

    @classmethod
    def prepare_broker_folder(cls):
        """Before the broker's first start."""

    @classmethod
    def broker(cls, verb, *flags):
        done = subprocess.run([os.path.join(ROOT, "tools", "broker"), verb, "--data", cls.broker_folder, "--memory",
                               "256", "--with", str(os.getpid()), *flags], capture_output=True, text=True,
                              check=False, timeout=BROKER_SECONDS)
        if done.returncode != 0:
            raise AssertionError(f"tools/broker {verb}: {done.stdout}{done.stderr}")
        return done.stdout

    def settings_of(self, principal):
        """Of a broker made with --secure: how that principal reaches it."""
        return os.path.join(self.broker_folder, "secrets", principal + ".properties")

    def setUp(self):
        super().setUp()
        self.prefix = "t" + os.path.basename(self.folder).rsplit("-", 1)[1].lower().replace("_", "x")

    def make_topics(self, *flags):
        done = subprocess.run([RECORDSCTL, "bus", "apply", "--prefix", self.prefix, "--replicas", "1", *flags],
                              capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def gauge(self, name):
        return float(re.search(rf"^{re.escape(name)} (\S+)", self.server.metrics_page(), re.M)[1])

    def kcat(self, form):
        """What a reader of committed records gets of the log's topic, each as `form` says. On a broker in the clear."""
        command = ["kcat", "-C", "-b", self.address, "-t", self.prefix + ".log.v1", "-e", "-q", "-o", "beginning", "-X",
                   "isolation.level=read_committed", "-m", str(PATIENCE_SECONDS), "-f", form]
        return subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_SECONDS).stdout

    def wait_until_compared(self, records):
        wait_until(lambda: self.gauge("records_relay_compared") >= records, "the reconciler to read all",
                   BROKER_SECONDS)
        self.assertEqual(self.gauge("records_relay_differences"), 0, self.server.log()[-3000:])

    def wait_until_published(self):
        """Until each event is on its topics, for who reads what is committed too."""
        wait_until(lambda: self.gauge("records_relay_running") == 1 and self.gauge("records_relay_lag_events") == 0,
                   "the relay to publish all", BROKER_SECONDS)
        brokers = self.settings_of("relay") if os.path.exists(self.settings_of("relay")) else self.address
        done = subprocess.run([BUS_PYTHON, os.path.join(HELPERS, "readable"), self.prefix, brokers],
                              capture_output=True, text=True, check=False, timeout=BROKER_SECONDS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def main():
    """Runs the tests of the calling file, says how long each took."""
    unittest.main(verbosity=2)


__all__ = [name for name in dir() if not name.startswith("_")]
