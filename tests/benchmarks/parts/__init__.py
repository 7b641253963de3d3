"""
What is measured, a file for each part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.benchmarks.parts import growth, layer, logins, memory, round_trips, start
from tests.benchmarks.results import Comparison
from tests.benchmarks.scale import Scale

PARTS: dict[str, Callable[[Scale], Iterator[Comparison]]] = {
    round_trips.PART: round_trips.measure,
    layer.PART: layer.measure,
    logins.PART: logins.measure,
    memory.PART: memory.measure,
    growth.PART: growth.measure,
    start.PART: start.measure,
}
