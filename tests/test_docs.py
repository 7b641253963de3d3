"""
The documentation says what the code does.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

DOCS = Path(__file__).parent.parent / "docs"


class StatesPageTests(SynchronousTestCase):
    """
    C{docs/states.rst}.
    """

    def test_printed_from_the_table(self) -> None:
        """
        The page is what the table prints.
        """
        page = runpy.run_path(str(DOCS / "print_states.py"))["page"]()
        self.assertEqual(page, (DOCS / "states.rst").read_text())
