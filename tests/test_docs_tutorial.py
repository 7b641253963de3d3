# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The programs of C{docs/tutorial.rst}, against the servers that they name.
"""

from __future__ import annotations

from tests.page_case import Programs, SshdPageCase


class TutorialTests(Programs, SshdPageCase):
    """
    C{docs/tutorial.rst}.
    """

    page = "tutorial"

    def setUp(self) -> None:
        """
        The reader does not know the server yet, but has what its owner gave.
        """
        super().setUp()
        known = self.home / ".ssh/known_hosts"
        known.rename(self.home / "known_hosts_from_its_owner")
