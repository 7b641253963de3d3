# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Clients as AsyncSSH's documentation has them, whose base class is changed and
nothing else: each class is written once and run by both libraries, on AsyncSSH's
own server.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

import conch_auth
from tests.peers.asyncssh_server import (
    AsyncSSHServer,
    PasswordChange,
    Rounds,
    Server,
)


def announcing(base: Any) -> Any:
    """
    Says when it is connected and when it is logged in.
    """

    class MySSHClient(base):
        def connection_made(self, conn: Any) -> None:
            self.said = [f"connected to {conn.get_extra_info('peername')[0]}"]

        def auth_completed(self) -> None:
            self.said.append("logged in")

        def connection_lost(self, exc: Exception | None) -> None:
            self.said.append("closed" if exc is None else "lost")

    return MySSHClient


def trusting_one_key(base: Any, blob: bytes) -> Any:
    """
    Trusts the one host key that it knows.
    """

    class MySSHClient(announcing(base)):
        def validate_host_public_key(
            self, host: str, addr: str, port: int, key: Any
        ) -> bool:
            shown = getattr(key, "public_data", None) or key.blob()
            self.said.append(f"asked about {host} at {addr}")
            return bool(shown == blob)

    return MySSHClient


def answering(base: Any) -> Any:
    """
    Answers the server's questions by their words, in a coroutine.
    """

    class MySSHClient(announcing(base)):
        answers = {"User code: ": "a", "Secret: ": "b", "Token: ": "123456"}

        def kbdint_auth_requested(self) -> str:
            return ""

        async def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Any
        ) -> list[str]:
            self.said.append(f"{name}: {len(prompts)}")
            return [self.answers[prompt] for prompt, echo in prompts]

    return MySSHClient


def changing(base: Any) -> Any:
    """
    Has a password that has expired, and knows another.
    """

    class MySSHClient(announcing(base)):
        async def password_auth_requested(self) -> str:
            return "old"

        async def password_change_requested(
            self, prompt: str, lang: str
        ) -> tuple[str, str]:
            self.said.append(prompt)
            return "old", "new"

        def password_changed(self) -> None:
            self.said.append("changed")

    return MySSHClient


class PortedClientTests(TestCase):
    """
    The same class, over both base classes.
    """

    def serve(self, factory: Any) -> AsyncSSHServer:
        server = AsyncSSHServer(factory)
        server.start()
        self.addCleanup(server.stop)
        return server

    async def by_both(self, server: AsyncSSHServer, client: Any, **more: Any) -> Any:
        """
        What the class has said, when either library ran it.
        """
        public = server.host_keys[0].public().toString("OPENSSH").decode()
        known = f"[127.0.0.1]:{server.port} {public}".encode()
        options: dict[str, Any] = {"known_hosts": known, "username": "alice"}
        options.update(client_keys=None, agent_path=None, **more)
        theirs = await deferToThread(
            asyncio.run, self.by_asyncssh(server, client(asyncssh.SSHClient), options)
        )
        made, ours = await conch_auth.create_connection(
            client(conch_auth.SSHClient), "127.0.0.1", server.port, **options
        )
        made.close()
        closed: Deferred[None] = made.wait_closed()
        await closed
        self.assertEqual(ours.said, theirs)
        return theirs

    async def by_asyncssh(
        self, server: AsyncSSHServer, client: Any, options: dict[str, Any]
    ) -> list[str]:
        made, own = await asyncssh.create_connection(
            client, "127.0.0.1", server.port, config=[], **options
        )
        made.close()
        await made.wait_closed()
        said: list[str] = own.said
        return said

    async def test_password_given(self) -> None:
        """
        A client that only says what happens, with a password given.
        """
        said = await self.by_both(
            self.serve(PasswordChange), announcing, password="right"
        )
        self.assertEqual(said, ["connected to 127.0.0.1", "logged in", "closed"])

    async def test_questions(self) -> None:
        """
        Several rounds, the one without a prompt included.
        """
        said = await self.by_both(self.serve(Rounds), answering)
        self.assertEqual(said[1:4], ["Login: 0", "Step 2: 2", "Step 3: 1"])

    async def test_password_change(self) -> None:
        """
        An expired password.
        """
        said = await self.by_both(self.serve(PasswordChange), changing)
        self.assertEqual(said[1:4], ["Choose a new password", "changed", "logged in"])

    async def test_host_key(self) -> None:
        """
        A host key that no file knows.
        """

        class Open(Server):
            def begin_auth(self, username: str) -> bool:
                return False

        server = self.serve(Open)
        blob = server.host_keys[0].blob()
        said = await self.by_both(
            server,
            lambda base: trusting_one_key(base, blob),
            disable_trivial_auth=False,
            known_hosts=b"",
        )
        self.assertEqual(said[1], "asked about 127.0.0.1 at 127.0.0.1")
