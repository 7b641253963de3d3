# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
A clock that is set while a login runs.  Twisted's reactor counts by the machine's
clock, so that a delayed call comes earlier or later by as much; nothing else may
come of it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHClient
from conch_auth.agent import SSHAgentClient
from conch_auth.errors import AgentTimeout, ServerTimeout
from conch_auth.loopback import Fault, LoopbackServer
from conch_auth.report import AuthReport
from tests.fault_case import FaultCase
from tests.hostile_agent import HostileAgent, listed

A_DAY = 86400.0


def step(clock: Clock, seconds: float) -> None:
    """
    Set a clock without anything having run; what is due then runs at once.
    """
    clock.rightNow += seconds
    clock.advance(0)


class LoginClockTests(FaultCase):
    def stalled(self, server: LoopbackServer) -> None:
        """
        The server has stopped talking in the middle of the login.
        """
        server.fault = Fault(6, 0, "stall")

    def assert_sane(self, report: AuthReport) -> None:
        """
        No time is negative, and none runs back.
        """
        self.assertGreaterEqual(report.elapsed, 0)
        times = [step.at for step in report.steps]
        self.assertEqual(times, sorted(times))
        self.assertTrue(all(at >= 0 for at in times), times)
        for attempt in report.attempts:
            spent = (
                attempt.server_seconds,
                attempt.agent_seconds,
                attempt.person_seconds,
            )
            self.assertTrue(all(seconds >= 0 for seconds in spent), spent)

    def test_forwards(self) -> None:
        """
        Forwards: whoever is waited for has had his time, and the login ends as
        if it had passed.
        """
        self.begin(self.stalled)
        self.assertEqual(self.ends, [])
        step(self.clock, A_DAY)
        error = self.finish()
        self.assertIsInstance(error, ServerTimeout)
        self.assert_sane(error.report)
        del error
        self.assert_nothing_left()

    def test_backwards(self) -> None:
        """
        Backwards: a login that gets on is none the worse, nor is its report.
        """
        for back in (1.0, 100.0, A_DAY):
            late: Deferred[Any] = Deferred()

            class Late(SSHClient):
                def password_auth_requested(self, late: Any = late) -> Any:
                    return late

            self.begin(client=Late, password=None)
            self.clock.advance(50)
            step(self.clock, -back)
            self.clock.advance(2)
            late.callback("right")
            self.endpoint.pump()
            (made,) = self.ends
            report = made.report
            self.assertTrue(report.succeeded)
            self.assert_sane(report)
            self.assertEqual(report.elapsed, max(52 - back, 0))
            self.assertIsNone(self.finish())
            del made, report, late, Late
        self.assert_nothing_left()

    def test_backwards_and_silent(self) -> None:
        """
        Backwards while a server is silent: it has that much more, and no more.
        """
        self.begin(self.stalled)
        self.clock.advance(100)
        step(self.clock, -1000)
        self.clock.advance(1019)
        self.assertEqual(self.ends, [])
        self.clock.advance(1)
        self.assertIsInstance(self.finish(), ServerTimeout)
        self.assert_nothing_left()


class AgentClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = HostileAgent()
        connecting = SSHAgentClient.connect(self.agent, self.clock)
        self.client = self.successResultOf(connecting)

    def test_backwards(self) -> None:
        """
        An agent is given no more than its time for the request that comes after
        the clock was set back.
        """
        first, second = self.client.identities(), self.client.identities()
        step(self.clock, -A_DAY)
        self.agent.line.reply(listed())
        self.successResultOf(first)
        self.clock.advance(self.client.timeout)
        self.failureResultOf(second, AgentTimeout)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forwards(self) -> None:
        """
        One that answers when the clock was set forward was too late.
        """
        asked = self.client.identities()
        step(self.clock, A_DAY)
        self.failureResultOf(asked, AgentTimeout)
        self.agent.line.reply(listed())
        self.assertEqual(self.clock.getDelayedCalls(), [])
