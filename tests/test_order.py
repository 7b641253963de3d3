"""
Which method of a login is next, and what comes after an accepted factor.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from conch_auth import errors
from conch_auth._wire import string
from conch_auth.messages import (
    KeyboardInteractiveRequest,
    Message,
    PasswordRequest,
)
from conch_auth.userauth import SSHUserAuthClient
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
    failure,
    flat,
    new_key,
    partial,
    questions,
)

KEY = new_key()


class OrderTests(LoginTestCase):
    """
    Which method is next.
    """

    def sent_after(self, *replies: Message, **attributes: Any) -> list[bytes]:
        client = self.login([], [b"1", b"2", b"3", b"4"], [], **attributes)
        for reply in replies:
            client.receive(reply)
        return [request.method for request in client.transport.sent[1:]]

    def test_default_order(self) -> None:
        """
        The order is Conch's, unless the owner has another.
        """
        self.assertEqual(
            SSHUserAuthClient.preferredOrder,
            [b"publickey", b"password", b"keyboard-interactive"],
        )

    def test_preferred_order(self) -> None:
        """
        The owner's order is followed, not the server's; what is not in it
        comes last.
        """
        listed = failure(b"keyboard-interactive", b"password")
        self.assertEqual(self.sent_after(listed), [b"password"])
        self.assertEqual(
            self.sent_after(listed, preferredOrder=[b"keyboard-interactive"]),
            [b"keyboard-interactive"],
        )
        self.assertEqual(
            self.sent_after(listed, preferredOrder=[]), [b"keyboard-interactive"]
        )

    def test_unknown_methods_last(self) -> None:
        """
        Methods of a subclass's own come after the preferred ones, in the
        server's order, until one has something to send.
        """
        tried: list[bytes] = []
        client = self.login()

        def method(name: bytes, result: Any) -> Any:
            def start() -> Any:
                tried.append(name)
                return result

            return start

        client.auth_password = method(  # type: ignore[method-assign]
            b"password", False
        )
        client.auth_first = method(b"first", None)  # type: ignore[attr-defined]
        client.auth_an_other = method(b"other", True)  # type: ignore[attr-defined]
        client.auth_last = method(b"last", True)  # type: ignore[attr-defined]
        listed = (b"first", b"unheard-of", b"an-other", b"last", b"password")
        client.receive(failure(*listed))
        self.assertEqual(tried, [b"password", b"first", b"other"])

    def test_results_of_a_method(self) -> None:
        """
        A method that gives nothing, something false, or a Deferred of either,
        or that fails, is followed by the next of the list; one that gives
        something true is waited for.
        """
        for result in (None, False, b"", fail(ValueError()), succeed(None)):
            self.assertEqual(self.tried_with(result), [b"first", b"second"])
        for result in (True, 1, succeed(True), Deferred()):
            self.assertEqual(self.tried_with(result), [b"first"])

    def tried_with(self, result: Any) -> list[bytes]:
        tried: list[bytes] = []
        client = self.login()
        client.auth_first = lambda: (  # type: ignore[attr-defined]
            tried.append(b"first") or result
        )
        client.auth_second = lambda: (  # type: ignore[attr-defined]
            tried.append(b"second") or True
        )
        client.receive(failure(b"first", b"second"))
        return tried

    def test_a_method_that_raises(self) -> None:
        """
        A method that raises is followed by the next, and the report names it.
        """
        client = self.login(passwords=[b"pw"], preferredOrder=[b"x-y", b"password"])
        client.auth_x_y = lambda: 1 / 0  # type: ignore[attr-defined]
        client.receive(failure(b"x-y", b"password"))
        self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])
        self.assertEqual(
            client.report.attempts[1].reason, "auth_x_y raised ZeroDivisionError"
        )

    def test_late_nothing(self) -> None:
        """
        A Deferred of nothing leads to the next method when it fires.
        """
        for late in (None, False, ValueError()):
            result: Deferred[Any] = Deferred()
            client = self.login(passwords=[b"pw"], preferredOrder=[b"x", b"password"])
            client.auth_x = lambda: result  # type: ignore[attr-defined] # noqa: B023
            client.receive(failure(b"x", b"password"))
            self.assertEqual(client.transport.sent[1:], [])
            if isinstance(late, Exception):
                result.errback(late)
            else:
                result.callback(late)
            self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])

    def test_names_of_no_method(self) -> None:
        """
        A server's names that are empty, not ASCII, too long, or would reach
        another attribute are passed over.
        """
        listed = failure(
            b"",
            b"p\xc3\xa9",
            b"pass word",
            b"keyboard_interactive",
            b"__class__",
            b"x" * 65,
            b"password\x00",
            b"password;x",
            b"unheard-of",
            b"password",
        )
        client = self.login(passwords=[b"pw"], preferredOrder=[])
        client.auth_ = client.auth___class__ = self.fail  # type: ignore[attr-defined]
        client.receive(listed)
        self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])
        self.assertEqual(
            client.report.server_methods, ("password;x", "unheard-of", "password")
        )

    def test_repeated_names(self) -> None:
        """
        A name that is listed twice is tried once.
        """
        client = self.login([None, None])
        client.receive(failure(b"publickey", b"publickey"))
        self.assertEqual(client.asked, ["getPublicKey"])
        self.assertEqual(client.report.server_methods, ("publickey",))

    def test_empty_list(self) -> None:
        """
        Where the server lists nothing, the login is over: it is told so in the
        words that Conch has.
        """
        client = self.login([KEY], [b"pw"])
        client.receive(failure())
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertEqual(
            client.transport.disconnects,
            [(14, b"no more authentication methods available")],
        )
        self.assertEqual(client.asked, [])
        self.assertIn("offers alice no method at all", str(report))

    def test_methods_exhausted(self) -> None:
        """
        A subclass may have something left to do when no method is left.
        """

        class Persists(Client):
            def methodsExhausted(self) -> None:
                self.told.append("exhausted")

        client = Persists()
        self.start(client)
        client.receive(failure(b"hostbased"))
        self.assertEqual(client.told, ["exhausted"])
        self.assertEqual(client.transport.disconnects, [])

    def test_switched_off(self) -> None:
        """
        A method that is C{None} in the class or in the instance is off.
        """

        class NoPassword(Client):
            auth_password = None  # type: ignore[assignment]

        client = NoPassword(passwords=[b"pw"])
        self.start(client)
        client.receive(failure(b"password"))
        self.assert_failed(client, errors.AuthenticationFailed)
        self.assertEqual(client.asked, [])


class PartialSuccessTests(LoginTestCase):
    """
    Several factors.
    """

    def test_three_factors(self) -> None:
        """
        Each factor leads to the next, in whatever order the server wants them.
        """
        client = self.login([KEY], [b"pw"], [["42"]])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"keyboard-interactive"))
        client.receive(questions(b"Token: "))
        client.receive(partial(b"password"))
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(
            [(attempt.method, attempt.outcome) for attempt in report.attempts],
            [
                ("none", "refused"),
                ("publickey", "partial"),
                ("keyboard-interactive", "partial"),
                ("password", "accepted"),
            ],
        )
        self.assertEqual(
            client.authenticatedWith, [b"publickey", b"keyboard-interactive"]
        )
        self.assertTrue(
            str(report.proof).endswith("keyboard-interactive, then password")
        )

    def test_any_byte_but_0_is_partial(self) -> None:
        """
        The partial byte may have any value (RFC 4251, section 5).
        """
        client = self.login(passwords=[b"pw"])
        client.receive(failure(b"password"))
        client.packetReceived(51, string(b"keyboard-interactive") + b"\xff")
        self.assertEqual(client.authenticatedWith, [b"password"])

    def test_an_accepted_method_is_over(self) -> None:
        """
        A method that was accepted is not asked for again where it is all that
        is listed, but for publickey.
        """
        client = self.login(passwords=[b"1", b"2"])
        client.receive(failure(b"password"))
        client.receive(partial(b"password"))
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertEqual(client.asked, ["getPassword"])
        self.assertIn("and wants another factor: password", flat(report))

    def test_refused_before_another_factor(self) -> None:
        """
        A password that was refused because a key had to come first is asked
        for again after the key.
        """
        client = self.login([KEY], [b"1", b"2"], preferredOrder=[b"password"])
        client.receive(failure(b"password", b"publickey"))
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"2"))

    def test_interactive_refused_before_another_factor(self) -> None:
        """
        So is keyboard-interactive, though the server had asked nothing.
        """
        client = self.login(
            [KEY], preferredOrder=[b"keyboard-interactive", b"publickey"]
        )
        client.receive(failure(b"keyboard-interactive", b"publickey"))
        client.receive(failure(b"keyboard-interactive", b"publickey"))
        self.confirm(client)
        client.receive(partial(b"keyboard-interactive"))
        self.assertEqual(client.transport.sent[-1], KeyboardInteractiveRequest())

    def test_second_factor_refused(self) -> None:
        """
        Where the second factor is refused, it is tried again, and the first is
        not repeated.
        """
        client = self.login([KEY], [b"bad", b"good"])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"password"))
        client.receive(failure(b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"good"))

    def test_given_up_for_one_factor(self) -> None:
        """
        A method that was given up for the first factor may be the second.
        """
        client = self.login(
            [KEY], [ValueError(), b"pw"], preferredOrder=[b"password", b"publickey"]
        )
        client.receive(failure(b"password", b"publickey"))
        self.confirm(client)
        client.receive(partial(b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))

    def test_one_factor_missing(self) -> None:
        """
        Where a factor is missing, the report says which was accepted and what
        the server still wants.
        """
        client = self.login([KEY])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"password"))
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertEqual(report.attempts[1].outcome, "partial")
        self.assertEqual(report.server_methods, ("password",))
        self.assertIn("and wants another factor", flat(report))

    def test_none_is_a_factor(self) -> None:
        """
        Partial success in reply to C{none} goes on like any other.
        """
        client = self.login(passwords=[b"pw"])
        client.receive(partial(b"password"))
        client.receive(SUCCESS)
        self.assert_succeeded(client)
