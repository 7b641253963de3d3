"""
The programs of C{docs/report.rst}, C{docs/eager.rst} and C{docs/index.rst}.
"""

from __future__ import annotations

from tests.page_case import PageCase


class ReportPageTests(PageCase):
    """
    C{docs/report.rst}.
    """

    page = "report"

    async def test_programs(self) -> None:
        """
        Each prints what is said of it.
        """
        await self.run_page()


class EagerPageTests(PageCase):
    """
    C{docs/eager.rst}.
    """

    page = "eager"

    async def test_programs(self) -> None:
        """
        Each prints what is said of it.
        """
        await self.run_page()


class IndexTests(PageCase):
    """
    C{docs/index.rst}.
    """

    page = "index"

    async def test_programs(self) -> None:
        """
        What the examples are to be put into can be run.
        """
        await self.run_page()
