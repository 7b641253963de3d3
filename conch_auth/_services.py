# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
# ruff: noqa: N802, N803, N815
# (Conch's dialect: camelCase, and names made of message names.)
"""
Which service runs on a client transport, and from when it may speak.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.conch.ssh.service import SSHService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from conch_auth._ending import EndingTransport
from conch_auth._extensions import ExtensionTurns
from conch_auth._wire import Reader
from conch_auth.errors import UnexpectedMessage


class ServingTransport(EndingTransport):
    """
    A client transport that requests a service, and lets it speak before the
    server has accepted it (RFC 4253, section 10): every key exchange here
    proves who the server is, so there is no need to wait.

    A service that wants to has C{serviceRequested}, which is called with the
    transport, once all that has come was read, and says whether it speaks.
    """

    _extensions = ExtensionTurns()
    _reading = False
    _requested: Any = None
    _serviceAwaited = False
    _spoken = False
    _wantExtensions: tuple[Deferred[None], ...] = ()

    @property
    def initialExtensions(self) -> dict[bytes, bytes]:
        """
        The extensions of the EXT_INFO that followed the server's first NEWKEYS;
        some count only if they came there.
        """
        return dict(self._extensions.first)

    def whenExtensionsKnown(self) -> Deferred[None]:
        """
        Wait until that EXT_INFO has come, or can come no more: with
        SERVICE_ACCEPT at the latest.  It does not fire where the connection
        ends before.
        """
        if self._extensions.known:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._noMoreWanted)
        self._wantExtensions += (waiting,)
        return waiting

    def _noMoreWanted(self, waiting: Deferred[None]) -> None:
        self._wantExtensions = tuple(
            each for each in self._wantExtensions if each is not waiting
        )

    def connectionMade(self) -> None:
        self.peerExtensions = {}
        self._extensions = ExtensionTurns()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        self._reading = True
        try:
            super().dataReceived(data)
        finally:
            self._reading = False
        self._letSpeak()

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        super().dispatchMessage(messageNum, payload)
        if self._wantExtensions and self._extensions.known:
            waiting, self._wantExtensions = self._wantExtensions, ()
            for deferred in waiting:
                deferred.callback(None)

    def requestService(self, instance: SSHService) -> None:
        self._serviceAwaited = True
        self._requested = instance
        super().requestService(instance)
        if not self._reading:
            self._letSpeak()

    def _letSpeak(self) -> None:
        """
        The EXT_INFO that most servers send with their NEWKEYS has been read by
        now, and says what a key may be used for.
        """
        requested = self._requested
        if requested is None or not self._secure:
            return
        self._requested = None
        speak = getattr(requested, "serviceRequested", None)
        if speak is not None and self._serviceAwaited and not self._closing:
            self._start(self._hear, speak)

    def _hear(self, speak: Callable[[Any], object]) -> None:
        self._spoken = bool(speak(self))

    @property
    def _listening(self) -> Any:
        """
        The service that is told what concerns it: the one that runs, or the one
        that was requested.
        """
        return self.instance if self._serviceAwaited else self.service

    def ssh_SERVICE_ACCEPT(self, packet: bytes) -> None:
        if not self._serviceAwaited:
            raise UnexpectedMessage("SERVICE_ACCEPT", "without being asked")
        # Some old servers name no service; Conch takes that, too.
        if packet:
            reader = Reader(packet, "SERVICE_ACCEPT")
            name = reader.string()
            reader.end()
            if name != self.instance.name:
                raise UnexpectedMessage("SERVICE_ACCEPT", "for another service")
        self._serviceAwaited = False
        if self._spoken:
            acknowledge_now(self.transport)
        self._start(self.setService, self.instance)

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        super().connectionLost(reason)
        self._wantExtensions = ()
        if self._serviceAwaited:
            # It never ran, and somebody may wait for it.
            self._serviceAwaited = False
            self._tell(self.instance.serviceStopped)


def acknowledge_now(transport: Any) -> None:
    """
    Acknowledge what has come, where that can be said to TCP.  A server that does
    not set TCP_NODELAY, as sshd before the login, holds back its next packet until
    then; and there is nothing under way to the server that would acknowledge it.
    """
    option = getattr(socket, "TCP_QUICKACK", None)
    is_tcp: bool = ITCPTransport.providedBy(transport)
    if option is not None and is_tcp:
        with suppress(AttributeError, OSError):
            transport.getHandle().setsockopt(socket.IPPROTO_TCP, option, 1)
