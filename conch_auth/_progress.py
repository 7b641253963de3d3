"""
For whom a login waits, and how long already, on a terminal that can show it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from conch_auth import _screen
from conch_auth._connection import SSHClientConnection
from conch_auth.display import printable

#: What takes less, in seconds, need not be told.
PATIENCE = 0.6
_INTERVAL = 0.1


class Line(Protocol):
    """
    A line that can be shown and taken away.
    """

    def show(self, words: str) -> None: ...

    def hide(self) -> None: ...


class Progress:
    """
    Shows what is waited for while a login runs, and hides it from whatever else
    is written.

    @param clock: counts the seconds.
    @param line: where to show it; C{None} for nowhere.
    @param host: the host, as the person has named it.
    @ivar connection: the connection, once there is one.
    @ivar touch: whether a security key waits for a touch.
    """

    def __init__(self, clock: IReactorTime, line: Line | None, host: str) -> None:
        self.connection: SSHClientConnection | None = None
        self.touch = False
        self._clock = clock
        self._line = line
        self._host = printable(host, limit=64)
        self._questions = 0
        self._words = ""
        self._since = 0.0
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock

    def start(self) -> None:
        if self._line is not None:
            self._ticking.start(_INTERVAL)

    def stop(self) -> None:
        if self._ticking.running:
            self._ticking.stop()
        self.hide()

    def hide(self) -> None:
        """
        Something else is about to be written.
        """
        if self._line is not None:
            self._line.hide()

    @contextmanager
    def question(self) -> Iterator[None]:
        """
        The person is asked: nothing is shown meanwhile.
        """
        self._questions += 1
        self.hide()
        try:
            yield
        finally:
            self._questions -= 1
            # Whatever is waited for now has not been waited for until now.
            self._words = ""

    def _tick(self) -> None:
        words, now = self._waited_for(), self._clock.seconds()
        if words != self._words:
            self._words, self._since = words, now
            self.hide()
        waited = now - self._since
        if self._line is not None and not self._questions and waited >= PATIENCE:
            self._line.show(f"{words}, {waited:.0f} s")

    def _waited_for(self) -> str:
        connection = self.connection
        if connection is None:
            return f"connecting to {self._host}"
        report = connection.report
        party = None if report is None else report.waiting_for
        if party is None:
            return f"exchanging keys with {self._host}"
        if party == "server":
            self.touch = False
            return "waiting for the server"
        if self.touch:
            return "waiting for a touch of the security key"
        return f"waiting for {'the agent' if party == 'agent' else 'an answer'}"


def progress_of(reactor: Any, host: str) -> Progress:
    """
    The progress of a login to C{host}, on the standard error where that is a
    terminal for it.
    """
    console = _screen.console(sys.stderr)
    line = None
    if console is not None:
        from conch_auth._spinner import SpinnerLine

        line = SpinnerLine(console)
    return Progress(IReactorTime(reactor), line, host)
