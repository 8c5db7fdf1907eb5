"""tools/demo.d/free_ports: to each process ports of its own, which the system gives to nobody."""

import os
import socket
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# So many that two calls that know nothing of each other would name some twice.
MANY = 1_500


class FreePortsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="records-free-ports-")
        self.addCleanup(folder.cleanup)
        self.environment = {**os.environ, "TMPDIR": folder.name}

    def name(self, count, process):
        command = [os.path.join(ROOT, "tools", "demo.d", "free_ports"), str(count), str(process)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=self.environment)
        return {int(port) for port in done.stdout.split()}

    def start_process(self):
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.stdin.close()
        process.wait()

    def test_no_port_is_named_twice_while_its_process_lives(self):
        first, second = self.name(MANY, os.getpid()), self.name(MANY, self.start_process().pid)
        self.assertEqual((len(first), len(second)), (MANY, MANY))
        self.assertFalse(first & second)

    def test_ports_of_a_process_that_ended_are_named_again(self):
        process = self.start_process()
        claimed = self.name(MANY, process.pid)
        self.end(process)
        self.assertTrue(claimed & self.name(2 * MANY, os.getpid()))

    def test_ports_are_below_those_that_the_system_gives_away(self):
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            first = int(file.read().split()[0])
        if first <= 11_000:
            self.skipTest("the system gives all ports away")
        self.assertLess(max(self.name(MANY, os.getpid())), first)

    def test_a_port_that_somebody_has_is_not_named(self):
        process = self.start_process()
        claimed = self.name(200, process.pid)
        for port in claimed:
            taken = socket.create_server(("127.0.0.1", port))
            self.addCleanup(taken.close)
        self.end(process)
        self.assertFalse(claimed & self.name(MANY, os.getpid()))


unittest.main(verbosity=2)
