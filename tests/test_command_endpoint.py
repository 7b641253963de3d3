"""
A command on a server, as a Twisted endpoint.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from conch_auth.command_endpoint import command_endpoint
from conch_auth.errors import AuthenticationFailed
from conch_auth.loopback import LoopbackServer


class Reading(Protocol):
    """
    Collects what a command writes.
    """

    def __init__(self) -> None:
        self.read = b""
        self.done: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.read += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(self.read)


class CommandEndpointTests(TestCase):
    """
    L{command_endpoint}.
    """

    async def setUp(self) -> None:
        self.server = LoopbackServer()
        self.server.add_user("alice", password="right")
        await self.server.listen(reactor)
        self.addCleanup(self.server.stop)

    def endpoint(self, command: bytes, password: str = "right") -> Any:
        return command_endpoint(
            command,
            **self.server.options,
            username="alice",
            password=password,
            client_keys=None,
            agent_path=None,
        )

    async def test_each_connect_is_a_login_of_its_own(self) -> None:
        """
        The command's output comes to the protocol, and its connection ends with
        it.
        """
        endpoint = self.endpoint(b"whoami")
        for _ in range(2):
            protocol = await endpoint.connect(Factory.forProtocol(Reading))
            self.assertEqual(await protocol.done, b"alice\n")
        self.assertEqual(endpoint._creator._made, {})

    async def test_login_refused(self) -> None:
        """
        The error of the login is the error of the endpoint.
        """
        connecting = self.endpoint(b"whoami", "wrong").connect(
            Factory.forProtocol(Reading)
        )
        await self.assertFailure(connecting, AuthenticationFailed)

    async def test_cancelled(self) -> None:
        """
        Cancelling it leaves no connection behind.
        """
        endpoint = self.endpoint(b"whoami")
        connecting = endpoint.connect(Factory.forProtocol(Reading))
        connecting.cancel()
        await self.assertFailure(connecting, CancelledError)
        self.assertEqual(endpoint._creator._made, {})
