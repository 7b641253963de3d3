# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
An agent that dies or freezes at some step of a login: the password still wins.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from conch_auth import connect
from conch_auth.agent import SSHAgentClient
from conch_auth.loopback import LoopbackServer
from conch_auth.report import AuthReport
from tests.census import Census
from tests.peers.ssh_agent import SSHAgent
from tests.support import flat

#: More than a login asks of its agent: to bind, to list, to sign.
STEPS = range(5)


class Relay(Protocol):
    """
    Passes on to a real agent what a client says, up to a step at which the
    agent dies or falls silent.
    """

    factory: Any
    transport: Any
    behind: Any = None

    def connectionMade(self) -> None:
        self._early = b""
        endpoint = UNIXClientEndpoint(reactor, self.factory.agent)
        self._joining = connectProtocol(endpoint, Behind(self))
        self._joining.addCallbacks(self._joined, lambda failure: None)

    def reply(self, data: bytes) -> None:
        """
        Pass on what the agent says; of the reply at which it fails, a part.
        """
        if self.factory.asked <= self.factory.fails_after:
            self.transport.write(data)
        else:
            self.transport.write(data[: self.factory.part])
            self.fail()

    def fail(self) -> None:
        if self.factory.dies:
            self.transport.abortConnection()

    def _joined(self, behind: Behind) -> None:
        self.behind = behind
        behind.transport.write(self._early)

    def dataReceived(self, data: bytes) -> None:
        # A client that awaits each reply sends one message at a time.
        self.factory.asked += 1
        if self.factory.asked <= self.factory.fails_after or self.factory.part:
            if self.behind is None:
                self._early += data
            else:
                self.behind.transport.write(data)
        else:
            self.fail()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._joining.cancel()
        if self.behind is not None:
            self.behind.transport.loseConnection()


class Behind(Protocol):
    """
    Passes on what the agent says, and notes its end.
    """

    transport: Any

    def __init__(self, front: Relay) -> None:
        self._front = front

    def connectionMade(self) -> None:
        self._front.factory.open.append(Deferred())
        self._gone = self._front.factory.open[-1]

    def dataReceived(self, data: bytes) -> None:
        self._front.reply(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone.callback(None)


class FailingAgentTests(TestCase):
    """
    C{connect}, with an agent whose key the server would take, and a password.
    """

    timeout = 60

    async def setUp(self) -> None:
        directory = Path(self.mktemp())
        self.agent = SSHAgent(directory)
        self.addCleanup(self.agent.stop)
        key = directory / "key"
        self.agent.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        self.agent.run("ssh-add", "-q", key)
        self.server = LoopbackServer()
        public = Key.fromFile(f"{key}.pub")
        self.server.add_user("alice", password="right", keys=[public])
        await self.server.listen(reactor)
        self.addCleanup(self.server.stop)
        self.place = tempfile.mkdtemp(prefix="relay-")
        self.addCleanup(shutil.rmtree, self.place)

    async def login(self, fails_after: int, dies: bool, part: int = 0) -> AuthReport:
        """
        Log in with an agent that fails.

        @param fails_after: how many requests it answers before.
        @param dies: whether it closes the connection, or falls silent.
        @param part: how many bytes of the next reply it sends before that.
        """
        factory: Any = Factory.forProtocol(Relay)
        factory.agent, factory.open = self.agent.socket, []
        factory.asked, factory.fails_after, factory.dies = 0, fails_after, dies
        factory.part = part
        path = os.path.join(self.place, f"{fails_after}{dies}{part}")
        port = await UNIXServerEndpoint(reactor, path).listen(factory)
        connection = await connect(
            **self.server.options,
            username="alice",
            password="right",
            client_keys=None,
            agent_path=path,
            preferred_auth=["publickey", "password"],
        )
        connection.close()
        await connection.wait_closed()
        await port.stopListening()
        for gone in factory.open:
            await gone
        report = connection.report
        assert report is not None
        return report

    async def test_dies(self) -> None:
        """
        It goes away instead of its answer, at every step in turn.
        """
        accepted = []
        for step in STEPS:
            report = await self.login(step, dies=True)
            self.assertTrue(report.succeeded)
            accepted.append(report.attempts[-1].method)
        self.assertEqual(accepted[0], "password")
        self.assertEqual(accepted[-1], "publickey")

    async def test_falls_silent(self) -> None:
        """
        It never answers, at every step in turn.
        """
        self.patch(SSHAgentClient, "timeout", 0.2)
        self.patch(SSHAgentClient, "signTimeout", 0.2)
        accepted = []
        for step in STEPS:
            report = await self.login(step, dies=False)
            self.assertTrue(report.succeeded)
            accepted.append(report.attempts[-1].method)
        self.assertEqual(accepted[0], "password")
        self.assertEqual(accepted[-1], "publickey")

    async def test_breaks_off(self) -> None:
        """
        It dies or falls silent within a reply, at every step in turn; nothing is
        left open.
        """
        self.patch(SSHAgentClient, "timeout", 0.2)
        self.patch(SSHAgentClient, "signTimeout", 0.2)
        await self.login(0, dies=True)
        before = await Census.when_idle()
        for dies in (True, False):
            accepted = []
            for step in STEPS:
                for part in (1, 5):
                    report = await self.login(step, dies, part)
                    self.assertTrue(report.succeeded)
                    accepted.append(report.attempts[-1].method)
            self.assertEqual(accepted[0], "password")
            self.assertEqual(accepted[-1], "publickey")
            del report
        self.assertEqual(await Census.when_idle(), before)

    async def test_is_not_there(self) -> None:
        """
        The socket is nobody's; the report says so.
        """
        report = await self.without(os.path.join(self.place, "nobody"))
        self.assertIn("the agent did not take a connection", flat(report))

    async def without(self, path: str) -> AuthReport:
        """
        A login with no agent at C{path}.
        """
        connection = await connect(
            **self.server.options,
            username="alice",
            password="right",
            client_keys=None,
            agent_path=path,
        )
        connection.close()
        await connection.wait_closed()
        report = connection.report
        assert report is not None
        self.assertEqual(report.attempts[-1].outcome, "accepted")
        return report

    async def test_path_that_no_socket_can_have(self) -> None:
        """
        A path beyond a socket's address is told at once.
        """
        report = await self.without("/" + "long" * 30)
        self.assertIn("the path is too long for a socket", str(report))
