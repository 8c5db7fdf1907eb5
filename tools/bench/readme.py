"""Writes the table of figures and the chart of README.md from the JSON and the profiles of a run.

  readme.py JSON [PROFILES]
"""

import datetime
import json
import os
import re
import sys

import profiles

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, "README.md")
CHART = os.path.join(HERE, "scale.svg")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

# Blue, orange, green and purple that people who see colours differently can tell apart (Okabe and Ito, 2008).
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"


class CannotDraw(Exception):
    """The library for the chart is missing."""


def short(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spread(runs):
    return f" ({short(min(runs))} to {short(max(runs))})" if len(runs) > 1 else ""


def met(result):
    if result["met"] is None:
        return f"not judged: {result['not_judged']}"
    return "yes" if result["met"] else "no"


def table(results):
    lines = ["| bar | measured (least to greatest) | reference | ratio | target | met |", "|---|---|---|---|---|---|"]
    for result in results:
        sign = "at least" if result["better"] == "higher" else "at most"
        reference = ""
        if result["reference"] is not None:
            reference = f"{short(result['reference'])}{spread(result['reference_runs'])}: {result['reference_name']}"
        lines.append(f"| `{result['bar']}` | {short(result['measured'])}{spread(result['runs'])} {result['unit']} "
                     f"| {reference} | {short(result['ratio'])} | {sign} {short(result['target'])} "
                     f"| {met(result)} |")
    return lines


def scale_table(series):
    columns = [("events", "events"), ("append_us_per_event", "append, us/event"),
               ("rebuild_us_per_event", "rebuild, us/event"), ("rebuild_seconds", "rebuild, s"),
               ("start_seconds", "start, s"), ("rss_mib_idle", "memory at rest, MiB"),
               ("rss_mib_after_load", "memory after load, MiB"), ("heap_mib_after_load", "of it heap, MiB"),
               ("disk_gib", "disk, GiB")]
    lines = ["| " + " | ".join(title for _, title in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(short(point[name]) for name, _ in columns) + " |" for point in series]
    return lines


def draw(series, path):
    """Draws what grows, and what must not, against the length of the log."""
    try:
        import matplotlib
    except ImportError as error:
        raise CannotDraw("python3-matplotlib is missing: run tools/setup --bench") from error
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "records", "font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False})
    from matplotlib import pyplot
    events = [point["events"] / 1e6 for point in series]
    panels = [
        ("Cost of an event", "microseconds", [("append", "append_us_per_event", BLUE),
                                              ("rebuild of the timeline", "rebuild_us_per_event", ORANGE)], None),
        ("Memory of the server", "MiB", [("resident, after load", "rss_mib_after_load", BLUE),
                                         ("of it heap", "heap_mib_after_load", GREEN)],
         ("bar: caches + 512 MiB", 512 + 224)),
        ("Start after a clean stop", "seconds", [("start", "start_seconds", BLUE)], ("bar: 2 s", 2)),
        ("Rebuild of the timeline", "seconds", [("rebuild", "rebuild_seconds", ORANGE)], None),
    ]
    figure, axes = pyplot.subplots(2, 2, figsize=(8, 5.6), layout="constrained")
    for axis, (title, unit, lines, bar) in zip(axes.flat, panels):
        for label, name, colour in lines:
            axis.plot(events, [point[name] for point in series], marker="o", color=colour, label=label)
        if bar:
            axis.axhline(bar[1], color=PURPLE, linestyle="--", label=bar[0])
        axis.set_title(title, loc="left", fontweight="bold")
        axis.set_xlabel("million events in the log")
        axis.set_ylabel(unit)
        axis.set_ylim(bottom=0)
        axis.set_xlim(left=0)
        axis.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    return f"{os.cpu_count()} cores, {model.group(1).strip() if model else 'unknown processor'}"


def figures(results, today, profile_folder=None):
    lines = [BEGIN, "", f"Measured {today} on {machine()}.", "", *table(results)]
    series = next((result["series"] for result in results if result.get("series")), [])
    if len(series) > 1:
        lines += ["", "## Against length", "", "![Cost, memory, start and rebuild against the length of the log]"
                  "(scale.svg)", "", *scale_table(series)]
    if profile_folder:
        lines += ["", "## Where the time goes", "",
                  "Of the server's processor time, by perf in runs of their own; of the store's own process in "
                  "`append`, up to a million events, and `fold`.", "",
                  *profiles.table(profile_folder)]
    return "\n".join([*lines, "", END])


def replace(readme_path, results, profile_folder=None):
    """Puts the figures between the two marks of a README."""
    with open(readme_path, encoding="utf-8") as file:
        text = file.read()
    if BEGIN not in text or END not in text:
        raise CannotDraw(f"{readme_path} has lost the marks of its figures")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    today = datetime.date.today().isoformat()
    with open(readme_path, "w", encoding="utf-8") as file:
        file.write(before + figures(results, today, profile_folder) + after)


def write(json_path, profile_folder=None):
    """Writes table and chart of this folder's README."""
    with open(json_path, encoding="utf-8") as file:
        results = json.load(file)
    series = next((result["series"] for result in results if result.get("series")), [])
    if len(series) > 1:
        draw(series, CHART)
    replace(README, results, profile_folder)


if __name__ == "__main__":
    try:
        write(*sys.argv[1:3])
    except CannotDraw as error:
        sys.exit(f"bench: {error}")
