# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
What is typed or given for a login is held by nothing once the login is over,
while the connection, its report and the error that came of it are.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import AlreadyCalledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHClient
from conch_auth.agent import SSHAgentClient
from tests.hostile_agent import SUCCESS, HostileAgent
from tests.keepers import Secrets
from tests.memory import MemoryCase
from tests.support import Client, LoginTestCase, expired, failure, questions


class ForgettingCase(MemoryCase):
    """
    Logins with C{connect} whose secrets only the server and the login get.

    @ivar made: where they come from.
    @ivar secrets: those that are yet to be given away.
    """

    def setUp(self) -> None:
        super().setUp()
        self.made = Secrets()
        self.secrets: list[str] = []

    def new(self) -> str:
        """
        A secret, which the owner has as well.
        """
        self.secrets.append(self.made.new())
        return self.secrets[-1]

    def assert_forgotten(self) -> None:
        """
        Nothing holds any of them, but who never gave it away.
        """
        self.assertEqual(self.secrets, [])
        self.server.accounts.clear()
        self.assertEqual(self.made.keepers(), [])

    def encrypted_key(self, passphrase: str) -> str:
        """
        The path of a key file that C{passphrase} opens; alice may use the key.
        """
        key = ed25519.Ed25519PrivateKey.generate()
        path = Path(self.mktemp())
        path.touch(0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.BestAvailableEncryption(passphrase.encode()),
            )
        )
        self.server.add_user("alice", keys=[Key(key)])
        return str(path)


class PasswordTests(ForgettingCase):
    def asked(self, *answers: Any) -> type[SSHClient]:
        """
        A client that answers with each when it is asked for a password.
        """
        left = list(answers)

        class Asked(SSHClient):
            async def password_auth_requested(self) -> Any:
                answer = left.pop(0)() if left else None
                return await answer if isinstance(answer, Deferred) else answer

        return Asked

    def test_accepted(self) -> None:
        """
        A password in the options that the server took.
        """
        self.server.add_user("alice", password=self.new())
        self.log_in(password=self.secrets.pop())
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_refused(self) -> None:
        """
        One that it did not take: nor do the error's frames hold it.
        """
        self.new()
        self.log_in(password=self.secrets.pop())
        self.assertIsNotNone(self.error.report)
        self.assert_forgotten()

    def test_from_a_function(self) -> None:
        """
        One that an option gives when it is called, or awaited.
        """
        self.server.add_user("alice", password=self.new())
        self.log_in(password=self.secrets.pop)
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_never_wanted(self) -> None:
        """
        One that the server had no use for.
        """
        self.new()
        self.server.add_user("alice", factors=[["none"]])
        self.log_in(password=self.secrets.pop(), disable_trivial_auth=False)
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_never_connected(self) -> None:
        """
        One that was for a host which nobody trusted.
        """
        self.new()
        self.log_in(password=self.secrets.pop(), known_hosts=None)
        self.assertIsNone(self.error.report)
        self.assert_forgotten()

    def test_cancelled(self) -> None:
        """
        One that was in the options of a login which was given up.
        """
        self.new()
        login = self.begin(password=self.secrets.pop())
        login.cancel()
        self.endpoint.pump()
        self.assertEqual(len(self.ends), 1)
        self.assert_forgotten()

    def test_callback(self) -> None:
        """
        What a callback answered: wrong, and then right.
        """
        self.server.add_user("alice", password=self.new())
        self.new()
        right, wrong = self.secrets
        self.secrets.clear()
        given = [wrong, right]
        del right, wrong
        self.log_in(self.asked(lambda: given.pop(0), lambda: given.pop(0)))
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_late(self) -> None:
        """
        An answer that came later.
        """
        self.server.add_user("alice", password=self.new())
        late: list[Deferred[Any]] = [Deferred()]
        self.log_in(self.asked(lambda: late[0]))
        late.pop().callback(self.secrets.pop())
        self.endpoint.pump()
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_too_late(self) -> None:
        """
        An answer that came when the connection was gone.
        """
        late: Deferred[Any] = Deferred(lambda _: None)
        self.log_in(self.asked(lambda: late))
        self.endpoint.links[-1].lose()
        self.assertIsNotNone(self.error.report)
        self.new()
        with contextlib.suppress(AlreadyCalledError):
            late.callback(self.secrets.pop())
        self.assertEqual(self.made.keepers(), [])

    def test_error_of_the_owner(self) -> None:
        """
        A callback that had it at hand when it failed: its frame is gone.
        """
        self.new()

        def raising() -> None:
            password = self.secrets.pop()
            raise ValueError(f"{len(password)} characters are too few")

        self.log_in(self.asked(raising))
        self.assertIsNotNone(self.error.report)
        self.assert_forgotten()

    def test_changed(self) -> None:
        """
        The old password and the new one.
        """
        self.server.add_user("alice", password=self.new(), password_change="New: ")
        self.new()
        secrets = self.secrets

        class Changing(SSHClient):
            def password_auth_requested(self) -> str:
                return secrets[0]

            def password_change_requested(self, prompt: str, lang: str) -> Any:
                return secrets.pop(0), secrets.pop(0)

        self.log_in(Changing)
        self.assertIn("changed", self.connection.report.proof)
        self.assert_forgotten()


