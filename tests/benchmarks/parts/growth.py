"""
How processor time grows with keys, rounds, banners, and logins at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

from tests.benchmarks.credentials import PASSWORD, new_key
from tests.benchmarks.jobs import ANSWER, Account, Job, Login, Server
from tests.benchmarks.ordinary import raise_descriptor_limit
from tests.benchmarks.parts.logins import CPU, LIBRARIES
from tests.benchmarks.processes import Worker, server, workers
from tests.benchmarks.results import Comparison
from tests.benchmarks.samples import in_turn
from tests.benchmarks.scale import Scale

PART = "growth"
KEYS, QUESTIONS, BANNERS, SIMULTANEOUS = "keys", "questions", "banners", "at a time"
#: Paramiko has two threads for each login.
MOST_THREADED = 500
#: Logins in all rounds of one size, where that leaves a round.
_ALL_ROUNDS = 5000
#: Descriptors that a process has besides its connections.
_OTHERS = 100


def measure(scale: Scale) -> Iterator[Comparison]:
    """
    The last of the keys is the right one; each question has an answer; the logins
    at a time are by one key.
    """
    right = new_key()
    wrong = tuple(new_key().private for _ in range(max(scale.keys) - 1))
    with ExitStack() as stack:
        alice = Account("alice", (right.public,))
        asked = [Account(f"asked{number}", rounds=number) for number in scale.questions]
        warned = [
            Account(f"warned{number}", (), PASSWORD, banners=number)
            for number in scale.banners
        ]
        conch = stack.enter_context(server("loopback", alice, *asked))
        banners = stack.enter_context(server("asyncssh", *warned))
        started = stack.enter_context(workers(LIBRARIES))
        run = _Run(scale, started)

        yield from run.sizes(
            KEYS,
            scale.keys,
            lambda n: (conch, Login("alice", (*wrong[: n - 1], right.private))),
        )
        yield from run.sizes(
            QUESTIONS,
            scale.questions,
            lambda n: (conch, Login(f"asked{n}", answer=ANSWER)),
        )
        yield from run.sizes(
            BANNERS,
            scale.banners,
            lambda n: (banners, Login(f"warned{n}", password=PASSWORD)),
        )
        yield from run.at_once(conch, Login("alice", (right.private,)))


class _Run:
    """
    The sizes of one run, each a L{Comparison}.
    """

    def __init__(self, scale: Scale, started: Mapping[str, Worker]) -> None:
        self._scale, self._started = scale, started

    def _compare(
        self, what: str, size: int, job: Job, candidates: Sequence[str]
    ) -> Comparison:
        # The largest take minutes.
        rounds = max(1, min(self._scale.growth_rounds, _ALL_ROUNDS // job.count))

        def milliseconds(name: str) -> float:
            return self._started[name].do(job).cpu / job.count * 1e3

        taken = in_turn(rounds, candidates, milliseconds)
        return Comparison(PART, what, CPU, taken, size)

    def sizes(
        self,
        what: str,
        sizes: Sequence[int],
        login_of: Callable[[int], tuple[Server, Login]],
    ) -> Iterator[Comparison]:
        for size in sizes:
            place, login = login_of(size)
            count = max(2, self._scale.growth_logins // size)
            job = Job("log_in", login, place, count)
            yield self._compare(what, size, job, LIBRARIES)

    def at_once(self, place: Server, login: Login) -> Iterator[Comparison]:
        most = raise_descriptor_limit() - _OTHERS
        for size in self._scale.simultaneous:
            if size > most:
                continue
            count = size * max(1, self._scale.growth_logins // size)
            job = Job("log_in", login, place, count, size)
            candidates = [
                name
                for name in LIBRARIES
                if name != "Paramiko" or size <= MOST_THREADED
            ]
            yield self._compare(SIMULTANEOUS, size, job, candidates)
