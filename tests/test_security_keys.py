# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests of security keys in an agent (OpenSSH's PROTOCOL.u2f): what they sign
logs in, and a person is told to touch them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
from twisted.internet.defer import Deferred

from conch_auth import SSHClient
from conch_auth._person import Asker, Person
from conch_auth._wire import string, uint32
from conch_auth.messages import PasswordRequest, PublicKeyRequest
from conch_auth.report import AuthReport
from tests.peers import missing
from tests.peers.agent_login import USER, AgentLoginCase, public_line
from tests.peers.asyncssh_server import AsyncSSHServer, Server
from tests.peers.login import tried
from tests.peers.ssh_agent import DUMMY_SECURITY_KEY
from tests.support import SUCCESS, Client, LoginTestCase, failure, flat, new_key

ALGORITHMS = {
    "ed25519-sk": "sk-ssh-ed25519@openssh.com",
    "ecdsa-sk": "sk-ecdsa-sha2-nistp256@openssh.com",
}


class SecurityKey:
    """
    A key whose private half is elsewhere.
    """

    source = "a test"

    def __init__(self, kind: bytes = b"sk-ssh-ed25519@openssh.com") -> None:
        self._kind = kind

    def sshType(self) -> bytes:
        return self._kind

    def blob(self) -> bytes:
        return string(self._kind) + string(b"k" * 32) + string(b"ssh:")

    def signature(self, flags: int = 1, counter: int = 7) -> bytes:
        return (
            string(self._kind)
            + string(b"s" * 64)
            + bytes((flags,))
            + uint32(counter)
        )


class TouchingClient(Client):
    """
    Notes in C{asked} what it is told and asked, in order.

    @ivar signature: what it signs with.
    """

    signature: Any = None

    def touchRequested(self, key: Any) -> Any:
        self.asked.append(("touchRequested", key))

    def signData(self, publicKey: Any, signData: bytes) -> Any:
        self.asked.append("signData")
        return self.signature


class TouchTests(LoginTestCase):
    """
    The hook that a person is told by.
    """

    def login(self, *keys: Any, **attributes: Any) -> TouchingClient:
        client = TouchingClient(keys, **attributes)
        self.start(client)
        client.receive(failure(b"publickey", b"password"))
        return client

    def test_told_before_it_signs(self) -> None:
        """
        It is told once, right before the key signs, and not when the key is
        only offered.
        """
        key = SecurityKey()
        client = self.login(key, signature=key.signature())
        self.assertEqual(client.asked, ["getPublicKey"])
        self.confirm(client)
        self.assertEqual(client.asked[1:], [("touchRequested", key), "signData"])

    def test_every_kind(self) -> None:
        """
        It is told of either kind, and of their certificates.
        """
        for kind in (
            b"sk-ecdsa-sha2-nistp256@openssh.com",
            b"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
            b"sk-ssh-ed25519-cert-v01@openssh.com",
        ):
            key = SecurityKey(kind)
            client = self.login(
                key, signature=Deferred(), signatureAlgorithms=(kind, kind_of(kind))
            )
            self.confirm(client)
            self.assertIn(("touchRequested", key), client.asked)

    def test_other_keys(self) -> None:
        """
        Of a key that needs no touch it is not told.
        """
        key = new_key()
        client = self.login(key, signature=key.sign(b"data"))
        self.confirm(client)
        self.assertEqual(client.asked, ["getPublicKey", "signData"])

    def test_hook_that_fails(self) -> None:
        """
        What fails in the hook is logged, and the login goes on.
        """
        key = SecurityKey()
        client = self.login(key, signature=key.signature())

        def fails(key: Any) -> Any:
            raise ZeroDivisionError

        client.touchRequested = fails  # type: ignore[method-assign]
        self.confirm(client)
        client.receive(SUCCESS)
        self.assert_succeeded(client)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_default(self) -> None:
        """
        Where the hook is not overridden, nothing is told.
        """
        key = SecurityKey()
        client = Client([key], signData=lambda *asked: key.signature())
        self.start(client)
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_flags_and_counter(self) -> None:
        """
        The signature is sent as it came, its flags and counter with it.
        """
        key = SecurityKey()
        signature = key.signature(flags=5, counter=0xFFFFFFFE)
        client = self.login(key, signature=signature)
        self.confirm(client)
        request = client.transport.sent[-1]
        assert isinstance(request, PublicKeyRequest) and request.signature
        self.assertEqual(request.signature, signature)
        self.assertEqual(request.signature[-5:], b"\5\xff\xff\xff\xfe")

    def test_not_touched(self) -> None:
        """
        A key that nobody touches in time is given up, and the next method
        follows.
        """
        client = self.login(SecurityKey(), signature=Deferred(), passwords=["pw"])
        self.confirm(client)
        clock: Any = client.clock
        clock.advance(client.signTimeout)
        client.receive(failure(b"password"))
        self.assertIsInstance(client.transport.sent[-1], PasswordRequest)


