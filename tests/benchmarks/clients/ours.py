"""
This package: its C{connect}, and its class in place of Conch's.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from conch_auth import SSHClient, SSHUserAuthClient, connect
from conch_auth.knownhosts import KnownHosts
from tests.benchmarks.clients.answering import Answering
from tests.benchmarks.clients.conch import Transport
from tests.benchmarks.clients.on_twisted import OnTwisted, Owner, Subclassed
from tests.benchmarks.jobs import Login, Server


class UserAuth(Owner, SSHUserAuthClient):
    """
    Ours, with the answers of any Conch client.
    """


class EagerUserAuth(UserAuth):
    """
    The same, which shows what it has before it is asked.
    """

    eager = True


class DropIn(Subclassed):
    """
    The one line changed: our service, on Conch's transport.
    """

    transport = Transport
    service = UserAuth


class _Client(Answering, SSHClient):
    """
    Ours.
    """


class Connect(OnTwisted):
    """
    C{connect}, with its options.
    """

    def prepare(self, server: Server, login: Login) -> None:
        super().prepare(server, login)
        # A client that could answer questions has two ways to send its password.
        kind: Any = SSHClient
        if login.answer is not None:
            kind = type("Answering", (_Client,), {"answer": login.answer})
        self._options: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": login.user,
            "password": login.password,
            "client_keys": self.keys,
            "agent_path": None,
            "known_hosts": KnownHosts.from_bytes(server.known_hosts.encode()),
            "client_factory": kind,
            "memory": login.memory,
            "max_auth_tries": None,
            "login_timeout": None,
            "connect_timeout": None,
            "reactor": self.reactor,
        }

    async def open(self) -> Any:
        return await connect(**self._options)

    async def pend(self) -> Any:
        asked: Deferred[None] = Deferred()

        def password() -> Deferred[str]:
            asked.callback(None)
            return Deferred()

        connect(**{**self._options, "password": password})
        await asked

    async def close(self, opened: Any) -> None:
        opened.close()
        await opened.wait_closed()
