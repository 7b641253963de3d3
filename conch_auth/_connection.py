# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
"""
The connection that C{connect} makes, from its first byte to its last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from conch_auth._awaiting import as_deferred, until_cancelled
from conch_auth._client_auth import ClientUserAuth
from conch_auth._ending import abort
from conch_auth.callbacks import SSHClient
from conch_auth.display import text
from conch_auth.errors import ConnectionLost, NoAnswer, ServerDisconnected
from conch_auth.names import ANSWER_TIMEOUT
from conch_auth.report import AuthReport
from conch_auth.transport import SSHClientTransport


class Creator(NamedTuple):
    """
    What Conch's command endpoint tells a protocol of its connection.
    """

    username: bytes
    hostname: bytes
    command: bytes = b""


class ClientTransport(SSHClientTransport):
    """
    A transport that tells its L{SSHClientConnection} what happens.

    @ivar creator: the L{Creator}.
    @ivar thinking: called with C{True} when somebody is asked about the host
        key, and with C{False} when that is over.
    """

    owner: SSHClientConnection
    creator: Creator
    thinking: Callable[[bool], object]
    #: Of a socket that is closed nobody can ask its address any more.
    addresses: tuple[Any, Any] = (None, None)

    def connectionMade(self) -> None:
        self.addresses = self.transport.getPeer(), self.transport.getHost()
        super().connectionMade()

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        self.thinking(True)
        verdict = as_deferred(super().verifyHostKey, hostKey, fingerprint)
        return verdict.addBoth(self._judged)

    def _judged(self, verdict: Any) -> Any:
        self.thinking(False)
        return verdict

    def debugReceived(self, message: str, language: str, always_display: bool) -> None:
        self.owner.tell("debug_msg_received", message, language, always_display)

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        super().connectionLost(reason)
        self.owner.lost(self.failure)


class SSHClientConnection:
    """
    A connection, which C{connect} gives once the login is complete.

    @ivar client: the L{SSHClient} that was asked.
    @ivar connection: the running
        L{twisted.conch.ssh.connection.SSHConnection}, for channels.
    @ivar transport: the L{SSHClientTransport} below it.
    @ivar host: the name of the host.
    @ivar port: its port.
    """

    host: str = ""
    port: int | None = None

    _log = Logger()

    def __init__(self, client: SSHClient) -> None:
        self.client = client
        self.connection = SSHConnection()
        self.transport: ClientTransport | None = None
        self.auth: ClientUserAuth | None = None
        self.error: BaseException | None = None
        self._closing = False
        self._lost = False
        self._asked: Deferred[Any] | None = None
        self._waiting: list[Deferred[None]] = []

    @property
    def report(self) -> AuthReport | None:
        """
        The course of the login; C{None} before it began.
        """
        return None if self.auth is None else self.auth.report

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """
        What is known of the connection, under AsyncSSH's names: C{host},
        C{port}, C{username}, C{peername}, C{sockname}, C{client_version},
        C{server_version}, C{send_cipher}, C{send_mac}, C{recv_cipher},
        C{recv_mac}, and C{server_host_key}, the proved key's blob.
        """
        found = self._extra_info().get(name)
        return default if found is None else found

    def _extra_info(self) -> dict[str, Any]:
        transport = self.transport
        known: dict[str, Any] = {"host": self.host, "port": self.port}
        if self.auth is not None:
            known["username"] = text(self.auth.user)
        if transport is None:
            return known
        peer, own = transport.addresses
        ciphers = transport.currentEncryptions
        offer = transport.hostKeyOffer
        known.update(
            peername=(getattr(peer, "host", None), getattr(peer, "port", None)),
            sockname=(getattr(own, "host", None), getattr(own, "port", None)),
            client_version=text(transport.ourVersionString),
            server_version=text(getattr(transport, "otherVersionString", b"")) or None,
            send_cipher=text(ciphers.outCipType),
            send_mac=text(ciphers.outMACType),
            recv_cipher=text(ciphers.inCipType),
            recv_mac=text(ciphers.inMACType),
            server_host_key=None if offer is None else offer.key_blob,
        )
        return known

    def close(self) -> None:
        """
        Close the connection, once what was sent has left.
        """
        self._closing = True
        if self.transport is not None and not self._lost:
            self.transport.sendDisconnect(DISCONNECT_BY_APPLICATION, b"closed")

    def abort(self) -> None:
        """
        Close the connection at once.
        """
        self._closing = True
        below = None if self.transport is None else self.transport.transport
        if below is not None and not self._lost:
            abort(below)

    def wait_closed(self) -> Deferred[None]:
        """
        Fires once the connection is closed.
        """
        waiting: Deferred[None] = Deferred()
        if self._lost:
            waiting.callback(None)
        else:
            self._waiting.append(waiting)
        return waiting

    async def ask(self, callback: str, *arguments: Any) -> None:
        """
        Wait for a callback that the connection cannot go on without.  It is
        cancelled when the connection is lost, and has as long as a person has for
        an answer.
        """
        asked = as_deferred(getattr(self.client, callback), *arguments)
        self._asked = until_cancelled(asked, callback)
        clock = None if self.transport is None else self.transport.clock
        if not self._asked.called and clock is not None:
            self._asked.addTimeout(
                ANSWER_TIMEOUT,
                clock,
                lambda _, seconds: Failure(NoAnswer.after(callback, seconds)),
            )
        try:
            await self._asked
        except CancelledError:
            if not self._lost:
                raise
        finally:
            self._asked = None
        if self._lost:
            raise ConnectionLost(self.report)

    def tell(self, callback: str, *arguments: Any) -> None:
        """
        Call a callback that answers nothing; what fails there is logged.
        """
        told = as_deferred(getattr(self.client, callback), *arguments)
        told.addErrback(self._failed, callback)

    def _failed(self, failure: Failure, callback: str) -> None:
        self._log.failure("{callback} failed", failure, callback=callback)

    def lost(self, reason: Exception | None) -> None:
        """
        The connection is gone.
        """
        if self._lost:
            return
        self._lost = True
        if self.auth is not None:
            self.auth.serviceStopped()
        if self._asked is not None:
            self._asked.cancel()
        self.tell("connection_lost", self._cause(reason))
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _cause(self, reason: BaseException | None) -> BaseException | None:
        if self.error is not None:
            return self.error
        if self._closing:
            return None
        if isinstance(reason, ServerDisconnected) and (
            reason.code == DISCONNECT_BY_APPLICATION
        ):
            return None
        return reason
