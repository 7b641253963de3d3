"""
Tests for L{conch_auth._deadlines}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._deadlines import Deadlines
from conch_auth.report import Party


class DeadlinesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.over: list[Party | None] = []

    def deadlines(
        self,
        total: float | None = None,
        server: float | None = None,
        agent: float | None = None,
        person: float | None = None,
    ) -> Deadlines:
        limits: dict[Party, float | None] = {
            "server": server,
            "agent": agent,
            "person": person,
        }
        return Deadlines(
            lambda: self.clock, limits.__getitem__, total, self.over.append
        )

    def test_each_party_has_its_limit(self) -> None:
        """
        A party that takes its seconds is reported, and not before.
        """
        parties: tuple[Party, ...] = ("server", "agent", "person")
        for party in parties:
            self.over.clear()
            self.deadlines(server=5, agent=5, person=5).wait(party)
            self.clock.advance(4.9)
            self.assertEqual(self.over, [])
            self.clock.advance(0.1)
            self.assertEqual(self.over, [party])

    def test_waiting_anew(self) -> None:
        """
        Each wait has the whole limit, and what was waited for before is
        forgotten.
        """
        deadlines = self.deadlines(server=5, person=7)
        deadlines.wait("server")
        self.clock.advance(4)
        deadlines.wait("server")
        self.clock.advance(4)
        deadlines.wait("person")
        self.clock.advance(6)
        deadlines.wait(None)
        self.clock.advance(100)
        self.assertEqual(self.over, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_total(self) -> None:
        """
        The whole login is limited, however short each wait is; C{None} says
        that it is the whole.
        """
        deadlines = self.deadlines(total=10, server=5)
        for _ in range(3):
            deadlines.wait("server")
            self.clock.advance(3)
        self.assertEqual(self.over, [])
        deadlines.wait("agent")
        self.clock.advance(1)
        self.assertEqual(self.over, [None])

    def test_clock_set_back(self) -> None:
        """
        A clock that is set back gives nobody more than there was.
        """
        deadlines = self.deadlines(total=10)
        deadlines.wait("server")
        self.clock.rightNow -= 1000
        deadlines.wait("agent")
        self.clock.advance(9.9)
        self.assertEqual(self.over, [])
        self.clock.advance(0.1)
        self.assertEqual(self.over, [None])

    def test_a_person_does_not_count(self) -> None:
        """
        The time that a person takes is not part of the whole.
        """
        deadlines = self.deadlines(total=10, person=1000)
        deadlines.wait("server")
        self.clock.advance(6)
        deadlines.wait("person")
        self.clock.advance(900)
        deadlines.wait("server")
        self.clock.advance(3.9)
        self.assertEqual(self.over, [])
        self.clock.advance(0.1)
        self.assertEqual(self.over, [None])

    def test_nobody(self) -> None:
        """
        Where nobody in particular is waited for, the whole still is limited:
        an override of the application's may never come to an end.
        """
        deadlines = self.deadlines(total=10)
        deadlines.wait(None)
        self.clock.advance(10)
        self.assertEqual(self.over, [None])

    def test_the_whole_is_used_up(self) -> None:
        """
        What is waited for after the end of the time is over at once.
        """
        deadlines = self.deadlines(total=10, server=50)
        deadlines.wait("server")
        self.clock.advance(10)
        deadlines.wait("server")
        self.clock.advance(0)
        self.assertEqual(self.over, [None, None])

    def test_no_limit(self) -> None:
        """
        C{None} is no limit.
        """
        deadlines = self.deadlines()
        deadlines.wait("server")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        """
        Once stopped, nothing runs, and nothing starts again.
        """
        deadlines = self.deadlines(total=10, server=5)
        deadlines.wait("server")
        deadlines.stop()
        deadlines.wait("server")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_clock(self) -> None:
        """
        Without a clock there are no limits.
        """
        deadlines = Deadlines(lambda: None, lambda party: 1, 1, self.over.append)
        deadlines.wait("server")
        deadlines.stop()
        self.assertEqual(self.over, [])
