"""
From what was measured, round by round, to what is said of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

#: By round, what was measured of each candidate.
Rounds = Sequence[Mapping[str, float]]


class Spread(NamedTuple):
    """
    The middle of some values, and between what half of them lie.
    """

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """
    @param values: one at the least.
    """
    sorted_values = sorted(values)
    if len(sorted_values) == 1:
        return Spread(*sorted_values * 3)
    low, median, high = statistics.quantiles(sorted_values, n=4, method="inclusive")
    return Spread(median, low, high)


def of(rounds: Rounds, candidate: str) -> Spread:
    """
    What was measured of one candidate.
    """
    return spread(each[candidate] for each in rounds)


def ratio(rounds: Rounds, candidate: str, base: str) -> Spread:
    """
    What C{candidate} needs of what C{base} needs, compared within each round, where
    both have met the same machine.
    """
    return spread(each[candidate] / each[base] for each in rounds)


def in_turn(
    rounds: int, candidates: Sequence[str], measure: Callable[[str], float]
) -> list[dict[str, float]]:
    """
    Measure the candidates one after the other, and all of them again in each round.
    Each round begins with another one, so that none is always behind the same.
    """
    taken: list[dict[str, float]] = []
    for number in range(rounds):
        first = number % len(candidates)
        order = [*candidates[first:], *candidates[:first]]
        measured = {candidate: measure(candidate) for candidate in order}
        taken.append({candidate: measured[candidate] for candidate in candidates})
    return taken
