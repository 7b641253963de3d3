"""
An ssh-agent that does what a test tells it to, in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from conch_auth._wire import Reader, string, uint32

FAILURE = b"\x05"
SUCCESS = b"\x06"
EXTENSION_FAILURE = b"\x1c"


def listed(*keys: tuple[bytes, bytes]) -> bytes:
    """
    The reply that lists keys, pairs of blob and comment.
    """
    pairs = b"".join(string(blob) + string(comment) for blob, comment in keys)
    return b"\x0c" + uint32(len(keys)) + pairs


def signed(signature: bytes) -> bytes:
    """
    The reply with a signature.
    """
    return b"\x0e" + string(signature)


class Line:
    """
    The agent's end of one connection.

    @ivar protocol: the client's end.
    @ivar transport: what the client writes to.
    """

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)

    @property
    def requests(self) -> list[bytes]:
        """
        Every request that came, each with its number.
        """
        reader = Reader(self.transport.value(), "requests")
        found = []
        while reader.remaining:
            found.append(reader.string())
        return found

    @property
    def closed(self) -> bool:
        """
        Whether the client has closed it.
        """
        return bool(self.transport.disconnecting)

    def send(self, data: bytes) -> None:
        """
        Send bytes that may be no message.
        """
        self.protocol.dataReceived(data)

    def reply(self, *messages: bytes) -> None:
        """
        Send messages, each with its number.
        """
        self.send(b"".join(map(string, messages)))

    def die(self) -> None:
        """
        End the connection.
        """
        self.protocol.connectionLost(Failure(ConnectionDone()))


@implementer(IStreamClientEndpoint)
class HostileAgent:
    """
    An endpoint with an agent behind it.

    @ivar lines: its connections, oldest first.
    @ivar refusal: what a connection fails with, if it does.
    @ivar silent: whether connections are not made until L{accept}.
    @ivar script: called with a connection when it is made.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.refusal: Exception | None = None
        self.silent = False
        self.waiting: list[tuple[Any, Deferred[Any]]] = []
        self.script: Callable[[Line], object] = lambda line: None

    @property
    def line(self) -> Line:
        """
        The newest connection.
        """
        return self.lines[-1]

    def connect(self, factory: Any) -> Deferred[Any]:
        if self.silent:
            connected: Deferred[Any] = Deferred()
            self.waiting.append((factory, connected))
            return connected
        if self.refusal is not None:
            return fail(self.refusal)
        return succeed(self._connected(factory))

    def accept(self) -> None:
        """
        Make the connections that wait.
        """
        for factory, connected in self.waiting:
            connected.callback(self._connected(factory))

    def _connected(self, factory: Any) -> Protocol:
        protocol: Protocol = factory.buildProtocol(None)
        self.lines.append(Line(protocol))
        self.script(self.line)
        return protocol
