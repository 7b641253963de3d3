"""
The security page names tests that are there.
"""

from __future__ import annotations

import re
from unittest import TestCase

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from tests.pages import DOCS

_TEST = re.compile(r"``(tests\.[\w.]+)``")
_ATTACK = re.compile(r"^(\d+)\. .+$", re.MULTILINE)


class SecurityPageTests(SynchronousTestCase):
    """
    C{docs/security.rst}.
    """

    def setUp(self) -> None:
        self.page = (DOCS / "security.rst").read_text("utf-8")

    def test_every_test_is_there(self) -> None:
        """
        Each that is named is a test that a run of all finds, and says what it
        holds.
        """
        named = _TEST.findall(self.page)
        self.assertGreater(len(named), 80)
        for name in named:
            case, _, test = name.rpartition(".")
            self.assertTrue(issubclass(namedAny(case), TestCase), name)
            self.assertTrue(test.startswith("test_"), name)
            self.assertTrue(getattr(namedAny(case), test).__doc__, name)

    def test_every_attack_has_one(self) -> None:
        """
        There are 27 attacks on the page, each with a property and a test.
        """
        parts = _ATTACK.split(self.page)[1:]
        attacks = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
        self.assertEqual(sorted(attacks), list(range(1, 28)))
        for number, text in attacks.items():
            self.assertTrue(_TEST.search(text), number)
            prose, _, _ = text.partition("    | ``tests")
            self.assertGreaterEqual(len(prose.strip().split("\n\n")), 2, number)
