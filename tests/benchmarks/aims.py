"""
What was aimed at, and whether it was reached.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.benchmarks import samples
from tests.benchmarks.parts import growth, layer, logins, memory, round_trips
from tests.benchmarks.results import Comparison, Results

#: Times by which the cost of one more may differ between a small and a large
#: number of them, and still be called linear; and that of a login between few and
#: many at a time, and still be called flat.
EVEN = 1.25


class Aim(NamedTuple):
    """
    One aim.

    @ivar what: what is compared.
    @ivar wanted: what was aimed at, in words.
    @ivar measured: what came of it.
    """

    what: str
    wanted: str
    measured: str
    reached: bool


def aims(results: Results) -> Iterator[Aim]:
    """
    All aims of which there are results.
    """
    yield from _round_trips(results)
    yield from _layer(results)
    yield from _logins(results)
    yield from _memory(results)
    yield from _growth(results)


_WANTED_TRIPS = {
    round_trips.ONE_KEY: 1,
    round_trips.BY_PASSWORD: 1,
    round_trips.REMEMBERED: 1,
    round_trips.STALE: 2,
}


def _round_trips(results: Results) -> Iterator[Aim]:
    for what, wanted in _WANTED_TRIPS.items():
        for comparison in results.of(round_trips.PART, what, round_trips.TRIPS)[:1]:
            took = samples.of(comparison.rounds, "connect").median
            yield Aim(
                f"round trips, {what}", f"{wanted}", f"{took:.0f}", took <= wanted
            )


def _layer(results: Results) -> Iterator[Aim]:
    for course, most in (("ordinary", 0.6), ("eager", 0.4)):
        for comparison in results.of(layer.PART):
            if course not in comparison.candidates:
                continue
            needed = samples.ratio(comparison.rounds, course, "Conch").median
            yield Aim(
                f"processor time of the service, {course}, to Conch's",
                f"at most {most}",
                f"{needed:.2f}",
                needed <= most,
            )


def _logins(results: Results) -> Iterator[Aim]:
    courses = results.of(logins.PART, unit=logins.CPU)
    for peer, least in (("AsyncSSH", 1.3), ("Conch", 1.2), ("Paramiko", 1.2)):
        times = [samples.ratio(each.rounds, peer, "connect").median for each in courses]
        if times:
            yield Aim(
                f"whole logins in a second of processor time, to {peer}'s",
                f"at least {least}",
                f"{min(times):.2f} to {max(times):.2f}",
                min(times) >= least,
            )


def _memory(results: Results) -> Iterator[Aim]:
    for comparison in results.of(memory.PART, memory.PENDING):
        needed = samples.ratio(comparison.rounds, "connect", "Conch").median
        yield Aim(
            "memory of a login that waits, to Conch's",
            "at most 1",
            f"{needed:.2f}",
            needed <= 1,
        )


def _growth(results: Results) -> Iterator[Aim]:
    for what in (growth.KEYS, growth.QUESTIONS, growth.BANNERS):
        sizes = results.of(growth.PART, what)
        if len(sizes) > 2:
            even = steepness(sizes, "connect")
            yield Aim(
                f"processor time of each further one of many {what}, to one of few",
                f"linear: at most {EVEN}",
                f"{even:.2f}",
                even <= EVEN,
            )
    sizes = [each for each in results.of(growth.PART, growth.SIMULTANEOUS) if each.size]
    if len(sizes) > 2:
        few, many = sizes[1], sizes[-1]
        even = _cost(many, "connect") / _cost(few, "connect")
        yield Aim(
            f"processor time of a login, {many.size:.0f} at a time to {few.size:.0f}",
            f"flat: at most {EVEN}",
            f"{even:.2f}",
            even <= EVEN,
        )


def _cost(comparison: Comparison, candidate: str) -> float:
    return samples.of(comparison.rounds, candidate).median


def steepness(sizes: Sequence[Comparison], candidate: str) -> float:
    """
    How many times as much one more costs among many as among few: 1 where the cost
    is linear.

    @param sizes: three at the least, in order.  Few are up to the third from the
        end: the smallest differ by less than the noise.
    """
    low, middle, high = sizes[0], sizes[max(1, len(sizes) - 3)], sizes[-1]

    def slope(small: Comparison, large: Comparison) -> float:
        more = _cost(large, candidate) - _cost(small, candidate)
        return more / (large.size - small.size)

    at_first = slope(low, middle)
    # What is lost in the noise is not known to be linear.
    return slope(middle, high) / at_first if at_first > 0 else math.inf
