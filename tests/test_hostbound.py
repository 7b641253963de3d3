# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests of C{publickey-hostbound-v00@openssh.com} and
C{session-bind@openssh.com}: signatures that are good for one server only, and
keys that an agent uses for some servers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.endpoints import (
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import names
from conch_auth._kex import HostKeyProof
from conch_auth._transports import host_key_to_bind
from conch_auth._wire import string
from conch_auth.agent import SSHAgentClient
from conch_auth.errors import ConnectionLost, MalformedMessage
from conch_auth.messages import (
    HostBoundRequest,
    PasswordRequest,
    PublicKeyRequest,
    UserAuthRequest,
    method_request,
)
from conch_auth.signing import data_to_sign
from tests.memory import MemoryCase
from tests.peers.agent_login import USER, AgentLoginCase, public_line
from tests.peers.login import (
    ED25519,
    RSA_2048,
    ConchTransport,
    KeyClient,
    LoginCase,
    tried,
)
from tests.peers.sshd import Sshd, machine
from tests.support import SUCCESS, Client, LoginTestCase, failure, new_key, partial
from tests.transport_pair import RSA

A, B = new_key(), new_key()
HOST_KEY: bytes = new_key().public().blob()
HOSTBOUND = b"publickey-hostbound-v00@openssh.com"
EXTENSION = 27
ANNOUNCED = {b"publickey-hostbound@openssh.com": b"0"}


class MessageTests(SynchronousTestCase):
    """
    The request in bytes (OpenSSH's PROTOCOL, section 3.1).
    """

    def test_layout(self) -> None:
        """
        The server's host key stands after the user's key, before the signature.
        """
        fields = string(b"ssh-ed25519") + string(b"key") + string(b"host key")
        query = HostBoundRequest(b"ssh-ed25519", b"key", host_key=b"host key")
        self.assertEqual(query.build(), b"\0" + fields)
        signed = query.signed_with(b"signature")
        self.assertEqual(signed.build(), b"\1" + fields + string(b"signature"))
        self.assertEqual(signed.unsigned(), b"\1" + fields)

    @given(*[st.binary(max_size=20)] * 3, st.none() | st.binary(max_size=20))
    def test_round_trip(
        self, algorithm: bytes, blob: bytes, host_key: bytes, signature: bytes | None
    ) -> None:
        """
        What was built is read again.
        """
        request = HostBoundRequest(algorithm, blob, signature, host_key=host_key)
        whole = UserAuthRequest(b"alice", b"ssh-connection", request)
        self.assertEqual(UserAuthRequest.parse(whole.build()), whole)

    def test_malformed(self) -> None:
        """
        One that ends before the host key, or goes on after the signature, is
        malformed.
        """
        plain = PublicKeyRequest(b"ssh-ed25519", b"key").build()
        whole = HostBoundRequest(b"ssh-ed25519", b"key", b"s", host_key=b"h").build()
        for data in (plain, whole + b"\0"):
            with self.assertRaises(MalformedMessage):
                method_request(HOSTBOUND, data)

    def test_what_is_signed(self) -> None:
        """
        What is signed names the method and the host key.
        """
        request = HostBoundRequest(b"ssh-ed25519", b"key", host_key=b"host key")
        self.assertEqual(
            data_to_sign(b"session", b"alice", b"ssh-connection", request),
            string(b"session")
            + b"\x32"
            + string(b"alice")
            + string(b"ssh-connection")
            + string(HOSTBOUND)
            + b"\1"
            + string(b"ssh-ed25519")
            + string(b"key")
            + string(b"host key"),
        )

    def test_signature_is_secret(self) -> None:
        """
        C{repr} shows no signature, and none is remembered.
        """
        request = HostBoundRequest(b"a", b"b", b"SECRET", host_key=b"h")
        self.assertNotIn("SECRET", repr(request))
        self.assertEqual(request.without_secrets().signature, b"")


class WhenTests(SynchronousTestCase):
    """
    When a signature is to name the host key.
    """

    def transport(self, **changed: Any) -> Any:
        class Transport:
            sessionID = b"session"
            hostKeyProof = HostKeyProof(HOST_KEY, b"session", b"signature")
            initialExtensions = ANNOUNCED

            def isEncrypted(self, direction: str) -> bool:
                return True

        transport = Transport()
        for name, value in changed.items():
            setattr(transport, name, value)
        return transport

    def test_announced(self) -> None:
        """
        Where the server has said so, in the version that is known.
        """
        self.assertEqual(host_key_to_bind(self.transport()), HOST_KEY)
        for extensions in (
            {},
            {names.HOSTBOUND_EXTENSION: b"1"},
            {names.HOSTBOUND_EXTENSION: b""},
            {HOSTBOUND: b"0"},
        ):
            transport = self.transport(initialExtensions=extensions)
            self.assertIsNone(host_key_to_bind(transport))

    def test_later_extensions(self) -> None:
        """
        What a later EXT_INFO says does not count.
        """
        transport = self.transport(initialExtensions={}, peerExtensions=ANNOUNCED)
        self.assertIsNone(host_key_to_bind(transport))

    def test_not_protected(self) -> None:
        """
        What came in the clear does not count.
        """
        transport = self.transport(isEncrypted=lambda direction: False)
        self.assertIsNone(host_key_to_bind(transport))

    def test_no_host_key(self) -> None:
        """
        A transport that does not know the host key, as Conch's, has none to
        name.
        """
        self.assertIsNone(host_key_to_bind(self.transport(hostKeyProof=None)))
        self.assertIsNone(host_key_to_bind(object()))


class RequestTests(LoginTestCase):
    """
    The requests of a login to a server that announces it.
    """

    def login(
        self, keys: Sequence[Key], signed_by: bytes = b"", **kwargs: Any
    ) -> Client:
        client = Client(keys, **kwargs)
        client.transport.peerExtensions = {names.SERVER_SIG_ALGS: signed_by}
        client.transport.hostKeyProof = HostKeyProof(HOST_KEY, b"test", b"")
        client.transport.initialExtensions = ANNOUNCED
        self.start(client)
        client.receive(failure(b"publickey"))
        return client

    def test_signed_request(self) -> None:
        """
        The query is plain; the signed request names the host key, and its
        signature is over it.
        """
        client = self.login([A])
        self.assertEqual(client.transport.sent[-1], self.query(A))
        self.confirm(client)
        request: Any = client.transport.sent[-1]
        self.assertIsInstance(request, HostBoundRequest)
        self.assertEqual(request.host_key, HOST_KEY)
        data = data_to_sign(b"test", b"alice", b"nancy", request)
        self.assertTrue(A.public().verify(request.signature, data))

    def test_counts_as_publickey(self) -> None:
        """
        For the report, the proof and the subclass it is C{publickey}, and one
        attempt with its query.
        """
        client = self.login([A])
        self.confirm(client)
        self.assertEqual(client.lastAuth, b"publickey")
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        attempts = [(a.method, a.outcome) for a in report.attempts]
        self.assertEqual(attempts, [("none", "refused"), ("publickey", "accepted")])
        self.assertEqual(report.proof, f"publickey with {report.attempts[-1].key}")

    def test_partial_success(self) -> None:
        """
        As a factor it counts as C{publickey}; another key may follow.
        """
        client = self.login([A, B], passwords=[b"pw"])
        self.confirm(client)
        client.receive(partial(b"publickey", b"password"))
        self.assertEqual(client.authenticatedWith, [b"publickey"])
        self.assertIsInstance(client.transport.sent[-1], PasswordRequest)
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(B))

    def test_refused_signature(self) -> None:
        """
        A refused one is followed by the next key, and not sent again.
        """
        client = self.login([A, B])
        self.confirm(client)
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(B))
        attempt = client.report.attempts[1]
        self.assertEqual((attempt.method, attempt.outcome), ("publickey", "refused"))
        self.assertIn("did not accept its signature", attempt.reason)

    def test_older_signature(self) -> None:
        """
        A signer that makes another kind of signature is asked for it by name,
        over the host key as well.
        """

        def sign(key: Any, data: bytes) -> bytes:
            return RSA.sign(data, b"ssh-rsa")

        client = self.login([RSA], b"rsa-sha2-512,ssh-rsa", signData=sign)
        self.confirm(client)
        request: Any = client.transport.sent[-1]
        self.assertIsInstance(request, HostBoundRequest)
        self.assertEqual(request.algorithm, b"ssh-rsa")
        data = data_to_sign(b"test", b"alice", b"nancy", request)
        self.assertTrue(RSA.public().verify(request.signature, data))

    def test_turned_off(self) -> None:
        """
        A class attribute turns it off.
        """
        client = self.login([A], hostBoundSignatures=False)
        self.confirm(client)
        self.assertIs(type(client.transport.sent[-1]), PublicKeyRequest)


