"""The timeline in processes of its own: fed by Kafka, sharing the customers out, asking the ledger for each answer."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BROKER_SECONDS, PATIENCE_SECONDS, RECORDSCTL, RECORDSD, ROOT, BusTest, Server  # noqa: E402
from harness import free_ports, main, wait_until  # noqa: E402

READ = "service-delivery"
CUSTOMERS = [f"R{number}" for number in range(1, 13)]
CANARY = "view-canary-boiler"


class ViewProcess(Server):
    """A recordsd that serves the timeline alone."""

    def __init__(self, folder, name, flags):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        super().__init__(os.path.join(folder, name), "--serve", "timeline", *flags)


class TimelineProcessTest(BusTest):
    """On a broker that demands passwords and rules of access."""

    BROKER_FLAGS = ("--secure",)

    def setUp(self):
        super().setUp()
        self.make_topics("--kafka-settings", self.settings_of("admin"))
        done = subprocess.run([os.path.join(ROOT, "tools", "service-certificates"), self.path("certificates")],
                              capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.services = f"127.0.0.1:{free_ports(1)[0]}"
        self.start_server(*self.bus("relay"), "--services-listen", self.services, *self.shown("ledger"))
        self.amy = self.token("contact-officer", "amy")

    def bus(self, principal):
        return ("--kafka-settings", self.settings_of(principal), "--kafka-prefix", self.prefix)

    def shown(self, name):
        """What a service shows to others."""
        return ("--service-certificate", self.path("certificates", name + ".pem"), "--service-private-key",
                self.path("certificates", name + ".key"), "--service-ca", self.path("certificates", "ca.pem"))

    def view(self, name, *flags):
        view = ViewProcess(self.folder, name, (*self.bus("views"), "--ledger", self.services, *self.shown("timeline"),
                                               "--token-issuer", "records-development=" + os.path.join(
                                                   self.server.data, "development-issuer.jwks.json"), *flags))
        self.addCleanup(view.end)
        return view

    def start_view(self, name, *flags):
        return self.view(name, *flags).start(BROKER_SECONDS)

    def register_all(self):
        for customer in CUSTOMERS:
            self.register(self.amy, customer)
            self.record(self.amy, customer, f"{CANARY} {customer}")
        # A view that starts has what was published by then.
        self.wait_until_published()

    def ask(self, server, customer, *flags):
        return self.ctl("--token-file", self.amy, "--purpose", READ, "--json", "timeline", "show", "--customer",
                        customer, *flags, server=server)

    def answer(self, server, customer, *flags, passing=("UNAVAILABLE", "DEADLINE_EXCEEDED")):
        """What is shown. Asks again after refusals that pass: a ledger on a busy machine is late, partitions move."""
        def shown():
            done = self.ask(server, customer, *flags)
            if done.returncode == 0:
                return done.stdout
            self.assertTrue(any(word in done.stderr for word in passing), done.stderr)
            return None
        return wait_until(shown, f"an answer about {customer}", BROKER_SECONDS)

    def wait_until_refused(self, server, customer):
        """With PERMISSION_DENIED; nothing is shown meanwhile."""
        def refused():
            done = self.ask(server, customer)
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, "PERMISSION_DENIED|LEDGER_AWAY")
            return "PERMISSION_DENIED" in done.stderr
        wait_until(refused, f"{customer} to be refused", BROKER_SECONDS)

    def owner_among(self, views, customer):
        """Returns the one that answers; the others must have named it."""
        def found():
            answers = [self.ask(view, customer) for view in views]
            answering = [view for view, done in zip(views, answers) if done.returncode == 0]
            if len(answering) != 1:
                return None
            for view, done in zip(views, answers):
                if view is not answering[0] and f"--server {answering[0].listen}" not in done.stderr:
                    return None
            return answering[0]
        return wait_until(found, f"one process to answer about {customer}", BROKER_SECONDS)

    def gauge_of(self, server, name):
        return float(re.search(rf"^{re.escape(name)}{{[^}}]*}} (\S+)", server.metrics_page(), re.M)[1])

    def wait_until_shared(self, *views):
        def shared():
            held = [self.gauge_of(view, "records_view_partitions") for view in views]
            ready = [self.gauge_of(view, "records_view_partitions_ready") for view in views]
            return sum(held) == 16 and ready == held and 0 not in held
        wait_until(shared, "the partitions to be shared out and caught up", BROKER_SECONDS)

    def test_the_port_for_services_takes_no_more_connections_than_it_can_hold(self):
        self.register_all()
        host, port = self.services.rsplit(":", 1)
        connections = [socket.create_connection((host, int(port))) for _ in range(300)]
        wait_until(lambda: self.gauge("records_connections_refused") >= 300 - 256, "connections to be turned away")
        for connection in connections:
            connection.close()
        view = self.start_view("one")
        self.assertEqual(self.owner_among((view,), "R1"), view)

    def test_two_processes_share_the_customers_out_and_answer_as_the_ledger_does(self):
        self.register_all()
        one = self.start_view("one")
        two = self.start_view("two")
        self.wait_until_shared(one, two)
        owners = {}
        for customer in CUSTOMERS:
            owners[customer] = self.owner_among((one, two), customer)
            self.assertEqual(self.answer(owners[customer], customer), self.answer(self.server, customer))
        # Of few customers one process may own all.
        while len(set(owners.values())) == 1 and len(owners) < 3 * len(CUSTOMERS):
            customer = f"R{len(owners) + 1}"
            self.register(self.amy, customer)
            owners[customer] = self.owner_among((one, two), customer)
        self.assertEqual(set(owners.values()), {one, two})
        # One's own write is seen, wherever the timeline is.
        token = self.record(self.amy, "R1", "just now")["token"]
        self.assertIn("just now", self.answer(owners["R1"], "R1", "--read-your-write", token))
        # Who is absent has an owner, too, and is refused there as who is forbidden.
        def refusals():
            said = [self.ask(view, "R-nobody").stderr for view in (one, two)]
            return None if any("LEDGER_AWAY" in text for text in said) else said
        said = wait_until(refusals, "the ledger to answer both", BROKER_SECONDS)
        self.assertEqual(sorted(re.search(r"\((\w+)", text)[1] for text in said),
                         ["PERMISSION_DENIED", "UNAVAILABLE"])
        # Each answer left a trace with the customer, in the ledger.
        officer = self.token("data-protection-officer", "dana")
        read = self.ok(officer, "audit", "access", "list", "--customer", "R2")
        self.assertIn("amy", read)
        # Nothing of what was recorded is in the clear in the folders of the views.
        code, said = self.find_words([CANARY, "Pat Doe"], one.folder, two.folder)
        self.assertEqual(code, 1, said)

    def test_when_one_is_killed_the_other_takes_over_and_nothing_is_missing(self):
        self.register_all()
        one = self.start_view("one")
        two = self.start_view("two")
        self.wait_until_shared(one, two)
        one.stop(signal.SIGKILL)
        for customer in CUSTOMERS:
            self.record(self.amy, customer, f"after the kill {customer}")
        wait_until(lambda: self.gauge_of(two, "records_view_partitions_ready") == 16, "two to take over",
                   BROKER_SECONDS)
        for customer in CUSTOMERS:
            wait_until(lambda c=customer: self.ask(two, c).stdout == self.ask(self.server, c).stdout and
                       self.ask(two, c).returncode == 0, f"two to have all of {customer}", BROKER_SECONDS)
        # Stopped in order it leaves the group at once, and exits with 0.
        self.assertEqual(two.stop(), 0, two.log())

    def test_without_the_ledger_nothing_is_answered_and_with_it_all_again(self):
        self.register_all()
        view = self.start_view("one", "--instance", "one")
        expected = self.answer(view, "R1")
        self.assertIn(CANARY, expected)
        self.server.stop(signal.SIGKILL)
        done = self.ask(view, "R1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("LEDGER_AWAY", done.stderr)
        self.assertNotIn(CANARY, done.stdout)
        self.server.start()
        wait_until(lambda: self.ask(view, "R1").stdout == expected, "the view to find the ledger again", BROKER_SECONDS)
        # Under its name it goes on from its own rows.
        self.assertEqual(view.stop(), 0, view.log())
        self.assertIn("p00", os.listdir(os.path.join(view.data, "view-timeline")))
        view.start(BROKER_SECONDS)
        self.assertEqual(self.answer(view, "R1"), expected)

    def test_who_is_erased_is_refused_there_too_once_the_leases_have_ended(self):
        self.register_all()
        view = self.start_view("one")
        self.assertIn(CANARY, self.answer(view, "R1"))
        manager = self.token("housing-manager", "max")
        command = [RECORDSCTL, "--server", self.server.listen, "--token-file", manager, "--purpose",
                   "tenancy-management", "--timeout", str(BROKER_SECONDS), "subject", "erase", "--customer", "R1",
                   "--no-input", "--confirm", "R1", "--ground", "consent-withdrawn", "--certificate",
                   self.path("certificate")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as erasing:
            wait_until(lambda: "PERMISSION_DENIED" in self.ask(view, "R1").stderr, "the view to refuse")
            self.assertEqual(self.ask(view, "R1").stdout, "")
            self.assertIn(CANARY, self.answer(view, "R2"))
            said = erasing.communicate(timeout=BROKER_SECONDS)[0]
            self.assertEqual(erasing.returncode, 0, said)
        self.assertIn("certified", said)
        # The view has folded the fence: its rows are those of the ledger's view, in which R1 has none.
        self.wait_until_refused(view, "R1")

    def test_an_operator_rebuilds_it_and_goes_back_while_it_answers(self):
        self.register_all()
        view = self.start_view("one")
        root = self.token("system-administrator", "root")

        def operate(*words, token=root):
            return self.ctl("--token-file", token, "--purpose", "system-operation", "--json", "view", *words,
                            server=view)
        expected = {customer: self.answer(view, customer) for customer in CUSTOMERS}
        status = json.loads(operate("status").stdout)["views"][0]
        self.assertEqual([(share["state"], share["copy"], share["canUndo"]) for share in status["shares"]],
                         [("VIEW_STATE_ANSWERS", "1", False)] * 16)
        self.assertIn("VIEW_NOTHING_TO_UNDO", operate("undo", "--name", "timeline").stderr)
        self.assertIn("PERMISSION_DENIED", operate("rebuild", "--name", "timeline", token=self.amy).stderr)
        for verb, copy in (("rebuild", "2"), ("undo", "1"), ("undo", "2")):
            command = [RECORDSCTL, "--server", view.listen, "--token-file", root, "--purpose", "system-operation",
                       "--json", "view", verb, "--name", "timeline"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as changing:
                asked = 0
                while changing.poll() is None or asked == 0:
                    customer = CUSTOMERS[asked % len(CUSTOMERS)]
                    self.assertEqual(self.answer(view, customer, passing=("LEDGER_AWAY",)), expected[customer])
                    asked += 1
                said, problem = changing.communicate(timeout=PATIENCE_SECONDS)
                self.assertEqual(changing.returncode, 0, problem)
            shares = json.loads(said)["shares"]
            self.assertEqual({(share["copy"], share["canUndo"]) for share in shares}, {(copy, True)})
        # What is written now comes to the copy that answers now.
        token = self.record(self.amy, "R1", "after it all")["token"]
        self.assertIn("after it all", self.answer(view, "R1", "--read-your-write", token))

    def test_a_start_says_what_is_missing_or_wrong(self):
        def refused(*flags):
            done = subprocess.run([RECORDSD, "--data", self.path("wrong"), "--listen", "127.0.0.1:0", "--metrics", "",
                                   "--serve", "timeline", *flags], capture_output=True, text=True, check=False,
                                  timeout=PATIENCE_SECONDS)
            self.assertEqual(done.returncode, 1, done.stderr)
            return done.stderr
        issuer = ("--token-issuer", "records-development=" + os.path.join(self.server.data,
                                                                         "development-issuer.jwks.json"))
        self.assertIn("--kafka", refused(*issuer))
        self.assertIn("--ledger", refused(*issuer, *self.bus("views")))
        self.assertIn("--service-certificate", refused(*issuer, *self.bus("views"), "--ledger", self.services))
        # The ledger's own certificate is of no view.
        self.assertIn("SERVICE_UNKNOWN",
                      refused(*issuer, *self.bus("views"), "--ledger", self.services, *self.shown("ledger")))


if __name__ == "__main__":
    main()
