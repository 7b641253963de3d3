"""
The memory of a connection that is kept, and of a login that waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.credentials import PASSWORD, new_key
from tests.benchmarks.jobs import Account, Job, Login
from tests.benchmarks.parts.logins import LIBRARIES
from tests.benchmarks.processes import server, workers
from tests.benchmarks.results import Comparison
from tests.benchmarks.samples import in_turn
from tests.benchmarks.scale import Scale

PART = "memory"
UNIT = "KiB of resident memory each"
CONNECTED, PENDING = "connected", "pending"
#: Few enough not to overlap much, so that what is measured is what is kept.
_AT_ONCE = 10


def measure(scale: Scale) -> Iterator[Comparison]:
    """
    Each number is that of a process of its own.
    """
    key = new_key()
    by_key, by_password = Login("alice", (key.private,)), Login("bob", (), PASSWORD)
    accounts = Account("alice", (key.public,)), Account("bob", (), PASSWORD)
    with server("loopback", *accounts) as place:
        jobs = {
            CONNECTED: Job("hold", by_key, place, scale.kept, _AT_ONCE),
            PENDING: Job("pend", by_password, place, scale.kept, _AT_ONCE),
        }
        for what, job in jobs.items():
            rounds = in_turn(scale.memory_rounds, LIBRARIES, partial(_kib, job))
            yield Comparison(PART, what, UNIT, rounds)


def _kib(job: Job, client: str) -> float:
    with workers([client]) as started:
        return started[client].do(job).memory / job.count / 1024
