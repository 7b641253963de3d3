"""
The program of C{docs/diagnosis.rst}; C{tests/test_causes.py} holds the rest of it.
"""

from __future__ import annotations

from tests.page_case import PageCase


class DiagnosisPageTests(PageCase):
    """
    C{docs/diagnosis.rst}.
    """

    page = "diagnosis"

    async def test_program(self) -> None:
        """
        It prints what is said of it.
        """
        await self.run_page()
