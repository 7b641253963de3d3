# mypy: disallow-untyped-calls = False
# (Twisted's protocols have no annotations.)
"""
Targets in which the bytes come from a peer: an agent, or a server before and in
its key exchange.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from conch_auth._ending import MAX_WAITING_BYTES
from conch_auth._greeting import MAX_GREETING_BYTES
from conch_auth._wire import string
from conch_auth.agent import SSHAgentClient
from conch_auth.errors import AgentError, LoginError
from conch_auth.names import MAX_AGENT_MESSAGE
from tests.fuzz.script import Script
from tests.hostile_agent import HostileAgent
from tests.transport_pair import ALL_KEYS, Client, Pair

_MOST_STEPS = 64

_ASKED: tuple[Callable[[SSHAgentClient], Deferred[Any]], ...] = (
    lambda agent: agent.identities(),
    lambda agent: agent.signWith(b"blob", b"data", b"ssh-ed25519"),
    lambda agent: agent.query(),
    lambda agent: agent.extension(b"e@example"),
    lambda agent: agent.bindSession(b"key", b"session", b"signature"),
    lambda agent: agent.lock(b"pw"),
)


class Ends:
    """
    What each Deferred of a target gave.
    """

    def __init__(self) -> None:
        self.of: list[list[Any]] = []

    def expect(self, deferred: Deferred[Any]) -> None:
        """
        C{deferred} is to fire.
        """
        given: list[Any] = []
        self.of.append(given)
        deferred.addBoth(given.append)

    def check(self, *errors: type[Exception]) -> None:
        """
        Each has fired, with no error but these.
        """
        for given in self.of:
            (end,) = given
            if isinstance(end, Failure) and not end.check(*errors):
                end.raiseException()


def agent(data: bytes) -> None:
    """
    Whatever an agent sends, when and in what pieces: each request has one end,
    which is an answer or an L{AgentError}, little is held, and no clock runs on.
    """
    script, clock, hostile, ends = Script(data), Clock(), HostileAgent(), Ends()
    made: list[SSHAgentClient] = []
    SSHAgentClient.connect(hostile, clock).addCallback(made.append)
    client = made[0]
    steps: tuple[Callable[[], object], ...] = (
        lambda: ends.expect(script.choose(_ASKED)(client)),
        lambda: hostile.line.send(script.chunk()),
        lambda: hostile.line.send(string(script.chunk())),
        lambda: clock.advance(script.choose((1, 11, 61, 3600))),
        hostile.line.die,
        lambda: ends.of and ends.expect(client.close()),
        lambda: setattr(hostile, "refusal", script.choose((None, OSError("no")))),
    )
    for _ in range(_MOST_STEPS):
        if not script.more:
            break
        script.choose(steps)()
        assert client._exchange is not None
        assert len(client._exchange._received) <= MAX_AGENT_MESSAGE + 4
    for line in hostile.lines:
        line.die()
    client.close()
    ends.check(AgentError, CancelledError)
    assert clock.getDelayedCalls() == [], clock.getDelayedCalls()


def greeting(data: bytes) -> None:
    """
    Whatever a server sends in clear, in whatever pieces: the connection is never
    secure, whoever waits is told why once, and little is held.
    """
    script, ends = Script(data), Ends()
    size = script.choose((1 << 16, 1, 7, 100))
    client, wire = Client(), StringTransport()
    client.makeConnection(wire)
    ends.expect(client.whenSecure())
    sent = script.rest()
    for at in range(0, len(sent), size):
        client.dataReceived(sent[at : at + size])
        assert len(client._greeting.text) <= MAX_GREETING_BYTES + size
        assert len(client.buf) <= MAX_WAITING_BYTES
    assert client.secured == 0
    client.connectionLost(Failure(ConnectionDone()))
    (end,) = ends.of[0]
    assert isinstance(end, Failure), end
    ends.check(LoginError)
    assert isinstance(str(end.value), str)
    assert client.clock.getDelayedCalls() == []


#: What is signed with the host key is made of these (RFC 4253, section 8; RFC
#: 5656, section 4).
_SIGNED_OVER = (20, 31)


def transport(data: bytes) -> None:
    """
    Whatever a server changes in its key exchange or sends after it: a change to
    what the host key signs is found, the host is asked about at most once in
    each exchange, and whoever waits is told once.
    """
    script, ends = Script(data), Ends()
    pair = Pair(keys=ALL_KEYS[:1])
    _bear(pair.server)
    number = script.choose((0, 20, 31, 21))
    changed: list[int] = []
    if number:
        pair.server.tamper[number] = lambda payload: _changed(payload, script, changed)
    ends.expect(pair.client.whenSecure())
    pair.join()
    if number in _SIGNED_OVER and changed != [0]:
        assert pair.client.secured == 0, number
    for _ in range(_MOST_STEPS):
        if not script.more or pair.client._closing:
            break
        pair.send(script.byte(), script.chunk())
    assert pair.client.secured <= 1
    assert len(pair.client.asked) <= 1
    pair.lose(ConnectionDone())
    ends.check(LoginError)
    assert pair.client.secured or isinstance(ends.of[0][0], Failure)
    assert pair.client.clock.getDelayedCalls() == []


def _bear(server: Any) -> None:
    """
    Conch's server raises at what a client makes of its tampered messages.
    """
    received = server.dataReceived

    def bearing(data: bytes) -> None:
        with contextlib.suppress(Exception):
            received(data)

    server.dataReceived = bearing


def _changed(payload: bytes, script: Script, changed: list[int]) -> bytes:
    """
    C{payload} with one byte changed by what is told through C{changed}; an empty
    one gets bytes.
    """
    if not payload:
        return script.take(script.byte() % 4)
    at, change = (script.byte() << 8 | script.byte()) % len(payload), script.byte()
    changed.append(change)
    return payload[:at] + bytes([payload[at] ^ change]) + payload[at + 1 :]
