"""
C{conch-auth} in a process of its own, with or without a terminal.
"""

from __future__ import annotations

import os
import pty
import sys
import termios
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from conch_auth.loopback import LoopbackServer

#: Without a controlling terminal, wherever the tests are started.
_DETACHED = (
    "import os, runpy, sys; os.setsid(); sys.argv[0] = 'conch-auth'; "
    "runpy.run_module('conch_auth', run_name='__main__', alter_sys=True)"
)

_PERSONAL = ("SSH_AUTH_SOCK", "HOME")


def environment() -> dict[str, str]:
    """
    That of the tests, without the keys and the agent of whoever runs them, and
    without what Python says of the libraries below us.
    """
    import conch_auth

    place = os.path.dirname(os.path.dirname(conch_auth.__file__))
    kept = {name: value for name, value in os.environ.items() if name not in _PERSONAL}
    own = {"PYTHONPATH": place, "PYTHONWARNINGS": "ignore", "HOME": "/nonexistent"}
    return {**kept, **own}


class Running(ProcessProtocol):
    """
    A process.

    @ivar screen: what came from its terminal, or its standard output.
    @ivar complaints: its standard error, where it has no terminal.
    @ivar status: fires with its exit status.
    """

    def __init__(self) -> None:
        self.screen = b""
        self.complaints = b""
        self.status: Deferred[int] = Deferred()
        self._awaited: tuple[bytes, Deferred[None]] | None = None
        self._seen = 0

    def outReceived(self, data: bytes) -> None:
        self.screen += data
        self._look()

    def errReceived(self, data: bytes) -> None:
        self.complaints += data

    def processExited(self, reason: Failure) -> None:
        error: Any = reason.value
        self.exit_code = -error.signal if error.signal else error.exitCode

    def processEnded(self, reason: Failure) -> None:
        # Only now all that it has written has been read.
        if self._awaited is not None:
            awaited, self._awaited = self._awaited[1], None
            awaited.errback(AssertionError(f"it ended; its screen: {self.screen!r}"))
        self.status.callback(self.exit_code)

    def shows(self, text: str) -> Deferred[None]:
        """
        @return: fires when C{text} is shown, after what was waited for before.
        """
        awaited: Deferred[None] = Deferred()
        self._awaited = text.encode(), awaited
        self._look()
        return awaited

    def type(self, text: str) -> None:
        self.transport.write(text.encode())

    def end_input(self) -> None:
        self.transport.closeStdin()

    def _look(self) -> None:
        if self._awaited is None:
            return
        text, awaited = self._awaited
        at = self.screen.find(text, self._seen)
        if at >= 0:
            self._seen = at + len(text)
            self._awaited = None
            awaited.callback(None)


class OnTerminal(Running):
    """
    A process whose three streams are a terminal of its own.

    @ivar modes: the modes in which the terminal was left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keyboard, self.inside = pty.openpty()
        # The process takes that one; this one is for looking at the modes.
        self._watched = os.dup(self.inside)

    def processExited(self, reason: Failure) -> None:
        super().processExited(reason)
        self.modes = termios.tcgetattr(self._watched)
        # Nothing but us holds the terminal now: its end is not told otherwise.
        os.close(self._watched)

    def shown(self) -> str:
        return self.screen.decode().replace("\r\n", "\n")


def start(*arguments: str, **variables: str) -> Running:
    """
    Start C{conch-auth} without a terminal, its streams being pipes.

    @param variables: of its environment.
    """
    from twisted.internet import reactor

    running = Running()
    reactor.spawnProcess(  # type: ignore[attr-defined]
        running,
        sys.executable,
        [sys.executable, "-c", _DETACHED, *arguments],
        env={**environment(), **variables},
    )
    return running


def start_on_terminal(*arguments: str, shell: str = "", **variables: str) -> OnTerminal:
    """
    Start C{conch-auth} on a terminal.

    @param shell: run this in a shell with job control, where it is C{"$@"}.
    @param variables: of its environment.
    """
    command = [sys.executable, "-m", "conch_auth", *arguments]
    if shell:
        command = ["/bin/sh", "-mc", shell, "sh", *command]
    return spawn_on_terminal(command, {**environment(), **variables})


def spawn_on_terminal(command: list[str], environment: dict[str, str]) -> OnTerminal:
    """
    Start any program on a terminal.
    """
    from twisted.internet import reactor

    running = OnTerminal()
    reactor.spawnProcess(  # type: ignore[attr-defined]
        running,
        command[0],
        command,
        env=environment,
        usePTY=(running.keyboard, running.inside, os.ttyname(running.inside)),
    )
    return running


class LoginCase(TestCase):
    """
    Has a server to log in to, where alice has a password.

    @cvar subcommand: how to.
    """

    timeout = 60
    subcommand = "login"

    async def setUp(self) -> None:
        from twisted.internet import reactor

        self.server = LoopbackServer()
        await self.server.listen(reactor)
        self.addCleanup(self.server.stop)
        self.server.add_user("alice", password="wonderland")

    def login(self, *rest: str, user: str = "alice") -> list[str]:
        return [
            *self.place(),
            "--fingerprint",
            self.server.fingerprint,
            f"{user}@127.0.0.1",
            *rest,
        ]

    def place(self, port: int | None = None) -> list[str]:
        """
        The server, and no configuration of whoever runs the tests.
        """
        return [self.subcommand, "-F", "none", "-p", str(port or self.server.port)]

    def key_file(self, key: Any, passphrase: bytes | None = None) -> str:
        path: str = self.mktemp()
        with open(path, "wb") as file:
            file.write(key.toString("openssh", subtype="v1", passphrase=passphrase))
        os.chmod(path, 0o600)
        return os.path.abspath(path)

    def assert_usual(self, running: OnTerminal) -> None:
        """
        The terminal was left so that it shows what is typed.
        """
        self.assertTrue(running.modes[3] & termios.ECHO)
        self.assertFalse(running.modes[3] & termios.ECHONL)

    async def ended(self, running: Running, status: int) -> None:
        ended = await running.status
        everything = running.screen + running.complaints
        self.assertEqual(ended, status, everything)
        self.assertNotIn(b"Traceback", everything)
