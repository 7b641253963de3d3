"""
Tests for L{conch_auth.report}.
"""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth.display import fingerprint
from conch_auth.recorder import Recorder
from conch_auth.report import Attempt, AuthReport, Banner, KeyIdentity, ServerFacts

KEY = KeyIdentity("ssh-ed25519", "SHA256:abc")


class AttemptTests(SynchronousTestCase):
    def test_str(self) -> None:
        """
        An attempt is one line: what, with what, and what came of it.
        """
        for attempt, line in (
            (Attempt("password", "refused"), "password: refused"),
            (
                Attempt("publickey", "accepted", key=KEY, algorithm="ssh-ed25519"),
                "publickey with ssh-ed25519 SHA256:abc: accepted",
            ),
            (
                Attempt(
                    "publickey",
                    "partial",
                    key=KeyIdentity("ssh-rsa", "SHA256:r"),
                    algorithm="rsa-sha2-512",
                    source="the agent",
                ),
                "publickey with ssh-rsa SHA256:r (rsa-sha2-512, from the agent): "
                "accepted, and the server wants more",
            ),
            (
                Attempt("password", "skipped", "no password was given"),
                "password: not tried; no password was given",
            ),
            (Attempt("password", "failed", "because"), "password: given up; because"),
        ):
            self.assertEqual(str(attempt), line)

    def test_a_source_is_text_from_elsewhere(self) -> None:
        """
        Where a key came from may be a comment that anybody wrote: it does
        nothing to a terminal.
        """
        attempt = Attempt("publickey", "refused", key=KEY, source="me\x1b[2J")
        self.assertIn("from me\\x1b[2J", str(attempt))

    def test_identity(self) -> None:
        """
        A key is known by its type and fingerprint; a type that somebody made
        up is neutralised.
        """
        self.assertEqual(
            KeyIdentity.of(b"x\x1b", b"blob"),
            KeyIdentity("x\\x1b", fingerprint(b"blob")),
        )


class ReportTests(SynchronousTestCase):
    """
    A report as it is read by people and machines.
    """

    refused = AuthReport(
        "alice",
        "ssh-connection",
        host="example.org",
        attempts=(
            Attempt("none", "refused", server_methods=("publickey", "password")),
            Attempt(
                "publickey", "refused", cause="key-refused", key=KEY, server_seconds=0.5
            ),
            Attempt(
                "password", "skipped", "no password was given", cause="no-password"
            ),
        ),
        banners=(Banner("hello", "en"),),
        server_methods=("publickey", "password"),
        round_trips=2,
        elapsed=1.25,
        ending="no method is left to try",
        cause="key-refused",
    )

    def test_failure(self) -> None:
        """
        A failure says what was tried, why not, and what to do next.
        """
        self.assertEqual(
            str(self.refused),
            "alice is not logged in to example.org: no method is left to try.\n"
            "What was tried:\n"
            "  1. publickey with ssh-ed25519 SHA256:abc: refused\n"
            "  2. password: not tried; no password was given\n"
            "The server would still accept: publickey, password.\n"
            "What is wrong, and what to do:\n"
            "  - The key ssh-ed25519 SHA256:abc is not accepted for alice.\n"
            "    Check the user name, and that a public key of yours is in that "
            "account's\n"
            "    authorized_keys; sshd passes over one that others may write "
            "(StrictModes).\n"
            "    It would also accept password.",
        )

    def test_success(self) -> None:
        """
        A success says by what, and no more than needed.
        """
        report = AuthReport(
            "alice",
            "ssh-connection",
            succeeded=True,
            attempts=(Attempt("none", "refused"), Attempt("password", "accepted")),
            round_trips=2,
            elapsed=0.5,
            proof="password",
        )
        self.assertEqual(
            str(report),
            "alice is logged in to the server: password\n(2 round trips, 0.50 s).",
        )
        self.assertEqual(report.advice(), [])

    def test_success_after_other_attempts(self) -> None:
        """
        Where more than one thing was tried, a success lists it.
        """
        report = AuthReport(
            "alice",
            "ssh-connection",
            succeeded=True,
            attempts=(Attempt("password", "refused"), Attempt("password", "accepted")),
            round_trips=1,
        )
        self.assertEqual(
            str(report),
            "alice is logged in to the server: without any proof\n"
            "(1 round trip, 0.00 s).\n"
            "What was tried:\n  1. password: refused\n  2. password: accepted",
        )

    def test_running(self) -> None:
        """
        While it runs, nothing is advised.
        """
        report = AuthReport("alice", "ssh-connection", server_methods=("password",))
        self.assertEqual(
            str(report),
            "alice is logging in to the server.\n"
            "The server would still accept: password.",
        )

    def test_names_are_neutralised(self) -> None:
        """
        A user or host name does nothing to a terminal.
        """
        shown = str(AuthReport("a\x1b", "s", host="h\u202e", ending="x"))
        self.assertIn("a\\x1b is not logged in to h\\u202e", shown)

    def test_as_dict(self) -> None:
        """
        The dictionary is ready for JSON, with the version of its shape.
        """
        plain = self.refused.as_dict()
        self.assertEqual(json.loads(json.dumps(plain)), plain)
        self.assertEqual(plain["version"], 2)
        self.assertEqual(plain["banners"], [{"message": "hello", "language": "en"}])
        self.assertIs(type(plain["banners"][0]["message"]), str)
        self.assertEqual(
            plain["attempts"][1]["key"],
            {"type": "ssh-ed25519", "fingerprint": "SHA256:abc"},
        )
        self.assertEqual(
            plain["attempts"][0]["server_methods"], ["publickey", "password"]
        )
        self.assertEqual(plain["advice"], self.refused.advice())
        self.assertEqual(
            [each["cause"] for each in plain["diagnosis"]],
            [each.cause for each in self.refused.diagnosis()],
        )

    def test_frozen(self) -> None:
        """
        A report cannot be changed.
        """
        with self.assertRaises(FrozenInstanceError):
            self.refused.succeeded = True  # type: ignore[misc]


class RecorderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.recorder = Recorder(b"alice", b"ssh-connection", self.clock.seconds)

    def test_elapsed_is_the_logins(self) -> None:
        """
        The seconds are counted from the first request: until then, whatever
        reads a clock may read another one.
        """
        self.clock.advance(1000)
        self.assertEqual(self.recorder.snapshot().elapsed, 0.0)
        self.recorder.start(lambda: ServerFacts("example.org"))
        self.clock.advance(2)
        report = self.recorder.snapshot()
        self.assertEqual((report.elapsed, report.host), (2.0, "example.org"))

    def test_who_was_waited_for(self) -> None:
        """
        Each attempt has the seconds spent on each party, those before its
        request included.
        """
        self.recorder.start(ServerFacts)
        self.recorder.wait("person")
        self.clock.advance(30)
        self.recorder.wait(None)
        self.clock.advance(1)
        self.recorder.begin(b"password")
        self.recorder.wait("server")
        self.clock.advance(2)
        self.recorder.end("refused")
        self.recorder.begin(b"publickey")
        self.recorder.wait("agent")
        self.clock.advance(3)
        self.recorder.wait("server")
        self.clock.advance(4)
        self.recorder.end("accepted")
        first, second = self.recorder.snapshot().attempts
        self.assertEqual(
            (first.person_seconds, first.server_seconds, first.agent_seconds),
            (30, 2, 0),
        )
        self.assertEqual(
            (second.person_seconds, second.server_seconds, second.agent_seconds),
            (0, 4, 3),
        )

    def test_unfinished(self) -> None:
        """
        An attempt that another one follows without an answer was given up.
        """
        self.recorder.begin(b"password")
        self.recorder.begin(b"publickey")
        self.recorder.finish(False, "it broke")
        self.assertEqual(
            [
                (attempt.method, attempt.outcome, attempt.reason)
                for attempt in self.recorder.snapshot().attempts
            ],
            [
                ("password", "failed", "it was left unfinished"),
                ("publickey", "failed", "it broke"),
            ],
        )

    def test_finished(self) -> None:
        """
        Once the login is over, the report stays what it is.
        """
        self.recorder.start(ServerFacts)
        self.recorder.proved("publickey")
        self.recorder.proved("password")
        self.recorder.finish(True)
        report = self.recorder.snapshot()
        self.assertEqual(report.proof, "publickey, then password")
        self.clock.advance(5)
        self.recorder.banner(Banner("late"))
        self.recorder.finish(False, "again")
        self.assertIs(self.recorder.snapshot(), report)

    def test_texts_of_the_server(self) -> None:
        """
        Method names that the server lists are neutralised.
        """
        self.recorder.server_methods([b"password", b"x\x1b"])
        self.recorder.begin(b"x\x1b")
        self.recorder.end("refused", methods=[b"y\x1b"])
        report = self.recorder.snapshot()
        self.assertEqual(report.server_methods, ("password", "x\\x1b"))
        (attempt,) = report.attempts
        self.assertEqual(
            (attempt.method, attempt.server_methods), ("x\\x1b", ("y\\x1b",))
        )
