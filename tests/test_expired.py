# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Passwords that have expired, on real servers, with L{conch_auth.connect}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncssh
from twisted.trial.unittest import TestCase

from conch_auth import SSHClient, connect
from conch_auth._command import CommandChannel, run_command
from conch_auth.errors import AuthenticationFailed
from conch_auth.knownhosts import insecure_accept_any
from tests.peers.asyncssh_server import AsyncSSHServer, Server
from tests.peers.sshd import Sshd, User, machine

OLD, NEW = "Old-secret-word-1", "New-secret-word-2"
BY_QUESTIONS = User("expired_by_questions", OLD, expired=True)
BY_PASSWORD = User("expired_by_password", OLD, expired=True)
PAM = "UsePAM yes\nKbdInteractiveAuthentication yes\n"


class Owner(SSHClient):
    """
    Answers PAM's questions, and notes them.
    """

    #: By what PAM's prompt ends with: it puts a text before the first of its own.
    answers = {
        "Password: ": OLD,
        "Current password: ": OLD,
        "New password: ": NEW,
        "Retype new password: ": NEW,
    }

    def __init__(self) -> None:
        self.rounds: list[tuple[int, list[str]]] = []

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[Any]
    ) -> list[str]:
        asked = [prompt.prompt.split("\n")[-1] for prompt in prompts]
        self.rounds += [(prompt.challenge.round, asked) for prompt in prompts]
        return [self.answers[prompt] for prompt in asked]


class ExpiredCase(TestCase):
    timeout = 60

    async def log_in(self, server: Any, user: str, **options: Any) -> Any:
        """
        @return: the connection.
        """
        connection = await connect(
            "127.0.0.1",
            server.port,
            username=user,
            client_keys=None,
            agent_path=None,
            known_hosts=insecure_accept_any(),
            **options,
        )
        self.addCleanup(connection.wait_closed)
        self.addCleanup(connection.close)
        return connection


class SshdTests(ExpiredCase):
    """
    OpenSSH's sshd with PAM.
    """

    def sshd(self) -> Sshd:
        server = machine([BY_QUESTIONS, BY_PASSWORD]).sshd(PAM)
        self.addCleanup(server.stop)
        return server

    async def test_by_questions(self) -> None:
        """
        Keyboard-interactive takes four rounds, and the new password works
        afterwards; the old one does not.
        """
        server = self.sshd()
        by_questions = {"preferred_auth": "keyboard-interactive"}
        connection = await self.log_in(
            server, BY_QUESTIONS.name, client_factory=Owner, **by_questions
        )
        self.assertEqual(
            connection.client.rounds,
            [(n, [prompt]) for n, prompt in enumerate(Owner.answers, 1)],
        )
        again = await self.log_in(server, BY_QUESTIONS.name, password=NEW)
        self.assertTrue(again.report.succeeded)
        with self.assertRaises(AuthenticationFailed):
            await self.log_in(server, BY_QUESTIONS.name, password=OLD)

    async def test_by_password(self) -> None:
        """
        The method C{password} logs in: sshd has the session ask for the new
        password, so that a command does not run, and says why.
        """
        connection = await self.log_in(
            self.sshd(), BY_PASSWORD.name, password=OLD, preferred_auth="password"
        )
        self.assertEqual(connection.report.proof, "password")
        told: list[bytes] = []
        status = await run_command(
            connection.connection, CommandChannel(b"echo in", told.append, told.append)
        )
        self.assertNotEqual(status, 0)
        self.assertIn(b"password has expired", b"".join(told))
        self.assertNotIn(b"in\n", told)


class Expiring(Server):
    """
    One user, whose password has expired; it must be changed to a long one.
    """

    password, expired = OLD, True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        if password == self.password and self.expired:
            raise asyncssh.PasswordChangeRequired("It has expired")
        return password == self.password

    def change_password(self, username: str, old_password: str, new: str) -> bool:
        if len(new) < 8:
            raise asyncssh.PasswordChangeRequired("Too short, take eight letters")
        if old_password != self.password:
            return False
        type(self).password, type(self).expired = new, False
        return True


class AsyncSSHTests(ExpiredCase):
    """
    AsyncSSH's server, which asks for a new password by PASSWD_CHANGEREQ.
    """

    async def test_refused_then_accepted(self) -> None:
        """
        A new password that is refused is asked for again, with the server's
        reason; the one that is taken works afterwards.
        """
        server = AsyncSSHServer(type("Fresh", (Expiring,), {}))
        server.start()
        self.addCleanup(server.stop)
        told: list[str] = []

        class Changing(SSHClient):
            new = ["short", NEW]

            def password_change_requested(
                self, prompt: str, lang: str
            ) -> tuple[str, str]:
                told.append(prompt)
                return OLD, self.new.pop(0)

            def password_changed(self) -> None:
                told.append("changed")

            def password_change_failed(self) -> None:
                told.append("refused")

        connection = await self.log_in(
            server, "alice", password=OLD, client_factory=Changing
        )
        self.assertEqual(connection.report.proof, "password, which was changed")
        first, *later = told
        self.assertEqual(first, "It has expired")
        self.assertEqual(later, ["refused", "Too short, take eight letters", "changed"])
        again = await self.log_in(server, "alice", password=NEW)
        self.assertEqual(again.report.proof, "password")
