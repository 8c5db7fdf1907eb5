#!/usr/bin/env python3
"""Shows that each deliberate bug of planted_bugs.tsv is caught: its test passes without the bug and fails with it.

  tests/faults/planted_bugs_test.py                a few, drawn by a printed seed; all if RECORDS_FULL=1
  tests/faults/planted_bugs_test.py --bug NAME     only this one (again for more)
  tests/faults/planted_bugs_test.py --build        builds the programs in the preset "planted", no more
  tests/faults/planted_bugs_test.py --write-table  runs all and writes tests/faults/README.md's table of them

The environment of a test says RECORDS_PLANTED_BUG=name; nothing else differs between the two runs. A bug is caught when
the test fails and says what did: a test that hangs, dies by a signal or ends otherwise tells nothing of the bug.
"""

import argparse
import collections
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))
from harness import ROOT, seed_of_run  # noqa: E402

BUILD = os.path.join(ROOT, "build", "planted")
TABLE = os.path.join(ROOT, "tests", "faults", "planted_bugs.tsv")
README = os.path.join(ROOT, "tests", "faults", "README.md")
SWITCH = "RECORDS_PLANTED_BUG"
DRAWN = 6
TIMEOUT_S = 600
# GoogleTest's for a failed test, and the simulation's for a broken promise; its 3 says that a fault never happened.
FAILED = 1

# Before the name of a program that is built only where tools/setup --kafka has been.
NEEDS_KAFKA = "kafka:"
HAS_KAFKA = os.path.exists(os.path.join(ROOT, "build", "tools", "librdkafka", "version"))

Bug = collections.namedtuple("Bug", "name text program arguments needs_kafka")


def read_table():
    bugs = []
    with open(TABLE, encoding="utf-8") as table:
        for number, line in enumerate(table, 1):
            if line.startswith("#") or not line.strip():
                continue
            columns = line.rstrip("\n").split("\t")
            if len(columns) != 4:
                raise SystemExit(f"{TABLE}:{number}: {len(columns)} columns, not 4")
            columns[2], needs_kafka = columns[2].removeprefix(NEEDS_KAFKA), columns[2].startswith(NEEDS_KAFKA)
            bugs.append(Bug(*columns, needs_kafka))
    names = [bug.name for bug in bugs]
    if len(set(names)) != len(names):
        raise SystemExit("a name stands twice in planted_bugs.tsv")
    return bugs


def planted_in_sources():
    """The names in PLANTED_BUG("...") of all sources."""
    found = subprocess.run(["git", "grep", "-hoE", r'PLANTED_BUG\("[^"]+"\)', "--", "*.cc", "*.h"], cwd=ROOT,
                           capture_output=True, text=True, check=False)
    names = set(re.findall(r'"([^"]+)"', found.stdout))
    names.discard("name")  # the example in planted_bug.h
    return names


def build(bugs):
    programs = sorted({bug.program for bug in bugs})
    subprocess.run(["cmake", "--preset", "planted"], cwd=ROOT, check=True)
    subprocess.run(["cmake", "--build", "--preset", "planted", "--target", *programs], cwd=ROOT, check=True)


def find_programs(bugs):
    wanted = {bug.program for bug in bugs}
    found = {}
    for folder in ("tests", "bin", "test_bin"):
        for path, _, files in os.walk(os.path.join(BUILD, folder)):
            for name in wanted.intersection(files):
                found[name] = os.path.join(path, name)
    if wanted - set(found):
        raise SystemExit(f"not built: {', '.join(sorted(wanted - set(found)))}. "
                         "Run tests/faults/planted_bugs_test.py --build first; tools/test does.")
    return found


