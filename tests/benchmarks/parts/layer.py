"""
Processor time of the service of a login alone, and of a bare signature.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.credentials import new_key
from tests.benchmarks.jobs import Job, Login
from tests.benchmarks.processes import workers
from tests.benchmarks.results import Comparison
from tests.benchmarks.samples import in_turn
from tests.benchmarks.scale import Scale

PART = "layer"
UNIT = "µs of processor time a login"
COURSES = ("Conch", "ordinary", "eager", "signature")


def measure(scale: Scale) -> Iterator[Comparison]:
    """
    All courses are gone through by one process, in turn.
    """
    login, count = Login("alice", (new_key().private,)), scale.layer_logins

    with workers([PART]) as started:

        def microseconds(course: str) -> float:
            job = Job("layer", login, count=count, course=course)
            return started[PART].do(job).cpu / count * 1e6

        for course in COURSES:
            microseconds(course)
        rounds = in_turn(scale.rounds, COURSES, microseconds)
    yield Comparison(PART, "one key", UNIT, rounds)
