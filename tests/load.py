# mypy: disallow-untyped-calls = False
# (Twisted's reactor has no annotations.)
"""
Many logins in one process, on one reactor, counted.

    python -m tests.load at-once [N]    N logins over 127.0.0.1 at the same time
    python -m tests.load pending [N]    N logins in memory that wait for a person
    python -m tests.load soak [N]       N logins one after the other

Client and server are both in this process.  C{docs/load.rst} tells what was
measured.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from time import monotonic, process_time
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from conch_auth import SSHClient, connect
from conch_auth.loopback import LoopbackServer

#: What the server's accept queue and the machine's loopback can bear at once.
BACKLOG = 4096


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
    @ivar bytes_each: memory that each occupies, client and server together.
    @ivar descriptors_each: open ones, client and server together.
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

    @cvar asked: the Deferreds of those who wait.
    """

    asked: list[Deferred[str]]

    def password_auth_requested(self) -> Deferred[str]:
        self.asked.append(Deferred())
        return self.asked[-1]


def options(server: LoopbackServer, **more: Any) -> dict[str, Any]:
    """
    The options of a login of alice's.
    """
    known = {"username": "alice", "client_keys": None, "agent_path": None}
    return {**known, **server.options, **more}


def new_server() -> LoopbackServer:
    server = LoopbackServer()
    server.add_user("alice", password="right", factors=[["password"]])
    return server


class Meter:
    """
    What memory, descriptors and time were before.  The first login of a process
    opens and imports what all of them share, and goes before.
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
    Log in over 127.0.0.1, all at the same time, and stay connected until all are.

    @return: what they took; each succeeded.
    """
    await soak(reactor, 1)
    meter, server = Meter(), new_server()
    await server.listen(reactor)
    (port,) = server._ports
    port.socket.listen(BACKLOG)
    # The time to connect is the machine's to give: 1000 key exchanges take some.
    one = options(server, password="right", connect_timeout=None, login_timeout=None)
    made = await gatherResults(
        [connect(reactor=reactor, **one) for _ in range(logins)], consumeErrors=True
    )
    assert all(connection.report.succeeded for connection in made)
    load = meter.reached(logins)
    for connection in made:
        connection.close()
    await gatherResults([connection.wait_closed() for connection in made])
    del made, connection
    await server.stop()
    return meter.ended(load)


async def pending(reactor: Any, logins: int) -> Load:
    """
    Have that many logins wait for a person's password, all of which then come.

    @return: what they took while they waited; each succeeded.
    """
    await soak(reactor, 1)
    meter, server = Meter(), new_server()
    endpoint = server.endpoint()
    Waiting.asked = []
    ends: list[Any] = []
    for _ in range(logins):
        connecting = connect(
            client_factory=Waiting,
            reactor=server.clock,
            endpoint=endpoint,
            **options(server),
        )
        connecting.addBoth(ends.append)
        endpoint.links[-1].pump()
    assert (len(Waiting.asked), ends) == (logins, [])
    load = meter.reached(logins)
    for asked, link in zip(Waiting.asked, endpoint.links, strict=True):
        asked.callback("right")
        link.pump()
    assert all(connection.report.succeeded for connection in ends)
    return meter.ended(load)


async def soak(
    reactor: Any, logins: int, measure: Callable[[int], object] = lambda done: None
) -> int:
    """
    Log in again and again, by a right password after a wrong one.

    @param measure: called after each with how many there were.
    @return: how many succeeded.
    """
    server = new_server()
    await server.listen(reactor)
    words: list[str] = []

    class Asked(SSHClient):
        def password_auth_requested(self) -> str:
            return words.pop()

    for done in range(1, logins + 1):
        words[:] = ["right", "wrong"]
        made = await connect(client_factory=Asked, reactor=reactor, **options(server))
        made.close()
        await made.wait_closed()
        server.requests.clear()
        del made
        measure(done)
    await server.stop()
    return logins


class Growth:
    """
    How memory grows with the number of logins: the slope of a straight line
    through what was measured at regular intervals.

    @ivar points: pairs of a number of logins and the bytes at it.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self.points: list[tuple[int, int]] = []

    def measure(self, done: int) -> None:
        """
        Note how much memory is occupied after C{done} logins.
        """
        if done % self._every == 0:
            gc.collect()
            self.points.append((done, resident()))

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


async def report_soak(reactor: Any, logins: int) -> None:
    """
    Print what a soak has shown.
    """
    await soak(reactor, 1)
    growth, meter = Growth(max(logins // 40, 1)), Meter()
    await soak(reactor, logins, growth.measure)
    first, last = growth.points[0][1], growth.points[-1][1]
    print(
        f"{logins} logins: {first >> 10} KiB after the first {growth.points[0][0]}, "
        f"{last >> 10} KiB at the end, {growth.slope:+.1f} bytes a login in the later "
        f"half; {descriptors() - meter.descriptors} descriptors left; "
        f"{monotonic() - meter.began:.0f} s, "
        f"{(process_time() - meter.cpu) * 1000 / logins:.2f} ms of processor each"
    )


async def report(
    measured: Callable[[Any, int], Coroutine[Any, Any, Load]], reactor: Any, logins: int
) -> None:
    """
    Print what so many logins have taken.
    """
    print(await measured(reactor, logins))


def setting() -> str:
    """
    The machine and the versions, in a line.
    """
    names = ("Twisted", "cryptography", "conch_auth")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{os.cpu_count()} x {platform.machine()}, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {versions}"
    )


def main() -> None:
    """
    Run what the command line names.
    """
    defaults = {"at-once": 1000, "pending": 10000, "soak": 20000}
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in defaults:
        sys.exit(__doc__)
    what = sys.argv[1]
    logins = int(sys.argv[2]) if len(sys.argv) == 3 else defaults[what]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(setting(), flush=True)

    def run(reactor: Any) -> Deferred[None]:
        if what == "soak":
            return Deferred.fromCoroutine(report_soak(reactor, logins))
        measured = at_once if what == "at-once" else pending
        return Deferred.fromCoroutine(report(measured, reactor, logins))

    react(run)


if __name__ == "__main__":
    main()
