# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The ssh-agent client, against OpenSSH's own ssh-agent.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    ed25519,
    padding,
    rsa,
    utils,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from conch_auth import names, signing
from conch_auth._wire import Reader, string
from conch_auth.agent import AgentKey, Destination, Hop, SSHAgentClient
from conch_auth.certificates import certificate_algorithm
from conch_auth.errors import AgentRefused, AgentTimeout, AgentUnavailable
from conch_auth.messages import PublicKeyRequest
from tests.peers import missing
from tests.peers.ssh_agent import DUMMY_SECURITY_KEY, SOFTHSM, SSHAgent

DATA = b"what is to be signed"
RSA_KEY = rsa.generate_private_key(65537, 2048)
_RSA_HASHES: dict[bytes, hashes.HashAlgorithm] = {
    b"ssh-rsa": hashes.SHA1(),
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
}
_ECDSA: dict[bytes, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    b"ecdsa-sha2-nistp256": (ec.SECP256R1(), hashes.SHA256()),
    b"ecdsa-sha2-nistp384": (ec.SECP384R1(), hashes.SHA384()),
    b"ecdsa-sha2-nistp521": (ec.SECP521R1(), hashes.SHA512()),
}

Steps = Generator[Deferred[Any], Any, None]


def verify(public: Any, algorithm: bytes, signature: bytes) -> None:
    """
    Hold a signature of L{DATA} to its key, without anything of Conch's.

    @raise InvalidSignature: where it does not hold.
    """
    reader = Reader(signature, "signature")
    if reader.string() != algorithm:
        raise InvalidSignature
    made = reader.string()
    reader.end()
    if algorithm in _RSA_HASHES:
        public.verify(made, DATA, padding.PKCS1v15(), _RSA_HASHES[algorithm])
    elif algorithm in _ECDSA:
        numbers = Reader(made, "signature")
        r, s = (int.from_bytes(numbers.string(), "big") for _ in "rs")
        encoded = utils.encode_dss_signature(r, s)
        public.verify(encoded, DATA, ec.ECDSA(_ECDSA[algorithm][1]))
    else:
        public.verify(made, DATA)


class AgentCase(TestCase):
    """
    A client that is connected to an agent of its own.
    """

    timeout = 60

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        self.directory = Path(self.mktemp())
        self.agent = SSHAgent(self.directory, self.environment())
        self.addCleanup(self.agent.stop)
        # trial's teardown waits until the connection is gone.
        return self.connect().addCallback(self._keep)

    def environment(self) -> dict[str, str]:
        return {}

    def connect(self, clock: Clock | None = None) -> Deferred[SSHAgentClient]:
        from twisted.internet import reactor

        endpoint = UNIXClientEndpoint(reactor, self.agent.socket)
        connected = SSHAgentClient.connect(endpoint, clock)

        def close_at_the_end(client: SSHAgentClient) -> SSHAgentClient:
            self.addCleanup(client.close)
            return client

        return connected.addCallback(close_at_the_end)

    def _keep(self, client: SSHAgentClient) -> None:
        self.client = client

    def certified(self, key: Any, *arguments: str) -> bytes:
        """
        A user certificate for a key, made by ssh-keygen.
        """
        ca, public = self.directory / "ca", self.directory / "key.pub"
        if not ca.exists():
            self.agent.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ca)
        public.write_bytes(Key(key).public().toString("openssh"))
        self.agent.run(
            "ssh-keygen", "-q", "-s", ca, "-I", "me", "-n", "me", *arguments, public
        )
        line = (self.directory / "key-cert.pub").read_text()
        return base64.b64decode(line.split()[1])

    @inlineCallbacks
    def only_key(self) -> Generator[Deferred[Any], Any, AgentKey]:
        (key,) = yield self.client.identities()
        assert isinstance(key, AgentKey)
        return key


