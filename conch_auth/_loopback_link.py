# mypy: disallow-untyped-calls = False
# (Twisted's testing transport has no annotations.)
"""
A client and a server that are joined without any socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, NoProtocol
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer


class MemoryTransport(StringTransport):
    """
    One end of a connection in memory: what was written is held until it is
    carried.
    """

    disconnected = False

    def startWriting(self) -> None:
        """
        There is always room to write.
        """

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        if not streaming:
            producer.resumeProducing()

    def clear(self) -> None:
        super().clear()
        if self.producer is not None and not self.streaming:
            self.producer.resumeProducing()


class Link:
    """
    A client and a server that are joined in memory.

    @ivar client: the client's protocol.
    @ivar server: the server's.
    @ivar clock: the C{Clock} of the server's side; give it to the client, too.
    @ivar closed: whether the connection has ended.
    @ivar when_lost: called with the link when it has.
    """

    def __init__(self, client: IProtocol, server: IProtocol, clock: Clock) -> None:
        self.client = client
        self.server = server
        self.clock = clock
        self.closed = False
        self.when_lost: Callable[[Link], object] = _unheard
        self._ends = ((client, MemoryTransport()), (server, MemoryTransport()))
        for protocol, transport in self._ends:
            protocol.makeConnection(transport)

    def pump(self, chunk: int | None = None) -> None:
        """
        Carry bytes both ways, and run what is due, until nothing moves.

        @param chunk: the most bytes that are delivered at once.
        """
        while not self.closed and (self._carry(chunk) or self._run_due()):
            pass

    def advance(self, seconds: float) -> None:
        """
        Let time pass, then L{pump}.
        """
        self.clock.advance(seconds)
        self.pump()

    def lose(self, reason: Exception | None = None) -> None:
        """
        End the connection for both sides; bytes that are under way are lost.

        @param reason: what both are told; a connection that was closed in order
            where it is C{None}.
        """
        if not self.closed:
            self.closed = True
            for protocol, _ in self._ends:
                protocol.connectionLost(Failure(reason or ConnectionDone()))
            self.when_lost(self)

    def _carry(self, chunk: int | None) -> bool:
        (client, upward), (server, downward) = self._ends
        moved = _deliver(upward, server, chunk) or _deliver(downward, client, chunk)
        if not moved and (upward.disconnected or downward.disconnected):
            self.lose(ConnectionLost())
        elif not moved and (upward.disconnecting or downward.disconnecting):
            self.lose()
        return moved

    def _run_due(self) -> bool:
        now = self.clock.seconds()
        due = any(call.getTime() <= now for call in self.clock.getDelayedCalls())
        if due:
            self.clock.advance(0)
        return due


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """
    Connects to a server of this process without any socket.

    @param join: joins a client to the server.
    @ivar links: the L{Link} of each connection, in order.
    """

    def __init__(self, join: Callable[[IProtocol], Link]) -> None:
        self._join = join
        self.links: list[Link] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect; nothing moves before L{pump}.
        """
        client = protocolFactory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 22))
        if client is None:
            return fail(NoProtocol())
        self.links.append(self._join(client))
        return succeed(client)

    def pump(self) -> None:
        """
        Let every connection talk until there is no more to say.
        """
        for link in self.links:
            link.pump()


def _unheard(link: Link) -> None:
    """
    Nobody wants to know.
    """


def _deliver(origin: MemoryTransport, target: IProtocol, chunk: int | None) -> bool:
    data = origin.value()
    origin.clear()
    step = chunk or len(data) or 1
    for start in range(0, len(data), step):
        target.dataReceived(data[start : start + step])
    return bool(data)
