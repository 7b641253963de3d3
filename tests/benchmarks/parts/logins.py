"""
Processor time and time of whole logins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from tests.benchmarks.credentials import new_key
from tests.benchmarks.jobs import Account, Cost, Job, Login, Server
from tests.benchmarks.processes import Worker, server, workers
from tests.benchmarks.results import Comparison
from tests.benchmarks.samples import in_turn
from tests.benchmarks.scale import Scale
from tests.benchmarks.sshd import USER, Daemon

PART = "logins"
CPU, WALL = "ms of processor time a login", "ms a login"
#: A program is started for each login: there are not hundreds at a time.
PROGRAMS = ("ssh",)
LIBRARIES = ("connect", "drop-in", "Conch", "AsyncSSH", "Paramiko")
SSHD, LOOPBACK = "OpenSSH's sshd", "Conch's server"
#: After so many logins a process has warmed up.
_WARM = 5


def measure(scale: Scale) -> Iterator[Comparison]:
    """
    One key, against both servers, one after the other and many at once.
    """
    key = new_key()
    login = Login(USER, (key.private,))
    with ExitStack() as stack:
        account = Account(USER, (key.public,))
        daemon = stack.enter_context(Daemon.running())
        daemon.authorize(key)
        loopback = stack.enter_context(server("loopback", account))
        started = stack.enter_context(workers([*LIBRARIES, *PROGRAMS]))
        for name, place in ((SSHD, daemon.server), (LOOPBACK, loopback)):
            _warm(started, place, login)
            one = Job("log_in", login, place, scale.logins)
            many = Job("log_in", login, place, scale.at_once, scale.at_once)
            candidates = (
                [*LIBRARIES, *PROGRAMS] if place is daemon.server else LIBRARIES
            )
            yield from _compare(f"{name}, one by one", one, started, candidates, scale)
            title = f"{name}, {scale.at_once} at once"
            yield from _compare(title, many, started, LIBRARIES, scale)


def _warm(started: Mapping[str, Worker], place: Server, login: Login) -> None:
    for name in LIBRARIES:
        started[name].do(Job("log_in", login, place, _WARM))


def _compare(
    what: str,
    job: Job,
    started: Mapping[str, Worker],
    candidates: Sequence[str],
    scale: Scale,
) -> Iterator[Comparison]:
    costs: dict[str, list[Cost]] = {}

    def cpu(candidate: str) -> float:
        cost = started[candidate].do(job)
        costs.setdefault(candidate, []).append(cost)
        return cost.cpu / job.count * 1e3

    rounds = in_turn(scale.rounds, candidates, cpu)
    yield Comparison(PART, what, CPU, rounds)
    walls = [
        {name: costs[name][number].wall / job.count * 1e3 for name in candidates}
        for number in range(scale.rounds)
    ]
    yield Comparison(PART, what, WALL, walls)
