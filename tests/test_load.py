# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Many logins at once and in a row, scaled down and counted; C{tests.load} measures
many more.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.census import Census
from tests.load import Growth, Load, at_once, pending, soak


class ManyTests(TestCase):
    timeout = 120

    def assert_each(self, load: Load, descriptors: int) -> None:
        """
        Each login has so many descriptors while it is there, and none later.
        """
        self.assertEqual(load.descriptors_each, descriptors)
        self.assertEqual(load.descriptors_left, 0)

    async def test_at_once(self) -> None:
        """
        Logins that go on at the same time all succeed, with one socket each.
        """
        self.assert_each(await at_once(reactor, 60), 1)

    async def test_pending(self) -> None:
        """
        So do those that have waited for a person.
        """
        self.assert_each(await pending(reactor, 120), 1)

    async def test_in_a_row(self) -> None:
        """
        However many there were, nothing of a login is left, and no object more than
        before it.
        """
        counts: list[Counter[str]] = []
        censuses: list[Census] = []

        def measure(done: int) -> None:
            if done % 10 == 0:
                censuses.append(Census.take())
                counts.append(Counter(type(o).__name__ for o in gc.get_objects()))

        self.assert_each(await soak(reactor, 40, measure), 0)
        early, late = censuses[1], censuses[-1]
        self.assertEqual(late._replace(delayed=0), early._replace(delayed=0))
        grown = counts[-1] - counts[1]
        # The reactor keeps some calls that were cancelled, until they are many.
        del grown["DelayedCall"], grown["method"]
        # Ten logins more or less are to make no difference: what is kept of each
        # would show ten times.
        self.assertEqual({k: n for k, n in grown.items() if n >= 10}, {})


class GrowthTests(SynchronousTestCase):
    def slope(self, memory: Callable[[int], int]) -> float:
        growth = Growth(1)
        growth.points = [(done, memory(done)) for done in range(1, 41)]
        return growth.slope

    def test_flat(self) -> None:
        """
        What is filled once in the first half is no growth.
        """
        self.assertEqual(self.slope(lambda done: 5000 + min(done, 20) * 100), 0)

    def test_leak(self) -> None:
        """
        So many bytes a login are.
        """
        self.assertAlmostEqual(self.slope(lambda done: 5000 + 64 * done), 64)
        saw = self.slope(lambda done: 5000 + 64 * done + 4096 * (done % 2))
        self.assertTrue(32 < saw < 96, saw)
