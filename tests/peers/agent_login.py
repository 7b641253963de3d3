# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Logging in to a real server by C{connect}, with the keys of a real ssh-agent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from conch_auth import SSHClient, connect
from conch_auth.errors import AuthenticationFailed
from conch_auth.knownhosts import insecure_accept_any
from conch_auth.report import AuthReport
from tests.peers.login import Peer
from tests.peers.ssh_agent import SSHAgent
from tests.peers.sshd import Sshd, User, machine

USER = User("agent_user")


class AgentLoginCase(TestCase):
    """
    An agent and, where it is asked for, an sshd of the test's own.
    """

    timeout = 60

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.agent = SSHAgent(self.directory, self.environment())
        self.addCleanup(self.agent.stop)

    def environment(self) -> dict[str, str]:
        """
        What the agent gets besides this process's.
        """
        return {}

    def new_key(self, kind: str, *options: str | Path) -> Path:
        """
        Have ssh-keygen make a key.

        @param kind: as of its C{-t}.
        @param options: for ssh-keygen.
        @return: the private file.
        """
        file = self.directory / f"{kind}{len(list(self.directory.iterdir()))}"
        self.agent.run(
            *("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file, *options)
        )
        return file

    def sshd(self, config: str, *authorized: str) -> Sshd:
        """
        @param authorized: the lines that let the user in.
        """
        server = machine([USER]).sshd(config)
        self.addCleanup(server.stop)
        server.authorize(USER.name, *authorized)
        return server

    async def connect(
        self, server: Peer, make: Callable[[], SSHClient] = SSHClient, **options: Any
    ) -> AuthReport:
        """
        Log in, and leave again.

        @return: the report.
        """
        settings: dict[str, Any] = {
            "username": USER.name,
            "client_keys": None,
            "agent_path": self.agent.socket,
            "known_hosts": insecure_accept_any(),
            **options,
        }
        connection = await connect(
            "127.0.0.1", server.port, client_factory=make, **settings
        )
        connection.close()
        await connection.wait_closed()
        assert connection.report is not None
        return connection.report

    async def refused(self, server: Peer, **options: Any) -> AuthReport:
        """
        Try to log in.

        @return: the report of the failure.
        """
        error: Any = await self.assertFailure(
            Deferred.fromCoroutine(self.connect(server, **options)),
            AuthenticationFailed,
        )
        report: AuthReport = error.report
        return report


def public_line(private: Path) -> str:
    """
    The line of authorized_keys that a private file's public half is.
    """
    return Path(f"{private}.pub").read_text().strip()
