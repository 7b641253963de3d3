# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth._trust}: whose word counts about a host, as C{connect}
asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
from twisted.conch.error import HostKeyChanged as ConchHostKeyChanged
from twisted.conch.error import UserRejectedKey
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from conch_auth import SSHClient, connect
from conch_auth.display import fingerprint
from conch_auth.errors import (
    ConnectionLost,
    ConnectTimeout,
    HostCertificateInvalid,
    HostKeyChanged,
    HostKeyNotVerifiable,
    HostKeyRejected,
    HostKeyRevoked,
    HostKeyUnknown,
)
from conch_auth.knownhosts import KnownHosts, PinnedKey, insecure_accept_any
from conch_auth.loopback import LoopbackServer, generate_key
from tests.memory import MemoryCase
from tests.peers.asyncssh_server import AsyncSSHServer, Scripted
from tests.support import Cancellable


class Refused(Exception):
    """
    What a callback of the tests raises.
    """


def raising() -> Any:
    raise Refused("secret reason")


async def raising_later() -> Any:
    raise Refused("secret reason")


async def later(verdict: object) -> object:
    return verdict


#: Everything that a callback may do but say yes.
NO: dict[str, Callable[[], Any]] = {
    "False": lambda: False,
    "None": lambda: None,
    "1": lambda: 1,
    "yes": lambda: "yes",
    "an object": object,
    "a failure": lambda: defer.fail(Refused()),
    "a cancellation": lambda: defer.fail(defer.CancelledError()),
    "a Deferred of False": lambda: defer.succeed(False),
    "a Deferred of None": lambda: defer.succeed(None),
    "a coroutine of False": lambda: later(False),
    "a coroutine of 1": lambda: later(1),
    "an exception": raising,
    "an exception in a coroutine": raising_later,
}


def judging(verdict: Callable[[], Any], asked: list[Any]) -> Callable[[], SSHClient]:
    """
    Makes clients that give C{verdict} on keys and authorities, and a password.
    """

    class Judge(SSHClient):
        def validate_host_public_key(
            self, host: str, addr: str, port: int, key: Any
        ) -> Any:
            asked.append(("key", host, addr, port, key))
            return verdict()

        def validate_host_ca_key(
            self, host: str, addr: str, port: int, key: Any
        ) -> Any:
            asked.append(("authority", host, addr, port, key))
            return verdict()

        def password_auth_requested(self) -> str:
            return "right"

    return Judge


class TrustCase(MemoryCase):
    """
    A login with a client that judges, and passwords that nobody else gets.
    """

    def setUp(self) -> None:
        super().setUp()
        self.asked: list[Any] = []

    def judge(self, verdict: Callable[[], Any] = lambda: True, **options: Any) -> Any:
        options.setdefault("known_hosts", None)
        return self.log_in(judging(verdict, self.asked), **options)

    def assert_refused(self, kind: type[HostKeyNotVerifiable]) -> None:
        """
        The login never began, and the server was told why.
        """
        self.assertIs(type(self.error), kind)
        self.assertEqual(self.server.requests, [])
        self.assert_closed()

    def known(self, key: Any = None, host: str = "server", marker: str = "") -> bytes:
        """
        A line of known_hosts; of the server's key where no other is given.
        """
        written = (key or self.server.host_key).public().toString("openssh")
        return f"{marker} {host} {written.decode()}\n".lstrip().encode()


