"""Reads the profiles of a run: where each bar spends the server's processor time."""

import glob
import os
import re
import subprocess

PERF = "/usr/bin/perf"
LIBRARIES_MAX, SYMBOLS_MAX, SYMBOL_LENGTH_MAX = 6, 6, 60
LINE = re.compile(r"^\s*([\d.]+)%\s+(\S.*?)\s*$")


def report(path, sort):
    """Returns (percent, name), the greatest first."""
    command = [PERF, "report", "-i", path, "--stdio", "--quiet", "--no-children", "-g", "none", "--sort", sort]
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [(float(match.group(1)), match.group(2)) for match in map(LINE.match, out.splitlines()) if match]


def library(name):
    """librocksdb.so.7.8.3 is librocksdb."""
    return "kernel" if name.startswith("[kernel") else name.split(".so")[0]


def symbol(name):
    # perf fills the column with spaces and puts another behind it.
    name = name.replace("(anonymous namespace)::", "")
    name = re.split(r"\s{2,}", re.sub(r"^\[[.k]\]\s*", "", name))[0].split("(")[0].replace("|", "/").replace("`", "'")
    return name if len(name) <= SYMBOL_LENGTH_MAX else name[:SYMBOL_LENGTH_MAX - 3] + "..."


def listed(rows, name_of, most):
    return ", ".join(f"{name_of(name)} {percent:.0f} %" for percent, name in rows[:most] if percent >= 1)


def table(folder):
    """A line for each profile of the folder."""
    lines = ["| bar | processor time by library | functions that take most |", "|---|---|---|"]
    for path in sorted(glob.glob(os.path.join(folder, "*.perf"))):
        bar = os.path.basename(path)[:-len(".perf")]
        functions = listed(report(path, "symbol"), lambda name: f"`{symbol(name)}`", SYMBOLS_MAX)
        lines.append(f"| `{bar}` | {listed(report(path, 'dso'), library, LIBRARIES_MAX)} | {functions} |")
    return lines