def kind_of(algorithm: bytes) -> bytes:
    return algorithm.replace(b"-cert-v01", b"")


class PersonTests(LoginTestCase):
    """
    What C{conch-auth} tells the person at the terminal.
    """

    def test_told(self) -> None:
        """
        The key is named, in text that is fit for the screen.
        """
        shown: list[str] = []
        asker = Asker(lambda: self.fail("nobody is asked"), shown.append)
        key = SecurityKey()
        key.source = "ssh-agent (\x1b[2J)"
        Person(asker, "host", shown.append).touch_requested(key)
        (line,) = shown
        self.assertTrue(line.startswith("Touch your security key (ssh-agent ("))
        self.assertNotIn("\x1b", line)
        self.assertTrue(line.endswith("\n"))


class DummyKeyCase(AgentLoginCase):
    """
    An agent that holds the security keys of OpenSSH's own tests.

    @ivar touched: the source of each key that was to be touched.
    """

    def setUp(self) -> None:
        if not DUMMY_SECURITY_KEY.exists():
            missing("the security key of OpenSSH's tests is not installed")
        super().setUp()
        self.touched: list[str] = []

    def environment(self) -> dict[str, str]:
        return {"SSH_SK_PROVIDER": str(DUMMY_SECURITY_KEY)}

    def add(self, kind: str, *options: str) -> Path:
        """
        Make a key, and give it to the agent.
        """
        file = self.new_key(kind, "-w", DUMMY_SECURITY_KEY, *options)
        self.agent.run("ssh-add", "-q", file)
        return file

    def client(self) -> Callable[[], SSHClient]:
        touched = self.touched

        class Touching(SSHClient):
            def touch_requested(self, key: Any) -> None:
                touched.append(key.source)

        return Touching

    async def log_in(self, server: Any) -> AuthReport:
        return await self.connect(server, self.client())

    def assert_accepted(self, report: AuthReport, kind: str) -> None:
        """
        The one key was accepted, and its touch was asked for once.
        """
        self.assertEqual(tried(report), [("publickey", "accepted")])
        self.assertEqual(report.attempts[-1].algorithm, ALGORITHMS[kind])
        self.assertEqual(len(self.touched), 1)


