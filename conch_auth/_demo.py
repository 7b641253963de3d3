"""
C{conch-auth demo}: each method once, against a server in this process.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from twisted.conch.ssh.keys import Key

from conch_auth._command import CommandChannel, run_command
from conch_auth._running import show
from conch_auth._status import Status
from conch_auth.callbacks import SSHClient
from conch_auth.endpoints import connect
from conch_auth.errors import AuthenticationFailed
from conch_auth.knownhosts import PinnedKey
from conch_auth.loopback import LoopbackServer, generate_key

_STDOUT = 1
_PASSWORD = "correct horse battery staple"  # noqa: S105 - known to everybody
_NEW_PASSWORD = "a new horse"  # noqa: S105 - likewise
_CHOOSE = "Choose a new one: "
_ANSWERS = {"Code from your token: ": "123456", "PIN: ": "0000"}


class _Changing(SSHClient):
    """
    Has a new password at hand.
    """

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        return _PASSWORD, _NEW_PASSWORD


class _TokenHolder(SSHClient):
    """
    Answers the questions of keyboard-interactive.
    """

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self,
        name: str,
        instructions: str,
        lang: str,
        prompts: Sequence[tuple[str, bool]],
    ) -> list[str]:
        return [_ANSWERS[prompt] for prompt, _ in prompts]


async def run_demo(reactor: Any, _arguments: argparse.Namespace) -> int:
    """
    @return: the exit status.
    """
    await demonstrate(reactor, lambda text: show(text, _STDOUT))
    return Status.LOGGED_IN


async def demonstrate(reactor: Any, show: Callable[[str], object]) -> None:
    """
    Log in by public key, by password, with a change of it, by
    keyboard-interactive, and by two and three of these in turn; and fail to,
    once.

    @param show: takes what is to be printed.
    """
    server = LoopbackServer()
    await server.listen(reactor)
    try:
        show(
            f"An SSH server runs in this process, on {server.host}, port "
            f"{server.port}.\nIts host key is {server.fingerprint}.\n"
        )
        await _tour(_Guide(reactor, server, show))
    finally:
        await server.stop()


def _add_users(server: LoopbackServer, key: Key, rsa: Key) -> None:
    server.add_user("alice", keys=[rsa])
    server.add_user("bob", password=_PASSWORD)
    server.add_user(
        "carol",
        prompts=[[(prompt, prompt == "PIN: ") for prompt in _ANSWERS]],
        answers=[list(_ANSWERS.values())],
    )
    server.add_user(
        "dave", keys=[key], password=_PASSWORD, factors=[["publickey", "password"]]
    )
    server.add_user("erin", password=_PASSWORD, password_change=_CHOOSE)
    server.add_user(
        "frank",
        keys=[key],
        password=_PASSWORD,
        prompts=[[(prompt, True)] for prompt in _ANSWERS],
        answers=[[answer] for answer in _ANSWERS.values()],
        factors=[["publickey", "password", "keyboard-interactive"]],
    )


async def _tour(guide: _Guide) -> None:
    key, other, rsa = generate_key(), generate_key(), generate_key("ssh-rsa")
    _add_users(guide.server, key, rsa)
    await guide.log_in("By public key: RSA, signed with SHA-2.", "alice", keys=[rsa])
    await guide.log_in("By password.", "bob", password=_PASSWORD)
    await guide.log_in(
        "By password, which has expired and is changed.",
        "erin",
        password=_PASSWORD,
        client=_Changing,
    )
    await guide.log_in(
        "By keyboard-interactive: two questions.", "carol", client=_TokenHolder
    )
    await guide.log_in(
        "By public key and then password, where both are needed.",
        "dave",
        keys=[key],
        password=_PASSWORD,
    )
    await guide.log_in(
        "In three steps: a key, a password, and two rounds of questions.",
        "frank",
        keys=[key],
        password=_PASSWORD,
        client=_TokenHolder,
    )
    await guide.log_in(
        "Not at all: the key is not dave's, and there is no other.",
        "dave",
        keys=[other],
    )


class _Guide:
    """
    Logs in, and says how it went.
    """

    def __init__(
        self, reactor: Any, server: LoopbackServer, show: Callable[[str], object]
    ) -> None:
        self.server = server
        self._reactor = reactor
        self._show = show
        self._count = 0

    async def log_in(
        self,
        title: str,
        user: str,
        *,
        keys: Sequence[Any] = (),
        password: str | None = None,
        client: type[SSHClient] = SSHClient,
    ) -> None:
        self._count += 1
        self._show(f"\n{self._count}. {title}\n\n")
        try:
            connection = await connect(
                self.server.host,
                self.server.port,
                client_factory=client,
                username=user,
                client_keys=keys,
                password=password,
                agent_path=None,
                known_hosts=PinnedKey(self.server.fingerprint),
                reactor=self._reactor,
            )
        except AuthenticationFailed as error:
            self._show(f"{error}\n")
            return
        self._show(f"{connection.report}\n$ whoami\n")
        await run_command(
            connection.connection, CommandChannel(b"whoami", self._output, self._output)
        )
        connection.close()
        await connection.wait_closed()

    def _output(self, data: bytes) -> None:
        self._show(data.decode())
