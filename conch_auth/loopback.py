"""
An SSH server in this process: for tests, examples and the demonstration.

It is made of Conch's own parts, makes its keys itself, and needs no
configuration.  It listens on 127.0.0.1, or talks to a client in memory, where
the test moves the bytes and the clock::

    server = LoopbackServer()
    server.add_user("alice", password="wonderland")
    login = server.log_in(MyClient(b"alice", SSHConnection()))

C{docs/testing.rst} shows how tests are written with it.  What no honest server
does, L{conch_auth.scripted} has.

It is made to be logged in to by its owner's tests.  It is no server for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.cred.portal import Portal

from conch_auth._loopback_auth import (
    Account,
    AccountChecker,
    LoopbackUserAuthServer,
    rounds_of,
)
from conch_auth._loopback_link import Link, MemoryEndpoint
from conch_auth._loopback_server import (
    SIGNATURE_ALGORITHMS,
    InProcessServer,
    ServerFactory,
    generate_key,
    server_sig_algs,
)
from conch_auth._loopback_session import COMMANDS, Command, Realm, Result
from conch_auth._loopback_wire import Fault
from conch_auth.messages import UserAuthRequest

__all__ = [
    "Fault",
    "Link",
    "LoopbackServer",
    "MemoryEndpoint",
    "Result",
    "generate_key",
]


class LoopbackServer(InProcessServer):
    """
    A server, and the users that it knows.

    @ivar accounts: the L{Account} of each user, by name.
    @ivar requests: every USERAUTH_REQUEST that came, in order, as
        L{UserAuthRequest} values without their secrets.

    @param host_keys: private keys; one new Ed25519 key where none is given.
    @param signature_algorithms: the signature algorithms that are accepted.
    @param announce: whether they are sent as C{server-sig-algs} (RFC 8308).
    @param max_tries: how many requests may fail; one more and the server
        disconnects.
    @param password_delay: seconds until a wrong password is refused.
    """

    def __init__(
        self,
        *,
        host_keys: Sequence[Key] = (),
        signature_algorithms: Sequence[bytes] = SIGNATURE_ALGORITHMS,
        announce: bool = True,
        max_tries: int = 6,
        password_delay: float = 0.0,
    ) -> None:
        super().__init__(
            host_keys, server_sig_algs(signature_algorithms) if announce else None
        )
        self.accounts: dict[bytes, Account] = {}
        self.requests: list[UserAuthRequest] = []
        self.max_tries = max_tries
        self.password_delay = password_delay
        self._commands: dict[str, Command] = dict(COMMANDS)
        self._checker = AccountChecker(self.accounts, tuple(signature_algorithms))

    def add_user(
        self,
        name: str,
        *,
        password: str | None = None,
        keys: Iterable[Key] = (),
        prompts: Sequence[Sequence[tuple[str, bool]]] = (),
        answers: Sequence[Sequence[str]] = (),
        instruction: str = "",
        factors: Sequence[Sequence[str]] | None = None,
        banner: str = "",
        password_change: str | None = None,
    ) -> None:
        """
        Let a user log in, or say anew how.

        @param name: the user's name.
        @param password: the right password; C{None} where none is.
        @param keys: public keys, or private ones of which the public half is
            taken.
        @param prompts: the rounds of keyboard-interactive, each a list of
            C{(prompt, echo)}; a round may be empty.
        @param answers: the right answers, in the same shape.
        @param instruction: the text that goes with the first round.
        @param factors: what has to be passed, as sshd's
            C{AuthenticationMethods}: alternatives, each a list of methods in
            their order.  C{[["publickey", "password"]]} wants a key and then a
            password, C{[["none"]]} no proof at all.  Where it is C{None}, each
            method that the user has something for is enough.
        @param banner: a text that is sent before the first answer.
        @param password_change: a prompt; the server asks with it for a new
            password when the right one was given.
        @raise ValueError: where prompts and answers do not pair up.
        """
        account = Account(
            name.encode(),
            None if password is None else password.encode(),
            frozenset(key.public().blob() for key in keys),
            rounds_of(prompts, answers, instruction),
            banner=banner,
            change_prompt=password_change,
        )
        if factors is None:
            account.factors = tuple((method,) for method in account.methods())
        else:
            account.factors = tuple(
                tuple(method.encode() for method in methods) for methods in factors
            )
        self.accounts[account.name] = account

    def add_command(self, name: str, command: Command) -> None:
        """
        Let sessions run a command.  C{whoami}, C{echo}, C{uptime}, C{exit} with
        a status, and C{cat} without arguments are there already.

        @param command: a function from the user's name and the arguments to
            the text that is written, or to a L{Result}.
        """
        self._commands[name] = command

    def _factory(self, clock: Any) -> Any:
        factory = self._prepare(_Factory(), clock)
        factory.portal = Portal(Realm(self._commands, clock), [self._checker])
        return factory


class _Factory(ServerFactory):
    """
    Conch's factory for a L{LoopbackServer}.
    """

    server: LoopbackServer
    portal: Portal
    services: Mapping[bytes, Any] = {  # type: ignore[assignment]
        b"ssh-userauth": LoopbackUserAuthServer,
        b"ssh-connection": SSHConnection,
    }

    @property
    def accounts(self) -> dict[bytes, Account]:
        return self.server.accounts

    @property
    def requests(self) -> list[UserAuthRequest]:
        return self.server.requests

    @property
    def max_tries(self) -> int:
        return self.server.max_tries

    @property
    def password_delay(self) -> float:
        return self.server.password_delay
