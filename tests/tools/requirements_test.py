"""tools/requirements on small trees of its own."""

import json
import os
import subprocess
import tempfile
import unittest

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "requirements")
# Ids are put together here, so that this file's own text cites nothing.
FIRST, SECOND, NONE, UNKNOWN = (f"{'C'}R-{number}" for number in ("1.1a", "1.10", "2.1", "9.9"))


class RequirementsTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.write("catalogue.tsv", f"# head\n{FIRST}\tone\n{SECOND}\tten\n{NONE}\tnone\n")

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def run_tool(self, *options):
        return subprocess.run(
            [TOOL, "--catalogue", os.path.join(self.folder.name, "catalogue.tsv"),
             "--tests", os.path.join(self.folder.name, "tests"), *options],
            capture_output=True, text=True, check=False)

    def cited(self, *options):
        result = self.run_tool("--json", *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return {row["id"]: row["tests"] for row in json.loads(result.stdout)}

    def test_a_citation_belongs_to_the_test_that_follows(self):
        self.write("tests/a_test.cc",
                   f"// {FIRST}, {SECOND}\n// More words.\nTEST_F(LongNameTest,\n       Holds) {{\n}}\n")
        want = ["tests/a_test.cc:LongNameTest.Holds"]
        self.assertEqual(self.cited(), {FIRST: want, SECOND: want, NONE: []})

    def test_a_citation_within_a_body_belongs_to_that_test(self):
        self.write("tests/a_test.cc", f"TEST(A, B) {{\n  Check();  // {FIRST}\n}}\nTEST(C, D) {{\n}}\n")
        self.assertEqual(self.cited()[FIRST], ["tests/a_test.cc:A.B"])

    def test_a_citation_with_no_test_near_names_its_line(self):
        self.write("tests/a_test.cc", f"\n// {FIRST}\nint table = 1;\nTEST(C, D) {{\n}}\n")
        self.assertEqual(self.cited()[FIRST], ["tests/a_test.cc:2"])

    def test_python_tests_are_read_too(self):
        self.write("tests/system/a_test.py",
                   f"class A:\n    # {FIRST}\n    @slow\n    def test_it(self):\n        pass\n")
        self.assertEqual(self.cited()[FIRST], ["tests/system/a_test.py:test_it"])

    def test_a_section_does_not_swallow_its_longer_neighbour(self):
        self.write("tests/a_test.cc", "")
        self.assertEqual(list(self.cited("--section", f"{'C'}R-1.1")), [FIRST])

    def test_a_rule_outside_a_comment_is_no_citation(self):
        self.write("tests/a_test.cc", f'TEST(A, B) {{\n  Check("{FIRST}");\n}}\n')
        self.assertEqual(self.cited()[FIRST], [])

    def test_an_unknown_rule_is_refused(self):
        self.write("tests/a_test.cc", f"// {UNKNOWN}\nTEST(A, B) {{\n}}\n")
        for options in ([], ["--json"], ["--check"]):
            result = self.run_tool(*options)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"tests/a_test.cc:1: {UNKNOWN}", result.stderr)

    def test_the_summary_counts_both_kinds(self):
        self.write("tests/a_test.cc", f"// {FIRST}\nTEST(A, B) {{\n}}\n")
        self.assertEqual(self.run_tool().stdout.splitlines()[-1], "3 rules: 1 with a test, 2 without")


if __name__ == "__main__":
    unittest.main()
