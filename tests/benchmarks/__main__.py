"""
Measure, and tell::

    python -m tests.benchmarks [--quick] [--docs] [PART ...]

It takes root for sshd, the extras C{test} and C{bench}, and most of an hour; with
C{--quick} some minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.about import about
from tests.benchmarks.page import page
from tests.benchmarks.parts import PARTS
from tests.benchmarks.results import Comparison, Results, load, save
from tests.benchmarks.samples import of
from tests.benchmarks.scale import FULL, QUICK, Scale
from tests.benchmarks.tables import digits

DOCS = Path(__file__).parent.parent.parent / "docs"


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Compare the cost of logins with that of other libraries.",
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"one of: {', '.join(PARTS)}; else all"
    )
    parser.add_argument("--quick", action="store_true", help="measure less, in minutes")
    parser.add_argument(
        "--docs",
        action="store_true",
        help="write docs/benchmarks.rst, its pictures and its numbers, with those of "
        "the parts that are not measured now as they were",
    )
    parser.add_argument(
        "--redraw", action="store_true", help="measure nothing; --docs from the numbers"
    )
    arguments = parser.parse_args(given)
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return arguments


def measure(parts: Sequence[str], scale: Scale) -> list[Comparison]:
    """
    Measure these parts, and say so as it goes.
    """
    found: list[Comparison] = []
    for part in parts:
        began = time.monotonic()
        for comparison in PARTS[part](scale):
            found.append(comparison)
            print(_line(comparison), file=sys.stderr, flush=True)
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def _line(comparison: Comparison) -> str:
    medians = (
        f"{name} {digits(of(comparison.rounds, name).median)}"
        for name in comparison.candidates
    )
    size = f" {comparison.size:.0f}" if comparison.size else ""
    return f"{comparison.what}{size}: {', '.join(medians)} {comparison.unit}"


def write(results: Results, docs: Path) -> None:
    """
    Write the page, its pictures and its numbers.
    """
    from tests.benchmarks.plots import draw

    save(results, docs / "benchmarks.json")
    stored = load(docs / "benchmarks.json")
    list(draw(stored, docs / "benchmarks"))
    (docs / "benchmarks.rst").write_text(page(stored))


def main(given: Sequence[str]) -> None:
    arguments = _arguments(given)
    record = DOCS / "benchmarks.json"
    if arguments.redraw:
        write(load(record), DOCS)
        return
    machine = about()
    scale = QUICK if arguments.quick else FULL
    found = measure(arguments.parts or list(PARTS), scale)
    before = load(record).comparisons if arguments.docs and record.exists() else ()
    results = Results(machine, before).replacing(found)
    if arguments.docs:
        write(results, DOCS)
    else:
        print(page(results))


if __name__ == "__main__":
    main(sys.argv[1:])
