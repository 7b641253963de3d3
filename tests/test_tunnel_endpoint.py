# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
A way through one sshd to another, as a Twisted endpoint.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost, NoProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from conch_auth import SSHClient, connect
from conch_auth.endpoints import SSHClientConnection
from conch_auth.errors import ConnectFailed
from conch_auth.tunnel_endpoint import TunnelRefused, tunnel_endpoint
from tests.peers.login import ED25519
from tests.peers.sshd import Sshd, User, machine

USER = User("tunnel_user")


class Client(SSHClient):
    """
    Keeps what it is told.
    """

    def __init__(self) -> None:
        self.lost: Deferred[Any] = Deferred()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.callback(exc)


class TunnelTests(TestCase):
    """
    L{tunnel_endpoint}.
    """

    timeout = 60

    def sshd(self, config: str = "") -> Sshd:
        server = machine([USER]).sshd(config)
        self.addCleanup(server.stop)
        server.authorize(USER.name, ED25519)
        return server

    async def log_in(
        self, server: Sshd, host: str = "127.0.0.1", **options: Any
    ) -> SSHClientConnection:
        port, key = server.port, server.host_keys[0].toString("openssh").decode()
        return await connect(
            host,
            port,
            client_factory=Client,
            username=USER.name,
            client_keys=ED25519,
            agent_path=None,
            known_hosts=f"[{host}]:{port} {key}\n".encode(),
            **options,
        )

    async def left(self, connection: SSHClientConnection) -> None:
        connection.close()
        await connection.wait_closed()

    async def test_second_login(self) -> None:
        """
        The second login is one like any other; its host is known by its own
        name, which the server between looks up, and one connection ends without
        the other.
        """
        gate, inner = self.sshd(), self.sshd()
        first = await self.log_in(gate)
        way = tunnel_endpoint(first, "localhost", inner.port)
        second = await self.log_in(inner, "localhost", endpoint=way)
        assert second.report is not None
        self.assertTrue(second.report.succeeded)
        inner.wait_for(f"Accepted publickey for {USER.name}")
        await self.left(second)
        third = await self.log_in(inner, "localhost", endpoint=way)
        await self.left(third)
        await self.left(first)

    async def test_connection_of_conch(self) -> None:
        """
        A Conch connection does as well.
        """
        gate = self.sshd()
        first = await self.log_in(gate)
        way = tunnel_endpoint(first.connection, "127.0.0.1", gate.port)
        second = await self.log_in(gate, endpoint=way)
        await self.left(second)
        await self.left(first)

    async def test_forbidden(self) -> None:
        """
        A server that does not allow it says so in the error.
        """
        first = await self.log_in(self.sshd("AllowTcpForwarding no\n"))
        way = tunnel_endpoint(first, "inner.example.org")
        failing = connect("inner.example.org", endpoint=way, username="alice")
        error: Any = await self.assertFailure(failing, ConnectFailed)
        self.assertIn(
            "inner.example.org, port 22: the server between did not connect to it: "
            "it is forbidden there (open failed)",
            str(error),
        )
        self.assertIsInstance(error.__cause__, TunnelRefused)
        await self.left(first)

    async def test_ends_with_the_first(self) -> None:
        """
        When the first connection is lost, so is the second, and its client is
        told.
        """
        gate, inner = self.sshd(), self.sshd()
        first = await self.log_in(gate)
        way = tunnel_endpoint(first, "127.0.0.1", inner.port)
        second = await self.log_in(inner, endpoint=way)
        first.abort()
        client: Any = second.client
        self.assertIsInstance(await client.lost, ConnectionLost)
        await first.wait_closed()

    async def test_lost_while_opening(self) -> None:
        """
        When the first connection is lost before the way is open, that is an
        error as well.
        """
        first = await self.log_in(self.sshd())
        opening = tunnel_endpoint(first, "127.0.0.1", 1).connect(
            Factory.forProtocol(Protocol)
        )
        first.abort()
        await self.assertFailure(opening, ConnectionLost)
        await first.wait_closed()

    async def test_cancelled(self) -> None:
        """
        A way that nobody waits for any more is closed when it opens; no
        protocol is made for it.
        """
        gate = self.sshd()
        first = await self.log_in(gate)
        made: list[Any] = []
        factory = Factory.forProtocol(lambda: made.append(Protocol()) or made[-1])
        opening = tunnel_endpoint(first, "127.0.0.1", gate.port).connect(factory)
        opening.cancel()
        await self.assertFailure(opening, CancelledError)
        while first.connection.channels:
            await deferLater(reactor, 0.01)
        self.assertEqual(made, [])
        await self.left(first)

    async def test_no_protocol(self) -> None:
        """
        A factory that wants no connection gets none.
        """
        gate = self.sshd()
        first = await self.log_in(gate)
        factory = Factory()
        factory.buildProtocol = lambda address: None  # type: ignore[method-assign]
        opening = tunnel_endpoint(first, "127.0.0.1", gate.port).connect(factory)
        await self.assertFailure(opening, NoProtocol)
        await self.left(first)
