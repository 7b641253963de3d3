"""
An ssh-agent that requests are sent to, over one connection after another.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import (
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from conch_auth import names
from conch_auth._agent_exchange import Exchange, Pending
from conch_auth._agent_messages import SESSION_BIND, Request, extension
from conch_auth.display import printable
from conch_auth.errors import (
    AgentError,
    AgentLost,
    AgentRefused,
    AgentTimeout,
    AgentUnavailable,
)

_T = TypeVar("_T")
_C = TypeVar("_C", bound="AgentConnection")

#: What the address of a UNIX socket has room for; Twisted's reactor logs a longer
#: one and goes on waiting.
_MAX_SOCKET_PATH = 107
_CONNECTING = "take a connection"
_CLOSED_HERE = "this side closed the connection"


class AgentConnection(Protocol):
    """
    The part of L{SSHAgentClient<conch_auth.agent.SSHAgentClient>} that knows of
    connections.
    """

    timeout: float | None = names.AGENT_TIMEOUT
    signTimeout: float | None = names.SIGN_TIMEOUT
    clock: IReactorTime | None = None

    _endpoint: IStreamClientEndpoint | None = None
    # The last connection, which may be over.
    _exchange: Exchange | None = None
    _opening: Deferred[None] | None = None

    def __init__(self) -> None:
        self._waiting: list[Pending[Any]] = []
        self._bindings: list[bytes] = []
        self._stumbled: set[bytes] = set()

    @classmethod
    def connect(
        cls: type[_C],
        endpoint: IStreamClientEndpoint | str | None = None,
        reactor: Any = None,
    ) -> Deferred[_C]:
        """
        Connect to an agent.

        @param endpoint: where it listens, or the path of its socket; C{None}
            for the one that C{SSH_AUTH_SOCK} names.
        @param reactor: the clock, and what connects to the socket; C{None} for
            the reactor.
        @return: fires with the client; fails with L{AgentUnavailable} or
            L{AgentTimeout}.
        """
        client = cls()
        if reactor is not None:
            client.clock = reactor
        if endpoint is None:
            endpoint = os.environ.get("SSH_AUTH_SOCK")
            if not endpoint:
                return fail(AgentUnavailable(_CONNECTING, "SSH_AUTH_SOCK is not set"))
        if isinstance(endpoint, str):
            if len(os.fsencode(endpoint)) > _MAX_SOCKET_PATH:
                problem = f"the path is too long for a socket: {printable(endpoint)}"
                return fail(AgentUnavailable(_CONNECTING, problem))
            endpoint = UNIXClientEndpoint(client._reactor(), endpoint)
        client._endpoint = endpoint
        return client._open().addCallback(lambda _: client)

    def close(self) -> Deferred[None]:
        """
        Let go of the connection and fail what is asked on it; what is asked
        later makes a new one.  It may be called again at any time.

        @return: fires when the connection is gone.
        """
        self._bindings.clear()
        if self._opening is not None:
            self._opening.cancel()
        if self._exchange is None:
            return succeed(None)
        gone = self._exchange.when_lost()
        self._exchange.replaceable = False
        self._exchange.end(AgentUnavailable, _CLOSED_HERE)
        return gone

    # As a protocol.

    def makeConnection(self, transport: ITransport) -> None:
        exchange = self._new_exchange(replaceable=False)
        exchange.makeConnection(transport)  # type: ignore[no-untyped-call]
        self._use(exchange)

    def dataReceived(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._exchange is not None:
            self._exchange.connectionLost(reason)

    def _reactor(self) -> Any:
        if self.clock is not None:
            return self.clock
        from twisted.internet import reactor

        return reactor

    def _new_exchange(self, replaceable: bool = True) -> Exchange:
        return Exchange(self._reactor, self._exchange_ended, replaceable)

    def _open(self) -> Deferred[None]:
        assert self._endpoint is not None
        factory = Factory.forProtocol(self._new_exchange)
        factory.noisy = False
        opening: Deferred[Any] = maybeDeferred(self._endpoint.connect, factory)
        if self.timeout is not None:
            opening.addTimeout(self.timeout, self._reactor())
        self._opening = opening
        opening.addCallback(self._opened).addErrback(self._not_opened)
        return opening

    def _opened(self, exchange: Any) -> None:
        if exchange.is_over:
            raise AgentUnavailable(_CONNECTING, "it closed the connection")
        self._opening = None
        self._use(exchange)
        if SESSION_BIND not in self._stumbled:
            for contents in self._bindings:
                self._rebind(exchange, contents)
        waiting, self._waiting = self._waiting, []
        self._send_all(waiting)

    def _rebind(self, exchange: Exchange, contents: bytes) -> None:
        request = extension(SESSION_BIND, contents)
        pending = Pending(request, self.timeout)
        # An agent without the binding refuses the keys that need it.
        pending.answer.addErrback(lambda _: None)
        exchange.ask(pending)

    def _not_opened(self, failure: Failure) -> Failure:
        self._opening = None
        error = self._why_not(failure)
        waiting, self._waiting = self._waiting, []
        for pending in waiting:
            pending.fail(type(error), error.said)
        return failure if failure.check(defer.CancelledError) else Failure(error)

    def _why_not(self, failure: Failure) -> AgentError:
        if isinstance(failure.value, AgentError):
            return failure.value
        if failure.check(defer.CancelledError):
            return AgentUnavailable(_CONNECTING, _CLOSED_HERE)
        if failure.check(defer.TimeoutError):
            said = f"it could not be reached in {self.timeout:g} s"
            return AgentTimeout(_CONNECTING, said)
        said = printable(str(failure.value), limit=200).rstrip(".")
        return AgentUnavailable(_CONNECTING, said)

    def _use(self, exchange: Exchange) -> None:
        self._exchange = exchange
        assert exchange.transport is not None
        super().makeConnection(exchange.transport)  # type: ignore[no-untyped-call]

    def _ask(self, request: Request[_T]) -> Deferred[_T]:
        limit = self.signTimeout if request.patient else self.timeout
        pending = Pending(request, limit)
        self._send(pending)
        return pending.answer

    def _send_all(self, asked: Sequence[Pending[Any]]) -> None:
        for pending in asked:
            if not pending.over:
                self._send(pending)

    def _send(self, pending: Pending[Any]) -> None:
        request = pending.request
        if request.extension in self._stumbled:
            pending.fail(AgentRefused, "it has broken off at this before")
        elif len(request.payload) > names.MAX_AGENT_MESSAGE:
            pending.fail(AgentRefused, "that is more than an agent takes")
        elif self._exchange is not None and not self._exchange.is_over:
            self._exchange.ask(pending)
        elif self._endpoint is None:
            pending.fail(AgentUnavailable, "there is no connection to it")
        else:
            self._waiting.append(pending)
            if self._opening is None:
                self._open().addErrback(lambda _: None)

    def _exchange_ended(
        self, exchange: Exchange, kind: type[AgentError], said: str
    ) -> None:
        if not exchange.asked:
            return
        first, *rest = exchange.asked
        exchange.asked.clear()
        stumbled_on = first.request.extension
        if stumbled_on is not None and exchange.replaceable:
            self._stumbled.add(stumbled_on)
            self._send_all(rest)
            rest = []
        first.fail(kind, said)
        for pending in rest:
            pending.fail(AgentLost, "the connection was closed before its turn")
