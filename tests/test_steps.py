"""
Tests of the course of a login, step by step, in the report and in the log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.logger import eventAsJSON, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from conch_auth.errors import AuthenticationFailed
from conch_auth.knownhosts import PinnedKey, insecure_accept_any
from conch_auth.names import MAX_EXTENSIONS, MAX_STEPS
from conch_auth.recorder import Recorder
from conch_auth.report import AuthReport, KeyIdentity, Step
from tests.memory import MemoryCase
from tests.support import (
    SUCCESS,
    LoginTestCase,
    banner,
    expired,
    failure,
    new_key,
    partial,
    questions,
)

SCHEMA = Path(__file__).parent.parent / "docs" / "report.schema.json"


def told(report: AuthReport) -> list[tuple[Any, ...]]:
    """
    The steps of a report, without their times.
    """
    return [tuple(step)[1:] for step in report.steps]


def named(key: Key) -> str:
    return str(KeyIdentity.of(key.sshType(), key.blob()))


class StepsTests(LoginTestCase):
    """
    What the sides told each other is in the report, in order.
    """

    def test_key(self) -> None:
        """
        A key: asked for, offered, wanted, signed with, accepted; each step
        belongs to its attempt.
        """
        key = new_key()
        client = self.login(keys=[key])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(SUCCESS)
        name = named(key)
        self.assertEqual(
            told(self.assert_succeeded(client)),
            [
                ("client", "server", "USERAUTH_REQUEST none", "", 0),
                (
                    "server",
                    "client",
                    "USERAUTH_FAILURE",
                    "can continue: publickey",
                    0,
                ),
                ("client", "agent", "getPublicKey", "", 1),
                ("agent", "client", "answer", "a key", 1),
                ("client", "server", "USERAUTH_REQUEST publickey", f"offers {name}", 1),
                ("server", "client", "USERAUTH_PK_OK", "ssh-ed25519", 1),
                ("client", "agent", "signData", "", 1),
                ("agent", "client", "answer", "", 1),
                (
                    "client",
                    "server",
                    "USERAUTH_REQUEST publickey",
                    f"signs with {name}",
                    1,
                ),
                ("server", "client", "USERAUTH_SUCCESS", "", 1),
            ],
        )

    def test_times(self) -> None:
        """
        The seconds are counted from the beginning.
        """
        client = self.login(passwords=["pw"])
        client.clock.advance(1.5)
        client.receive(failure(b"password"))
        client.clock.advance(2)
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual([s.at for s in report.steps], [0, 1.5, 1.5, 1.5, 1.5, 3.5])

    def test_questions(self) -> None:
        """
        A server's questions are told as they may be shown, and of the answers
        only how many there are.
        """
        client = self.login(answers=[["s3cret", "s3cret"]])
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"One\x1b: ", b"Two: ", text=b"Log in"))
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        server, person, answer, response = told(report)[-5:-1]
        self.assertEqual(server[3], "Log in / One\\x1b:  / Two: ")
        self.assertEqual(person[:3], ("client", "person", "getGenericAnswers"))
        self.assertEqual(answer[:4], ("person", "client", "answer", ""))
        self.assertEqual(response[2:4], ("USERAUTH_INFO_RESPONSE", "2 answers"))

    def test_password_change(self) -> None:
        """
        A password that has expired.
        """
        client = self.login(passwords=["s3cret", "s3cret", "s3cret2"])
        client.receive(failure(b"password"))
        client.receive(expired(b"New one: "))
        client.receive(SUCCESS)
        steps = told(self.assert_succeeded(client))
        self.assertIn(
            ("server", "client", "USERAUTH_PASSWD_CHANGEREQ", "New one: ", 1), steps
        )
        self.assertEqual(
            steps[-2][:4],
            ("client", "server", "USERAUTH_REQUEST password", "with a new one"),
        )

    def test_second_factor(self) -> None:
        """
        A first factor was accepted.
        """
        client = self.login(passwords=["pw"], keys=[new_key()])
        client.receive(failure(b"password"))
        client.receive(partial(b"publickey"))
        self.assertIn(
            "accepted, and then can continue: publickey",
            [step.detail for step in client.report.steps],
        )

    def test_owner_fails(self) -> None:
        """
        Of an owner's failure the type is told, and not its words.
        """
        client = self.login(passwords=[ValueError("s3cret")])
        client.receive(failure(b"password"))
        steps = told(self.assert_failed(client, AuthenticationFailed))
        self.assertEqual(
            steps[-1], ("person", "client", "answer", "failed: ValueError", 1)
        )

    def test_nothing_to_offer(self) -> None:
        """
        An owner has nothing to offer.
        """
        client = self.login()
        client.receive(failure(b"password"))
        steps = told(self.assert_failed(client, AuthenticationFailed))
        self.assertEqual(steps[-1], ("person", "client", "answer", "nothing", 1))

    def test_taken_back(self) -> None:
        """
        A question is taken back when time is over, and when the server goes on.
        """
        client = self.login(answers=[Deferred(), Deferred()], answerTimeout=5)
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"One: "))
        client.receive(questions(b"Two: "))
        client.clock.advance(5)
        cancelled = [s[:4] for s in told(client.report) if s[2] == "cancel"]
        self.assertEqual(
            cancelled,
            [
                ("client", "person", "cancel", ""),
                (
                    "client",
                    "person",
                    "cancel",
                    "getGenericAnswers did not answer in 5 seconds",
                ),
            ],
        )

    def test_no_attempt(self) -> None:
        """
        While an attempt runs, its steps belong to none that is reported yet.
        """
        client = self.login(passwords=[Deferred()])
        client.receive(failure(b"password"))
        self.assertEqual([step.attempt for step in client.report.steps], [0, 0, None])
        self.assertEqual(client.report.waiting_for, "person")

    def test_words(self) -> None:
        """
        A step is a line.
        """
        self.assertEqual(
            str(Step(0.0, "client", "server", "USERAUTH_REQUEST none")),
            "client to server: USERAUTH_REQUEST none",
        )
        self.assertEqual(
            str(Step(0.0, "server", "client", "USERAUTH_BANNER", "hello")),
            "server to client: USERAUTH_BANNER (hello)",
        )

    def test_bound(self) -> None:
        """
        A conversation without end does not fill the memory; the report says
        how much of it was left out.
        """
        recorder = Recorder(b"alice", b"ssh-connection", lambda: 0.0)
        for _ in range(MAX_STEPS + 7):
            recorder.step("client", "server", "x")
        report = recorder.snapshot()
        self.assertEqual(len(report.steps), MAX_STEPS)
        self.assertEqual(report.steps_left_out, 7)


class AttemptFactsTests(LoginTestCase):
    """
    What an attempt tells of its credential.
    """

    def test_offered_key(self) -> None:
        """
        A refused key was offered and not signed with.
        """
        client = self.login(keys=[new_key()])
        client.receive(failure(b"publickey"))
        client.receive(failure(b"publickey"))
        attempt = self.assert_failed(client, AuthenticationFailed).attempts[1]
        self.assertTrue(attempt.offered)
        self.assertFalse(attempt.signed)
        self.assertEqual(attempt.answers, ("USERAUTH_FAILURE",))
        self.assertEqual(attempt.round_trips, 1)
        self.assertEqual(
            attempt.algorithm_reason, "the server lists no signature algorithms"
        )

    def test_signed_key(self) -> None:
        """
        A key whose signature was sent says so, and what the server answered.
        """
        client = self.login(keys=[new_key()])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(SUCCESS)
        attempt = self.assert_succeeded(client).attempts[1]
        self.assertTrue(attempt.offered and attempt.signed)
        self.assertEqual(attempt.answers, ("USERAUTH_PK_OK", "USERAUTH_SUCCESS"))
        self.assertEqual(attempt.round_trips, 2)

    def test_signature_refused_here(self) -> None:
        """
        A key that gave no signature was offered, and not signed with.
        """
        client = self.login(keys=[new_key()])
        client.getPrivateKey = lambda: None
        client.receive(failure(b"publickey"))
        self.confirm(client)
        attempt = self.assert_failed(client, AuthenticationFailed).attempts[1]
        self.assertTrue(attempt.offered)
        self.assertFalse(attempt.signed)

    def test_never_offered(self) -> None:
        """
        What was skipped was not offered.
        """
        client = self.login()
        client.receive(failure(b"publickey"))
        attempt = self.assert_failed(client, AuthenticationFailed).attempts[1]
        self.assertFalse(attempt.offered or attempt.signed)
        self.assertEqual((attempt.answers, attempt.round_trips), ((), 0))

    def test_banners_are_no_answers(self) -> None:
        """
        A banner answers nothing.
        """
        client = self.login(passwords=["pw"])
        client.receive(failure(b"password"))
        client.receive(banner(b"hello"))
        client.receive(SUCCESS)
        attempt = self.assert_succeeded(client).attempts[1]
        self.assertEqual(attempt.answers, ("USERAUTH_SUCCESS",))

    def test_sums(self) -> None:
        """
        The report adds up whom was waited for.
        """
        client = self.login(passwords=["pw", "pw"])
        for answer in (failure(b"password"), failure(b"password"), SUCCESS):
            client.clock.advance(2)
            client.receive(answer)
        report = self.assert_succeeded(client)
        self.assertEqual(report.server_seconds, 6.0)
        self.assertEqual((report.agent_seconds, report.person_seconds), (0.0, 0.0))

    def test_wait_of_no_attempt(self) -> None:
        """
        Nor is a wait forgotten from which no attempt came.
        """
        client = self.login(passwords=[Deferred()])
        client.receive(failure(b"password"))
        client.clock.advance(3)
        client.serviceStopped()
        report = self.error.report
        self.assertEqual(sum(a.person_seconds for a in report.attempts), 0.0)
        self.assertEqual(report.person_seconds, 3.0)


class ServerFactsTests(MemoryCase):
    """
    What is known of the server.
    """

    def report(self, **options: Any) -> AuthReport:
        self.log_in(password="right", **options)
        (connection,) = self.ends
        self.assertNotIsInstance(connection, Failure)
        report: AuthReport = connection.report
        return report

    def test_known_hosts(self) -> None:
        """
        The host key, and the line that made it trusted.
        """
        report = self.report()
        assert report.host_key is not None
        self.assertEqual(
            report.host_key,
            (
                "ssh-ed25519",
                self.server.fingerprint,
                "ssh-ed25519",
                "<bytes>:1",
            ),
        )
        self.assertIn("trusted by <bytes>:1", str(report.host_key))

    def test_trusted_otherwise(self) -> None:
        """
        What made a host key trusted, where no file did.
        """
        client = type("C", (self.trusting,), {})
        for known_hosts, make, words in (
            (PinnedKey(self.server.fingerprint), None, "its fingerprint, which was"),
            (insecure_accept_any(), None, "insecure_accept_any, which checks nothing"),
            (None, client, "validate_host_public_key"),
            (b"", client, "validate_host_public_key"),
        ):
            self.ends = []
            makes = {} if make is None else {"make": make}
            report = self.report(known_hosts=known_hosts, **makes)
            assert report.host_key is not None
            self.assertIn(words, report.host_key.trusted_by)

    @property
    def trusting(self) -> Any:
        from conch_auth import SSHClient

        class Trusting(SSHClient):
            def validate_host_public_key(self, *args: Any) -> bool:
                return True

        return Trusting

    def test_version(self) -> None:
        """
        The server's version and its extensions.
        """
        report = self.report()
        self.assertTrue(report.server_version.startswith("SSH-2.0-Twisted_"))
        self.assertEqual(report.extensions[0][0], "server-sig-algs")
        self.assertIn("ssh-ed25519", report.extensions[0][1])

    def test_port(self) -> None:
        """
        A connection in memory has the port that its address names.
        """
        self.assertEqual(self.report().port, StringTransport().getPeer().port)

    def test_hostile_facts(self) -> None:
        """
        A server's extensions and version are shown neutralised and bounded.
        """
        login = self.begin(password="right")
        self.endpoint.pump()
        (connection,) = self.ends
        transport = connection.transport
        transport.otherVersionString = b"SSH-2.0-\x1b[2J"
        transport.peerExtensions = {
            b"%d" % number: b"\x1b" * 100_000 for number in range(100)
        }
        from conch_auth._transports import facts

        told = facts(transport)
        self.assertEqual(told.server_version, "SSH-2.0-\\x1b[2J")
        self.assertEqual(len(told.extensions), MAX_EXTENSIONS)
        self.assertLessEqual(max(len(value) for _, value in told.extensions), 1024)
        self.assertNotIn("\x1b", str(told))
        del login

    def test_kept(self) -> None:
        """
        A report is a value: what happens to the transport later does not
        change it.
        """
        report = self.report()
        (connection,) = self.ends
        connection.abort()
        connection.transport.otherVersionString = b"SSH-2.0-other"
        self.assertEqual(connection.report, report)


class EventsTests(LoginTestCase):
    """
    The log tells what the report tells.
    """

    def setUp(self) -> None:
        self.logged: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    def log(self, event: dict[str, Any]) -> None:
        if "conch_auth" in event:
            self.logged.append(event)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.logged if event["conch_auth"] == name]

    def test_success(self) -> None:
        """
        A login: its beginning, each step and attempt, its end; all of them with
        the login's number and the user.
        """
        client = self.login(passwords=["s3cret"])
        client.receive(failure(b"password"))
        client.receive(banner(b"hello\x1b"))
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(
            [event["conch_auth"] for event in self.logged],
            [
                "login-begun",
                "step",
                "step",
                "attempt-ended",
                "step",
                "step",
                "step",
                "step",
                "banner",
                "step",
                "attempt-ended",
                "login-succeeded",
            ],
        )
        self.assertEqual(len({event["login"] for event in self.logged}), 1)
        self.assertEqual({event["user"] for event in self.logged}, {"alice"})
        steps = [event["name"] for event in self.named("step")]
        self.assertEqual(steps, [step.name for step in report.steps])
        self.assertEqual(
            formatEvent(self.logged[-1]), "alice, the server: logged in: password"
        )
        self.assertEqual(
            formatEvent(self.named("banner")[0]),
            "alice, the server: the server says: hello\\x1b",
        )

    def test_failure(self) -> None:
        """
        A login that failed says why, and what to do.
        """
        client = self.login()
        client.receive(failure(b"password"))
        report = self.assert_failed(client, AuthenticationFailed)
        (event,) = self.named("login-failed")
        self.assertEqual(
            formatEvent(event),
            "alice, the server: not logged in: no method is left to try",
        )
        self.assertEqual(event["advice"], report.advice())

    def test_each_login_has_its_number(self) -> None:
        """
        Two logins at a time can be told apart.
        """
        self.login(), self.login()
        first, second = self.named("login-begun")
        self.assertNotEqual(first["login"], second["login"])

    def test_json(self) -> None:
        """
        Each event can be written by Twisted's JSON observer, and no secret is
        in it.
        """
        client = self.login(passwords=["s3cret", ValueError("s3cret")])
        client.receive(failure(b"password"))
        client.receive(failure(b"password"))
        self.assert_failed(client, AuthenticationFailed)
        self.assertTrue(self.named("attempt-ended"))
        for event in self.logged:
            written = eventAsJSON(event)
            self.assertNotIn("s3cret", written)
            unwritten = [
                name
                for name, value in json.loads(written).items()
                if isinstance(value, dict) and "unpersistable" in value
            ]
            # Twisted's own.
            self.assertLessEqual(set(unwritten), {"log_logger", "log_legacy"})


class SchemaTests(LoginTestCase):
    """
    C{docs/report.schema.json} describes what C{as_dict} gives.
    """

    def setUp(self) -> None:
        self.schema = json.loads(SCHEMA.read_text("utf-8"))

    def assert_described(self, report: AuthReport) -> None:
        plain = json.loads(json.dumps(report.as_dict()))
        jsonschema.validate(plain, self.schema, cls=jsonschema.Draft202012Validator)

    def test_schema(self) -> None:
        """
        It is a schema, and takes no field that is not described.
        """
        jsonschema.Draft202012Validator.check_schema(self.schema)
        plain = AuthReport("a", "s").as_dict()
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({**plain, "new": 1}, self.schema)
        del plain["user"]
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate(plain, self.schema)

    def test_running(self) -> None:
        """
        A login that runs.
        """
        client = self.login(passwords=[Deferred()])
        client.receive(failure(b"password"))
        self.assert_described(client.report)

    def test_ended(self) -> None:
        """
        A login with every kind of outcome.
        """
        left = (b"publickey", b"hostbased", b"password")
        client = self.login(keys=[new_key(), new_key()], passwords=[ValueError()])
        client.receive(failure(*left))
        client.receive(failure(*left))
        self.confirm(client)
        client.receive(banner(b"hello", b"en"))
        client.receive(partial(*left))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(
            {attempt.outcome for attempt in report.attempts},
            {"refused", "partial", "skipped", "failed"},
        )
        self.assert_described(report)


class ConnectedSchemaTests(MemoryCase):
    def test_connected(self) -> None:
        """
        A login by C{connect}, with a host key and extensions.
        """
        self.log_in(password="right")
        (connection,) = self.ends
        schema = json.loads(SCHEMA.read_text("utf-8"))
        plain = json.loads(json.dumps(connection.report.as_dict()))
        jsonschema.validate(plain, schema)
        self.assertTrue(plain["host_key"] and plain["extensions"])
