"""
Tests for the C{password} method.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from conch_auth._wire import string
from conch_auth.errors import AuthenticationFailed, MalformedMessage, UnusableAnswer
from conch_auth.messages import (
    KeyboardInteractiveRequest,
    NoneRequest,
    PasswordRequest,
)
from conch_auth.methods.password import as_bytes
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
    expired,
    failure,
    partial,
)


class PasswordTests(LoginTestCase):
    def test_logs_in(self) -> None:
        """
        A password is asked for, without an argument, and sent.
        """
        client = self.login(passwords=[b"pw"])
        client.receive(failure(b"password"))
        self.assertEqual(client.asked, ["getPassword"])
        self.assertEqual(
            client.transport.packets[-1][1],
            string(b"alice")
            + string(b"nancy")
            + string(b"password")
            + b"\0"
            + string(b"pw"),
        )
        client.receive(SUCCESS)
        self.assertEqual(self.assert_succeeded(client).proof, "password")

    def test_owner_takes_no_prompt(self) -> None:
        """
        A C{getPassword} without a parameter will do, as Conch's own have.
        """

        class Old(Client):
            def getPassword(self) -> Any:  # type: ignore[override]
                return succeed(b"pw")

        client = Old()
        self.start(client)
        client.receive(failure(b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))

    def test_answers_in_every_form(self) -> None:
        """
        Text is sent in UTF-8, bytes as they are; a Deferred and a coroutine of
        either will do.
        """

        async def coroutine() -> str:
            return await succeed("grün")

        for answer in ("grün", "grün".encode(), succeed("grün"), coroutine()):
            client = self.login(passwords=[answer])
            client.receive(failure(b"password"))
            self.assertEqual(
                client.transport.sent[-1], PasswordRequest("grün".encode())
            )

    def test_empty_password(self) -> None:
        """
        The empty password is a password.
        """
        for empty in (b"", ""):
            client = self.login(passwords=[empty])
            client.receive(failure(b"password"))
            self.assertEqual(client.transport.sent[-1], PasswordRequest(b""))

    def test_three_tries(self) -> None:
        """
        A refused password is followed by the next, until the server takes one.
        """
        client = self.login(passwords=[b"1", b"2", b"3"])
        for password in (b"1", b"2", b"3"):
            client.receive(failure(b"password"))
            self.assertEqual(client.transport.sent[-1], PasswordRequest(password))
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(client.asked, ["getPassword"] * 3)
        self.assertEqual(
            [attempt.outcome for attempt in report.attempts[1:]],
            ["refused", "refused", "accepted"],
        )

    def test_none(self) -> None:
        """
        C{None} leads to the next method; C{auth_password} is plainly false
        then, and no Deferred.
        """
        client = self.login(passwords=[None, None])
        self.assertIs(client.auth_password(), False)
        client.receive(failure(b"password", b"keyboard-interactive"))
        self.assertEqual(client.transport.sent[-1], KeyboardInteractiveRequest())

    def test_late_none(self) -> None:
        """
        So does C{None} that comes late.
        """
        answer: Deferred[Any] = Deferred()
        client = self.login(passwords=[answer])
        client.receive(failure(b"password", b"keyboard-interactive"))
        self.assertEqual(client.transport.sent, [NoneRequest()])
        answer.callback(None)
        self.assertEqual(client.transport.sent[1:], [KeyboardInteractiveRequest()])

    def test_failures(self) -> None:
        """
        A getter that raises, fails, or gives nonsense leads to the next method,
        and is not asked again; the report says what it did.
        """
        for answer, reason in (
            (ValueError("x"), "getPassword raised ValueError"),
            (fail(ValueError("x")), "getPassword raised ValueError"),
            (OSError(2, "gone"), "getPassword failed: [Errno 2] gone"),
            (7, "getPassword gave int, neither str nor bytes"),
            ([b"pw"], "getPassword gave list, neither str nor bytes"),
            ("\ud800", "getPassword gave text that UTF-8 cannot express"),
        ):
            client = self.login(passwords=[answer, b"pw"])
            client.receive(failure(b"password", b"keyboard-interactive"))
            self.assertEqual(client.transport.sent[1:], [KeyboardInteractiveRequest()])
            client.receive(failure(b"password"))
            self.assertEqual(client.asked, ["getPassword"])
            report = self.assert_failed(client, AuthenticationFailed)
            self.assertEqual(report.attempts[1].reason, reason)

    def test_step(self) -> None:
        """
        C{_cbPassword} is given the password, and may change it.
        """

        class Own(Client):
            def _cbPassword(self, password: Any) -> None:
                super()._cbPassword(password + b"!")

        client = Own(passwords=[b"pw"])
        self.start(client)
        client.receive(failure(b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw!"))

    def test_copy_of_the_switch(self) -> None:
        """
        A copy of Conch's C{auth_password} works, and ends where its getter
        always fails.
        """

        class Copy(Client):
            def auth_password(self) -> Any:
                asked = self.getPassword()
                if not asked:
                    return False
                asked.addCallbacks(self._cbPassword, self._ebAuth)
                return True

        client = Copy(passwords=[succeed(b"pw")])
        self.start(client)
        client.receive(failure(b"password"))
        client.receive(SUCCESS)
        self.assert_succeeded(client)
        client = Copy()
        client.getPassword = lambda: fail(ValueError())  # type: ignore
        self.start(client)
        client.receive(failure(b"password"))
        self.assert_failed(client, AuthenticationFailed)


class UnchangedTests(LoginTestCase):
    """
    An owner who does not change an expired password.
    """

    def test_declined(self) -> None:
        """
        Who has no old password is not asked for a new one, and whoever has no
        new one sends none; the report says that the password was not changed.
        """
        old, new = ("getPassword", b"Old Password: "), ("getPassword", b"New: ")
        for passwords, asked in (([None], [old]), ([b"old", None], [old, new])):
            client = self.login(passwords=[b"pw", *passwords])
            client.receive(failure(b"password"))
            client.receive(expired(b"New: "))
            self.assertEqual(client.asked, ["getPassword", *asked])
            report = self.assert_failed(client, AuthenticationFailed)
            reason = "the password has expired, and was not changed"
            self.assertIn(reason, [attempt.reason for attempt in report.attempts])


class ChangeTests(LoginTestCase):
    """
    The server wants a new password (RFC 4252, section 8).
    """

    def asked_to_change(self, *passwords: Any) -> Client:
        client = self.login(passwords=[b"first", *passwords])
        client.receive(failure(b"password", b"keyboard-interactive"))
        client.receive(expired(b"New: "))
        return client

    def test_change(self) -> None:
        """
        The old password is asked for, then the new one with the server's
        prompt; both are sent, and the owner is told that the server took it.
        """
        client = self.asked_to_change(b"old", "grün")
        self.assertEqual(
            client.asked,
            [
                "getPassword",
                ("getPassword", b"Old Password: "),
                ("getPassword", b"New: "),
            ],
        )
        self.assertEqual(
            client.transport.sent[-1], PasswordRequest(b"old", "grün".encode())
        )
        client.receive(SUCCESS)
        self.assertEqual(client.told, ["changed"])
        self.assertEqual(
            self.assert_succeeded(client).proof, "password, which was changed"
        )

    def test_one_attempt(self) -> None:
        """
        In the report, the change belongs to the attempt that led to it.
        """
        client = self.asked_to_change(b"old", b"new")
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(len(report.attempts), 2)

    def test_new_password_refused(self) -> None:
        """
        Another CHANGEREQ asks for another new password, with its own prompt,
        and not for the old one again.
        """
        client = self.asked_to_change(b"old", b"short", b"longer")
        client.receive(expired(b"Longer: "))
        self.assertEqual(client.told, ["change failed"])
        self.assertEqual(client.asked[-1], ("getPassword", b"Longer: "))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"old", b"longer"))
        client.receive(SUCCESS)
        self.assertEqual(client.told, ["change failed", "changed"])

    def test_refused(self) -> None:
        """
        FAILURE says that it was not changed; partial success that it was.
        """
        client = self.asked_to_change(b"old", b"new")
        client.receive(failure(b"keyboard-interactive"))
        self.assertEqual(client.told, ["change failed"])
        client = self.asked_to_change(b"old", b"new")
        client.receive(partial(b"keyboard-interactive"))
        self.assertEqual(client.told, ["changed"])

    def test_nothing_to_tell(self) -> None:
        """
        A login without a change tells nothing about one.
        """
        client = self.login(passwords=[b"1", b"2"])
        client.receive(failure(b"password"))
        client.receive(failure(b"password"))
        client.receive(SUCCESS)
        self.assertEqual(client.told, [])

    def test_hooks_that_fail(self) -> None:
        """
        What fails in a hook is logged, and the login goes on.
        """

        def raises() -> None:
            raise ValueError

        client = self.asked_to_change(b"old", b"short", b"longer")
        client.passwordChangeFailed = raises  # type: ignore[method-assign]
        client.passwordChanged = raises  # type: ignore[method-assign]
        client.receive(expired())
        client.receive(SUCCESS)
        self.assert_succeeded(client)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_owner_cannot_change(self) -> None:
        """
        A getter that takes no prompt, fails, or has no old or no new password,
        leads to the next method.
        """
        for passwords in (
            [TypeError()],
            [ValueError()],
            [None],
            [7, b"new"],
            [b"old", None],
            [b"old", ValueError()],
            [b"old", 7],
        ):
            client = self.asked_to_change(*passwords)
            self.assertEqual(
                client.transport.sent[2:], [KeyboardInteractiveRequest()], passwords
            )
            self.assertEqual(client.report.attempts[1].outcome, "failed")

    def test_getter_without_prompt(self) -> None:
        """
        The report says why Conch's own getters cannot change a password.
        """

        class Old(Client):
            def getPassword(self) -> Any:  # type: ignore[override]
                return succeed(b"pw")

        client = Old()
        self.start(client)
        client.receive(failure(b"password"))
        client.receive(expired())
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertIn("takes no prompt", report.attempts[-1].reason)

    def test_late_passwords(self) -> None:
        """
        The passwords may come late, and are dropped once the connection went.
        """
        old: Deferred[Any] = Deferred()
        new: Deferred[Any] = Deferred()
        client = self.asked_to_change(old, new)
        old.callback(b"old")
        self.assertEqual(len(client.transport.packets), 2)
        new.callback(b"new")
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"old", b"new"))
        old, new = Deferred(), Deferred()
        client = self.asked_to_change(old, new)
        client.serviceStopped()
        old.callback(b"old")
        self.assertEqual(len(client.transport.packets), 2)

    def test_malformed(self) -> None:
        """
        What is no CHANGEREQ ends the connection, and nobody is asked.
        """
        for payload in (b"", b"\0", string(b"New: "), expired().build() + b"x"):
            client = self.login(passwords=[b"first"])
            client.receive(failure(b"password"))
            client.packetReceived(60, payload)
            self.assert_failed(client, MalformedMessage, code=2)
            self.assertEqual(client.asked, ["getPassword"])

    def test_steps(self) -> None:
        """
        C{_setOldPass} and C{_setNewPass} are given the passwords; bodies like
        Conch's work.
        """

        class Own(Client):
            def _setOldPass(self, op: Any) -> None:
                self.told.append(op)
                self._oldPass = op

            def _setNewPass(self, np: Any) -> None:
                old, self._oldPass = self._oldPass, None
                self.askForAuth(b"password", b"\xff" + string(old) + string(np))

        client = Own(passwords=[b"first", b"old", b"new"])
        self.start(client)
        client.receive(failure(b"password"))
        client.receive(expired())
        self.assertEqual(client.told, [b"old"])
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"old", b"new"))


class AsBytesTests(LoginTestCase):
    def test_secrets_stay_out_of_errors(self) -> None:
        """
        An answer that cannot be sent is described and not repeated.
        """
        for answer in (["SECRET"], bytearray(b"SECRET"), "SECRET\udcff", None):
            error = self.assertRaises(UnusableAnswer, as_bytes, "getPassword", answer)
            self.assertNotIn("SECRET", str(error) + repr(error))
