# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
# ruff: noqa: N802
# (Conch's dialect: camelCase, and names made of message names.)
"""
The beginning of a connection, its end, and the reason of its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.conch.ssh import transport as conch
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from conch_auth._greeting import Greeting
from conch_auth._question import Question
from conch_auth.display import text
from conch_auth.errors import (
    ConnectionLost,
    NoCommonAlgorithm,
    NotSSH,
    ProtocolError,
)

#: Bytes kept while somebody is asked about the host key: as many as one packet
#: may have.  A server has nothing to say then but NEWKEYS and EXT_INFO.
MAX_WAITING_BYTES = 1024 * 1024

#: Codes with which Conch ends a connection for what the server did.
_SERVERS_FAULT = (
    conch.DISCONNECT_PROTOCOL_ERROR,
    conch.DISCONNECT_KEY_EXCHANGE_FAILED,
    conch.DISCONNECT_MAC_ERROR,
    conch.DISCONNECT_COMPRESSION_ERROR,
    conch.DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
)


class EndingTransport(conch.SSHClientTransport):
    """
    A client transport whose end has a reason.

    @ivar failure: why the connection ended; C{None} while it has not.
    """

    transport: Any
    failure: Exception | None = None

    _closing = False
    _greeting = Greeting()
    _question: Question | None = None
    _secure = False
    _waiting: tuple[Deferred[None], ...] = ()

    def whenSecure(self) -> Deferred[None]:
        """
        Wait until the host is trusted and the connection encrypted.

        Cancelling it aborts the connection.

        @return: a new Deferred.  It errbacks with what ended the connection: a
            L{conch_auth.errors.HostKeyNotVerifiable}, L{ServerDisconnected},
            L{ConnectionLost} or L{ProtocolError}.
        """
        waiting: Deferred[None] = Deferred(self._cancelled)
        if self.failure is not None:
            waiting.errback(Failure(self.failure))
        elif self._secure:
            waiting.callback(None)
        else:
            self._waiting += (waiting,)
        return waiting

    def connectionSecure(self) -> None:
        """
        The host is trusted and the connection encrypted.  It is called once,
        however often the keys are renewed; a subclass overrides it to request a
        service.  By default nothing happens.
        """

    @property
    def greeting(self) -> tuple[str, ...]:
        """
        The lines that the server sent before its version, as they came.
        """
        return self._greeting.lines

    def connectionMade(self) -> None:
        self._greeting = Greeting()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            return
        if not self.gotVersion:
            version, data = self._greeting.received(data)
            if version:
                super().dataReceived(version)
            elif self._greeting.too_long:
                self._closing = True
                self._end(NotSSH(self._greeting.text))
                self.transport.loseConnection()
        if self.gotVersion:
            super().dataReceived(data)
        if self._question is not None and len(self.buf) > MAX_WAITING_BYTES:
            self._breach(ProtocolError("the server did not wait for the key exchange"))

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        self._closing = True
        lost = ConnectionLost() if self.gotVersion else NotSSH(self._greeting.text)
        if reason is not None:
            lost.__cause__ = reason.value
        self._end(lost)
        self._tell(super().connectionLost, reason)

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        if self._closing:
            return
        if reason in _SERVERS_FAULT:
            self._note(ProtocolError(text(desc)))
        super().sendDisconnect(reason, desc)
        self._closing = True
        self._end(ConnectionLost())

    def _becameSecure(self) -> None:
        self._start(self.connectionSecure)
        waiting, self._waiting = self._waiting, ()
        for deferred in waiting:
            deferred.callback(None)

    def _cancelled(self, waiting: Deferred[None]) -> None:
        self._waiting = tuple(d for d in self._waiting if d is not waiting)
        if self.transport is not None:
            abort(self.transport)

    def _note(self, error: Exception) -> None:
        """
        The connection is about to end; the first reason is the one that counts.
        """
        if self.failure is None:
            self.failure = error

    def _end(self, error: Exception) -> None:
        """
        The connection is over: tell whoever waits.
        """
        self._note(error)
        question, self._question = self._question, None
        if question is not None:
            question.drop()
        waiting, self._waiting = self._waiting, ()
        for deferred in waiting:
            deferred.errback(Failure(self.failure))

    def _leave(self, error: Exception, code: int, description: bytes) -> None:
        """
        End the connection.  The server is told first: whoever waits may close
        the connection as soon as he knows.
        """
        self._note(error)
        self.sendDisconnect(code, description)

    def _breach(self, error: ProtocolError) -> None:
        """
        The server broke the protocol.
        """
        code = conch.DISCONNECT_PROTOCOL_ERROR
        if isinstance(error, NoCommonAlgorithm):
            code = conch.DISCONNECT_KEY_EXCHANGE_FAILED
        self._leave(error, code, str(error).encode())

    def _tell(self, hook: Callable[..., object], *arguments: object) -> None:
        """
        Call what others may have written and nothing here depends on.
        """
        try:
            hook(*arguments)
        except Exception:
            self._log.failure("a hook of the transport failed")

    def _start(self, hook: Callable[..., object], *arguments: object) -> None:
        """
        Call what the connection cannot go on without.
        """
        try:
            hook(*arguments)
        except Exception as error:
            self._log.failure("the connection cannot go on")
            self._leave(error, conch.DISCONNECT_BY_APPLICATION, b"internal error")


def abort(transport: Any) -> None:
    """
    Close a transport at once; one that is a channel of another connection can
    only be closed in order.
    """
    getattr(transport, "abortConnection", transport.loseConnection)()