class ProofTests(MemoryCase):
    """
    What the transport keeps of the first key exchange.
    """

    def test_proof(self) -> None:
        """
        The host key's signature of the session identifier, which a renewal of
        the keys does not change.
        """
        self.log_in(password="right")
        transport = self.connection.transport
        proof = transport.hostKeyProof
        self.assertEqual(proof.host_key, self.server.host_key.blob())
        self.assertEqual(proof.session_id, transport.sessionID)
        key = Key.fromString(proof.host_key)
        self.assertTrue(key.verify(proof.signature, transport.sessionID))
        transport.sendKexInit()
        self.endpoint.pump()
        self.assertIs(transport.hostKeyProof, proof)


class OpenSSHTests(LoginCase):
    """
    OpenSSH's sshd, which announces it.
    """

    def sshd(self, config: str = "", *authorized: Key) -> Sshd:
        server = machine([USER]).sshd(config)
        self.addCleanup(server.stop)
        server.authorize(USER.name, *authorized)
        return server

    async def test_accepted(self) -> None:
        """
        It takes the signature, and the report shows C{publickey}.
        """
        for key in (ED25519, RSA_2048):
            server = self.sshd("", key)
            report = await self.log_in(server, KeyClient(USER.name, key))
            self.assertEqual(tried(report), [("publickey", "accepted")])
            self.assertIn(f"method {HOSTBOUND.decode()}", server.log())

    async def test_two_keys(self) -> None:
        """
        Two factors by two keys, each bound to the host.
        """
        server = self.sshd(
            "AuthenticationMethods publickey,publickey\n", ED25519, RSA_2048
        )
        report = await self.log_in(server, KeyClient(USER.name, ED25519, RSA_2048))
        self.assertEqual(
            tried(report), [("publickey", "partial"), ("publickey", "accepted")]
        )

    async def test_another_host_key(self) -> None:
        """
        A control: at a signature that names another host key it hangs up.
        """
        server = self.sshd("", ED25519)

        class Misled(KeyClient):
            def hostKeyToBind(self) -> bytes:
                return HOST_KEY

        client = Misled(USER.name, ED25519)
        await self.refused(server, client, ConnectionLost)
        self.assertIn("host key", server.log())

    async def test_transport_of_conch(self) -> None:
        """
        Over Conch's own transport, C{publickey} is used.
        """
        server = self.sshd("", ED25519)
        await self.log_in(server, KeyClient(USER.name, ED25519), ConchTransport)
        self.assertNotIn(f"method {HOSTBOUND.decode()}", server.log())


