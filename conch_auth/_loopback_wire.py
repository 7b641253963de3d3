"""
What the bytes of a server go through on their way out, where they can be held
up, torn apart and cut off.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal, NamedTuple

#: How a connection breaks: the server closes it in order; it resets it; or it
#: says nothing more, and leaves it open.
Breakage = Literal["close", "reset", "stall"]


class Fault(NamedTuple):
    """
    Where a connection breaks, in what the server sends, and how.

    @ivar packet: which packet, counted from 0, which is the line with the
        server's version; 1 is KEXINIT.
    @ivar byte: how many bytes of it are sent still.
    @ivar how: C{"close"}, C{"reset"} or C{"stall"}.
    """

    packet: int
    byte: int = 0
    how: Breakage = "close"


class Wire:
    """
    A transport between a server and the transport it was given.

    @ivar sizes: of each packet that was sent, its bytes; the first is the line
        with the version.  They are where a connection can break.
    """

    def __init__(self, transport: Any, clock: Any, fault: Fault | None) -> None:
        self._transport = transport
        self._clock = clock
        self._fault = fault
        self._broken = False
        self._room: int | None = None
        self._how: Breakage = "close"
        self._piece = 0
        self._pieces: deque[bytes] = deque()
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """
        Send one packet.
        """
        fault = self._fault
        if fault is not None and fault.packet == len(self.sizes):
            self._fault = None
            self.cut(fault.byte, fault.how)
        self.sizes.append(len(data))
        self._put(data)

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def cut(self, size: int, how: Breakage = "close") -> None:
        """
        Break the connection when C{size} more bytes were sent.
        """
        self._room, self._how = size, how
        if size <= 0:
            self.end(how)

    def end(self, how: Breakage) -> None:
        """
        Break the connection after what was sent so far.
        """
        self._broken = True
        if how == "close":
            self.loseConnection()
        elif how == "reset":
            self._flush()
            self._transport.registerProducer(_Reset(self._transport), False)
            self._transport.startWriting()

    def loseConnection(self, *args: Any) -> None:
        self._flush()
        self._transport.loseConnection(*args)

    def split(self, size: int) -> None:
        """
        Have what is written from now on arrive in pieces of C{size} bytes, each
        by itself; 0 for whole packets again.
        """
        self._piece = size

    def _put(self, data: bytes) -> None:
        if self._broken:
            return
        if self._room is None:
            self._send(data)
            return
        self._send(data[: self._room])
        self._room -= len(data)
        if self._room <= 0:
            self.end(self._how)

    def _send(self, data: bytes) -> None:
        if not self._piece and not self._pieces:
            self._transport.write(data)
            return
        if not self._pieces:
            self._clock.callLater(0, self._next)
        step = self._piece or len(data) or 1
        self._pieces.extend(data[i : i + step] for i in range(0, len(data), step))

    def _next(self) -> None:
        if self._pieces:
            self._transport.write(self._pieces.popleft())
        if self._pieces:
            self._clock.callLater(0, self._next)

    def _flush(self) -> None:
        if self._pieces:
            self._transport.write(b"".join(self._pieces))
            self._pieces.clear()


class _Reset:
    """
    Resets a connection once its bytes are out: C{abortConnection} by itself
    would drop them.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._asked = 0

    def resumeProducing(self) -> None:
        self._asked += 1
        if self._asked == 2:
            self._transport.unregisterProducer()
            self._transport.abortConnection()

    def stopProducing(self) -> None:
        pass
