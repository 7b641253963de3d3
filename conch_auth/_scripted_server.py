# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
"""
A scripted peer at the other end of a connection: Conch's server transport and a
real key exchange, with a script in place of authentication.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.conch.ssh import transport as conch
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService

from conch_auth._loopback_server import (
    SIGNATURE_ALGORITHMS,
    InProcessServer,
    ServerFactory,
    ServerTransport,
    server_sig_algs,
)
from conch_auth._loopback_session import COMMANDS, Avatar
from conch_auth._loopback_wire import Breakage
from conch_auth._script import (
    Answer,
    Reading,
    Received,
    Script,
    disconnect_payload,
    play,
)
from conch_auth.messages import Message, Success, UserAuthRequest


class ScriptedServer(InProcessServer):
    """
    A server that follows a script, once for each connection.

    @ivar after: by message number, what the server does right after it has sent
        the first such message of a connection, by itself or by the script.
    @ivar instead: by message number, what it does in place of it; C{None} holds
        it back.

    @param script: one L{Answer<conch_auth._script.Answer>} for each message of
        authentication that the client sends, or a function that gives it.  After
        the last one the server is silent.
    @param host_keys: private keys; one new Ed25519 key where none is given.
    @param extensions: what EXT_INFO says (RFC 8308); C{None} sends none.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        after: Mapping[int, Answer] | None = None,
        instead: Mapping[int, Answer] | None = None,
        host_keys: Sequence[Key] = (),
        extensions: Mapping[bytes, bytes] | None = server_sig_algs(
            SIGNATURE_ALGORITHMS
        ),
    ) -> None:
        super().__init__(host_keys, extensions)
        self.script = script
        self.after = dict(after or {})
        self.instead = dict(instead or {})

    def send(self, *answers: Answer) -> None:
        """
        Do something by itself on the last connection, whatever the script says.
        """
        play(self._last, self._last.reading.again(answers))
        self.pump()

    @property
    def received(self) -> list[Received]:
        """
        What the client has sent of authentication on the last connection, in
        order: each a L{UserAuthRequest<conch_auth.messages.UserAuthRequest>},
        another message, or a L{Packet<conch_auth._script.Packet>} where it is
        none of them.
        """
        return self._last.reading.received

    @property
    def left(self) -> int:
        """
        How many answers of the script were not given on the last connection.
        """
        return self._last.reading.left

    @property
    def disconnects(self) -> list[tuple[int, bytes]]:
        """
        The reason code and the text of each DISCONNECT that the client has sent
        on the last connection.
        """
        return self._last.disconnects

    @property
    def refused(self) -> int:
        """
        How many messages the client has answered with UNIMPLEMENTED on the last
        connection.
        """
        return self._last.refused

    @property
    def _last(self) -> ScriptedServerTransport:
        transport: ScriptedServerTransport = self.connection
        return transport

    def _factory(self, clock: Any) -> Any:
        return self._prepare(_Factory(), clock)


class ScriptedServerTransport(ServerTransport):
    """
    One connection of a L{ScriptedServer}: the stage of its script.

    @ivar reading: the script, as far as it has come.
    @ivar disconnects: what the client said when it left.
    @ivar refused: how often it sent UNIMPLEMENTED.
    """

    def connectionMade(self) -> None:
        server: Any = self.factory.server
        self.reading = Reading(server.script)
        self.disconnects: list[tuple[int, bytes]] = []
        self.refused = 0
        self._after = dict(server.after)
        self._instead = dict(server.instead)
        super().connectionMade()

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if messageType in self._instead:
            play(self, self.reading.again(self._instead.pop(messageType)))
        else:
            super().sendPacket(messageType, payload)
        if messageType in self._after:
            play(self, self.reading.again(self._after.pop(messageType)))

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        self.disconnects.append((reasonCode, description))

    def receiveUnimplemented(self, seqnum: int) -> None:
        self.refused += 1

    # What a script does.

    def say(self, message: Message) -> None:
        self.sendPacket(message.number, message.build())
        if isinstance(message, Success):
            self._admit()

    def _admit(self) -> None:
        requests = [r for r in self.reading.received if isinstance(r, UserAuthRequest)]
        name = requests[-1].user if requests else b""
        self.avatar = Avatar(name, COMMANDS, self.factory.clock)
        self.logoutFunction = lambda: None
        self.setService(SSHConnection())

    def packet(self, number: int, payload: bytes) -> None:
        # Conch would keep it until a key exchange is over.
        state, self._keyExchangeState = (
            self._keyExchangeState,
            self._KEY_EXCHANGE_NONE,
        )
        self.sendPacket(number, payload)
        self._keyExchangeState = state

    def unimplemented(self) -> None:
        last = self.incomingPacketSequence - 1
        self.packet(conch.MSG_UNIMPLEMENTED, last.to_bytes(4, "big"))

    def disconnect(self, code: int, description: bytes) -> None:
        self.packet(conch.MSG_DISCONNECT, disconnect_payload(code, description))
        self.wire.loseConnection()

    def end(self, how: Breakage) -> None:
        self.wire.end(how)

    def later(self, seconds: float, play: Callable[[], None]) -> None:
        def due() -> None:
            if not self.closed.called:
                play()

        self.factory.clock.callLater(seconds, due)

    def raw(self, data: bytes) -> None:
        self.wire.write(data)

    def rekey(self) -> None:
        self.sendKexInit()

    def split(self, size: int, play: Callable[[], None]) -> None:
        self.wire.split(size)
        try:
            play()
        finally:
            self.wire.split(0)

    def cut(self, size: int, how: Breakage, play: Callable[[], None]) -> None:
        self.wire.cut(size, how)
        play()


class _ScriptedService(SSHService):
    """
    C{ssh-userauth}, as the script has it.
    """

    name = b"ssh-userauth"
    transport: Any

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        play(self.transport, self.transport.reading.hear(messageNum, packet))


class _Factory(ServerFactory):
    """
    Conch's factory for a L{ScriptedServer}.
    """

    protocol: Any = ScriptedServerTransport
    services: Mapping[bytes, Any] = {  # type: ignore[assignment]
        b"ssh-userauth": _ScriptedService,
        b"ssh-connection": SSHConnection,
    }
