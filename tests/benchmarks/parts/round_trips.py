"""
Round trips on the wire, and the time to log in over a slow network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.credentials import PASSWORD, KeyPair, new_key
from tests.benchmarks.jobs import Job, Login, Server
from tests.benchmarks.network import Network, network, round_trips
from tests.benchmarks.parts.logins import LIBRARIES, PROGRAMS
from tests.benchmarks.processes import Worker, workers
from tests.benchmarks.results import Comparison
from tests.benchmarks.samples import in_turn
from tests.benchmarks.scale import Scale
from tests.benchmarks.sshd import USER, Daemon

PART = "round-trips"
TRIPS, TIME = "round trips", "ms until logged in"
CANDIDATES = (*LIBRARIES, *PROGRAMS)

ONE_KEY, BY_PASSWORD = "one key", "password"
THIRD, REMEMBERED = "third key of three", "remembered key of ten"
STALE = "remembered key, refused by now"


@dataclass(frozen=True)
class Case:
    """
    A login to make.

    @ivar accepted: the keys that sshd accepts.
    @ivar accepted_before: what it accepted at an earlier login, which a client with
        a memory remembers; C{None} where there was none.
    """

    what: str
    login: Login
    accepted: tuple[KeyPair, ...]
    accepted_before: tuple[KeyPair, ...] | None = None


def cases() -> list[Case]:
    """
    The sixth of ten keys is about the mean, and is the last that sshd lets a client
    try.
    """
    keys = [new_key() for _ in range(10)]
    private = tuple(key.private for key in keys)
    return [
        Case(ONE_KEY, Login(USER, private[:1]), (keys[0],)),
        Case(BY_PASSWORD, Login(USER, (), PASSWORD), ()),
        Case(THIRD, Login(USER, private[:3]), (keys[2],)),
        Case(REMEMBERED, Login(USER, private), (keys[5],), (keys[5],)),
        Case(STALE, Login(USER, private[:2]), (keys[1],), (keys[0],)),
    ]


def measure(scale: Scale) -> Iterator[Comparison]:
    """
    Each login goes through a L{Network}.
    """
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon.running())
        started = stack.enter_context(workers(CANDIDATES))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for case in cases():
            for delay, rounds in scale.delays:
                way = stack.enter_context(network(daemon.server.port, delay))
                yield from _Course(case, daemon, way, directory, started).compare(
                    rounds
                )


class _Course:
    """
    A case over one network.
    """

    def __init__(
        self,
        case: Case,
        daemon: Daemon,
        way: Network,
        directory: Path,
        started: Mapping[str, Worker],
    ) -> None:
        self._case, self._way, self._started = case, way, started
        self._server = Server(way.port, daemon.server.host_key)
        self._memory, self._remembered = directory / "memory", b""
        self._trips: dict[str, list[int]] = {}
        if case.accepted_before is not None:
            daemon.authorize(*case.accepted_before)
            self._remember()
        daemon.authorize(*case.accepted)

    def _remember(self) -> None:
        """
        Make an earlier login, and keep what is remembered of it.
        """
        self._memory.unlink(missing_ok=True)
        login = replace(self._case.login, memory=str(self._memory))
        self._started["connect"].do(Job("log_in", login, self._server))
        self._remembered = self._memory.read_bytes()

    def _login(self) -> Login:
        """
        What to log in with; every login finds the same memory.
        """
        if not self._remembered:
            return self._case.login
        self._memory.write_bytes(self._remembered)
        return replace(self._case.login, memory=str(self._memory))

    def _milliseconds(self, candidate: str) -> float:
        job, way = Job("log_in", self._login(), self._server), self._way
        ((began, complete),) = self._started[candidate].do(job).logins
        if way.delay:
            trips = round_trips(way.connections[-1], way.delay, complete)
            self._trips.setdefault(candidate, []).append(trips)
        return (complete - began) * 1e3

    def compare(self, rounds: int) -> Iterator[Comparison]:
        what, delay = self._case.what, self._way.delay * 1e3
        times = in_turn(rounds, CANDIDATES, self._milliseconds)
        yield Comparison(PART, what, TIME, times, delay)
        if self._way.delay:
            trips = [
                {name: float(self._trips[name][number]) for name in CANDIDATES}
                for number in range(rounds)
            ]
            yield Comparison(PART, what, TRIPS, trips, delay)
