"""
What was measured, as values and as a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.samples import Rounds


@dataclass(frozen=True)
class Comparison:
    """
    One thing that was measured of each candidate, round by round.

    @ivar part: the part of the benchmarks.
    @ivar what: the case.
    @ivar unit: what the numbers are.
    @ivar rounds: the numbers.
    @ivar size: of what is varied: milliseconds of delay, or how many.
    """

    part: str
    what: str
    unit: str
    rounds: Rounds = field(repr=False)
    size: float = 0

    @property
    def candidates(self) -> list[str]:
        return list(self.rounds[0])


@dataclass(frozen=True)
class Results:
    """
    A run.

    @ivar about: the machine and the versions, by what they are called.
    @ivar took: seconds that each part took.
    """

    about: Mapping[str, str]
    comparisons: tuple[Comparison, ...]

    def of(self, part: str, what: str = "", unit: str = "") -> list[Comparison]:
        """
        The comparisons of a part, and of a case and a unit where they are named.
        """
        return [
            each
            for each in self.comparisons
            if each.part == part and what in ("", each.what) and unit in ("", each.unit)
        ]

    def replacing(self, others: Iterable[Comparison]) -> Results:
        """
        These, with the parts that others have in place of what was there of them.
        """
        new = tuple(others)
        parts = {each.part for each in new}
        kept = tuple(each for each in self.comparisons if each.part not in parts)
        return Results(self.about, kept + new)


def load(path: Path) -> Results:
    stored = json.loads(path.read_text())
    comparisons = tuple(Comparison(**each) for each in stored["comparisons"])
    return Results(stored["about"], comparisons)


def save(results: Results, path: Path) -> None:
    """
    Write a comparison a line, so that a new run is a diff that can be read.
    """
    lines = [json.dumps(_rounded(each)) for each in results.comparisons]
    about = json.dumps(results.about, indent=1)
    listed = ",\n".join(lines)
    path.write_text(f'{{"about": {about},\n"comparisons": [\n{listed}\n]}}\n')


def _rounded(comparison: Comparison) -> dict[str, object]:
    """
    Four digits: more than any of it is worth.
    """
    stored = asdict(comparison)
    stored["rounds"] = [
        {name: float(f"{value:.4g}") for name, value in each.items()}
        for each in comparison.rounds
    ]
    return stored