class CallbackTests(TrustCase):
    """
    Only C{True} trusts a host.
    """

    def test_true(self) -> None:
        """
        The callback gets the host, its address, the port and the key.
        """
        self.judge(port=2222)
        (question,) = self.asked
        self.assertEqual(question[:4], ("key", "server", "192.168.1.1", 2222))
        self.assertEqual(question[4], self.server.host_key)
        self.assertTrue(self.connection.report.succeeded)

    def test_anything_else(self) -> None:
        """
        Every other answer refuses, and nothing of the login is sent.
        """
        for name, verdict in NO.items():
            self.ends, self.asked = [], []
            self.endpoint = self.server.endpoint()
            self.judge(verdict)
            self.assertEqual(len(self.asked), 1, name)
            self.assert_refused(HostKeyRejected)

    def test_default(self) -> None:
        """
        A client with no callback of its own trusts nobody.
        """
        self.log_in(known_hosts=None, password="right")
        self.assert_refused(HostKeyRejected)

    def test_never(self) -> None:
        """
        A person who never answers has not said yes, and may take longer than
        C{connect_timeout}.
        """
        answer = Cancellable()
        self.judge(lambda: answer, connect_timeout=10)
        self.server.clock.advance(599)
        self.assertEqual((self.ends, answer.cancelled), ([], 0))
        self.server.clock.advance(2)
        self.assertEqual(answer.cancelled, 1)
        self.assert_refused(HostKeyRejected)

    def test_a_persons_time(self) -> None:
        """
        The time that a person has taken is not missing afterwards.
        """
        answer: Deferred[bool] = Deferred()
        self.judge(lambda: answer, connect_timeout=10)
        self.server.clock.advance(500)
        answer.callback(True)
        self.assertEqual(self.ends, [])
        self.server.clock.advance(9)
        self.assertEqual(self.ends, [])
        self.endpoint.pump()
        self.connection.close()
        self.assert_closed()

    def test_servers_time(self) -> None:
        """
        What the server takes after that is limited.
        """
        answer: Deferred[bool] = Deferred()
        self.judge(lambda: answer, connect_timeout=10)
        answer.callback(True)
        self.server.clock.advance(11)
        self.assertIsInstance(self.error, ConnectTimeout)
        self.assert_closed()

    def test_lost_meanwhile(self) -> None:
        """
        The server goes while a person thinks: nobody is waited for any more.
        """
        answer = Cancellable()
        self.judge(lambda: answer)
        self.endpoint.links[0].lose()
        self.assertEqual(answer.cancelled, 1)
        self.assertIsInstance(self.error, ConnectionLost)
        self.assert_closed()

    def test_cancelled_meanwhile(self) -> None:
        """
        Nor is it when whoever called C{connect} goes.
        """
        answer = Cancellable()
        self.judge(lambda: answer).cancel()
        self.assertIsInstance(self.error, defer.CancelledError)
        self.assert_closed()
        self.assertEqual(answer.cancelled, 1)

    def test_late_yes(self) -> None:
        """
        A yes that comes too late opens nothing.
        """
        answer: Deferred[bool] = Deferred()
        self.judge(lambda: answer)
        self.endpoint.links[0].lose()
        answer.callback(True)
        self.assertIsInstance(self.error, ConnectionLost)
        self.assert_closed()

    def test_failure_is_the_reason(self) -> None:
        """
        What a callback has raised is the cause of the refusal.
        """
        self.judge(raising)
        self.assertIsInstance(self.error.__cause__, Refused)


class KnownTests(TrustCase):
    """
    What known_hosts says comes first.
    """

    def test_known(self) -> None:
        """
        A known key is trusted, and nobody is asked.
        """
        self.judge(lambda: False, known_hosts=self.known())
        self.assertEqual(self.asked, [])
        self.assertTrue(self.connection.report.succeeded)

    def test_unknown(self) -> None:
        """
        The client is asked about a host that known_hosts says nothing of.
        """
        other = self.known(host="other")
        self.judge(known_hosts=other)
        self.assertEqual(len(self.asked), 1)
        self.assertTrue(self.connection.report.succeeded)

    def test_unknown_and_refused(self) -> None:
        """
        Where it says no, the error is that the key is unknown, as Conch's
        callers expect it.
        """
        self.judge(lambda: False, known_hosts=b"")
        self.assert_refused(HostKeyUnknown)
        self.assertIsInstance(self.error, UserRejectedKey)
        shown = fingerprint(self.server.host_key.blob())
        self.assertIn(shown, str(self.error))

    def test_changed(self) -> None:
        """
        A changed key is refused, with file and line, and nobody is asked.
        """
        file = Path(self.mktemp())
        file.write_bytes(b"# ours\n" + self.known(generate_key()))
        self.judge(known_hosts=str(file))
        self.assertEqual(self.asked, [])
        self.assert_refused(HostKeyChanged)
        self.assertIsInstance(self.error, ConchHostKeyChanged)
        self.assertEqual(self.error.lines, ((str(file), 2),))

    def test_revoked(self) -> None:
        """
        A revoked key is refused, whatever else is said of it.
        """
        lines = self.known() + self.known(marker="@revoked", host="*")
        self.judge(known_hosts=lines)
        self.assertEqual(self.asked, [])
        self.assert_refused(HostKeyRevoked)

    def test_alias(self) -> None:
        """
        An alias is looked up instead of the host, and without a port.
        """
        self.judge(
            lambda: False,
            known_hosts=self.known(host="db.example"),
            host_key_alias="db.example",
            port=2222,
        )
        self.assertEqual(self.asked, [])
        self.assertTrue(self.connection.report.succeeded)

    def test_host_is_not_the_alias(self) -> None:
        """
        What is known of the host itself says nothing of its alias.
        """
        self.judge(
            lambda: False, known_hosts=self.known(), host_key_alias="db.example"
        )
        self.assertEqual(self.asked[0][1], "db.example")
        self.assert_refused(HostKeyUnknown)

    def test_port(self) -> None:
        """
        What another server on the host holds says nothing of this one.
        """
        other = self.known(generate_key())
        self.judge(lambda: False, known_hosts=other, port=2222)
        self.assertEqual(len(self.asked), 1)
        self.assert_refused(HostKeyUnknown)

    def test_port_known(self) -> None:
        """
        It is known by its port.
        """
        line = self.known(host="[server]:2222")
        self.judge(lambda: False, known_hosts=line, port=2222)
        self.assertTrue(self.connection.report.succeeded)