class Breaking(Protocol):
    """
    Passes on to an agent what a client says, but breaks off at an extension, as
    some agents do.
    """

    factory: Any
    transport: Any
    behind: Any = None

    def connectionMade(self) -> None:
        self._early = b""
        endpoint = UNIXClientEndpoint(reactor, self.factory.agent)
        connectProtocol(endpoint, Behind(self)).addCallback(self._joined)

    def _joined(self, behind: Behind) -> None:
        self.behind = behind
        behind.transport.write(self._early)

    def dataReceived(self, data: bytes) -> None:
        # A client that awaits each reply sends one message at a time.
        if data[4] == EXTENSION:
            self.factory.broken_off += 1
            self.transport.loseConnection()
        elif self.behind is None:
            self._early += data
        else:
            self.behind.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.behind is not None:
            self.behind.transport.loseConnection()


class Behind(Protocol):
    """
    Passes on what the agent says.
    """

    transport: Any

    def __init__(self, front: Breaking) -> None:
        self._front = front

    def dataReceived(self, data: bytes) -> None:
        self._front.transport.write(data)


class BreakingAgentTests(AgentLoginCase):
    """
    An agent that does not stand the binding.
    """

    async def test_logs_in(self) -> None:
        """
        It is asked once, and its keys log in without.
        """
        key = self.new_key("ed25519")
        self.agent.run("ssh-add", "-q", key)
        factory: Any = Factory.forProtocol(Breaking)
        factory.agent, factory.broken_off = self.agent.socket, 0
        path = f"{self.agent.socket}-breaking"
        port = await UNIXServerEndpoint(reactor, path).listen(factory)
        self.addCleanup(port.stopListening)
        report = await self.connect(self.sshd("", public_line(key)), agent_path=path)
        self.assertEqual(tried(report), [("publickey", "accepted")])
        self.assertEqual(factory.broken_off, 1)


