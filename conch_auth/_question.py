"""
One question to the owner of a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from conch_auth._awaiting import as_deferred, cancel
from conch_auth.errors import NoAnswer


class Question:
    """
    A question whose answer is heard once, and only while it is waited for.

    @param name: what is asked, for the error.
    @param heard: called with the answer, or with a L{Failure}.
    @ivar waited: whether the answer did not come at once.
    """

    def __init__(self, name: str, heard: Callable[[object], None]) -> None:
        self._name = name
        self._heard = heard
        self._over = False
        self._answer: Deferred[Any] | None = None
        self._deadline: IDelayedCall | None = None
        self.waited = False

    def ask(
        self,
        ask: Callable[[], object],
        seconds: float | None,
        clock: Callable[[], IReactorTime],
    ) -> None:
        """
        @param ask: gives the answer, or a Deferred or coroutine of it.
        @param seconds: the time it may take, or C{None}.
        @param clock: returns what counts them.
        """
        self._answer = as_deferred(ask)
        self._answer.addBoth(self._hear)
        self.waited = True
        if self._over:
            # Asking may have ended the connection; an answer of old is no loss.
            cancel(self._answer, self._name)
        elif seconds is not None:
            self._deadline = clock().callLater(seconds, self._expire, seconds)

    def drop(self) -> None:
        """
        Nobody waits for the answer any more.
        """
        self._finish()
        if self._answer is not None:
            cancel(self._answer, self._name)

    def _finish(self) -> None:
        self._over = True
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def _hear(self, answer: object) -> None:
        if not self._over:
            self._finish()
            self._heard(answer)

    def _expire(self, seconds: float) -> None:
        self.drop()
        self._heard(Failure(NoAnswer.after(self._name, seconds)))
