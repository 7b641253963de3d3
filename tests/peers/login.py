# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Logging in to a real server with the service under test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh import transport as conch_transport
from twisted.conch.ssh import userauth as conch_userauth
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from conch_auth.report import AuthReport
from conch_auth.transport import SSHClientTransport
from conch_auth.userauth import SSHUserAuthClient

ED25519 = Key(ed25519.Ed25519PrivateKey.generate())
OTHER_ED25519 = Key(ed25519.Ed25519PrivateKey.generate())
ECDSA_256 = Key(ec.generate_private_key(ec.SECP256R1()))
ECDSA_384 = Key(ec.generate_private_key(ec.SECP384R1()))
ECDSA_521 = Key(ec.generate_private_key(ec.SECP521R1()))
RSA_2048 = Key(rsa.generate_private_key(65537, 2048))
RSA_3072 = Key(rsa.generate_private_key(65537, 3072))


class Peer(Protocol):
    """
    A running server.
    """

    @property
    def port(self) -> int: ...

    @property
    def host_keys(self) -> Sequence[Key]: ...


class NextService(SSHConnection):
    """
    What follows the login.

    @ivar running: fires when it has been started.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running: Deferred[None] = Deferred()

    @property
    def started(self) -> bool:
        return bool(self.running.called)

    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.running.callback(None)


class KeyClient(SSHUserAuthClient):
    """
    What an application of Conch's has at the least: it says which key, and no
    more.
    """

    instance: NextService

    def __init__(self, user: str, *keys: Key) -> None:
        super().__init__(user.encode(), NextService())
        self.keys = list(keys)

    def getPublicKey(self) -> Key | None:
        self.key = self.keys.pop(0) if self.keys else None
        return self.key and self.key.public()

    def getPrivateKey(self) -> Deferred[Any]:
        return succeed(self.key)


class ConchKeyClient(conch_userauth.SSHUserAuthClient):
    """
    The same on Conch's own class: the control.
    """

    instance: NextService

    def __init__(self, user: str, *keys: Key) -> None:
        super().__init__(user.encode(), NextService())
        self.keys = list(keys)

    getPublicKey = KeyClient.getPublicKey
    getPrivateKey = KeyClient.getPrivateKey


class Client(KeyClient):
    """
    Has keys, passwords and answers, and notes what it is told.

    @ivar asked: each round of questions: name, instruction and prompts.
    @ivar told: each banner and its language.
    @ivar prompted: each prompt for a password; C{None} for the first.
    """

    def __init__(
        self,
        user: str,
        keys: Iterable[Key] = (),
        passwords: Iterable[str] = (),
        answers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(user, *keys)
        self.passwords = list(passwords)
        self.answers = answers
        self.asked: list[tuple[str, str, list[str]]] = []
        self.told: list[tuple[str, str]] = []
        self.prompted: list[bytes | None] = []
        self.changes: list[str] = []

    def getPassword(self, prompt: bytes | None = None) -> Any:
        self.prompted.append(prompt)
        return self.passwords.pop(0) if self.passwords else None

    def getSubmethods(self) -> Any:
        return None if self.answers is None else b""

    def getGenericAnswers(
        self, name: bytes, instruction: bytes, prompts: list[tuple[bytes, bool]]
    ) -> Any:
        asked = [prompt.decode() for prompt, _ in prompts]
        self.asked.append((name.decode(), instruction.decode(), asked))
        assert self.answers is not None
        return [self.answers[prompt] for prompt in asked]

    def informationReceived(self, name: bytes, instruction: bytes) -> None:
        self.asked.append((name.decode(), instruction.decode(), []))

    def bannerReceived(self, message: str, language: str) -> None:
        self.told.append((str(message), language))

    def passwordChanged(self) -> None:
        self.changes.append("changed")

    def passwordChangeFailed(self) -> None:
        self.changes.append("refused")


class _Requesting:
    """
    A transport that requests one service, and trusts some host keys.
    """

    wanted: Any
    trusted: Sequence[bytes] = ()
    requestService: Any

    def __init__(self, wanted: Any) -> None:
        self.wanted = wanted
        self.lost: Deferred[None] = Deferred()

    def connectionSecure(self) -> None:
        self.requestService(self.wanted)

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)  # type: ignore[misc]
        self.lost.callback(None)


class Transport(_Requesting, SSHClientTransport):
    """
    Ours.

    @ivar disconnects: each DISCONNECT that was sent: the code and the text.
    """

    def __init__(self, wanted: Any) -> None:
        super().__init__(wanted)
        self.disconnects: list[tuple[int, bytes]] = []

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        self.disconnects.append((reason, desc))
        super().sendDisconnect(reason, desc)

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> bool:
        return hostKey in self.trusted


class ConchTransport(_Requesting, conch_transport.SSHClientTransport):
    """
    Conch's own.
    """

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        return succeed(hostKey in self.trusted)


class LoginCase(TestCase):
    """
    A test that logs in to real servers.
    """

    timeout = 60

    async def connect(
        self,
        server: Peer,
        client: Any,
        kind: type[Transport] | type[ConchTransport] = Transport,
    ) -> Any:
        """
        Connect, and begin to log C{client} in.

        @return: the transport.
        """
        transport = kind(client)
        transport.trusted = [key.blob() for key in server.host_keys]
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", server.port)
        await connectProtocol(endpoint, transport)
        self.addCleanup(self._disconnect, transport)
        return transport

    def _disconnect(self, transport: Any) -> Deferred[None]:
        lost: Deferred[None] = transport.lost
        transport.transport.abortConnection()
        return lost

    async def log_in(
        self,
        server: Peer,
        client: KeyClient,
        kind: type[Transport] | type[ConchTransport] = Transport,
    ) -> AuthReport:
        """
        Log C{client} in.

        @return: the report of a success; the next service runs then.
        """
        await self.connect(server, client, kind)
        report = await client.whenAuthenticated()
        self.assertTrue(report.succeeded)
        self.assertTrue(client.instance.started)
        return report

    async def refused(
        self, server: Peer, client: KeyClient, error: type[Exception]
    ) -> Any:
        """
        Try to log C{client} in.

        @return: the C{error} that it fails with.
        """
        transport = await self.connect(server, client)
        found = await self.assertFailure(client.whenAuthenticated(), error)
        await transport.lost
        self.assertFalse(client.instance.started)
        return found


def tried(report: AuthReport) -> list[tuple[str, str]]:
    """
    The method and the outcome of each attempt that was made, but for the first
    C{none}.
    """
    told: list[tuple[str, str]] = [
        (attempt.method, attempt.outcome)
        for attempt in report.attempts
        if attempt.outcome != "skipped"
    ]
    return told[1:] if told[0] == ("none", "refused") else told
