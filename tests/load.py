# mypy: disallow-untyped-calls = False
# (Twisted's reactor has no annotations.)
"""
Many logins over 127.0.0.1 in one process, on one reactor, counted.

    python -m tests.load at-once [N]    N logins at the same time
    python -m tests.load pending [N]    N logins that wait for a person
    python -m tests.load soak [N]       N logins one after the other

The server is in a process of its own, so that what is counted is the client's.
C{docs/load.rst} tells what was measured.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, process_time
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredQueue, gatherResults
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.python.failure import Failure

from conch_auth import SSHClient, connect
from conch_auth.loopback import LoopbackServer
from tests.benchmarks.about import about
from tests.benchmarks.ordinary import log_warnings, raise_descriptor_limit

ROOT = Path(__file__).parent.parent
#: What the server's accept queue bears.
BACKLOG = 4096
#: How many connect, or leave, at the same time where they only have to wait.
BATCH = 100


def resident() -> int:
    """
    The bytes of memory that the process occupies.
    """
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """
    How many are open.
    """
    return len(os.listdir("/proc/self/fd"))


class Load(NamedTuple):
    """
    What so many logins took.

    @ivar logins: how many there are at once.
    @ivar bytes_each: memory that each occupies.
    @ivar descriptors_each: open ones.
    @ivar descriptors_left: open ones more than before, once all have ended.
    @ivar seconds: until all were where they should be.
    @ivar cpu: seconds of the processor, in that time.
    """

    logins: int
    bytes_each: float
    descriptors_each: float
    descriptors_left: int
    seconds: float
    cpu: float

    def __str__(self) -> str:
        return (
            f"{self.logins} logins: {self.bytes_each / 1024:.1f} KiB and "
            f"{self.descriptors_each:g} descriptors each, {self.seconds:.1f} s "
            f"({self.cpu * 1000 / self.logins:.2f} ms of processor each), "
            f"{self.descriptors_left} descriptors left"
        )


class Waiting(SSHClient):
    """
    Is asked for a password and has none yet.

    @cvar asked: gets the Deferred of each who waits.
    """

    asked: DeferredQueue[Deferred[str]]

    def password_auth_requested(self) -> Deferred[str]:
        answer: Deferred[str] = Deferred()
        self.asked.put(answer)
        return answer


@contextmanager
def server() -> Iterator[dict[str, Any]]:
    """
    A server in another process, which lets alice in by her password.

    @return: the options of C{connect} that lead there.
    """
    command = [sys.executable, "-m", "tests.load", "serve"]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    # Conch's server logs the end of each connection as an error.
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        known = {"username": "alice", "client_keys": None, "agent_path": None}
        # That it reads no more ends it.
        yield {**known, **said, "known_hosts": said["known_hosts"].encode()}


async def serve(reactor: Any) -> None:
    """
    Be that server, until the standard input ends.
    """
    served = LoopbackServer()
    served.add_user("alice", password="right", factors=[["password"]])
    await served.listen(reactor)
    (port,) = served._ports
    port.socket.listen(BACKLOG)
    known = served.options
    print(json.dumps({**known, "known_hosts": known["known_hosts"].decode()}))
    sys.stdout.close()
    ended: Deferred[None] = Deferred()
    stdin = StandardIO(_UntilTheEnd(ended))
    await ended
    stdin.loseConnection()


class _UntilTheEnd(Protocol):
    def __init__(self, ended: Deferred[None]) -> None:
        self._ended = ended

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended.callback(None)


class Meter:
    """
    What memory, descriptors and time were before.
    """

    def __init__(self) -> None:
        gc.collect()
        self.resident, self.descriptors = resident(), descriptors()
        self.began, self.cpu = monotonic(), process_time()

    def reached(self, logins: int) -> Load:
        """
        All of them are where they should be.
        """
        seconds, cpu = monotonic() - self.began, process_time() - self.cpu
        gc.collect()
        return Load(
            logins,
            (resident() - self.resident) / logins,
            (descriptors() - self.descriptors) / logins,
            0,
            seconds,
            cpu,
        )

    def ended(self, load: Load) -> Load:
        """
        All of them have ended.
        """
        return load._replace(descriptors_left=descriptors() - self.descriptors)


async def at_once(reactor: Any, logins: int) -> Load:
    """
    Log in, all at the same time, and stay connected until all are.

    @return: what they took; each succeeded.
    """
    with server() as there:
        await _log_in(reactor, there)
        meter = Meter()
        # A thousand key exchanges take their time, on both sides.
        limits = {"connect_timeout": None, "login_timeout": None}
        one = {**there, **limits, "password": "right", "reactor": reactor}
        made = await gatherResults([connect(**one) for _ in range(logins)])
        assert all(connection.report.succeeded for connection in made)
        load = meter.reached(logins)
        for connection in made:
            connection.close()
        await gatherResults([connection.wait_closed() for connection in made])
        del made, connection
        return meter.ended(load)


async def pending(reactor: Any, logins: int) -> Load:
    """
    Have that many logins wait for a person's password, all of which then come.

    @return: what they took while they waited; each succeeded.
    """
    with server() as there:
        await _log_in(reactor, there)
        meter = Meter()
        Waiting.asked = DeferredQueue()
        # The first ones wait for longer than a person may think.
        one = {**there, "login_timeout": None, "reactor": reactor}
        waiting: list[Deferred[str]] = []
        logged_in: list[Deferred[Any]] = []
        while len(waiting) < logins:
            batch = range(min(BATCH, logins - len(waiting)))
            logged_in += [connect(client_factory=Waiting, **one) for _ in batch]
            waiting += [await Waiting.asked.get() for _ in batch]
        load = meter.reached(logins)
        while waiting:
            for answer in waiting[:BATCH]:
                answer.callback("right")
            for connecting in logged_in[:BATCH]:
                await _leave(await connecting)
            del waiting[:BATCH], logged_in[:BATCH]
        return meter.ended(load)


async def soak(
    reactor: Any, logins: int, measure: Callable[[int], object] = lambda done: None
) -> Load:
    """
    Log in again and again, by a right password after a wrong one.

    @param measure: called after each with how many there were.
    @return: what is left of them; each succeeded.
    """
    with server() as there:
        await _log_in(reactor, there)
        meter = Meter()
        for done in range(1, logins + 1):
            await _log_in(reactor, there)
            measure(done)
        return meter.ended(meter.reached(logins))


async def _log_in(reactor: Any, there: dict[str, Any]) -> None:
    """
    One login.  The first of a process opens and imports what all of them share.
    """

    class Asked(SSHClient):
        words = ("wrong", "right")

        def password_auth_requested(self) -> str:
            word, *self.words = self.words  # type: ignore[assignment]
            return word

    await _leave(await connect(client_factory=Asked, reactor=reactor, **there))


async def _leave(connection: Any) -> None:
    assert connection.report.succeeded
    connection.close()
    await connection.wait_closed()


class Growth:
    """
    How memory grows with the number of logins: the slope of a straight line
    through what was measured at regular intervals.

    @ivar points: pairs of a number of logins and the bytes at it.
    @ivar blocks: how many pieces of memory Python had in use at each.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self.points: list[tuple[int, int]] = []
        self.blocks: list[int] = []

    def measure(self, done: int) -> None:
        """
        Note how much memory is occupied after C{done} logins.
        """
        if done % self._every == 0:
            gc.collect()
            self.points.append((done, resident()))
            self.blocks.append(sys.getallocatedblocks())

    @property
    def slope(self) -> float:
        """
        Bytes a login, by least squares, over the later half: the first logins
        fill caches.
        """
        later = self.points[len(self.points) // 2 :]
        mean_x = sum(x for x, _ in later) / len(later)
        mean_y = sum(y for _, y in later) / len(later)
        above = sum((x - mean_x) * (y - mean_y) for x, y in later)
        return above / sum((x - mean_x) ** 2 for x, _ in later)

    def __str__(self) -> str:
        (began, first), (_, last) = self.points[0], self.points[-1]
        return (
            f"{first >> 10} KiB after the first {began}, {last >> 10} KiB at the end, "
            f"{self.slope:+.1f} bytes a login in the later half; "
            f"{self.blocks[0]} and {self.blocks[-1]} pieces of memory in use"
        )


async def report(reactor: Any, what: str, logins: int) -> None:
    """
    Print what so many logins have taken.
    """
    print(*(f"{name}: {value}" for name, value in about().items()), sep="; ")
    if what == "at-once":
        print(await at_once(reactor, logins))
    elif what == "pending":
        print(await pending(reactor, logins))
    else:
        growth = Growth(max(logins // 40, 1))
        print(await soak(reactor, logins, growth.measure))
        print(growth)


def main() -> None:
    """
    Run what the command line names.
    """
    defaults = {"at-once": 1000, "pending": 10000, "soak": 20000, "serve": 0}
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in defaults:
        sys.exit(__doc__)
    what = sys.argv[1]
    logins = int(sys.argv[2]) if len(sys.argv) == 3 else defaults[what]
    raise_descriptor_limit()
    log_warnings(sys.stderr)
    react(
        lambda reactor: Deferred.fromCoroutine(
            serve(reactor) if what == "serve" else report(reactor, what, logins)
        )
    )


if __name__ == "__main__":
    main()
