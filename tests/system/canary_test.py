"""Nothing that says who or what is in the clear: not in the data folder, the server's log or its metrics."""

import os
import secrets
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import TEST_BIN, SystemTest, main, read  # noqa: E402


class CanaryTest(SystemTest):

    def setUp(self):
        super().setUp()
        # Letters only, so that every form of it is as it would be kept; shown, so that a failure can be looked into.
        self.canary = "canary" + "".join(secrets.choice("bcdfghjklmnpqrstvwxz") for _ in range(14))
        self.words = [self.canary, self.canary.upper(), self.canary.capitalize(), "Marigold Featherstone",
                      "marigold-officer-of-the-day"]

    def assert_nowhere(self, *paths):
        code, said = self.find_words(self.words, *paths)
        self.assertEqual(code, 1, said)

    def load(self):
        """Puts the canary wherever a command takes words, and into requests that are refused."""
        officer = self.token("contact-officer", "marigold-officer-of-the-day")
        asb = self.token("asb-officer", "axel-" + self.canary)
        reference = "R-" + self.canary
        self.ok(officer, "service-delivery", "customer", "register", "--reference", reference, "--name",
                "Marigold Featherstone", "--born", "1980-01-31", "--tenure", "rent", "--contract", "T-" + self.canary,
                "--address", self.canary + " Street")
        for arguments in (
                ("needs", "--customer", reference, "--interpreter", "--language", "so", "--access-need", self.canary),
                ("safety", "--customer", reference, "--call", "yes", "--voicemail", "no", "--write", "no", "--note",
                 self.canary),
                ("address", "--customer", reference, "--address", self.canary),
                ("authority", "--customer", reference, "--name", self.canary, "--scope", self.canary, "--expires",
                 "2099-01-31", "--evidence", self.canary)):
            self.ok(officer, "service-delivery", "customer", *arguments)
        recorded = self.record(officer, reference, "about " + self.canary, "--verbatim-file",
                               self.write("verbatim", self.canary * 3), "--verbatim-reason", "complaint")
        self.ok(officer, "service-delivery", "contact", "correct", "--customer", reference, "--contact-id",
                recorded["contactId"], "--reason", self.canary, "--channel", "email", "--direction", "inbound",
                "--subject", self.canary, "--summary", self.canary, "--action", self.canary)
        self.split(officer, reference, anonymous=False)
        self.split(officer, reference, anonymous=True)
        self.refused(officer, asb, reference)
        self.assertIn(self.canary, self.ok(officer, "service-delivery", "timeline", "show", "--customer", reference))
        self.assertIn("asb", self.ok(asb, "asb-casework", "timeline", "show", "--customer", reference))

    def split(self, officer, reference, anonymous):
        word = self.canary
        advice = '' if anonymous else f', "advice": "{word}"'
        self.ok(officer, "service-delivery", "--input", "-", "contact", "split", stdin=f"""
            {{"customer": "{reference}",
              "contact": {{"channel": "CHANNEL_EMAIL", "direction": "DIRECTION_INBOUND", "subjects": ["{word}"],
                           "summary": "{word}", "actions": [{{"description": "{word}", "owner": "{word}"}}]}},
              "serviceRequests": [{{"request": {{"kind": "SERVICE_REQUEST_KIND_REPAIR", "description": "{word}",
                                                 "place": "{word}"}}, "vulnerabilities": ["{word}"]}}],
              "asbReport": {{"description": "{word}", "place": "{word}", "kind": "{word}"}},
              "anonymous": {str(anonymous).lower()}{advice}}}""")

    def refused(self, officer, asb, reference):
        """Words of requests that fail must not be logged either."""
        for token, purpose, arguments in (
                (asb, "service-delivery", ("timeline", "show", "--customer", reference)),
                (officer, self.canary, ("timeline", "show", "--customer", reference)),
                (officer, "service-delivery", ("timeline", "show", "--customer", "NO-" + self.canary)),
                (officer, "service-delivery", ("timeline", "show", "--customer", reference, "--page-token",
                                               self.canary)),
                (self.write("bad.token", self.canary), "service-delivery", ("timeline", "show", "--customer", "R")),
                (officer, "service-delivery", ("contact", "record", "--customer", reference, "--channel",
                                               "social-media", "--direction", "inbound", "--subject", self.canary,
                                               "--summary", self.canary, "--no-further-action"))):
            self.assertNotEqual(self.call(token, purpose, *arguments).returncode, 0, arguments)

    # CR-3.1.2b
    def test_what_was_said_is_nowhere_in_the_clear(self):
        server = self.start_server("--log-level", "trace")
        self.load()
        self.assert_nowhere(server.data, server.log_path)
        self.write("metrics", server.metrics_page())
        self.assertIn("records_calls_total", read(self.path("metrics")).decode())
        self.assert_nowhere(self.path("metrics"))
        # Stopped and started again: what stood in memory and write-ahead logs is in table files now.
        self.assertEqual(server.stop(), 0)
        self.assert_nowhere(server.data, server.log_path)
        server.start()
        self.assert_nowhere(server.data, server.log_path)

    # CR-3.1.2b: not even that there is such a part.
    def test_the_types_of_restricted_events_are_nowhere_in_the_clear(self):
        server = self.start_server()
        self.load()
        self.assertEqual(server.stop(), 0)
        restricted = ["AsbReported", "AsbReportLinked", "CommunicationNeedsSet", "ContactSafetySet",
                      "ConfidentialAddressSet", "ThirdPartyAuthorityRecorded"]
        code, said = self.find_words(restricted, server.data)
        self.assertEqual(code, 1, said)
        code, said = self.find_words(["records.events.v1.Restricted"], server.data)
        self.assertEqual(code, 0, said)

    def test_the_same_search_finds_what_is_not_sealed(self):
        control = self.path("control")
        subprocess.run([os.path.join(TEST_BIN, "control_store"), control, self.canary], check=True)
        code, said = self.find_words(self.words, control)
        self.assertEqual(code, 0, said)
        self.assertRegex(said, "3 times")

    def test_the_search_knows_other_forms_of_a_word(self):
        import base64
        forms = {"utf-16-le": self.canary.encode("utf-16-le"), "utf-16-be": self.canary.encode("utf-16-be"),
                 "hexadecimal": self.canary.encode().hex().encode()}
        for before in (b"", b"x", b"xx"):
            forms["base64 " + str(len(before))] = base64.b64encode(before + self.canary.encode() + b"tail")
        for name, form in forms.items():
            with self.subTest(name):
                with open(self.path("form"), "wb") as file:
                    file.write(b"\0\1" + form + b"\2")
                self.assertEqual(self.find_words([self.canary], self.path("form"))[0], 0)


if __name__ == "__main__":
    main()
