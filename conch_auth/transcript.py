"""
Conversations of a client and a server as text: recorded once, and replayed
without the server.

A transcript has one line for each message of authentication::

    < 7 EXT_INFO 1 "server-sig-algs" "ssh-ed25519,rsa-sha2-512"
    > 50 USERAUTH_REQUEST "alice" "ssh-connection" "none"
    < 51 USERAUTH_FAILURE "publickey" false
    > 50 USERAUTH_REQUEST "alice" "ssh-connection" "publickey" false
      "ssh-ed25519" <key 1 ssh-ed25519>

(here the last one is broken in two).  C{>} is what the client said and C{<} what
the server did; the number and the name of the message and its fields follow.
C{< closed} is the end of the connection.  Lines that begin with C{#} say where it
comes from.  Passwords, answers, signatures and tokens are not in it, and keys are
known by number, so that two recordings of the same conversation are the same
text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.conch.ssh.transport import MSG_DISCONNECT, MSG_EXT_INFO

from conch_auth import names
from conch_auth._extensions import parse_extensions
from conch_auth._script import Answer, Packet, Received
from conch_auth._transcript_fields import Words, keys_in, payload_of, stand_in
from conch_auth.scripted import close, disconnect

__all__ = ["Differs", "Recording", "Transcript", "record"]

_CLIENT, _SERVER, _CLOSED = "> ", "< ", "< closed"
_RECORDED = (
    MSG_DISCONNECT,
    MSG_EXT_INFO,
    *range(names.MSG_USERAUTH_REQUEST, names.FIRST_CONNECTION_MESSAGE),
)


class Differs(AssertionError):
    """
    The client said something else than the transcript has.

    @ivar expected: its line in the transcript; empty where there is none left.
    @ivar got: the line of what it said.
    """

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected, self.got = expected, got

    def __str__(self) -> str:
        expected = self.expected or "nothing more"
        return f"the transcript has\n  {expected}\nand the client said\n  {self.got}"


class Transcript:
    """
    A conversation.

    @ivar notes: where it comes from, in lines.
    @ivar lines: the messages, each as one line.
    """

    def __init__(self, lines: Iterable[str], notes: Iterable[str] = ()) -> None:
        self.lines = tuple(lines)
        self.notes = tuple(notes)

    @classmethod
    def parse(cls, text: str) -> Transcript:
        """
        Read what C{str} has written.
        """
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        notes = [line[1:].strip() for line in lines if line.startswith("#")]
        return cls((line for line in lines if not line.startswith("#")), notes)

    def __str__(self) -> str:
        notes = [f"# {note}" for note in self.notes]
        return "".join(f"{line}\n" for line in (*notes, *self.lines))

    def script(self) -> Callable[[Received], Answer]:
        """
        The server's part: a script for a peer of L{conch_auth.scripted}, good for
        one connection.

        Each message of the client's is compared with the transcript's; where they
        differ, L{Differs} is raised.
        """
        return _Replay(self.lines).answer

    @property
    def extensions(self) -> dict[bytes, bytes]:
        """
        What the server's EXT_INFO has (RFC 8308); empty where there is none.
        """
        for line in self.lines:
            if line.startswith(f"{_SERVER}{MSG_EXT_INFO} "):
                return parse_extensions(_payload(line))
        return {}

    @property
    def farewell(self) -> tuple[int, bytes] | None:
        """
        The payload's code and text of the DISCONNECT that the client sent.
        """
        for line in self.lines:
            if line.startswith(f"{_CLIENT}{MSG_DISCONNECT} "):
                return _code_and_text(line)
        return None

    @property
    def keys(self) -> list[bytes]:
        """
        Blobs that stand for the keys which the client offered, in order.  They
        have the right type, and nothing else of a key.
        """
        return [stand_in(name) for name in keys_in(self.lines)]


class _Replay:
    """
    A transcript, as far as it has been played.
    """

    def __init__(self, lines: tuple[str, ...]) -> None:
        of_client = f"{_CLIENT}{MSG_DISCONNECT} "
        before_first = f"{_SERVER}{MSG_EXT_INFO} "
        self._lines = [
            line for line in lines if not line.startswith((of_client, before_first))
        ]
        self._words = Words()

    def answer(self, received: Received) -> Answer:
        payload = received.payload if isinstance(received, Packet) else received.build()
        got = f"{_CLIENT}{self._words.line(received.number, payload)}"
        expected = self._lines.pop(0) if self._lines else ""
        if got != expected:
            raise Differs(expected, got)
        said = []
        while self._lines and not self._lines[0].startswith(_CLIENT):
            said.append(_action(self._lines.pop(0)))
        return said


def _action(line: str) -> Answer:
    if line == _CLOSED:
        return close()
    number = int(line.split(" ")[1])
    if number == MSG_DISCONNECT:
        return disconnect(*_code_and_text(line))
    return Packet(number, _payload(line))


def _payload(line: str) -> bytes:
    return payload_of(" ".join(line.split(" ")[3:]))


def _code_and_text(line: str) -> tuple[int, bytes]:
    payload = _payload(line)
    size = int.from_bytes(payload[4:8], "big")
    return int.from_bytes(payload[:4], "big"), payload[8 : 8 + size]


class Recording:
    """
    The lines of a connection that is recorded.

    @ivar lines: what was said so far.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._words = Words()

    def said(self, by: str, number: int, payload: bytes) -> None:
        if number in _RECORDED:
            self.lines.append(by + self._words.line(number, payload))

    def closed(self) -> None:
        """
        The connection has ended; where a DISCONNECT has said so before, it is no
        news.
        """
        farewells = tuple(f"{by}{MSG_DISCONNECT} " for by in (_CLIENT, _SERVER))
        if not self.lines[-1:] or not self.lines[-1].startswith(farewells):
            self.lines.append(_CLOSED)

    def transcript(self, *notes: str) -> Transcript:
        return Transcript(self.lines, notes)


def record(transport: Any) -> Recording:
    """
    Record what is said over a client's transport from now on.

    @param transport: an
        L{SSHClientTransport<conch_auth.transport.SSHClientTransport>}, or Conch's
        own.
    """
    recording = Recording()
    send, dispatch = transport.sendPacket, transport.dispatchMessage
    lose = transport.connectionLost

    def send_packet(number: int, payload: bytes) -> None:
        recording.said(_CLIENT, number, payload)
        send(number, payload)

    def dispatch_message(number: int, payload: bytes) -> None:
        recording.said(_SERVER, number, payload)
        dispatch(number, payload)

    def connection_lost(*reason: Any) -> None:
        recording.closed()
        lose(*reason)

    transport.sendPacket = send_packet
    transport.dispatchMessage = dispatch_message
    transport.connectionLost = connection_lost
    return recording