class DestinationTests(AgentLoginCase):
    """
    A key that ssh-agent uses for one host only (C{ssh-add -h}).
    """

    def setUp(self) -> None:
        super().setUp()
        self.right = self.sshd("HostKeyAlgorithms ssh-ed25519\n")
        self.wrong = self.sshd("HostKeyAlgorithms ecdsa-sha2-nistp256\n")
        line = self.right.host_keys[0].toString("openssh").decode()
        self.known_hosts = self.directory / "known_hosts"
        self.known_hosts.write_text(f"right {line}\n")

    def add(self, destination: str) -> Path:
        key = self.new_key("ed25519")
        self.agent.run(
            *("ssh-add", "-q", "-H", self.known_hosts, "-h", destination, key)
        )
        for server in (self.right, self.wrong):
            server.authorize(USER.name, public_line(key))
        return key

    async def test_its_host(self) -> None:
        """
        It logs in to its host, with a signature that is bound to it.
        """
        self.add("right")
        report = await self.connect(self.right)
        self.assertEqual(tried(report), [("publickey", "accepted")])
        self.assertIn(f"method {HOSTBOUND.decode()}", self.right.log())

    async def test_another_host(self) -> None:
        """
        For another host that would take it, it is not even shown.
        """
        self.add("right")
        report = await self.refused(self.wrong)
        self.assertEqual(tried(report), [])
        self.assertNotIn("Postponed publickey", self.wrong.log())

    async def test_another_user(self) -> None:
        """
        For another user of its host, it is not used.
        """
        self.add("somebody@right")
        report = await self.refused(self.right)
        self.assertNotIn("accepted", [outcome for _, outcome in tried(report)])

    async def test_without_binding(self) -> None:
        """
        A control: without the binding, the agent shows the key and does not
        sign.
        """
        self.add("right")

        async def unbound(agent: SSHAgentClient, *proof: bytes) -> bool:
            return False

        self.patch(SSHAgentClient, "bindSession", unbound)
        report = await self.refused(self.right)
        self.assertEqual(tried(report), [("publickey", "failed")])

    async def test_key_for_every_host(self) -> None:
        """
        A key without destinations is used all the same.
        """
        key = self.new_key("ed25519")
        self.agent.run("ssh-add", "-q", key)
        self.wrong.authorize(USER.name, public_line(key))
        report = await self.connect(self.wrong)
        self.assertEqual(tried(report), [("publickey", "accepted")])

    async def test_certified_host(self) -> None:
        """
        A host that shows a certificate is known to the agent by its authority.
        """
        ca = self.new_key("ed25519")
        public = self.directory / "host.pub"
        public.write_bytes(self.right.host_keys[0].toString("openssh"))
        self.agent.run(
            *("ssh-keygen", "-q", "-s", ca, "-I", "host", "-h"),
            *("-n", "127.0.0.1,certified", public),
        )
        certificate = (self.directory / "host-cert.pub").read_bytes()
        path = machine([USER]).write(self.id().rpartition(".")[2], certificate)
        server = self.sshd(f"HostCertificate {path}\n")
        self.known_hosts.write_text(f"@cert-authority certified {public_line(ca)}\n")
        server.authorize(USER.name, public_line(self.add("certified")))
        known_hosts = f"@cert-authority * {public_line(ca)}\n".encode()
        report = await self.connect(server, known_hosts=known_hosts)
        self.assertEqual(tried(report), [("publickey", "accepted")])
        self.assertIn(f"method {HOSTBOUND.decode()}", server.log())
        self.assertEqual([], tried(await self.refused(self.wrong)))
