"""
A network that is slow, and that counts: what it adds is known, and what goes by is
noted.

How round trips are counted
===========================

Up to NEWKEYS a connection can be read (RFC 4253, sections 4.2 and 6): the version
line, and then packets whose numbers stand in the clear.  So L{ClearText} finds the
client's NEWKEYS exactly, and with it the first byte that is encrypted.  From there
on nothing can be read, and nothing has to be: each byte takes C{delay} seconds to
the server, and the answer to it as many back.  What reaches the client less than
twice C{delay} after it has sent something cannot be the answer to that; what reaches
it later can, and a client that sends something then has waited for it, or has had
nothing to say before.

L{round_trips} goes by that: the client sends, and after twice C{delay} or more the
server's bytes come: that is one.  What the client sends next begins the next.  Several
packets that leave together, or one after the other with no answer between them, are
one flight, as is an IGNORE before a request.  What a server sends on its own account,
such as EXT_INFO behind its NEWKEYS, is the answer to nothing.  It ends with the moment
at which the client says that it is logged in, by the clock that all processes of a
machine share; what a server sends after its success, and the client's DISCONNECT, are
not in it.

The connection itself, TCP's handshake, is made without delay.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple

_NEWKEYS = 21
_LENGTH_BYTES = 4
_READ = 65536
PATIENCE = 20.0

Side = Literal["client", "server"]


class Passage(NamedTuple):
    """
    Bytes at the client's end of the network.

    @ivar at: when they left the client or reached it.
    @ivar encrypted: whether the client's NEWKEYS came before them.
    """

    at: float
    sender: Side
    encrypted: bool


class ClearText:
    """
    Reads what one side sends up to its NEWKEYS.
    """

    def __init__(self) -> None:
        self._data = b""
        self._in_packets = False
        self.over = False

    def has_more_after(self, data: bytes) -> bool:
        """
        Take more bytes.

        @return: whether there are any behind NEWKEYS.
        """
        if self.over:
            return bool(data)
        self._data += data
        if not self._in_packets:
            self._skip_version()
        while self._in_packets and not self.over and self._skip_packet():
            pass
        return self.over and bool(self._data)

    def _skip_version(self) -> None:
        _, end, rest = self._data.partition(b"\n")
        if end:
            self._in_packets, self._data = True, rest

    def _skip_packet(self) -> bool:
        head = self._data[: _LENGTH_BYTES + 2]
        length = int.from_bytes(head[:_LENGTH_BYTES], "big")
        if len(head) < _LENGTH_BYTES + 2 or len(self._data) < _LENGTH_BYTES + length:
            return False
        self._data = self._data[_LENGTH_BYTES + length :]
        self.over = head[-1] == _NEWKEYS
        return True


def round_trips(passages: Sequence[Passage], delay: float, until: float) -> int:
    """
    How often the client has waited for the server after its NEWKEYS.

    @param delay: seconds that bytes take one way; more than none.
    @param until: when the client was logged in.
    """
    if delay <= 0:
        raise ValueError("without a delay, nothing tells an answer from what came by")
    trips, sent_at = 0, None
    for passage in passages:
        if not passage.encrypted or passage.at > until:
            continue
        if passage.sender == "client":
            sent_at = passage.at if sent_at is None else sent_at
        elif sent_at is not None and passage.at >= sent_at + 2 * delay:
            trips, sent_at = trips + 1, None
    return trips


class Network:
    """
    The way to one server, for any number of connections.

    @ivar port: where a client is to connect to.
    @ivar delay: seconds that bytes take one way.
    @ivar connections: what has gone by in each, at the client's end.
    """

    def __init__(self, server_port: int, delay: float) -> None:
        self._server_port, self.delay = server_port, delay
        self.connections: list[list[Passage]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self._listener = listening.result(PATIENCE)
        self.port: int = self._listener.sockets[0].getsockname()[1]

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _close(self) -> None:
        self._listener.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        passages: list[Passage] = []
        self.connections.append(passages)
        there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        server = back.get_extra_info("socket")
        clear = ClearText()

        def left_client(data: bytes) -> None:
            encrypted = clear.has_more_after(data)
            passages.append(Passage(time.monotonic(), "client", encrypted))

        def left_server(data: bytes) -> None:
            # A server that waits for an acknowledgement waits for the client's.
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

        def reached_client(data: bytes) -> None:
            passages.append(Passage(time.monotonic(), "server", clear.over))

        carrying = asyncio.gather(
            self._carry(reader, back, before=left_client),
            self._carry(there, writer, left_server, reached_client),
        )
        # Where the network is taken down first, there is nobody left to tell.
        with suppress(asyncio.CancelledError):
            await carrying
        back.close()
        writer.close()

    async def _carry(
        self,
        origin: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        before: Callable[[bytes], None] = lambda data: None,
        after: Callable[[bytes], None] = lambda data: None,
    ) -> None:
        def deliver(data: bytes) -> None:
            if data:
                after(data)
                target.write(data)
            else:
                target.close()

        data = b"?"
        while data:
            try:
                data = await origin.read(_READ)
            except ConnectionError:
                data = b""
            if data:
                before(data)
            self._loop.call_later(self.delay, deliver, data)


@contextmanager
def network(server_port: int, delay: float) -> Iterator[Network]:
    """
    A L{Network} for as long as it is wanted.
    """
    made = Network(server_port, delay)
    made.start()
    try:
        yield made
    finally:
        made.stop()