class KeyTests(AgentCase):
    """
    Every kind of key, added, listed, used and removed.
    """

    @inlineCallbacks
    def works(self, private: Any, *algorithms: bytes) -> Steps:
        """
        A key signs by each algorithm, plain and under its certificate.
        """
        certificate = self.certified(private)
        yield self.client.add(private, "plain")
        yield self.client.add(private, "certified", certificate=certificate)
        plain, certified = yield self.client.identities()
        self.assertEqual(
            [("plain", Key(private).blob()), ("certified", certificate)],
            [(key.comment, key.blob()) for key in (plain, certified)],
        )
        self.assertEqual(algorithms, plain.algorithms)
        for algorithm in algorithms:
            for key, name in (
                (plain, algorithm),
                (certified, certificate_algorithm(algorithm)),
            ):
                signature = yield key.sign(DATA, name)
                verify(private.public_key(), algorithm, signature)
        yield self.client.remove(plain)
        left = yield self.only_key()
        self.assertEqual(certificate, left.blob())
        yield self.client.removeAll()
        self.assertEqual((), (yield self.client.identities()))

    def test_ed25519(self) -> Any:
        """
        Ed25519.
        """
        return self.works(ed25519.Ed25519PrivateKey.generate(), b"ssh-ed25519")

    @inlineCallbacks
    def test_ecdsa(self) -> Steps:
        """
        ECDSA on each of the three curves.
        """
        for algorithm, (curve, _) in _ECDSA.items():
            yield self.works(ec.generate_private_key(curve), algorithm)

    def test_rsa(self) -> Any:
        """
        RSA with SHA-2, and with SHA-1 when it is asked for.
        """
        return self.works(RSA_KEY, b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa")

    @inlineCallbacks
    def test_added_by_ssh_add(self) -> Steps:
        """
        The keys that a person added come in the same order and with the same
        comments as ssh-add shows them.
        """
        for number in range(3):
            file = self.directory / f"id{number}"
            self.agent.run(
                *("ssh-keygen", "-q", "-t", "ed25519", "-N", ""),
                *("-C", f"key {number}", "-f", file),
            )
            self.agent.run("ssh-add", "-q", file)
        shown = [
            line.split(" ", 2) for line in self.agent.run("ssh-add", "-L").splitlines()
        ]
        keys = yield self.client.identities()
        self.assertEqual(
            [(base64.b64decode(blob), comment) for _, blob, comment in shown],
            [(key.blob(), key.comment) for key in keys],
        )

    @inlineCallbacks
    def test_unknown_key(self) -> Steps:
        """
        It refuses to sign with a key that it does not hold.
        """
        blob = Key(ed25519.Ed25519PrivateKey.generate()).blob()
        yield self.assertFailure(self.client.signWith(blob, DATA, None), AgentRefused)
        yield self.assertFailure(self.client.remove(blob), AgentRefused)

    @inlineCallbacks
    def test_wrong_certificate(self) -> Steps:
        """
        It does not take a certificate of another key.
        """
        certificate = self.certified(ed25519.Ed25519PrivateKey.generate())
        added = self.client.add(
            ed25519.Ed25519PrivateKey.generate(), certificate=certificate
        )
        yield self.assertFailure(added, AgentRefused)

    @inlineCallbacks
    def test_conch_face(self) -> Steps:
        """
        What uses Conch's names gets SHA-2 for a request that names it.
        """
        yield self.client.addIdentity(Key(RSA_KEY).privateBlob(), b"me")
        yield self.client.getPublicKeys()
        key = self.client.getPublicKey()
        assert key is not None
        wanted = PublicKeyRequest(b"rsa-sha2-256", key.blob())
        data = signing.data_to_sign(b"session", b"me", b"ssh-connection", wanted)
        signature = yield self.client.signData(key.blob(), data)
        self.assertEqual(b"rsa-sha2-256", signing.algorithm_of(signature))


class ConstraintTests(AgentCase):
    """
    What keeps a key from being used.
    """

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        self.private = ed25519.Ed25519PrivateKey.generate()
        return super().setUp()

    @inlineCallbacks
    def test_lock(self) -> Steps:
        """
        A locked agent shows and uses no key, until it hears the passphrase that
        it was locked with.
        """
        yield self.client.add(self.private)
        key = yield self.only_key()
        yield self.client.lock("Secret-1")
        self.assertEqual((), (yield self.client.identities()))
        signed = key.sign(DATA, b"ssh-ed25519")
        yield self.assertFailure(signed, AgentRefused)
        yield self.assertFailure(self.client.unlock("Secret-2"), AgentRefused)
        yield self.client.unlock("Secret-1")
        verify(
            self.private.public_key(),
            b"ssh-ed25519",
            (yield key.sign(DATA, b"ssh-ed25519")),
        )

    @inlineCallbacks
    def test_confirm(self) -> Steps:
        """
        A person is asked before every signature, and may decline.
        """
        yield self.client.add(self.private, "mine", confirm=True)
        key = yield self.only_key()
        self.agent.answer("no")
        signed = key.sign(DATA, b"ssh-ed25519")
        error = yield self.assertFailure(signed, AgentRefused)
        self.assertIn("declined", str(error))
        self.agent.answer("yes")
        signature = yield key.sign(DATA, b"ssh-ed25519")
        verify(self.private.public_key(), b"ssh-ed25519", signature)
        self.assertIn("Allow use of key mine?", self.agent.asked)

    @inlineCallbacks
    def test_lifetime(self) -> Steps:
        """
        A lifetime is taken, and the key is there until it is over.
        """
        yield self.client.add(self.private, lifetime=2**31 - 1)
        yield self.only_key()

    def bind(self, host: ed25519.Ed25519PrivateKey, session: bytes) -> Deferred[bool]:
        return self.client.bindSession(
            Key(host).blob(), session, Key(host).sign(session)
        )

    def log_in(self, key: AgentKey, session: bytes, user: bytes) -> Deferred[bytes]:
        wanted = PublicKeyRequest(b"ssh-ed25519", key.blob())
        data = signing.data_to_sign(session, user, b"ssh-connection", wanted)
        return key.sign(data, b"ssh-ed25519")

    @inlineCallbacks
    def added_for(
        self, *hosts: ed25519.Ed25519PrivateKey
    ) -> Generator[Deferred[Any], Any, AgentKey]:
        destinations = [
            Destination(Hop(f"host{number}", keys=[Key(host).blob()]), "me")
            for number, host in enumerate(hosts)
        ]
        yield self.client.add(self.private, destinations=destinations)
        key: AgentKey = yield self.only_key()
        return key

    @inlineCallbacks
    def test_destinations(self) -> Steps:
        """
        A key for some hosts signs for those, once the agent knows which it is,
        and for the user that it is for.
        """
        first, second = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
        key = yield self.added_for(first, second)
        refused = self.log_in(key, b"s" * 32, b"me")
        yield self.assertFailure(refused, AgentRefused)
        self.assertTrue((yield self.bind(second, b"s" * 32)))
        yield self.log_in(key, b"s" * 32, b"me")
        for session, user in ((b"s" * 32, b"another"), (b"t" * 32, b"me")):
            refused = self.log_in(key, session, user)
            yield self.assertFailure(refused, AgentRefused)

    @inlineCallbacks
    def test_other_destination(self) -> Steps:
        """
        It is neither shown nor used on a connection to another host.
        """
        first, second = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
        key = yield self.added_for(first)
        self.assertTrue((yield self.bind(second, b"s" * 32)))
        self.assertEqual((), (yield self.client.identities()))
        refused = self.log_in(key, b"s" * 32, b"me")
        yield self.assertFailure(refused, AgentRefused)

    @inlineCallbacks
    def test_destination_after_restart_of_the_connection(self) -> Steps:
        """
        A connection that takes the place of another is bound as that was.
        """
        host = ed25519.Ed25519PrivateKey.generate()
        key = yield self.added_for(host)
        yield self.bind(host, b"s" * 32)
        assert self.client.transport is not None
        lost = self.client._exchange.when_lost()  # type: ignore[union-attr]
        self.client.transport.loseConnection()
        yield lost
        yield self.log_in(key, b"s" * 32, b"me")

    @inlineCallbacks
    def test_certified_destination_and_hop(self) -> Steps:
        """
        Authorities of hosts, and hosts in between, are taken.
        """
        blob = Key(ed25519.Ed25519PrivateKey.generate()).blob()
        to, via = Hop("host", authorities=[blob]), Hop("via", keys=[blob])
        yield self.client.add(
            self.private, destinations=[Destination(to), Destination(to, "me", via)]
        )
        yield self.only_key()

    @inlineCallbacks
    def test_destination_that_it_refuses(self) -> Steps:
        """
        A host key that the agent cannot read is an error, and nothing is added.
        """
        destination = Destination(Hop("host", keys=[string(b"unheard-of@x")]))
        added = self.client.add(self.private, destinations=[destination])
        yield self.assertFailure(added, AgentRefused)
        self.assertEqual((), (yield self.client.identities()))

    @inlineCallbacks
    def test_forged_binding(self) -> Steps:
        """
        A binding that the host key did not sign is refused, and does no harm.
        """
        host = ed25519.Ed25519PrivateKey.generate()
        forged = self.client.bindSession(
            Key(host).blob(), b"s" * 32, Key(host).sign(b"t" * 32)
        )
        self.assertIs(False, (yield forged))
        self.assertEqual((), (yield self.client.identities()))

    @inlineCallbacks
    def test_extensions(self) -> Steps:
        """
        An extension that it does not know is refused, C{query} perhaps as well.
        """
        unknown = self.client.extension(b"unheard-of@x", b"contents")
        yield self.assertFailure(unknown, AgentRefused)
        try:
            known = yield self.client.query()
        except AgentRefused:
            return
        self.assertIn(b"session-bind@openssh.com", known)


class DeathTests(AgentCase):
    """
    An agent that is killed or frozen.
    """

    @inlineCallbacks
    def test_killed(self) -> Steps:
        """
        What is asked of an agent that dies fails; one that takes its place is
        used.
        """
        self.agent.freeze()
        asked = [self.client.identities() for _ in range(3)]
        self.agent.stop()
        for one in asked:
            yield self.assertFailure(one, AgentUnavailable)
        yield self.assertFailure(self.client.identities(), AgentUnavailable)
        self.agent.restart()
        self.assertEqual((), (yield self.client.identities()))

    @inlineCallbacks
    def test_frozen(self) -> Steps:
        """
        What is asked of an agent that does nothing ends with its time.
        """
        clock = Clock()
        client = yield self.connect(clock)
        self.agent.freeze()
        asked = client.identities()
        clock.advance(names.AGENT_TIMEOUT)
        yield self.assertFailure(asked, AgentTimeout)
        self.agent.thaw()
        self.assertEqual((), (yield client.identities()))

    @inlineCallbacks
    def test_environment(self) -> Steps:
        """
        SSH_AUTH_SOCK names the socket; one without an agent is an error.
        """
        self.patch(os, "environ", {"SSH_AUTH_SOCK": self.agent.socket})
        client = yield SSHAgentClient.connect()
        self.addCleanup(client.close)
        self.assertEqual((), (yield client.identities()))
        os.environ["SSH_AUTH_SOCK"] = str(self.directory / "nothing")
        yield self.assertFailure(SSHAgentClient.connect(), AgentUnavailable)


class SecurityKeyTests(AgentCase):
    """
    Keys of security keys, by the dummy of OpenSSH's own tests.
    """

    def environment(self) -> dict[str, str]:
        return {"SSH_SK_PROVIDER": str(DUMMY_SECURITY_KEY)}

    def made(self, kind: str) -> Path:
        if not DUMMY_SECURITY_KEY.exists():
            missing("the security key of OpenSSH's tests is not installed")
        file = self.directory / kind
        self.agent.run(
            *("ssh-keygen", "-q", "-t", kind, "-w", DUMMY_SECURITY_KEY),
            *("-N", "", "-f", file),
        )
        self.agent.run("ssh-add", "-q", file)
        return file

    def signed_bytes(self, signature: bytes, algorithm: bytes) -> tuple[bytes, bytes]:
        """
        The signature and what it is of (PROTOCOL.u2f): flags and a counter
        follow it.
        """
        reader = Reader(signature, "signature")
        self.assertEqual(algorithm, reader.string())
        made, flags_and_counter = reader.string(), reader.take(5)
        reader.end()
        application, message = (hashlib.sha256(x).digest() for x in (b"ssh:", DATA))
        return made, application + flags_and_counter + message

    @inlineCallbacks
    def test_ed25519(self) -> Steps:
        """
        The signature comes with its flags and counter, as the key made it.
        """
        self.made("ed25519-sk")
        key = yield self.only_key()
        self.assertEqual((b"sk-ssh-ed25519@openssh.com",), key.algorithms)
        signature = yield key.sign(DATA, *key.algorithms)
        made, data = self.signed_bytes(signature, key.sshType())
        reader = Reader(key.blob(), "key")
        reader.string()
        public = ed25519.Ed25519PublicKey.from_public_bytes(reader.string())
        public.verify(made, data)

    @inlineCallbacks
    def test_ecdsa(self) -> Steps:
        """
        The same on the other curve.
        """
        self.made("ecdsa-sk")
        key = yield self.only_key()
        signature = yield key.sign(DATA, b"sk-ecdsa-sha2-nistp256@openssh.com")
        made, data = self.signed_bytes(signature, key.sshType())
        reader = Reader(key.blob(), "key")
        reader.string(), reader.string()
        public = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), reader.string()
        )
        numbers = Reader(made, "signature")
        r, s = (int.from_bytes(numbers.string(), "big") for _ in "rs")
        encoded = utils.encode_dss_signature(r, s)
        public.verify(encoded, data, ec.ECDSA(hashes.SHA256()))

    @inlineCallbacks
    def test_certificate(self) -> Steps:
        """
        A certificate of such a key signs as the key does.
        """
        file = self.made("ed25519-sk")
        ca = self.directory / "ca"
        self.agent.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ca)
        self.agent.run(
            "ssh-keygen", "-q", "-s", ca, "-I", "me", "-n", "me", f"{file}.pub"
        )
        self.agent.run("ssh-add", "-q", "-D")
        self.agent.run("ssh-add", "-q", file)
        keys = yield self.client.identities()
        (certified,) = (key for key in keys if b"-cert-" in key.sshType())
        self.assertEqual(
            (b"sk-ssh-ed25519-cert-v01@openssh.com",), certified.algorithms
        )
        signature = yield certified.sign(DATA, *certified.algorithms)
        self.signed_bytes(signature, b"sk-ssh-ed25519@openssh.com")