class AnswerTests(ForgettingCase):
    def answer(self, right: str) -> None:
        """
        Log in with the next secret as the answer to a question.
        """
        self.server.add_user("alice", prompts=[[("Code: ", False)]], answers=[[right]])
        secrets = self.secrets

        class Answering(SSHClient):
            def kbdint_auth_requested(self) -> str | None:
                return "" if secrets else None

            def kbdint_challenge_received(self, *asked: Any) -> Any:
                return [secrets.pop()]

        self.log_in(Answering)

    def test_accepted(self) -> None:
        """
        An answer that the server took.
        """
        self.answer(self.new())
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_refused(self) -> None:
        """
        One that it did not take.
        """
        self.new()
        self.answer("another")
        self.assertIsNotNone(self.error.report)
        self.assert_forgotten()


class PassphraseTests(ForgettingCase):
    def test_text(self) -> None:
        """
        The passphrase in the options.
        """
        path = self.encrypted_key(self.new())
        self.log_in(client_keys=path, passphrase=self.secrets.pop())
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_wrong(self) -> None:
        """
        One that does not open the key.
        """
        path = self.encrypted_key("another")
        self.new()
        self.log_in(client_keys=path, passphrase=self.secrets.pop())
        self.assertIsNotNone(self.error.report)
        self.assert_forgotten()

    def test_asked_for(self) -> None:
        """
        One that a function of the options gave.
        """
        path = self.encrypted_key(self.new())
        self.log_in(client_keys=path, passphrase=lambda path: self.secrets.pop())
        self.assertTrue(self.connection.report.succeeded)
        self.assert_forgotten()

    def test_of_a_host_key(self) -> None:
        """
        One that was for the keys with which this host vouches for its user.
        """
        path = self.encrypted_key(self.new())
        self.server.add_user("alice", password="right", factors=[["hostbased"]])
        self.log_in(client_host_keys=path, passphrase=self.secrets.pop())
        self.assertIsNotNone(self.error.report)
        self.assert_forgotten()


class DropInTests(LoginTestCase):
    """
    The service alone, in the place of Conch's.
    """

    def test_service(self) -> None:
        """
        Passwords, a change and answers are held by no service, finished or
        ended, nor by the end that whoever waited for it holds.
        """
        made = Secrets()
        for last in (failure(), None):
            client = self.login(
                passwords=(made.new() for _ in range(3)),
                answers=([made.new(), made.new()] for _ in range(1)),
            )
            client.receive(failure(b"password"))
            client.receive(expired())
            client.receive(failure(b"keyboard-interactive"))
            client.receive(questions(b"?", b"?"))
            if last is None:
                client.serviceStopped()
            else:
                client.receive(last)
            self.forget_own(client)
            self.assertEqual(made.keepers(), [])

    def forget_own(self, client: Client) -> None:
        """
        The transport of the tests keeps what it sent.
        """
        client.transport.packets.clear()


class AgentTests(SynchronousTestCase):
    def test_agent(self) -> None:
        """
        What was sent to an agent: a passphrase to lock it, a PIN, whether it
        answered or died.
        """
        made = Secrets()
        for dies in (False, True):
            hostile, clock = HostileAgent(), Clock()
            agent = self.successResultOf(SSHAgentClient.connect(hostile, clock))
            ends: list[Any] = []
            agent.lock(made.new()).addBoth(ends.append)
            agent.addSmartcard("/p", made.new()).addBoth(ends.append)
            if dies:
                hostile.line.die()
            else:
                hostile.line.reply(SUCCESS, SUCCESS)
            self.assertEqual(len(ends), 2)
            hostile.line.transport.clear()
            self.assertEqual(made.keepers(), [])


class ControlTests(SynchronousTestCase):
    """
    A secret that is kept is found.
    """

    def test_found(self) -> None:
        """
        In an object, a plain dictionary in it, bytes, a frame and a closure.
        """

        class Keeper:
            held: object

        def frame(kept: str) -> Any:
            yield kept

        def closure(kept: str) -> Any:
            return lambda: kept

        made, keeper = Secrets(), Keeper()
        for keep in (
            made.new,
            lambda: {"a": {"b": (made.new(),)}},
            lambda: [made.new().encode()],
            lambda: frame(made.new()),
            lambda: closure(made.new()),
        ):
            keeper.held = keep()
            self.assertEqual(len(made.keepers()), 1, made.keepers())
            keeper.held = None
            self.assertEqual(made.keepers(), [])
