"""
A client transport and Conch's server transport, joined in memory; the server
can be made to misbehave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh import transport as conch
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from conch_auth._wire import string
from conch_auth.transport import SSHClientTransport

ED25519 = Key(ed25519.Ed25519PrivateKey.generate())
OTHER_ED25519 = Key(ed25519.Ed25519PrivateKey.generate())
RSA = Key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
ECDSA = Key(ec.generate_private_key(ec.SECP256R1()))
ECDSA_521 = Key(ec.generate_private_key(ec.SECP521R1()))
ALL_KEYS = (ED25519, RSA, ECDSA, ECDSA_521)

Payload = Callable[[bytes], bytes]


class SignsAs:
    """
    A host key whose signatures and blob are what a test makes of them.
    """

    def __init__(
        self,
        key: Key,
        sign: Callable[[bytes, bytes], bytes] | None = None,
        blob: bytes | None = None,
    ) -> None:
        self._key = key
        self._sign = sign
        self._blob = blob

    def blob(self) -> bytes:
        return self._key.blob() if self._blob is None else self._blob

    def sign(self, data: bytes, signatureType: bytes) -> bytes:
        if self._sign is not None:
            return self._sign(data, signatureType)
        plain = signatureType.removesuffix(b"-cert-v01@openssh.com")
        return self._key.sign(data, signatureType=plain)


class Service(SSHService):
    """
    A service that notes what it is told.
    """

    name = b"ssh-userauth"
    protocolMessages: dict[int, str] = {}

    def __init__(self) -> None:
        self.told: list[Any] = []

    def serviceStarted(self) -> None:
        self.told.append("started")

    def serviceStopped(self) -> None:
        self.told.append("stopped")

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        self.told.append((messageNum, packet))

    def disconnectReceived(self, code: int, description: str) -> None:
        self.told.append(("disconnected", code, description))

    def requestUnimplemented(self, sequence: int) -> None:
        self.told.append(("unimplemented", sequence))


class Server(conch.SSHServerTransport):
    """
    Conch's server.

    @ivar tamper: by message number, what becomes of the next such payload.
    @ivar follow: by message number, the messages to send right after the next
        one with it.
    @ivar host_key: shown and signed with whatever was negotiated.
    """

    host_key: SignsAs | None = None
    strict = False

    def __init__(self) -> None:
        self.tamper: dict[int, Payload] = {}
        self.follow: dict[int, list[tuple[int, bytes]]] = {}
        self.disconnects: list[tuple[int, bytes]] = []
        self.unimplemented: list[int] = []
        self.received: list[int] = []
        self.supportedPublicKeys = list(self.supportedPublicKeys)

    def connectionMade(self) -> None:
        if self.strict:
            self.supportedKeyExchanges = [
                *self.supportedKeyExchanges,
                b"kex-strict-s-v00@openssh.com",
            ]
        super().connectionMade()

    def _getHostKeys(self, keyAlg: bytes) -> Any:
        if self.host_key is not None:
            return self.host_key, self.host_key
        return super()._getHostKeys(keyAlg)

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if messageType in self.tamper:
            payload = self.tamper.pop(messageType)(payload)
        super().sendPacket(messageType, payload)
        if messageType == conch.MSG_NEWKEYS and self.strict:
            self.outgoingPacketSequence = 0
        for number, extra in self.follow.pop(messageType, ()):
            self.inject(number, extra)

    def inject(self, number: int, payload: bytes = b"") -> int:
        """
        Send a message whatever the state; its sequence number is returned.
        """
        state, self._keyExchangeState = (
            self._keyExchangeState,
            self._KEY_EXCHANGE_NONE,
        )
        sequence = self.outgoingPacketSequence
        conch.SSHServerTransport.sendPacket(self, number, payload)
        self._keyExchangeState = state
        return sequence

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        self.received.append(messageNum)
        super().dispatchMessage(messageNum, payload)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        if self.strict:
            self.incomingPacketSequence = 0
        super().ssh_NEWKEYS(packet)

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        self.disconnects.append((reasonCode, description))

    def receiveUnimplemented(self, seqnum: int) -> None:
        self.unimplemented.append(seqnum)


class _Factory(SSHFactory):
    protocol = Server

    def __init__(self, host_keys: Sequence[Key]) -> None:
        self._host_keys = {key.sshType(): key for key in host_keys}
        self.services = {b"ssh-userauth": Service}
        self.primes = {2048: [(2, conch.DH_PRIME)]}

    def getPublicKeys(self) -> dict[bytes, Key]:
        return {name: key.public() for name, key in self._host_keys.items()}

    def getPrivateKeys(self) -> dict[bytes, Key]:
        return self._host_keys

    def getPrimes(self) -> Any:
        return self.primes


class Client(SSHClientTransport):
    """
    Our client with a verdict that a test sets, and notes of what it is told.
    """

    hostname = "host.example"

    def __init__(self, verdict: Any = True) -> None:
        self.clock = Clock()
        self.wallClock = lambda: 1_000_000.0
        self.verdict = verdict
        self.asked: list[bytes] = []
        self.secured = 0
        self.debugs: list[tuple[str, str, bool]] = []

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        self.asked.append(hostKey)
        if self.hostKeyPolicy is not None:
            return super().verifyHostKey(hostKey, fingerprint)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def connectionSecure(self) -> None:
        self.secured += 1

    def debugReceived(self, message: str, language: str, always_display: bool) -> None:
        self.debugs.append((message, language, always_display))


class Pair:
    """
    Both sides, connected by L{join}.

    @ivar outcome: what C{whenSecure} gave, C{[None]} for success, or nothing
        yet.
    """

    def __init__(
        self,
        client: Any = None,
        *,
        keys: Sequence[Key] = ALL_KEYS,
        strict: bool = False,
    ) -> None:
        self.client: Any = Client() if client is None else client
        factory = _Factory(keys)
        factory.startFactory()
        self.server: Server = factory.buildProtocol(None)
        self.server.strict = strict
        self.outcome: list[Any] = []

    def join(self) -> Pair:
        self._to_server, self._to_client = StringTransport(), StringTransport()
        self.client.makeConnection(self._to_server)
        self.client.whenSecure().addCallbacks(
            self.outcome.append, lambda failure: self.outcome.append(failure.value)
        )
        self.server.makeConnection(self._to_client)
        return self.pump()

    def pump(self) -> Pair:
        """
        Move bytes until neither side has more to say.
        """
        for _ in range(100):
            out, back = self._to_server.value(), self._to_client.value()
            self._to_server.clear()
            self._to_client.clear()
            if not out and not back:
                return self
            if out:
                self.server.dataReceived(out)
            if back:
                self.client.dataReceived(back)
        raise AssertionError("the two sides never stop")

    def send(self, number: int, payload: bytes = b"") -> int:
        """
        The server sends a message; its sequence number is returned.
        """
        sequence = self.server.inject(number, payload)
        self.pump()
        return sequence

    def lose(self, error: Exception) -> None:
        self.client.connectionLost(Failure(error))

    @property
    def hung_up(self) -> bool:
        return bool(self._to_server.disconnecting)

    @property
    def aborted(self) -> bool:
        return bool(self._to_server.disconnected)


def ext_info(**extensions: bytes) -> bytes:
    """
    The payload of an EXT_INFO; underscores stand for dashes.
    """
    pairs = [
        string(name.replace("_", "-").encode()) + string(value)
        for name, value in extensions.items()
    ]
    return len(pairs).to_bytes(4, "big") + b"".join(pairs)
