"""
L{conch_auth.transport} against AsyncSSH's server and OpenSSH's.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any

import asyncssh
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateBuilder,
    SSHCertificateType,
)
from twisted.conch.ssh import transport as conch
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from conch_auth.certificates import HostKeyOffer
from conch_auth.errors import HostCertificateInvalid, HostKeyRejected
from conch_auth.interfaces import IHostKeyPolicy
from conch_auth.transport import SSHClientTransport
from conch_auth.userauth import SSHUserAuthClient
from tests.peers.asyncssh_server import AsyncSSHServer, Scripted
from tests.peers.sshd import User, machine

HOST = "host.example"
USER_KEY = Key(ed25519.Ed25519PrivateKey.generate())
CERTIFIED = b"ssh-ed25519-cert-v01@openssh.com"


class Client(SSHClientTransport):
    """
    Our transport, which notes when it is lost and how often its keys change.
    """

    hostname = HOST
    keys_changed = 0

    def __init__(self) -> None:
        self.lost: Deferred[None] = Deferred()

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        self.keys_changed += 1
        super().ssh_NEWKEYS(packet)

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.lost.callback(None)


@implementer(IHostKeyPolicy)
class Policy:
    """
    Wants some algorithms, and trusts one key, or one authority.
    """

    def __init__(
        self, *algorithms: bytes, ca: bytes | None = None, seconds: float | None = None
    ) -> None:
        self.algorithms = algorithms
        self.ca = ca
        self.seconds = seconds
        self.offers: list[HostKeyOffer] = []

    def order_algorithms(self, supported: Sequence[bytes]) -> Sequence[bytes]:
        return self.algorithms or supported

    def accept(self, offer: HostKeyOffer) -> Any:
        self.offers.append(offer)
        trusted = offer.certificate is None or offer.certificate.ca_blob == self.ca
        if self.seconds is None:
            return trusted
        return deferLater(reactor, self.seconds, lambda: trusted)


class Auth(SSHUserAuthClient):
    """
    Logs in with one key.
    """

    def getPublicKey(self) -> Any:
        return USER_KEY.public() if self.lastPublicKey is None else None

    def getPrivateKey(self) -> Any:
        return succeed(USER_KEY)

    def getPassword(self, prompt: Any = None) -> Any:
        return None if prompt is not None else succeed(b"right")


class Command(SSHChannel):
    """
    Runs a command, and counts what it prints.
    """

    name = b"session"

    def __init__(self, command: bytes) -> None:
        super().__init__()
        self.command = command
        self.received = 0
        self.done: Deferred[int] = Deferred()

    def channelOpen(self, specificData: bytes) -> None:
        self.conn.sendRequest(self, "exec", NS(self.command))

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)

    def closed(self) -> None:
        self.done.callback(self.received)


class Connection(SSHConnection):
    """
    Runs a command as soon as it may.
    """

    def __init__(self, command: Command) -> None:
        super().__init__()
        self.command = command

    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.openChannel(self.command)


class PeerCase(TestCase):
    """
    Connections that are closed when the test is over.
    """

    timeout = 60

    @inlineCallbacks
    def connect(self, port: int, policy: Policy, **attributes: Any) -> Any:
        client = Client()
        client.hostKeyPolicy = policy
        client.port = port
        for name, value in attributes.items():
            setattr(client, name, value)
        yield connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), client)
        self.addCleanup(self._close, client)
        return client

    def _close(self, client: Client) -> Deferred[None]:
        client.transport.abortConnection()
        return client.lost


class AsyncSSHTests(PeerCase):
    """
    AsyncSSH, which sends its EXT_INFO right behind its NEWKEYS.
    """

    def serve(self, factory: Any = Scripted, **options: Any) -> AsyncSSHServer:
        server = AsyncSSHServer(factory, **options)
        server.start()
        self.addCleanup(server.stop)
        return server

    @inlineCallbacks
    def test_slow_verdict(self) -> Any:
        """
        An owner who takes his time does not disturb what the server has sent
        meanwhile, with its new keys; Conch would take it for clear text.
        """
        server = self.serve()
        policy = Policy(seconds=0.2)
        client = yield self.connect(server.port, policy)
        yield client.whenSecure()
        self.assertTrue(client._strict)
        self.assertEqual(policy.offers[0].key_blob, server.host_key.public_data)
        auth = Auth(b"alice", SSHConnection())
        client.requestService(auth)
        yield auth.whenAuthenticated()
        self.assertIn(b"server-sig-algs", client.initialExtensions)

    @inlineCallbacks
    def test_every_key_exchange(self) -> Any:
        """
        Every key exchange, cipher and MAC that is offered.
        """
        server = self.serve(
            kex_algs=[
                name.decode() for name in conch.SSHClientTransport.supportedKeyExchanges
            ]
        )
        for name in conch.SSHClientTransport.supportedKeyExchanges:
            client = yield self.connect(
                server.port, Policy(), supportedKeyExchanges=[name]
            )
            yield client.whenSecure()

    @inlineCallbacks
    def test_every_cipher(self) -> Any:
        """
        Every cipher with every MAC that is offered and AsyncSSH has.
        """
        server = self.serve()
        for cipher in SSHClientTransport.supportedCiphers:
            for mac in (b"hmac-sha2-512", b"hmac-sha2-256"):
                client = yield self.connect(
                    server.port,
                    Policy(),
                    supportedCiphers=[cipher],
                    supportedMACs=[mac],
                )
                yield client.whenSecure()

    @inlineCallbacks
    def test_rekey_during_the_login(self) -> Any:
        """
        A server that renews the keys in the middle of the login does not
        disturb it.
        """

        async def rekey(server: Scripted) -> None:
            server.conn._send_kexinit()
            server.conn._kexinit_sent = True

        class Renewing(Scripted):
            steps = {"begin": rekey, "password": rekey}

        server = self.serve(Renewing)
        policy = Policy()
        client = yield self.connect(server.port, policy)
        yield client.whenSecure()
        auth = Auth(b"alice", SSHConnection())
        client.requestService(auth)
        yield auth.whenAuthenticated()
        self.assertEqual(client.keys_changed, 3)
        self.assertEqual(len(policy.offers), 1)

    @inlineCallbacks
    def test_host_certificate(self) -> Any:
        """
        A host certificate is verified; one that has expired, or is for another
        host, is refused.
        """
        ca = asyncssh.generate_private_key("ssh-ed25519")
        changes: dict[str, Any]
        for changes, refusal in (
            ({}, None),
            ({"valid_before": 1}, HostCertificateInvalid),
            ({"principals": ["other.example"]}, HostCertificateInvalid),
        ):
            server = AsyncSSHServer(Scripted)
            certificate = ca.generate_host_certificate(
                server.host_key, "id", **{"principals": [HOST], **changes}
            )
            server._options["server_host_certs"] = [certificate]
            server.start()
            self.addCleanup(server.stop)
            policy = Policy(CERTIFIED, ca=ca.public_data)
            client = yield self.connect(server.port, policy)
            if refusal is None:
                yield client.whenSecure()
                self.assertEqual(len(policy.offers), 1)
            else:
                yield self.assertFailure(client.whenSecure(), refusal)
                self.assertEqual(policy.offers, [])


class OpenSSHTests(PeerCase):
    """
    OpenSSH's sshd.
    """

    def setUp(self) -> None:
        self.machine = machine([User("alice")])

    def serve(self, config: str = "") -> Any:
        server = self.machine.sshd(config)
        self.addCleanup(server.stop)
        server.authorize("alice", USER_KEY)
        return server

    @inlineCallbacks
    def test_every_host_key(self) -> Any:
        """
        Every type of host key, with the server's defaults.
        """
        server = self.serve()
        blobs = {key.blob() for key in server.host_keys}
        for algorithm in (
            b"ssh-ed25519",
            b"ecdsa-sha2-nistp256",
            b"rsa-sha2-256",
            b"rsa-sha2-512",
        ):
            policy = Policy(algorithm)
            client = yield self.connect(server.port, policy)
            yield client.whenSecure()
            self.assertIn(policy.offers[0].blob, blobs)
            self.assertEqual(policy.offers[0].algorithm, algorithm)

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        The server hears that its key was not accepted.
        """
        server = self.serve()
        policy = Policy(b"ssh-ed25519")
        policy.accept = lambda offer: False  # type: ignore[method-assign]
        client = yield self.connect(server.port, policy)
        yield self.assertFailure(client.whenSecure(), HostKeyRejected)
        while "host key not verifiable" not in server.log():
            yield deferLater(reactor, 0.01)

    def certify(self, authority: Key, before: int = 2**64 - 1) -> str:
        """
        A server's ed25519 host key, certified; the line for its configuration.
        """
        [host_key] = [
            key for key in self.machine.host_keys if key.sshType() == b"ssh-ed25519"
        ]
        signed = (
            SSHCertificateBuilder()
            .public_key(host_key._keyObject)
            .type(SSHCertificateType.HOST)
            .key_id(b"host")
            .valid_principals([HOST.encode()])
            .valid_after(0)
            .valid_before(before)
            .sign(authority._keyObject)
            .public_bytes()
        )
        path = f"/etc/peers/{base64.urlsafe_b64encode(signed[-16:]).decode()}.pub"
        self.machine.run("tee", path, given=signed.decode())
        return f"HostCertificate {path}\n"

    @inlineCallbacks
    def test_host_certificate(self) -> Any:
        """
        A certified host is trusted for its authority, and for no other one; an
        expired certificate is refused.
        """
        ca = Key(ed25519.Ed25519PrivateKey.generate())
        server = self.serve(self.certify(ca))
        policy = Policy(CERTIFIED, b"ssh-ed25519", ca=ca.public().blob())
        client = yield self.connect(server.port, policy)
        yield client.whenSecure()
        self.assertEqual(client.keyAlg, CERTIFIED)
        policy = Policy(CERTIFIED, b"ssh-ed25519", ca=USER_KEY.public().blob())
        client = yield self.connect(server.port, policy)
        yield self.assertFailure(client.whenSecure(), HostKeyRejected)
        old = self.serve(self.certify(ca, before=int(time.time()) - 1))
        policy = Policy(CERTIFIED, b"ssh-ed25519", ca=ca.public().blob())
        client = yield self.connect(old.port, policy)
        yield self.assertFailure(client.whenSecure(), HostCertificateInvalid)
        self.assertEqual(policy.offers, [])

    @inlineCallbacks
    def test_rekey(self) -> Any:
        """
        A server that renews the keys again and again loses no byte and asks no
        question.
        """
        server = self.serve("RekeyLimit 64K\n")
        policy = Policy()
        client = yield self.connect(server.port, policy)
        yield client.whenSecure()
        command = Command(b"head -c 1000000 /dev/zero")
        auth = Auth(b"alice", Connection(command))
        client.requestService(auth)
        yield auth.whenAuthenticated()
        received = yield command.done
        self.assertEqual(received, 1000000)
        self.assertGreater(client.keys_changed, 5)
        self.assertEqual(len(policy.offers), 1)

    @inlineCallbacks
    def test_rekey_by_the_client(self) -> Any:
        """
        So does a client that does.
        """
        server = self.serve()
        client = yield self.connect(server.port, Policy())
        yield client.whenSecure()
        command = Command(b"head -c 1000000 /dev/zero")
        received_before = command.dataReceived

        def rekeying(data: bytes) -> None:
            received_before(data)
            if client._keyExchangeState == client._KEY_EXCHANGE_NONE:
                client.sendKexInit()

        command.dataReceived = rekeying  # type: ignore[method-assign]
        auth = Auth(b"alice", Connection(command))
        client.requestService(auth)
        yield auth.whenAuthenticated()
        received = yield command.done
        self.assertEqual(received, 1000000)
        self.assertGreater(client.keys_changed, 2)
