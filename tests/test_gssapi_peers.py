# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Logins with a Kerberos ticket: MIT's KDC, OpenSSH's sshd and AsyncSSH's server.
"""

from __future__ import annotations

import threading
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import _gss
from conch_auth.display import fingerprint
from conch_auth.endpoints import connect
from conch_auth.errors import AuthenticationFailed, GSSAPIError, GSSAPIUnavailable
from conch_auth.interfaces import IGSSContext
from conch_auth.knownhosts import PinnedKey
from conch_auth.report import AuthReport
from tests.peers.asyncssh_server import AsyncSSHServer, Partial, Server
from tests.peers.kdc import HOST, NAME, realm
from tests.peers.sshd import Sshd, User, machine
from tests.test_gssapi import InThisThread

ALICE = User("gss_alice", "Secret-alice")
BOB = User("gss_bob", "Secret-bob")
USERS = (ALICE, BOB)
KEY = Key(ed25519.Ed25519PrivateKey.generate())
#: Its key is not known to any server here.
NO_KEY = "nokey.example.org"
KRB5 = "1.2.840.113554.1.2.2"

GSSAPI = """\
GSSAPIAuthentication yes
GSSAPIStrictAcceptorCheck no
"""
GSSAPI_ONLY = GSSAPI + "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"


def outcomes(report: AuthReport) -> list[tuple[str, str]]:
    """
    What was tried, without the question for the list of methods.
    """
    return [(a.method, a.outcome) for a in report.attempts if a.method != "none"]


class LibraryTests(SynchronousTestCase):
    """
    The library, with a realm and without a server.
    """

    def setUp(self) -> None:
        self.realm = realm()
        self.realm.enter(self)

    def initiate(self, host: str = HOST, **options: Any) -> IGSSContext:
        found = self.successResultOf(
            _gss.initiate(host, InThisThread(), **options)
        )
        assert IGSSContext.providedBy(found)
        context: IGSSContext = found
        return context

    def accept(self) -> Any:
        """
        The server's side.
        """
        import gssapi

        return gssapi.SecurityContext(usage="accept")

    def step(self, context: IGSSContext, token: bytes | None) -> Any:
        return self.successResultOf(context.step(KRB5, token))

    def test_no_ticket(self) -> None:
        """
        Without a ticket, it is told to get one.
        """
        failed = self.failureResultOf(
            _gss.initiate(HOST, InThisThread()), GSSAPIUnavailable
        )
        self.assertIn("no Kerberos ticket: run kinit", str(failed.value))

    def test_established(self) -> None:
        """
        Both sides are proved, and the MIC holds; nothing is delegated.
        """
        self.realm.log_in(ALICE.name)
        context, server = self.initiate(), self.accept()
        self.assertIn(KRB5, context.mechanisms)
        self.assertEqual(context.source, f"the ticket of {ALICE.name}@{NAME}")
        token = self.step(context, None)
        self.assertFalse(context.complete)
        self.assertIsNone(self.step(context, server.step(token)))
        self.assertTrue(context.complete)
        self.assertTrue(context.has_integrity)
        server.verify_signature(b"data", context.sign(b"data"))
        self.assertIsNone(server.delegated_creds)

    def test_delegation(self) -> None:
        """
        A ticket is forwarded where that is asked for.
        """
        self.realm.log_in(ALICE.name, "-f")
        context, server = self.initiate(delegate=True), self.accept()
        server.step(self.step(context, None))
        self.assertIsNotNone(server.delegated_creds)

    def test_unknown_server(self) -> None:
        """
        A server that the realm does not know is an error of the first step.
        """
        self.realm.log_in(ALICE.name)
        stepped = self.initiate("unknown.example.org").step(KRB5, None)
        error = self.failureResultOf(stepped, GSSAPIError).value
        self.assertIn("not found in Kerberos database", str(error))
        self.assertNotEqual((error.major, error.minor), (0, 0))

    def test_name_of_service(self) -> None:
        """
        A name with an C{@} is that of the service.
        """
        self.realm.log_in(ALICE.name)
        self.step(self.initiate(f"host@{HOST}"), None)
        stepped = self.initiate(f"nfs@{HOST}").step(KRB5, None)
        self.assertIn("nfs/", str(self.failureResultOf(stepped, GSSAPIError).value))

    def test_garbage(self) -> None:
        """
        A token that is none is an error.
        """
        self.realm.log_in(ALICE.name)
        context = self.initiate()
        self.step(context, None)
        self.failureResultOf(context.step(KRB5, b"garbage"), GSSAPIError)

    def test_explain(self) -> None:
        """
        An error token says what the server could not do.
        """
        self.realm.log_in(ALICE.name)
        self.realm.add_service(f"host/{NO_KEY}")
        context, server = self.initiate(NO_KEY), self.accept()
        error_token = server.step(self.step(context, None))
        self.assertIn("not found in keytab", context.explain(error_token))

    def test_mic_too_early(self) -> None:
        """
        Without a context there is no MIC.
        """
        self.realm.log_in(ALICE.name)
        context = self.initiate()
        self.step(context, None)
        self.assertRaises(GSSAPIError, context.sign, b"data")


class PeerCase(TestCase):
    """
    A login by C{connect}.
    """

    def setUp(self) -> None:
        self.realm = realm()
        self.realm.enter(self)

    async def log_in(
        self, port: int, host_keys: Any, user: str = ALICE.name, **options: Any
    ) -> AuthReport:
        settings = {
            "gss_host": HOST,
            "client_keys": None,
            "agent_path": None,
            "known_hosts": PinnedKey(*host_keys),
            "username": user,
            **options,
        }
        connection = await connect("127.0.0.1", port, **settings)
        report = connection.report
        assert report is not None
        connection.close()
        await connection.wait_closed()
        return report

    async def refused(self, logging_in: Any) -> AuthReport:
        error = await self.assertFailure(
            Deferred.fromCoroutine(logging_in), AuthenticationFailed
        )
        report: AuthReport = error.report
        return report


class SshdTests(PeerCase):
    """
    OpenSSH's server.
    """

    def sshd(self, config: str = GSSAPI_ONLY) -> Sshd:
        server = machine(USERS).sshd(config)
        self.addCleanup(server.stop)
        server.authorize(ALICE.name, KEY)
        return server

    async def log_in_to(self, server: Sshd, **options: Any) -> AuthReport:
        pins = [fingerprint(key.blob()) for key in server.host_keys]
        return await self.log_in(server.port, pins, **options)

    async def test_login(self) -> None:
        """
        A ticket logs in; gssapi-keyex, which this server lists too, is told
        apart.
        """
        self.realm.log_in(ALICE.name)
        server = self.sshd(GSSAPI_ONLY + "GSSAPIKeyExchange yes\n")
        report = await self.log_in_to(server)
        self.assertEqual(report.proof, "gssapi-with-mic")
        self.assertEqual(
            outcomes(report),
            [("gssapi-keyex", "skipped"), ("gssapi-with-mic", "accepted")],
        )
        self.assertEqual(
            report.attempts[-1].source, f"the ticket of {ALICE.name}@{NAME}"
        )

    async def test_threads(self) -> None:
        """
        The library is called in threads of the reactor, never in its own.
        """
        self.realm.log_in(ALICE.name)
        used: list[threading.Thread] = []
        step, acquire = _gss.LibraryContext._step, _gss._credentials

        def noted_step(context: Any, *arguments: Any) -> Any:
            used.append(threading.current_thread())
            return step(context, *arguments)

        def noted_acquire() -> Any:
            used.append(threading.current_thread())
            return acquire()

        self.patch(_gss.LibraryContext, "_step", noted_step)
        self.patch(_gss, "_credentials", noted_acquire)
        await self.log_in_to(self.sshd())
        self.assertEqual(len(used), 3)
        self.assertNotIn(threading.current_thread(), used)

    async def test_key_as_second_factor(self) -> None:
        """
        C{AuthenticationMethods gssapi-with-mic,publickey}.
        """
        self.realm.log_in(ALICE.name)
        server = self.sshd(
            GSSAPI + "AuthenticationMethods gssapi-with-mic,publickey\n"
        )
        report = await self.log_in_to(server, client_keys=[KEY])
        self.assertEqual(
            [pair for pair in outcomes(report) if pair[1] != "skipped"],
            [("gssapi-with-mic", "partial"), ("publickey", "accepted")],
        )

    async def test_ticket_as_second_factor(self) -> None:
        """
        C{AuthenticationMethods publickey,gssapi-with-mic}.
        """
        self.realm.log_in(ALICE.name)
        server = self.sshd(
            GSSAPI + "AuthenticationMethods publickey,gssapi-with-mic\n"
        )
        report = await self.log_in_to(server, client_keys=[KEY])
        self.assertEqual(
            [pair for pair in outcomes(report) if pair[1] != "skipped"],
            [("publickey", "partial"), ("gssapi-with-mic", "accepted")],
        )

    async def test_no_ticket(self) -> None:
        """
        Without a ticket nothing is sent, and a key follows.
        """
        report = await self.log_in_to(self.sshd(), client_keys=[KEY])
        (skipped,) = [a for a in report.attempts if a.method == "gssapi-with-mic"]
        self.assertEqual(skipped.outcome, "skipped")
        self.assertIn("no Kerberos ticket: run kinit", skipped.reason)
        self.assertEqual(outcomes(report)[-1], ("publickey", "accepted"))

    async def test_other_account(self) -> None:
        """
        A ticket opens no account but its owner's.
        """
        self.realm.log_in(ALICE.name)
        server = self.sshd()
        report = await self.refused(self.log_in_to(server, user=BOB.name))
        self.assertIn(("gssapi-with-mic", "refused"), outcomes(report))
        self.assertIn("klist", " ".join(report.advice()))

    async def test_unknown_server(self) -> None:
        """
        Where the realm does not know the server, a key follows.
        """
        self.realm.log_in(ALICE.name)
        report = await self.log_in_to(
            self.sshd(), client_keys=[KEY], gss_host="unknown.example.org"
        )
        (failed,) = [a for a in report.attempts if a.method == "gssapi-with-mic"]
        self.assertEqual(failed.outcome, "failed")
        self.assertIn("not found in Kerberos database", failed.reason)
        self.assertEqual(outcomes(report)[-1], ("publickey", "accepted"))

    async def test_server_without_key(self) -> None:
        """
        A server that does not have the service's key says so by an error token,
        which is in the report; then it refuses, and a key follows.
        """
        self.realm.log_in(ALICE.name)
        self.realm.add_service(f"host/{NO_KEY}")
        report = await self.log_in_to(
            self.sshd(), client_keys=[KEY], gss_host=NO_KEY
        )
        (refused,) = [a for a in report.attempts if a.method == "gssapi-with-mic"]
        self.assertEqual(refused.outcome, "refused")
        self.assertIn("not found in keytab", refused.reason)
        self.assertEqual(outcomes(report)[-1], ("publickey", "accepted"))

    async def test_switched_off(self) -> None:
        """
        C{gss_auth=False} and C{gss_host=None} leave the ticket where it is.
        """
        self.realm.log_in(ALICE.name)
        server = self.sshd()
        for off in ({"gss_auth": False}, {"gss_host": None}):
            report = await self.log_in_to(server, client_keys=[KEY], **off)
            self.assertEqual(outcomes(report), [("publickey", "accepted")])

    async def test_delegation(self) -> None:
        """
        The server gets a ticket of its own where that is asked for, and only
        there.
        """
        self.realm.log_in(ALICE.name, "-f")
        for asked, delegated in ((True, True), (None, False)):
            server = self.sshd()
            await self.log_in_to(server, gss_delegate_creds=asked)
            told = "Got no client credentials" in server.log()
            self.assertEqual(told, not delegated)


class AliceOnly(Server):
    """
    Lets the principal of the account in.
    """

    def validate_gss_principal(
        self, username: str, user_principal: str, host_principal: str
    ) -> bool:
        return user_principal == f"{username}@{NAME}"


class Chain(Partial, AliceOnly):
    """
    Wants a ticket and a password.
    """

    chain = ("gssapi-with-mic", "password")


class AsyncSSHTests(PeerCase):
    """
    AsyncSSH's server.
    """

    def server(self, factory: Any = AliceOnly) -> AsyncSSHServer:
        server = AsyncSSHServer(factory, gss_host=HOST)
        server.start()
        self.addCleanup(server.stop)
        return server

    async def log_in_to(self, server: AsyncSSHServer, **options: Any) -> AuthReport:
        pin = server.host_key.get_fingerprint()
        return await self.log_in(server.port, [pin], **options)

    async def test_login(self) -> None:
        """
        A ticket logs in.
        """
        self.realm.log_in(ALICE.name)
        report = await self.log_in_to(self.server())
        self.assertEqual(report.proof, "gssapi-with-mic")

    async def test_other_account(self) -> None:
        """
        A ticket opens no account but its owner's.
        """
        self.realm.log_in(ALICE.name)
        report = await self.refused(self.log_in_to(self.server(), user=BOB.name))
        self.assertIn(("gssapi-with-mic", "refused"), outcomes(report))

    async def test_password_as_second_factor(self) -> None:
        """
        A ticket, then a password.
        """
        self.realm.log_in(ALICE.name)
        report = await self.log_in_to(self.server(Chain), password="right")
        self.assertEqual(report.proof, "gssapi-with-mic, then password")

    async def test_error(self) -> None:
        """
        The server says in words what it could not do; that is in the report.
        """
        self.realm.log_in(ALICE.name)
        self.patch(_gss.LibraryContext, "_step", lambda *arguments: b"garbage")
        report = await self.refused(self.log_in_to(self.server()))
        (refused,) = [a for a in report.attempts if a.method == "gssapi-with-mic"]
        self.assertEqual(refused.outcome, "refused")
        self.assertIn("GSSAPI failed on the server: Major", refused.reason)

    async def test_error_as_token(self) -> None:
        """
        AsyncSSH sends the mechanism's own error as if it were a good token.
        """
        self.realm.log_in(ALICE.name)
        self.realm.add_service(f"host/{NO_KEY}")
        report = await self.refused(
            self.log_in_to(self.server(), gss_host=NO_KEY)
        )
        (failed,) = [a for a in report.attempts if a.method == "gssapi-with-mic"]
        self.assertEqual(failed.outcome, "failed")
        self.assertIn("GSSAPI failed: The ticket", failed.reason)