class OpenSSHTests(DummyKeyCase):
    """
    OpenSSH's sshd.
    """

    async def test_both_kinds(self) -> None:
        """
        A key of each kind logs in, also where a touch is required; the person
        is told to touch it, once.
        """
        for kind in ALGORITHMS:
            for config in ("", "PubkeyAuthOptions touch-required\n"):
                self.agent.run("ssh-add", "-q", "-D")
                self.touched.clear()
                server = self.sshd(config, public_line(self.add(kind)))
                self.assert_accepted(await self.log_in(server), kind)

    async def test_untouched_key(self) -> None:
        """
        A signature without a touch is refused where one is required, after the
        key was asked about, and the next key follows.
        """
        untouched = self.add("ed25519-sk", "-O", "no-touch-required")
        touched = self.add("ecdsa-sk")
        server = self.sshd(
            "PubkeyAuthOptions touch-required\n",
            public_line(untouched),
            public_line(touched),
        )
        report = await self.log_in(server)
        self.assertEqual(
            tried(report), [("publickey", "refused"), ("publickey", "accepted")]
        )
        self.assertIn("did not accept its signature", flat(report))

    async def test_no_touch_allowed(self) -> None:
        """
        Where the account needs no touch, a signature without one logs in.
        """
        key = self.add("ed25519-sk", "-O", "no-touch-required")
        server = self.sshd("", f"no-touch-required {public_line(key)}")
        report = await self.log_in(server)
        self.assertEqual(tried(report), [("publickey", "accepted")])

    async def test_verification(self) -> None:
        """
        A server that requires a PIN takes a key that asks for one, and refuses
        one that does not.
        """
        self.agent.answer("1234")
        plain = self.add("ed25519-sk")
        verified = self.add("ecdsa-sk", "-O", "verify-required")
        server = self.sshd(
            "PubkeyAuthOptions verify-required\n",
            public_line(plain),
            public_line(verified),
        )
        report = await self.log_in(server)
        self.assertEqual(
            tried(report), [("publickey", "refused"), ("publickey", "accepted")]
        )
        self.assertEqual(report.attempts[-1].algorithm, ALGORITHMS["ecdsa-sk"])

    async def test_certificate(self) -> None:
        """
        A certificate of a security key logs in as the key does.
        """
        ca = self.new_key("ed25519")
        key = self.add("ed25519-sk")
        self.agent.run(
            *("ssh-keygen", "-q", "-s", ca, "-I", "me", "-n", USER.name, f"{key}.pub")
        )
        self.agent.run("ssh-add", "-q", "-D")
        self.agent.run("ssh-add", "-q", key)
        server = self.sshd("", f"cert-authority {public_line(ca)}")
        report = await self.log_in(server)
        self.assertEqual(tried(report)[-1], ("publickey", "accepted"))
        self.assertEqual(
            report.attempts[-1].algorithm, "sk-ssh-ed25519-cert-v01@openssh.com"
        )
        self.assertEqual(len(self.touched), 1)

    async def test_declined(self) -> None:
        """
        Where the person declines, the next key follows.
        """
        declined, usable = self.add("ed25519-sk"), self.new_key("ed25519")
        self.agent.run("ssh-add", "-q", "-D")
        self.agent.run("ssh-add", "-q", "-c", declined)
        self.agent.run("ssh-add", "-q", usable)
        self.agent.answer("no")
        server = self.sshd("", public_line(declined), public_line(usable))
        report = await self.log_in(server)
        self.assertEqual(
            tried(report), [("publickey", "failed"), ("publickey", "accepted")]
        )
        self.assertEqual(report.attempts[-1].algorithm, "ssh-ed25519")


class AsyncSSHTests(DummyKeyCase):
    """
    AsyncSSH's server, which also lists C{webauthn-sk-ecdsa-sha2-nistp256}.
    """

    async def test_both_kinds(self) -> None:
        """
        A key of each kind logs in, by its plain algorithm.
        """
        for kind in ALGORITHMS:
            self.agent.run("ssh-add", "-q", "-D")
            self.touched.clear()
            line = public_line(self.add(kind))
            authorized = asyncssh.import_authorized_keys(line)
            server = AsyncSSHServer(Server, authorized_client_keys=authorized)
            server.start()
            try:
                report = await self.log_in(Port(server.port))
            finally:
                server.stop()
            self.assert_accepted(report, kind)


class Port:
    """
    A peer of which only the port is wanted.
    """

    host_keys = ()

    def __init__(self, port: int) -> None:
        self.port = port
