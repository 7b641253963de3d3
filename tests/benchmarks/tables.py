"""
Tables in reStructuredText.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.benchmarks import samples
from tests.benchmarks.results import Comparison
from tests.benchmarks.samples import Spread


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """
    A table with one line of headings.
    """
    head = ".. list-table::\n   :header-rows: 1\n\n"
    return head + "".join(map(_row, [headings, *rows])) + "\n"


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    return "\n".join([f"   * - {first}", *(f"     - {cell}" for cell in others), ""])


def digits(value: float) -> str:
    """
    Three digits, and no more of a fraction than that; a count as it is.
    """
    if abs(value) >= 100 or value.is_integer():
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def told(found: Spread) -> str:
    """
    The median, and between what half of the values lie.
    """
    return f"{digits(found.median)} ({digits(found.low)}-{digits(found.high)})"


def ratios(comparison: Comparison, base: str) -> list[Sequence[str]]:
    """
    A row for each candidate: its ratio to C{base}, and its own numbers.
    """
    rounds = comparison.rounds
    return [
        (
            candidate,
            "1" if candidate == base else told(samples.ratio(rounds, candidate, base)),
            told(samples.of(rounds, candidate)),
        )
        for candidate in comparison.candidates
    ]


def by_case(comparisons: Sequence[Comparison], heading: str) -> str:
    """
    A row for each case and a column for each candidate: the medians.
    """
    candidates = comparisons[0].candidates
    return table(
        [heading, *candidates],
        (
            [each.what, *(_median(each, candidate) for candidate in candidates)]
            for each in comparisons
        ),
    )


def by_size(comparisons: Sequence[Comparison], heading: str, base: str) -> str:
    """
    A row for each size and a column for each candidate: the ratio to C{base}, which
    has its own numbers there.
    """
    candidates = comparisons[0].candidates
    return table(
        [heading, *candidates],
        (
            [f"{each.size:.0f}", *(_times(each, name, base) for name in candidates)]
            for each in comparisons
        ),
    )


def _median(comparison: Comparison, candidate: str) -> str:
    return digits(samples.of(comparison.rounds, candidate).median)


def _times(comparison: Comparison, candidate: str, base: str) -> str:
    if candidate not in comparison.candidates:
        return "-"
    if candidate == base:
        return f"{_median(comparison, base)} ms"
    return f"{digits(samples.ratio(comparison.rounds, candidate, base).median)} x"
