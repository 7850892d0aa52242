#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads what gcov left in a build directory and prints how much of the core was reached: see coverage.sh.

A file may be compiled several times (for each family of processors, say). A line is reached if it was in one of them; of its
branches, which need not be the same in all, those of the compilation that did best count."""
import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = re.compile(r"(dataplane/(sip|call)/|dataplane/net/(decode|frag|wire|csum)\.|control/(timers|health)/|control/engine|"
                  r"include/switchback/)")
GUARDED = re.compile(r"\bassert\(")  # what it guards against cannot happen by itself: no branch


class Line:
    def __init__(self):
        self.count = 0
        self.compilations = {}  # number of branches there: how often each was taken

    def add(self, found):
        self.count += found["count"]
        taken = [branch["count"] for branch in found["branches"]]
        if taken:
            same = self.compilations.setdefault(len(taken), [0] * len(taken))
            same[:] = [a + b for a, b in zip(same, taken)]

    def branches(self):
        """How many there are and how many were taken."""
        best = max(self.compilations.values(), key=lambda counts: sum(1 for n in counts if n) / len(counts), default=[])
        return len(best), sum(1 for n in best if n)


def read(build):
    """{file: {line number: Line}} of the core."""
    files = {}
    notes = [str(path) for path in sorted(Path(build).rglob("*.gcno")) if path.with_suffix(".o").exists()]
    for start in range(0, len(notes), 64):
        done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes[start:start + 64]],
                              cwd=build, capture_output=True, text=True, check=True)
        for text in done.stdout.splitlines():
            one = json.loads(text)
            for found in one["files"]:
                path = os.path.relpath(os.path.realpath(os.path.join(one["current_working_directory"], found["file"])), ROOT)
                if CORE.match(path):
                    lines = files.setdefault(path, {})
                    for line in found["lines"]:
                        lines.setdefault(line["line_number"], Line()).add(line)
    return files


def ranges(numbers):
    """5-7,9 of [5, 6, 7, 9]"""
    runs = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def percent(part, whole):
    return f"{100 * part / whole:.1f}" if whole else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--totals", action="store_true", help="nothing but the two totals")
    parser.add_argument("--branches", action="store_true", help="list the branches not taken as well")
    parser.add_argument("--lines-min", type=float, default=0)
    parser.add_argument("--branches-min", type=float, default=0)
    options = parser.parse_args()
    files = read(os.path.realpath(options.build))
    if not files:
        sys.exit("coverage-report.py: no counts of the core there")
    total = [0, 0, 0, 0]
    rows, untaken = [], []
    for path, lines in sorted(files.items()):
        source = (ROOT / path).read_text(encoding="utf-8").splitlines()
        here = [len(lines), sum(1 for line in lines.values() if line.count), 0, 0]
        for number, line in sorted(lines.items()):
            there, taken = (0, 0) if GUARDED.search(source[number - 1]) else line.branches()
            here[2], here[3] = here[2] + there, here[3] + taken
            if taken < there and line.count:
                untaken.append(f"{path}:{number}: {there - taken} of {there} not taken: {source[number - 1].strip()}")
        total = [a + b for a, b in zip(total, here)]
        missing = ranges(number for number, line in sorted(lines.items()) if not line.count)
        rows.append(f"{path:34} {percent(here[1], here[0]):>6} {percent(here[3], here[2]):>8}   {missing}")
    if not options.totals:
        print(f"{'file':34} {'lines':>6} {'branches':>8}   lines not reached", *rows, sep="\n")
    if options.branches:
        print(*untaken, sep="\n")
    reached = [100 * total[1] / total[0], 100 * total[3] / total[2]]
    print(f"lines {reached[0]:.1f} % of {total[0]}, branches {reached[1]:.1f} % of {total[2]}")
    if reached[0] < options.lines_min or reached[1] < options.branches_min:
        sys.exit(f"that is too little: lines {options.lines_min} %, branches {options.branches_min} % are promised")


if __name__ == "__main__":
    main()
