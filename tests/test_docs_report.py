"""
The programs of C{docs/report.rst}, C{docs/eager.rst} and C{docs/index.rst}.
"""

from __future__ import annotations

from tests.page_case import PageCase, Programs


class ReportPageTests(Programs, PageCase):
    """
    C{docs/report.rst}.
    """

    page = "report"


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
