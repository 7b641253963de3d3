# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Attacks of C{docs/security.rst} that are not told elsewhere.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.error import ConchError
from twisted.conch.ssh.channel import SSHChannel

from conch_auth._wire import Reader
from tests.memory import MemoryCase
from tests.support import LoginTestCase, expired, failure, new_key, partial, questions


class RequestTests(LoginTestCase):
    def test_one_user(self) -> None:
        """
        Every request of a login names the same user and the same service,
        whatever the server has said.
        """
        key = new_key()
        client = self.login(
            keys=[key], passwords=[b"pw", b"old", b"new"], answers=[["42"]]
        )
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"keyboard-interactive"))
        client.receive(questions(b"login: "))
        client.receive(partial(b"password"))
        client.receive(expired(b"user: "))
        heads = []
        for number, payload in client.transport.packets:
            if number == 50:
                reader = Reader(payload, "request")
                heads.append((reader.string(), reader.string()))
        self.assertEqual(heads, [(b"alice", b"nancy")] * 6)


class _AgentChannel(SSHChannel):
    """
    What a server opens to use the client's agent (PROTOCOL.agent, section 4).
    """

    name = b"auth-agent@openssh.com"

    def __init__(self, outcome: list[Any]) -> None:
        super().__init__()
        self._outcome = outcome

    def channelOpen(self, data: bytes) -> None:
        self._outcome.append("opened")

    def openFailed(self, reason: ConchError) -> None:
        self._outcome.append(reason)


class ForwardingTests(MemoryCase):
    def test_no_agent_for_the_server(self) -> None:
        """
        A server that opens a channel to the agent is refused.
        """
        self.log_in(password="right")
        self.assertTrue(self.connection.report.succeeded)
        outcome: list[Any] = []
        self.peer.service.openChannel(_AgentChannel(outcome))
        self.endpoint.pump()
        (refused,) = outcome
        self.assertIsInstance(refused, ConchError)
        # Conch logs what it refuses.
        self.assertEqual(len(self.flushLoggedErrors(ConchError)), 1)
