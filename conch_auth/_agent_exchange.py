"""
One connection to an ssh-agent: requests go out at once, and its replies come in
the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from conch_auth import names
from conch_auth._agent_messages import Request
from conch_auth._wire import string
from conch_auth.errors import (
    AgentError,
    AgentLost,
    AgentProtocolError,
    AgentRefused,
    AgentTimeout,
)

_T = TypeVar("_T")
_LENGTH = 4


class Pending(Generic[_T]):
    """
    A request whose reply is waited for.

    @param limit: the seconds that the agent may take, or C{None}.
    @ivar answer: fires once.
    @ivar over: whether nobody waits any more, though a reply may come.
    @ivar since: when it was sent, by the clock.
    """

    since = 0.0

    def __init__(self, request: Request[_T], limit: float | None) -> None:
        self.request = request
        self.limit = limit
        self.over = False
        self.answer: Deferred[_T] = Deferred(self._cancelled)
        self._dropped: Callable[[], None] | None = None

    def when_dropped(self, call: Callable[[], None]) -> None:
        """
        C{call} when whoever asked waits no more.
        """
        self._dropped = call

    def _cancelled(self, answer: Deferred[_T]) -> None:
        self.over = True
        if self._dropped is not None:
            self._dropped()

    def succeed(self, value: _T) -> None:
        if not self.over:
            self.over = True
            self.answer.callback(value)

    def fail(self, kind: type[AgentError], said: str) -> None:
        """
        @param said: as in L{AgentError}.
        """
        self.fail_with(kind(self.request.tried, said))

    def fail_with(self, error: AgentError) -> None:
        if not self.over:
            self.over = True
            self.answer.errback(Failure(error))


class Exchange(Protocol):
    """
    A connection, until the agent breaks it or the protocol.

    @param clock: returns what counts the seconds.
    @param ended: called once, with this exchange, when no more is to be had
        from it, with what C{kind} and C{said} tell of the request whose turn it
        was.
    @ivar is_over: whether that was said.
    @ivar replaceable: whether another connection can take its place: then one on
        which a reply is overdue is closed as soon as nobody waits on it.
    @ivar asked: the requests without a reply, in order.  Those that are over
        keep their place: their replies may come yet.
    """

    def __init__(
        self,
        clock: Callable[[], IReactorTime],
        ended: Callable[[Exchange, type[AgentError], str], None],
        replaceable: bool,
    ) -> None:
        self.asked: deque[Pending[Any]] = deque()
        self.lost: list[Deferred[None]] = []
        self._clock = clock
        self._ended = ended
        self.replaceable = replaceable
        self.is_over = False
        self._is_connected = True
        self._received = bytearray()
        # When the agent was last heard of: until then it was busy.
        self._heard = 0.0
        self._deadline: IDelayedCall | None = None

    def ask(self, pending: Pending[Any]) -> None:
        """
        Send a request.
        """
        pending.since = self._clock().seconds()
        pending.when_dropped(self._watch)
        self.asked.append(pending)
        self._watch()
        assert self.transport is not None
        self.transport.write(string(pending.request.payload))

    def end(self, kind: type[AgentError], said: str) -> None:
        """
        Nothing that comes is heard any more, and the connection is closed.
        """
        if self.is_over:
            return
        self.is_over = True
        self._received.clear()
        self._watch()
        self._close()
        self._ended(self, kind, said)

    def _close(self) -> None:
        if self._is_connected and self.transport is not None:
            # An agent that reads no more would keep a slow close waiting.
            close = getattr(self.transport, "abortConnection", None)
            (close or self.transport.loseConnection)()

    def when_lost(self) -> Deferred[None]:
        """
        Fires when the connection is gone.
        """
        gone: Deferred[None] = Deferred()
        self.lost.append(gone)
        if not self._is_connected:
            self._tell_lost()
        return gone

    def _tell_lost(self) -> None:
        while self.lost:
            self.lost.pop().callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_connected = False
        self.end(AgentLost, "it closed the connection")
        self._tell_lost()

    def dataReceived(self, data: bytes) -> None:
        if not self.is_over:
            self._received += data
        while (reply := self._next_reply()) is not None:
            self._hear(reply)

    def _next_reply(self) -> bytes | None:
        if len(self._received) < _LENGTH:
            return None
        length = int.from_bytes(self._received[:_LENGTH], "big")
        if not 0 < length <= names.MAX_AGENT_MESSAGE:
            self.end(AgentProtocolError, f"it sent a message of {length} bytes")
            return None
        end = _LENGTH + length
        if len(self._received) < end:
            return None
        reply = bytes(self._received[_LENGTH:end])
        del self._received[:end]
        return reply

    def _hear(self, reply: bytes) -> None:
        if not self.asked:
            self.end(AgentProtocolError, "it sent a reply that nobody asked for")
            return
        pending = self.asked[0]
        if pending.over:
            self._turn()
            return
        try:
            value = pending.request.answer(reply)
        except AgentRefused as error:
            self._turn()
            pending.fail_with(error)
        except AgentProtocolError as error:
            self.end(AgentProtocolError, error.said)
        else:
            self._turn()
            pending.succeed(value)

    def _turn(self) -> None:
        """
        The agent has done with one request and goes on with the next.
        """
        self.asked.popleft()
        self._heard = self._clock().seconds()
        self._watch()

    def _first_waiting(self) -> Pending[Any] | None:
        return next((pending for pending in self.asked if not pending.over), None)

    def _watch(self) -> None:
        """
        Only the first request has a deadline: the agent cannot be at the others
        before it has done with that one.
        """
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None
        pending = self._first_waiting()
        if self.is_over or pending is None or pending.limit is None:
            return
        clock = self._clock()
        left = max(pending.since, self._heard) + pending.limit - clock.seconds()
        # A clock that was set back gives no more than the whole.
        left = min(max(left, 0), pending.limit)
        self._deadline = clock.callLater(left, self._expire, pending)

    def _expire(self, pending: Pending[Any]) -> None:
        said = f"it gave no answer in {pending.limit:g} s"
        if not (self.replaceable and self.asked[0].request.extension):
            pending.fail(AgentTimeout, said)
            if not self.replaceable or self._first_waiting():
                self._watch()
                return
        # An agent may drop what it should refuse, and every reply after that
        # would be taken for another's.
        self.end(AgentTimeout, said)
