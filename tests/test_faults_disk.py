# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Files that cannot be read or written while a login runs: it goes on without them,
trusts nobody because of it, and loses nothing that they held.

The tests run as root, whom no mode keeps out: what cannot be read is a file whose
C{read} fails, what cannot be written is beyond a limit of the process.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from conch_auth import SSHClient, connect
from conch_auth.errors import ConnectFailed, HostKeyUnknown
from conch_auth.knownhosts import KnownHosts
from conch_auth.loopback import LoopbackServer
from conch_auth.memory import Memory
from tests.fault_case import FaultCase, by_password

#: Reading it from its beginning fails with EIO: nothing is mapped there.
UNREADABLE = "/proc/self/mem"


@contextlib.contextmanager
def limited(kind: int, most: int) -> Iterator[None]:
    """
    Within this, the process has no more of something.
    """
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def no_more_descriptors() -> Any:
    """
    Within this, no file and no socket can be opened.
    """
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    return limited(resource.RLIMIT_NOFILE, lowest_free)


class MemoryFileTests(FaultCase):
    """
    The file of earlier logins.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.told: list[str] = []
        self.memory = Memory(self.path, warn=self.told.append)
        super().setUp()
        self.begin(memory=self.memory)
        self.finish()
        self.content = self.path.read_bytes()
        self.assertEqual(self.told, [])

    def assert_logged_in(self, problem: str) -> None:
        """
        The login has succeeded, somebody was told, and nothing is lost.
        """
        self.assertIsNone(self.finish())
        self.assertIn(problem, " ".join(self.told))
        self.assertEqual(self.path.read_bytes(), self.content)
        others = {path.name for path in self.path.parent.glob(f"{self.path.name}.*")}
        self.assertEqual(others, {f"{self.path.name}.lock"})
        self.assert_nothing_left()

    def test_full_disk(self) -> None:
        """
        There is no room for what was learnt.
        """
        room = len(self.content) // 2

        class OnFullDisk(Memory):
            def learn(self, *learnt: Any) -> None:
                # No longer than this: trial has its own log to write.
                with limited(resource.RLIMIT_FSIZE, room):
                    super().learn(*learnt)

        memory = OnFullDisk(self.path, warn=self.told.append)
        self.begin(memory=memory, username="bob", prepare=_with_bob)
        self.assert_logged_in("it cannot be written (File too large)")

    def test_no_descriptor(self) -> None:
        """
        It can be neither opened for reading nor for writing.
        """
        with no_more_descriptors():
            self.begin(memory=self.memory, username="bob", prepare=_with_bob)
        self.assert_logged_in("it cannot be read (Too many open files)")

    def test_unreadable(self) -> None:
        """
        The disk fails.
        """
        broken = Memory(UNREADABLE, warn=self.told.append)
        self.begin(memory=broken)
        self.assert_logged_in("it cannot be read (Input/output error)")


def _with_bob(server: LoopbackServer) -> None:
    server.add_user("bob", password="right")


class KnownHostsFileTests(FaultCase):
    """
    The files of host keys.
    """

    def test_unreadable(self) -> None:
        """
        A file that cannot be read trusts nobody, and the error names it; the
        others count as they would.
        """
        self.begin(known_hosts=[UNREADABLE])
        error = self.finish()
        self.assertIsInstance(error, HostKeyUnknown)
        self.assertIn(UNREADABLE, str(error))
        good = Path(self.mktemp())
        line = self.server.known_hosts_line("server")
        good.write_text(line + "\n")
        self.begin(known_hosts=[UNREADABLE, str(good)])
        self.assertIsNone(self.finish())
        with no_more_descriptors():
            self.begin(known_hosts=[str(good)])
        error = self.finish()
        self.assertIsInstance(error, HostKeyUnknown)
        del error
        self.assert_nothing_left()

    def test_not_written(self) -> None:
        """
        A client that accepts a new key, and cannot have it written, decides
        itself; what the file held is intact, and the next login is asked again.
        """
        file = Path(self.mktemp())
        file.write_bytes(b"other ssh-ed25519 AAAA")
        before = file.read_bytes()
        asked: list[str] = []

        class Adding(SSHClient):
            def validate_host_public_key(
                self, host: str, addr: str, port: int, key: Any
            ) -> bool:
                asked.append(host)
                with limited(resource.RLIMIT_FSIZE, len(before) + 20):
                    try:
                        KnownHosts().add(host, port, key.blob(), path=file)
                    except OSError:
                        return asked == ["server"]
                return False

        self.begin(client=Adding, known_hosts=str(file))
        self.assertIsNone(self.finish())
        self.begin(client=Adding, known_hosts=str(file))
        self.assertIsInstance(self.finish(), HostKeyUnknown)
        self.assertEqual(asked, ["server", "server"])
        self.assertEqual(file.read_bytes(), before)
        del Adding
        self.assert_nothing_left()


class KeyFileTests(FaultCase):
    def test_unreadable(self) -> None:
        """
        A key that cannot be read is left out, with the reason, and the password
        follows.
        """
        self.begin(client_keys=[UNREADABLE])
        (made,) = self.ends
        told = [str(attempt) for attempt in made.report.attempts]
        del made
        self.assertIn("Input/output error", "".join(told))
        self.assertIsNone(self.finish())
        self.assert_nothing_left()


class NoSocketTests(TestCase):
    timeout = 30

    async def test_no_descriptor(self) -> None:
        """
        Where there is none for the connection, the login has failed at once, and
        the next one succeeds.
        """
        server = LoopbackServer()
        server.add_user("alice", password="right")
        await server.listen(reactor)
        self.addCleanup(server.stop)
        # The reactor opens some when it starts.
        await deferLater(reactor, 0)
        options = by_password(server)
        with no_more_descriptors():
            login: Deferred[Any] = connect(**options)
            with self.assertRaises(ConnectFailed) as raised:
                await login
        self.assertIn("Too many open files", str(raised.exception))
        made = await connect(**options)
        made.close()
        await made.wait_closed()