class TokenTests(AgentCase):
    """
    Keys on a PKCS#11 token, which is SoftHSM's.
    """

    def environment(self) -> dict[str, str]:
        tokens = self.directory.absolute() / "tokens"
        return {"SOFTHSM2_CONF": f"{tokens}.conf"}

    @inlineCallbacks
    def test_token(self) -> Steps:
        """
        The keys of a token sign as others do, once the agent has its PIN, and
        go when they are removed.
        """
        if not SOFTHSM.exists():
            missing("SoftHSM is not installed")
        self._fill_token()
        wrong = self.client.addSmartcard(str(SOFTHSM), "0000")
        yield self.assertFailure(wrong, AgentRefused)
        yield self.client.addSmartcard(str(SOFTHSM), "1234")
        key = yield self.only_key()
        self.assertEqual(Key(RSA_KEY).blob(), key.blob())
        for algorithm in key.algorithms:
            signature = yield key.sign(DATA, algorithm)
            verify(RSA_KEY.public_key(), algorithm, signature)
        yield self.client.removeSmartcard(str(SOFTHSM), "1234")
        self.assertEqual((), (yield self.client.identities()))

    def _fill_token(self) -> None:
        tokens = self.directory / "tokens"
        tokens.mkdir()
        Path(f"{tokens}.conf").write_text(
            f"directories.tokendir = {tokens.absolute()}\n"
        )
        pem = self.directory / "key.pem"
        pem.write_bytes(
            RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        token = ("--token", "token", "--pin", "1234")
        self.agent.run(
            *("softhsm2-util", "--init-token", "--free", "--label", "token"),
            *("--pin", "1234", "--so-pin", "5678"),
        )
        self.agent.run(
            *("softhsm2-util", "--import", pem, *token, "--label", "key", "--id", "01")
        )

    @inlineCallbacks
    def test_library_that_it_does_not_load(self) -> Steps:
        """
        A library outside of those that the agent allows is refused.
        """
        added = self.client.addSmartcard(str(self.directory / "lib.so"), "1234")
        error = yield self.assertFailure(added, AgentRefused)
        self.assertNotIn("1234", str(error))
