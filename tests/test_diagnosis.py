"""
Tests for L{conch_auth.diagnosis}: what is told of several things that went wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import errors
from conch_auth._remedies import _CONNECTING
from conch_auth.diagnosis import CAUSES, Cause, Diagnosis, diagnose
from conch_auth.recorder import Recorder
from conch_auth.report import Attempt, AuthReport, Banner, KeyIdentity, Step

KEY = KeyIdentity("ssh-ed25519", "SHA256:abc")
ASKED = Attempt("none", "refused")


def refused(method: str, cause: Cause, **known: Any) -> Attempt:
    return Attempt(method, "refused", cause=cause, **known)


def absent(method: str, cause: Cause) -> Attempt:
    return Attempt(method, "skipped", "it was not there", cause=cause)


WRONG_KEY = refused("publickey", "key-refused", key=KEY)
WRONG_PASSWORD = refused("password", "password-refused")
NO_KEY = absent("publickey", "no-key")
NO_PASSWORD = absent("password", "no-password")
NO_ANSWERS = absent("keyboard-interactive", "no-answers")
NO_TICKET = absent("gssapi-with-mic", "ticket-missing")
LOST_AGENT = Attempt("publickey", "failed", "the agent is gone", cause="agent-lost")
NO_AGENT = absent("publickey", "agent-unavailable")
ACCEPTED = Attempt("publickey", "partial", key=KEY)


class DiagnosisCase(SynchronousTestCase):
    def report(
        self,
        *attempts: Attempt,
        listed: tuple[str, ...] = ("publickey", "password"),
        cause: Cause = "no-method-left",
        **known: Any,
    ) -> AuthReport:
        return AuthReport(
            "alice",
            "ssh-connection",
            attempts=(ASKED, *attempts),
            server_methods=listed,
            ending="it is over",
            cause=cause,
            **known,
        )

    def told(self, *attempts: Attempt, **known: Any) -> tuple[Diagnosis, ...]:
        return self.report(*attempts, **known).diagnosis()

    def causes(self, *attempts: Attempt, **known: Any) -> list[Cause]:
        return [each.cause for each in self.told(*attempts, **known)]


class ChoiceTests(DiagnosisCase):
    """
    Which causes are told, and in which order.
    """

    def test_no_failure(self) -> None:
        """
        Nothing is told while the login runs, nor after a success.
        """
        report = self.report(WRONG_KEY)
        self.assertTrue(diagnose(report))
        self.assertEqual(diagnose(replace(report, ending="")), ())
        self.assertEqual(diagnose(replace(report, succeeded=True)), ())

    def test_once(self) -> None:
        """
        A cause is told once, however many attempts it ended.
        """
        self.assertEqual(self.causes(WRONG_KEY, WRONG_KEY), ["key-refused"])

    def test_order(self) -> None:
        """
        What was typed comes before what went wrong here, and that before what was
        refused.
        """
        self.assertEqual(
            self.causes(WRONG_KEY, LOST_AGENT, WRONG_PASSWORD),
            ["password-refused", "agent-lost", "key-refused"],
        )

    def test_nothing_given_where_something_was(self) -> None:
        """
        What was not given is not told where something was, nor is what matters
        little; alone they are.
        """
        self.assertEqual(
            self.causes(NO_AGENT, WRONG_KEY, NO_PASSWORD), ["key-refused"]
        )
        self.assertEqual(self.causes(NO_AGENT, NO_PASSWORD), ["agent-unavailable"])

    def test_nothing_given(self) -> None:
        """
        What was not given is one piece of advice, with all that would do; but not
        what few people mean, unless there is nothing else.
        """
        (only,) = self.told(NO_TICKET, NO_KEY, NO_PASSWORD, NO_ANSWERS)
        self.assertEqual(only.cause, "no-key")
        self.assertTrue(only.problem.endswith("nothing was given for any of them."))
        for word in ("client_keys=", "a password", "somebody who answers"):
            self.assertIn(word, only.advice)
        self.assertNotIn("Kerberos", only.advice)
        self.assertEqual(self.causes(NO_TICKET), ["ticket-missing"])

    def test_untried(self) -> None:
        """
        A method of which there is no attempt is switched off here, or not known.
        """
        self.assertEqual(self.causes(listed=("password",)), ["method-off"])
        self.assertEqual(self.causes(listed=("hmac",)), ["method-unknown"])
        self.assertEqual(self.causes(listed=()), ["no-method-offered"])

    def test_certificate_and_its_key(self) -> None:
        """
        That a plain key is refused as well as its certificate is not told; that
        others are, is.
        """
        wrong = refused("publickey", "certificate-refused", key=KEY)
        self.assertEqual(self.causes(wrong, WRONG_KEY), ["certificate-refused"])
        self.assertEqual(
            self.causes(wrong, WRONG_KEY, WRONG_KEY),
            ["certificate-refused", "key-refused"],
        )


class FactorTests(DiagnosisCase):
    """
    What is told after a factor was accepted.
    """

    def test_missing(self) -> None:
        """
        What was refused before does not count any more; what is wanted is told.
        """
        (only,) = self.told(WRONG_KEY, ACCEPTED, NO_PASSWORD, listed=("password",))
        self.assertEqual(only.cause, "second-factor-missing")
        self.assertIn("wants another factor: password.", only.problem)
        self.assertIn("password=", only.advice)

    def test_refused(self) -> None:
        """
        The advice is that for what was refused, less what the first factor has
        shown to be right.
        """
        (only,) = self.told(ACCEPTED, WRONG_PASSWORD, listed=("password",))
        self.assertEqual(only.cause, "second-factor-refused")
        self.assertEqual(only.advice, "Check the password; the user name is right.")
        ticket = refused("gssapi-with-mic", "ticket-refused")
        (only,) = self.told(ACCEPTED, ticket)
        (alone,) = self.told(ticket)
        self.assertEqual(only.advice, alone.advice)

    def test_failed_here(self) -> None:
        """
        What went wrong on this side is told as well.
        """
        raised = Attempt("password", "failed", "it raised", cause="hook-raised")
        self.assertEqual(
            self.causes(ACCEPTED, raised), ["second-factor-missing", "hook-raised"]
        )

    def test_unknown(self) -> None:
        """
        Of a server that does not say what it wants, no more is told than that.
        """
        (only,) = self.told(ACCEPTED, listed=())
        self.assertIn("it did not say which", only.problem)


class EndingTests(DiagnosisCase):
    """
    What is told where somebody ended the login.
    """

    def test_whole(self) -> None:
        """
        Some endings have nothing to do with what came before.
        """
        for cause in ("protocol-broken", "server-timeout", "lost-while-asking"):
            self.assertEqual(self.causes(WRONG_KEY, cause=cause), [cause])

    def test_last_straw(self) -> None:
        """
        With others, what the server had refused is told; what went wrong here is
        not, nor what was not given.
        """
        self.assertEqual(
            self.causes(
                WRONG_KEY, LOST_AGENT, NO_PASSWORD, cause="server-disconnected"
            ),
            ["server-disconnected", "key-refused"],
        )
        self.assertEqual(
            self.causes(NO_PASSWORD, cause="connection-lost"), ["connection-lost"]
        )

    def test_too_many_tries(self) -> None:
        """
        The advice is about keys only where keys were refused.
        """
        for attempt, word in ((WRONG_KEY, "right key"), (WRONG_PASSWORD, "wait")):
            first, _ = self.told(attempt, attempt, cause="too-many-tries")
            self.assertIn(word, first.advice)
        self.assertIn("it had refused 2 passwords.", first.problem)

    def test_whom_it_waited_for(self) -> None:
        """
        A lost connection says what was being waited for.
        """
        asked = Step(1.0, "client", "person", "getPassword")
        for steps, words in (
            ((asked,), "while a password was being waited for"),
            (
                (asked, Step(2.0, "client", "server", "USERAUTH_REQUEST password")),
                "while the server was to answer USERAUTH_REQUEST password",
            ),
            ((), "when nothing was being waited for"),
        ):
            (only,) = self.told(cause="connection-lost", steps=steps, elapsed=2.5)
            self.assertIn(f"2.5 s after the login began, {words}", only.problem)

    def test_banner(self) -> None:
        """
        What a server said before it hung up is told, fit to be shown.
        """
        (only,) = self.told(
            replace(WRONG_KEY, cause=""),
            cause="account-refused",
            banners=(Banner("Hello"), Banner("\x1b[2JExpired\n"), Banner("\n")),
        )
        self.assertIn('after it had said "\\x1b[2JExpired"', only.problem)


class WordsTests(DiagnosisCase):
    """
    The facts in the sentences.
    """

    def test_keys(self) -> None:
        """
        One key is named, and its source; several are counted.
        """
        (one,) = self.told(replace(WRONG_KEY, source="a\x1b"))
        (more,) = self.told(WRONG_KEY, WRONG_KEY, WRONG_KEY)
        named = "The key ssh-ed25519 SHA256:abc (a\\x1b) is not accepted for alice."
        self.assertEqual(one.problem, named)
        self.assertIn("None of the 3 keys", more.problem)

    def test_what_else(self) -> None:
        """
        What else the server would accept is part of the advice.
        """
        (one,) = self.told(WRONG_KEY)
        self.assertIn("It would also accept password.", one.advice)
        (alone,) = self.told(WRONG_KEY, listed=("publickey",))
        self.assertNotIn("also", alone.advice)

    def test_server_lists(self) -> None:
        """
        Where no signature is common, those of the server are told, and what makes
        such a key.
        """
        skipped = Attempt(
            "publickey", "skipped", "none", cause="algorithm-not-listed", key=KEY
        )
        for listed, words in (
            ("rsa-sha2-256,ssh-ed25519", "ssh-keygen -t ed25519"),
            ("ecdsa-sha2-nistp384", "ssh-keygen -t ecdsa -b 384"),
            ("rsa-sha2-256", "ssh-keygen -t rsa"),
            ("future", "(ssh-keygen makes one)"),
        ):
            (only,) = self.told(skipped, extensions=(("server-sig-algs", listed),))
            self.assertIn(listed.replace(",", ", "), only.problem)
            self.assertIn(words, only.advice)

    def test_many_files(self) -> None:
        """
        Three files are named, and how many more there are.
        """
        files = [
            Attempt("publickey", "skipped", "it is empty", cause=c, source=f"file{n}")
            for n, c in enumerate(["key-not-private"] * 5)
        ]
        (only,) = self.told(*files)
        self.assertIn("file0: it is empty; file1: it is empty; file2", only.problem)
        self.assertIn("; and 2 more.", only.problem)


#: What can end an attempt or a login.
_OF_LOGINS = [cause for cause in CAUSES if cause not in _CONNECTING]
_METHODS = ("none", "publickey", "password", "keyboard-interactive", "hmac")
_ATTEMPTS = st.builds(
    Attempt,
    method=st.sampled_from(_METHODS),
    outcome=st.sampled_from(("refused", "skipped", "failed", "partial")),
    reason=st.sampled_from(("", "it {broke}")),
    cause=st.sampled_from(
        ["", *(c for c in _OF_LOGINS if not c.startswith("second-factor"))]
    ),
    key=st.sampled_from((None, KEY)),
    source=st.sampled_from((None, "{source}\x1b")),
)
_REPORTS = st.builds(
    AuthReport,
    user=st.just("al{ice}\x1b"),
    service=st.just("ssh-connection"),
    attempts=st.lists(_ATTEMPTS, max_size=6).map(tuple),
    server_methods=st.lists(st.sampled_from(_METHODS), max_size=3).map(tuple),
    ending=st.just("it {ended}"),
    cause=st.sampled_from(_OF_LOGINS),
    banners=st.sampled_from(((), (Banner("{said}"),))),
    extensions=st.sampled_from(((), (("server-sig-algs", "{a},b"),))),
)


class AnyReportTests(SynchronousTestCase):
    """
    Whatever a report says, it can be told.
    """

    @given(_REPORTS)
    def test_told(self, report: AuthReport) -> None:
        """
        At least one cause, each once, in whole sentences that do nothing to a
        terminal.
        """
        told = diagnose(report)
        self.assertTrue(told)
        self.assertEqual(len({each.cause for each in told}), len(told))
        for each in told:
            self.assertIn(each.cause, CAUSES)
            self.assertTrue(each.problem.endswith("."), each)
            self.assertTrue(each.advice, each)
            self.assertNotIn("\x1b", str(each))

    @given(_REPORTS)
    def test_first(self, report: AuthReport) -> None:
        """
        A report that takes the first cause for its own says the same again.
        """
        first = diagnose(report)[0].cause
        self.assertEqual(diagnose(replace(report, cause=first))[0].cause, first)


class ErrorTests(SynchronousTestCase):
    """
    Errors of logins that had not begun, and of those that had.
    """

    def test_without_report(self) -> None:
        """
        What happened, and what to do, are told apart; the error says both.
        """
        error = errors.ConnectFailed("h\x1b", 22, "it is gone", "no-such-host")
        (only,) = error.diagnosis()
        self.assertEqual(only.cause, "no-such-host")
        self.assertEqual(
            only.problem, "Could not connect to h\\x1b, port 22: it is gone."
        )
        self.assertIn("Check how h\\x1b is spelt", only.advice)
        self.assertIn(only.advice, str(error))

    def test_of_its_report(self) -> None:
        """
        An error with a report has what that tells.
        """
        recorder = Recorder(b"alice", b"ssh-connection", lambda: 0.0)
        recorder.begin(b"password")
        recorder.end("refused", cause="password-refused")
        recorder.finish(False, "no method is left", "no-method-left")
        error = errors.AuthenticationFailed(recorder.snapshot())
        self.assertEqual(error.diagnosis(), error.report.diagnosis())
        self.assertEqual(error.cause, "password-refused")

    def test_of_the_connection(self) -> None:
        """
        What ended the connection is told, rather than that the login lost it.
        """
        error = errors.HostKeyChanged("h", 22, "ssh-ed25519", "SHA256:abc")
        error.report = AuthReport(
            "alice", "s", ending="the connection was lost", cause="connection-lost"
        )
        (only,) = error.diagnosis()
        self.assertEqual(only.cause, "host-key-changed")

    def test_cause_of_a_report(self) -> None:
        """
        A report's own cause is the first that it tells, now and when it is asked
        again.
        """
        for cause, first in (
            ("no-method-left", "key-refused"),
            ("too-many-tries", "too-many-tries"),
        ):
            recorder = Recorder(b"alice", b"ssh-connection", lambda: 0.0)
            recorder.begin(b"publickey")
            recorder.end("refused", cause="key-refused")
            recorder.finish(False, "it is over", cause)  # type: ignore[arg-type]
            report = recorder.snapshot()
            self.assertEqual(report.cause, first)
            self.assertEqual(report.diagnosis()[0].cause, first)
            self.assertIn("key-refused", [each.cause for each in report.diagnosis()])
