"""
The programs of C{docs/report.rst}, C{docs/eager.rst} and C{docs/index.rst}.
"""

from __future__ import annotations

from dataclasses import fields

from conch_auth.report import Attempt, AuthReport, HostKey, Step
from tests.page_case import PageCase, Programs


class ReportPageTests(Programs, PageCase):
    """
    C{docs/report.rst}.
    """

    page = "report"

    def test_every_field(self) -> None:
        """
        Each field of what a report is made of is told of.
        """
        told = self.file.read_text()
        for made in (AuthReport, Attempt):
            for field in fields(made):
                self.assertIn(f"``{field.name}``", told)
        for name in HostKey._fields + Step._fields:
            self.assertIn(f"``{name}``", told)


class EagerPageTests(Programs, PageCase):
    """
    C{docs/eager.rst}.
    """

    page = "eager"


class IndexTests(Programs, PageCase):
    """
    C{docs/index.rst}.
    """

    page = "index"
