# mypy: disallow-untyped-calls = False
# (Conch's channels have no annotations.)
# ruff: noqa: N802, N803
# (Twisted's dialect.)
"""
A way through one connection to another host, as a Twisted endpoint.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.error import ConchError
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.forwarding import packOpen_direct_tcpip
from twisted.internet import error as internet_error
from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from conch_auth._connection import SSHClientConnection
from conch_auth.display import printable, text

#: Whom the server is told that the connection is for: nobody but this side.
_ORIGIN = ("127.0.0.1", 0)
#: The reason codes of CHANNEL_OPEN_FAILURE (RFC 4254, section 5.1).
_REASONS = {
    1: "it is forbidden there",
    2: "the host did not answer",
    3: "it does not do this",
    4: "it has no room for it",
}


def tunnel_endpoint(
    connection: SSHClientConnection | SSHConnection, host: str, port: int = 22
) -> IStreamClientEndpoint:
    """
    An endpoint that has the server of a connection connect to a host
    (C{direct-tcpip}, RFC 4254, section 7.2), as C{ssh -J} does.  Only that
    server looks the host's name up.

    @param connection: what L{connect<conch_auth.endpoints.connect>} gave, or
        another running Conch connection.  What is connected by the endpoint ends
        with it.
    @return: an endpoint for the C{endpoint} of
        L{connect<conch_auth.endpoints.connect>}, or for any other protocol.
    """
    if isinstance(connection, SSHClientConnection):
        connection = connection.connection
    return _TunnelEndpoint(connection, host, port)


class TunnelRefused(internet_error.ConnectError):
    """
    The server did not connect to the host.

    @ivar code: the reason code (RFC 4254, section 5.1).
    @ivar said: the server's text, as it came; often empty.
    """

    def __init__(self, code: int, said: str) -> None:
        super().__init__()
        self.code = code
        self.said = said

    def __str__(self) -> str:
        reason = _REASONS.get(self.code, "it gave no reason")
        said = f" ({printable(self.said, limit=400)})" if self.said else ""
        return f"the server between did not connect to it: {reason}{said}"


@implementer(IStreamClientEndpoint)
class _TunnelEndpoint:
    def __init__(self, connection: SSHConnection, host: str, port: int) -> None:
        self._connection = connection
        self._where = host, port

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        channel = _TunnelChannel(protocolFactory, self._where)
        extra = packOpen_direct_tcpip(self._where, _ORIGIN)
        self._connection.openChannel(channel, extra)
        return channel.connected


class _TunnelChannel(SSHChannel):
    """
    A channel that is the transport of a protocol.
    """

    name = b"direct-tcpip"
    _protocol: IProtocol | None = None

    def __init__(self, factory: IProtocolFactory, where: tuple[str, int]) -> None:
        super().__init__()
        self.connected: Deferred[IProtocol] = Deferred(self._give_up)
        self._factory = factory
        self._where = HostnameAddress(where[0].encode(), where[1])
        self._wanted = True

    def _give_up(self, connected: Deferred[IProtocol]) -> None:
        # There is no taking it back: it is closed when it opens.
        self._wanted = False

    def channelOpen(self, specificData: bytes) -> None:
        protocol = self._factory.buildProtocol(self._where) if self._wanted else None
        if protocol is None:
            self.loseConnection()
            if self._wanted:
                self.connected.errback(internet_error.NoProtocol())
            return
        self._protocol = protocol
        protocol.makeConnection(self)
        self.connected.callback(protocol)

    def openFailed(self, reason: Any) -> None:
        if not self._wanted:
            return
        if isinstance(reason, ConchError):
            reason = TunnelRefused(reason.data, text(reason.value))
        self.connected.errback(reason)

    def dataReceived(self, data: bytes) -> None:
        if self._protocol is not None:
            self._protocol.dataReceived(data)

    def eofReceived(self) -> None:
        self.loseConnection()

    def closed(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(internet_error.ConnectionDone()))

    def getPeer(self) -> HostnameAddress:
        return self._where