class FormTests(TrustCase):
    """
    known_hosts in every form.
    """

    def assert_trusted(self, known_hosts: Any) -> None:
        self.ends, self.endpoint = [], self.server.endpoint()
        self.judge(lambda: False, known_hosts=known_hosts)
        self.assertTrue(self.connection.report.succeeded)
        self.assertEqual(self.asked, [])
        self.connection.close()
        self.assert_closed()

    def file(self, content: bytes) -> str:
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    def test_path(self) -> None:
        """
        A path, as text or as an object.
        """
        path = self.file(self.known())
        self.assert_trusted(path)
        self.assert_trusted(Path(path))

    def test_paths(self) -> None:
        """
        Several paths, some of files that are not there.
        """
        self.assert_trusted([self.file(b""), "nowhere", self.file(self.known())])

    def test_bytes(self) -> None:
        """
        The content of a file.
        """
        self.assert_trusted(self.known())

    def test_object(self) -> None:
        """
        A L{KnownHosts}.
        """
        self.assert_trusted(KnownHosts.from_bytes(self.known()))

    def test_policy(self) -> None:
        """
        A policy, which decides by itself.
        """
        self.assert_trusted(PinnedKey(fingerprint(self.server.host_key.blob())))
        self.assert_trusted(insecure_accept_any())

    def test_policy_refuses(self) -> None:
        """
        No callback overrules a policy.
        """
        pinned = PinnedKey(fingerprint(generate_key().blob()))
        self.judge(known_hosts=pinned)
        self.assertEqual(self.asked, [])
        self.assert_refused(HostKeyChanged)

    def test_own_files(self) -> None:
        """
        C{()} is OpenSSH's own files.
        """
        home = Path(self.mktemp())
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh/known_hosts").write_bytes(self.known())
        self.patch(os, "environ", {**os.environ, "HOME": str(home)})
        self.assert_trusted(())

    def test_missing_file(self) -> None:
        """
        A file that is not there says nothing.
        """
        self.judge(lambda: False, known_hosts="nowhere")
        self.assert_refused(HostKeyUnknown)

    def test_wrong_type(self) -> None:
        """
        Anything else is an error before any connection.
        """
        for wrong in (5, object(), 1.5):
            self.assertRaises(TypeError, self.judge, known_hosts=wrong)
            self.assertEqual(self.endpoint.links, [])


class Impostor(LoopbackServer):
    """
    Shows a host key that it does not hold.
    """

    def _factory(self, clock: Any) -> Any:
        factory = super()._factory(clock)
        other = generate_key()
        factory.privateKeys = {other.sshType(): other}
        return factory


class ProofTests(TrustCase):
    """
    A server that does not prove to hold its key.
    """

    def test_nobody_is_asked(self) -> None:
        """
        It is refused before anybody is asked, and nothing is written.
        """
        self.server = Impostor()
        self.endpoint = self.server.endpoint()
        file = Path(self.mktemp())
        for content in (b"", self.known(host="other"), self.known()):
            file.write_bytes(content)
            for known_hosts in (str(file), None):
                self.ends, self.endpoint = [], self.server.endpoint()
                self.judge(known_hosts=known_hosts)
                self.assertEqual(self.asked, [])
                self.assert_refused(HostKeyRejected)
                self.assertEqual(file.read_bytes(), content)

    def test_trusting_all(self) -> None:
        """
        Not even C{insecure_accept_any} accepts it.
        """
        self.server = Impostor()
        self.endpoint = self.server.endpoint()
        self.judge(known_hosts=insecure_accept_any())
        self.assert_refused(HostKeyRejected)


