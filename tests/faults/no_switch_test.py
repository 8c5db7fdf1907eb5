#!/usr/bin/env python3
"""What ships holds no switch of a planted bug: not the name of the variable, nor of any bug."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SWITCH = b"RECORDS_PLANTED_BUG"


def bug_names():
    with open(os.path.join(ROOT, "tests", "faults", "planted_bugs.tsv"), encoding="utf-8") as table:
        return [line.split("\t")[0].encode() for line in table if "\t" in line and not line.startswith("#")]


def traces(path, names):
    with open(path, "rb") as program:
        content = program.read()
    return [text.decode() for text in [SWITCH, *names] if b"\0" + text + b"\0" in content]


def main():
    folder, names = os.environ["RECORDS_BIN"], bug_names()
    found = 0
    for program in ("recordsd", "recordsctl"):
        for text in traces(os.path.join(folder, program), names):
            print(f"{program} holds {text}, a switch of a planted bug")
            found += 1
    # The search must be able to find one: a program of the planted build holds it.
    planted = os.path.join(ROOT, "build", "planted", "tests", "eventstore", "eventstore_append_matrix_test")
    if os.path.exists(planted) and SWITCH.decode() not in traces(planted, names):
        print("the search finds no switch even where there is one")
        found += 1
    print(f"searched for {1 + len(names)} texts")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