def run(program, bug, planted):
    environment = {name: value for name, value in os.environ.items() if name not in (SWITCH, "RECORDS_FULL")}
    # A fault at a sample of the operations: whether it holds the one that matters is not left to luck.
    environment["RECORDS_SEED"] = "1"
    if planted:
        environment[SWITCH] = bug.name
    arguments = bug.arguments.split()
    if arguments and not arguments[0].startswith("-"):
        arguments[0] = "--gtest_filter=" + arguments[0]
    started = time.monotonic()
    try:
        result = subprocess.run([program, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
        code, output = result.returncode, result.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        code, output = f"no exit in {TIMEOUT_S} s", ""
    return code, output, time.monotonic() - started


def how_caught(output):
    failed = re.findall(r"^\[  FAILED  \] (\S+?\.\S+)", output, re.M)
    if failed:
        return f"{failed[0].rstrip(',')}"
    caught = re.findall(r"^CAUGHT (.+)$", output, re.M)
    if caught:
        return caught[0]
    return None


def judge(bug, program):
    """Returns (seconds to catch it, what caught it), or raises AssertionError."""
    code, output, _ = run(program, bug, planted=False)
    assert code == 0, f"{bug.program} {bug.arguments} fails without the bug:\n{output[-2000:]}"
    assert "[  PASSED  ] 0 tests" not in output, f"{bug.arguments} names no test of {bug.program}"
    code, output, seconds = run(program, bug, planted=True)
    assert code != 0, f"{bug.program} {bug.arguments} did not catch it"
    ended = f"signal {-code}" if isinstance(code, int) and code < 0 else code
    assert code == FAILED, f"{bug.program} {bug.arguments} did not fail but end otherwise: {ended}\n{output[-2000:]}"
    caught = how_caught(output)
    assert caught, f"{bug.program} {bug.arguments} does not say what failed:\n{output[-2000:]}"
    return seconds, caught


def write_table(rows):
    lines = ["| bug | what it does | caught by | seconds |", "|---|---|---|---|"]
    for bug, seconds, caught in rows:
        lines.append(f"| `{bug.name}` | {bug.text} | `{bug.program}`: {caught} | {seconds:.1f} |")
    with open(README, encoding="utf-8") as readme:
        text = readme.read()
    begin, end = "<!-- planted bugs: begin -->\n", "<!-- planted bugs: end -->"
    before, rest = text.split(begin)
    with open(README, "w", encoding="utf-8") as readme:
        readme.write(before + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--write-table", action="store_true")
    parser.add_argument("--bug", action="append", default=[])
    options = parser.parse_args()
    bugs = read_table()
    listed = {bug.name for bug in bugs}
    if not HAS_KAFKA:
        bugs = [bug for bug in bugs if not bug.needs_kafka]
        print(f"{len(listed) - len(bugs)} bugs need Kafka, which is not here: left out")
    if options.build:
        build(bugs)
        return 0
    if listed != planted_in_sources():
        raise SystemExit(f"planted_bugs.tsv and the sources differ in: {sorted(listed ^ planted_in_sources())}")
    chosen = bugs
    if options.bug:
        chosen = [bug for bug in bugs if bug.name in options.bug]
        if len(chosen) != len(set(options.bug)):
            raise SystemExit("no such bug")
    elif not options.write_table and os.environ.get("RECORDS_FULL") != "1":
        chosen = random.Random(seed_of_run()).sample(bugs, min(DRAWN, len(bugs)))
        print(f"{len(chosen)} of {len(bugs)} planted bugs")
    programs = find_programs(chosen)
    rows, survivors = [], 0
    for bug in chosen:
        try:
            seconds, caught = judge(bug, programs[bug.program])
        except AssertionError as error:
            survivors += 1
            print(f"NOT CAUGHT {bug.name}: {error}", flush=True)
            continue
        rows.append((bug, seconds, caught))
        print(f"caught     {bug.name} in {seconds:.1f} s by {caught}", flush=True)
    print(f"{len(rows)} of {len(chosen)} planted bugs caught")
    if survivors:
        return 1
    if options.write_table:
        write_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