class CertificateTests(TestCase):
    """
    Host certificates, shown by AsyncSSH's server.
    """

    def setUp(self) -> None:
        self.asked: list[Any] = []
        self.authority = asyncssh.generate_private_key("ssh-ed25519")
        self.ca_blob = self.authority.public_data

    def serve(self, **details: Any) -> AsyncSSHServer:
        details = {"principals": ["127.0.0.1"], **details}
        server: Any = AsyncSSHServer(Scripted)
        self.plain = server.host_key
        make = details.pop("make", self.authority.generate_host_certificate)
        server.host_key = (server.host_key, make(server.host_key, "id", **details))
        server.start()
        self.addCleanup(server.stop)
        running: AsyncSSHServer = server
        return running

    async def judge(
        self, server: AsyncSSHServer, verdict: Callable[[], Any], **options: Any
    ) -> Any:
        options.setdefault("known_hosts", b"")
        made = await connect(
            "127.0.0.1",
            server.port,
            client_factory=judging(verdict, self.asked),
            username="alice",
            client_keys=None,
            agent_path=None,
            **options,
        )
        made.close()
        await made.wait_closed()
        return made

    def line(self, key: asyncssh.SSHKey, host: str, marker: str = "") -> bytes:
        written = key.export_public_key().decode()
        return f"{marker} {host} {written}".lstrip().encode()

    async def test_authority_accepted(self) -> None:
        """
        The callback is asked about the authority, not the key.
        """
        server = self.serve()
        await self.judge(server, lambda: True)
        (question,) = self.asked
        self.assertEqual(
            question[:4], ("authority", "127.0.0.1", "127.0.0.1", server.port)
        )
        self.assertEqual(question[4].blob(), self.ca_blob)

    async def test_authority_refused(self) -> None:
        """
        Only C{True} accepts it.
        """
        server = self.serve()
        for name, verdict in NO.items():
            with self.assertRaises(HostKeyNotVerifiable):
                await self.judge(server, verdict)
            self.assertEqual([asked[0] for asked in self.asked], ["authority"], name)
            self.asked.clear()

    async def test_known_authority(self) -> None:
        """
        An authority in known_hosts certifies without a question.
        """
        server = self.serve()
        for host in ("*", f"[127.0.0.1]:{server.port}"):
            line = self.line(self.authority, host, "@cert-authority")
            await self.judge(server, lambda: False, known_hosts=line)
        self.assertEqual(self.asked, [])

    async def test_revoked(self) -> None:
        """
        A revoked authority, and a revoked key in a certificate, are refused
        without a question.
        """
        server = self.serve()
        known = self.line(self.authority, "*", "@cert-authority")
        for key in (self.authority, self.plain):
            lines = known + self.line(key, "*", "@revoked")
            with self.assertRaises(HostKeyRevoked):
                await self.judge(server, lambda: True, known_hosts=lines)
        self.assertEqual(self.asked, [])

    async def test_invalid(self) -> None:
        """
        Nobody is asked about a certificate that does not hold.
        """
        wrong: tuple[dict[str, Any], ...] = (
            {"principals": ["other"]},
            {"valid_before": 1000},
            {"valid_after": 2**33},
            {"make": self.authority.generate_user_certificate},
        )
        for details in wrong:
            server = self.serve(**details)
            with self.assertRaises(HostCertificateInvalid):
                await self.judge(server, lambda: True)
        self.assertEqual(self.asked, [])

    async def test_alias(self) -> None:
        """
        An alias is looked for among the names in the certificate.
        """
        server = self.serve(principals=["db.example"])
        await self.judge(server, lambda: True, host_key_alias="db.example")
        with self.assertRaises(HostCertificateInvalid):
            await self.judge(server, lambda: True)

    async def test_plain_key_is_known(self) -> None:
        """
        Where known_hosts has the plain key, that is asked for.
        """

        class Plain(SSHClient):
            def password_auth_requested(self) -> str:
                return "right"

        server = self.serve()
        made = await connect(
            "127.0.0.1",
            server.port,
            client_factory=Plain,
            username="alice",
            client_keys=None,
            agent_path=None,
            known_hosts=self.line(self.plain, f"[127.0.0.1]:{server.port}"),
        )
        made.close()
        await made.wait_closed()
