# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
Agents that are played at random: what they are asked, what they say, and how
their connections go.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError
from twisted.internet.task import Clock
from twisted.logger import eventAsText, globalLogPublisher
from twisted.python.failure import Failure as Failed

from conch_auth._wire import Reader, string, uint32
from conch_auth.agent import SSHAgentClient
from conch_auth.errors import AgentError
from tests.hostile_agent import (
    EXTENSION_FAILURE,
    FAILURE,
    SUCCESS,
    HostileAgent,
    listed,
    signed,
)
from tests.random_owner import KEYS, PLANTED

#: The first byte of a request to sign.
_SIGN = 13


def right_reply(request: bytes) -> bytes:
    """
    What an honest agent says to a request.
    """
    reader = Reader(request, "request")
    number = reader.take(1)[0]
    if number == 11:
        return listed(*((key.public().blob(), b"\x1b[31mkey") for key in KEYS))
    if number == _SIGN:
        blob, data = reader.string(), reader.string()
        for key in KEYS:
            if key.public().blob() == blob:
                kind = b"rsa-sha2-512" if key.type() == "RSA" else None
                return signed(key.sign(data, kind))
        return FAILURE
    return SUCCESS


class AgentRules(RuleBasedStateMachine):
    """
    An agent with a client.

    @ivar events: what was logged since it was last looked at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self._logged)
        self.hostile = HostileAgent()
        self.agent_clock = Clock()
        self.agent = SSHAgentClient()
        self.agent.clock = self.agent_clock
        self.agent._endpoint = self.hostile
        self._replied = 0

    def _logged(self, event: Any) -> None:
        self.events.append(event)

    @property
    def asked(self) -> list[bytes]:
        """
        What the newest connection was asked, and has not been answered.
        """
        if not self.hostile.lines or self.hostile.line.closed:
            return []
        return self.hostile.line.requests[self._replied :]

    def _replies(self, *replies: bytes) -> None:
        self._replied += len(replies)
        self.hostile.line.reply(*replies)

    def agent_was_heard(self) -> None:
        """
        The agent has done something.
        """

    @precondition(lambda self: self.asked)
    @rule(count=st.integers(1, 3))
    def agent_replies(self, count: int) -> None:
        """
        As it should, to one request or more at once.
        """
        self._replies(*map(right_reply, self.asked[:count]))
        self.agent_was_heard()

    @precondition(lambda self: self.asked)
    @rule(
        reply=st.one_of(
            st.sampled_from([FAILURE, EXTENSION_FAILURE, SUCCESS, listed()]),
            st.sampled_from([signed(b""), signed(b"\x00\x00\x00\x01x"), b"\x0e"]),
            st.binary(min_size=1, max_size=20),
        )
    )
    def agent_replies_otherwise(self, reply: bytes) -> None:
        """
        With no, with what was not asked for, or with what is no reply.
        """
        self._replies(reply)
        self.agent_was_heard()

    @precondition(lambda self: self.hostile.lines and not self.hostile.line.closed)
    @rule(data=st.one_of(st.binary(max_size=12), st.just(uint32(1 << 30))))
    def agent_babbles(self, data: bytes) -> None:
        self.hostile.line.send(data)
        self.agent_was_heard()

    @precondition(lambda self: self.hostile.lines and not self.hostile.line.closed)
    @rule(size=st.integers(0, 5))
    def agent_dies(self, size: int) -> None:
        """
        Within a reply, or before it.
        """
        self.hostile.line.send(string(FAILURE)[:size])
        self.hostile.line.die()
        self._replied = 0
        self.agent_was_heard()

    @rule(silent=st.booleans(), refuses=st.booleans())
    def agent_takes_no_connection(self, silent: bool, refuses: bool) -> None:
        self.hostile.silent = silent
        self.hostile.refusal = ConnectError() if refuses else None

    @rule(seconds=st.sampled_from([1.0, 21.0, 121.0]))
    def agent_takes_its_time(self, seconds: float) -> None:
        self.agent_clock.advance(seconds)
        self.agent_was_heard()

    @invariant()
    def agent_calls_are_bounded(self) -> None:
        """
        One limit for the connection that is made, one for the one there is.
        """
        assert len(self.agent_clock.getDelayedCalls()) <= 2
        exchange = self.agent._exchange
        assert exchange is None or len(exchange._received) <= 256 * 1024 + 4

    def end_agent(self) -> None:
        """
        Nothing is left when the client is closed and its connection gone.
        """
        self.agent.close()
        for line in self.hostile.lines:
            line.die()
        assert self.agent_clock.getDelayedCalls() == []
        assert self.agent._waiting == []

    def said(self) -> list[str]:
        """
        What was logged, as text.
        """
        events, self.events[:] = list(self.events), []
        return [text for e in events for text in (eventAsText(e), repr(e))]

    def teardown(self) -> None:
        self.end_agent()
        globalLogPublisher.removeObserver(self._logged)


class RandomAgents(AgentRules):
    """
    Whoever asks an agent, for anything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[Deferred[Any], list[Any]]] = []

    @precondition(lambda self: len(self.answers) < 40)
    @rule(
        what=st.sampled_from(
            ["identities", "sign", "add", "lock", "card", "query", "extension"]
        ),
        which=st.integers(0, 2),
    )
    def ask(self, what: str, which: int) -> None:
        secret, blob = f"{PLANTED}-{which}", KEYS[which].public().blob()
        asks = {
            "identities": lambda: self.agent.identities(),
            "sign": lambda: self.agent.signWith(blob, b"data", b"ssh-ed25519"),
            "add": lambda: self.agent.add(KEYS[which], "a comment"),
            "lock": lambda: self.agent.lock(secret),
            "card": lambda: self.agent.addSmartcard("reader", secret),
            "query": lambda: self.agent.query(),
            "extension": lambda: self.agent.extension(b"x@example.org", b"y"),
        }
        answer, fired = asks[what](), list[Any]()
        answer.addBoth(fired.append)
        self.answers.append((answer, fired))

    @precondition(lambda self: self.answers)
    @rule(which=st.integers(0, 39))
    def give_up(self, which: int) -> None:
        """
        Whoever asked does not want to know any more.
        """
        self.answers[which % len(self.answers)][0].cancel()

    @rule(sure=st.sampled_from([True, False, False, False]))
    def close(self, sure: bool) -> None:
        if sure:
            self.agent.close()

    @precondition(lambda self: self.hostile.waiting)
    @rule()
    def connection_is_made(self) -> None:
        (factory, connected), *self.hostile.waiting = self.hostile.waiting
        if not connected.called:
            connected.callback(self.hostile._connected(factory))

    @invariant()
    def errors_are_told_of(self) -> None:
        """
        What fails says so by an error of its kind, and shows no secret.
        """
        texts = self.said()
        for _, fired in self.answers:
            for end in fired:
                if isinstance(end, Failed):
                    assert end.check(AgentError, CancelledError), end
                    texts += [str(end.value), repr(end.value), end.getTraceback()]
        for text in texts:
            assert PLANTED not in text, text

    def teardown(self) -> None:
        super().teardown()
        for _, fired in self.answers:
            assert len(fired) == 1
