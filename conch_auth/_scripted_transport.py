"""
A scripted peer without a connection: its script speaks to a service directly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from conch_auth import names
from conch_auth._kex import HostKeyProof
from conch_auth._loopback_wire import Breakage
from conch_auth._script import (
    Action,
    Answer,
    Reading,
    Received,
    Script,
    play,
)
from conch_auth.display import text
from conch_auth.messages import Message
from conch_auth.report import AuthReport
from conch_auth.userauth import SSHUserAuthClient

#: RFC 4250, section 4.1.2
_OF_AUTHENTICATION = range(names.MSG_USERAUTH_REQUEST, names.FIRST_CONNECTION_MESSAGE)


class ScriptedTransport:
    """
    A transport for one L{SSHUserAuthClient}, with a server behind it that
    follows a script.

    There are no ciphers, no key exchange and no bytes: the client's messages go
    to the script, and what the script answers goes to C{packetReceived}.  Nothing
    is delivered from within a call of the client's; L{log_in}, L{send}, L{pump}
    and L{advance} deliver, until neither side has more to say.

    @ivar clock: what the client takes its time from.
    @ivar service: the service that runs: the client, and after its login what
        it has set.
    @ivar sent: each packet that came from a service, as number and payload.
    @ivar disconnects: the reason code and the text of each DISCONNECT that the
        client has sent.
    @ivar refused: how many messages the client has answered with UNIMPLEMENTED.
    @ivar closed: whether the connection is over.
    @ivar secure: whether the transport says that it is encrypted.

    @param script: one L{Answer<conch_auth._script.Answer>} for each message
        that the client sends, or a function that gives it.  After the last one
        the server is silent.
    @param extensions: the server's extensions (RFC 8308).
    """

    sessionID = b"the session of a scripted peer"
    hostKeyProof = HostKeyProof(b"the host key of a scripted peer", sessionID, b"")
    hostname = "scripted.example"
    secure = True

    def __init__(
        self, script: Script = (), *, extensions: Mapping[bytes, bytes] | None = None
    ) -> None:
        self.clock = Clock()
        self.service: Any = None
        self.sent: list[tuple[int, bytes]] = []
        self.disconnects: list[tuple[int, bytes]] = []
        self.refused = 0
        self.closed = False
        self._silent = False
        self.peerExtensions = self.initialExtensions = dict(extensions or {})
        self._reading = Reading(script)
        self._to_server: deque[tuple[int, bytes]] = deque()
        self._to_client: deque[Callable[[], object]] = deque()

    # What a test does.

    def log_in(self, client: SSHUserAuthClient) -> Deferred[AuthReport]:
        """
        Start a client on this transport.

        @return: what C{client.whenAuthenticated} gives.
        """
        client.clock = self.clock
        ended = client.whenAuthenticated()
        self._run(client)
        self.pump()
        return ended

    def send(self, *answers: Answer) -> None:
        """
        Have the server do something by itself, whatever its script says.
        """
        play(self, self._reading.again(answers))
        self.pump()

    def pump(self) -> None:
        """
        Deliver in both directions until nothing is under way.  A test calls it
        after it has answered a question of its client.
        """
        while not self.closed and (self._to_client or self._to_server):
            if self._to_client:
                self._to_client.popleft()()
            else:
                play(self, self._hear(*self._to_server.popleft()))

    def advance(self, seconds: float) -> None:
        """
        Let time pass, then L{pump}.
        """
        self.clock.advance(seconds)
        self.pump()

    @property
    def received(self) -> list[Received]:
        """
        What the client has sent of authentication, in order: each a
        L{UserAuthRequest<conch_auth.messages.UserAuthRequest>}, another message,
        or a L{Packet<conch_auth._script.Packet>} where it is none of them.
        """
        return self._reading.received

    @property
    def left(self) -> int:
        """
        How many answers of the script have not been given.
        """
        return self._reading.left

    # What a service calls.

    def sendPacket(self, number: int, payload: bytes) -> None:
        if not self.closed:
            self.sent.append((number, payload))
            self._to_server.append((number, payload))

    def sendDisconnect(self, code: int, description: bytes) -> None:
        self.disconnects.append((code, description))
        self._to_server.clear()
        self._to_client.clear()
        self._to_client.append(self._close)

    def sendUnimplemented(self) -> None:
        self.refused += 1

    def setService(self, service: Any) -> None:
        self.service.serviceStopped()
        self._run(service)

    def isEncrypted(self, direction: str) -> bool:
        return self.secure

    def loseConnection(self) -> None:
        self._to_client.append(self._close)

    def _run(self, service: Any) -> None:
        self.service = service
        service.transport = self
        service.serviceStarted()

    def _hear(self, number: int, payload: bytes) -> list[Action]:
        if self._silent or number not in _OF_AUTHENTICATION:
            return []
        return self._reading.hear(number, payload)

    # What a script does.

    def say(self, message: Message) -> None:
        self.packet(message.number, message.build())

    def packet(self, number: int, payload: bytes) -> None:
        if not self._silent:
            self._to_client.append(lambda: self._deliver(number, payload))

    def unimplemented(self) -> None:
        self._to_client.append(self._request_unimplemented)

    def disconnect(self, code: int, description: bytes) -> None:
        told = text(description)
        self._to_client.append(lambda: self._tell("disconnectReceived", code, told))
        self._to_client.append(self._close)

    def end(self, how: Breakage) -> None:
        self._silent = True
        if how != "stall":
            self._to_client.append(self._close)

    def later(self, seconds: float, play: Callable[[], None]) -> None:
        def due() -> None:
            if not self.closed:
                play()

        self.clock.callLater(seconds, due)

    def raw(self, data: bytes) -> None:
        raise _no_bytes()

    def rekey(self) -> None:
        raise _no_bytes()

    def split(self, size: int, play: Callable[[], None]) -> None:
        raise _no_bytes()

    def cut(self, size: int, how: Breakage, play: Callable[[], None]) -> None:
        raise _no_bytes()

    def _deliver(self, number: int, payload: bytes) -> None:
        self.service.packetReceived(number, payload)

    def _request_unimplemented(self) -> None:
        self._tell("requestUnimplemented", len(self.sent) - 1)

    def _tell(self, hook: str, *arguments: object) -> None:
        told = getattr(self.service, hook, None)
        if told is not None:
            told(*arguments)

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            self.service.serviceStopped()


def _no_bytes() -> TypeError:
    return TypeError("there are no bytes on this transport: use a ScriptedServer")
