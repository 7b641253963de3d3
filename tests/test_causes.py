# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Every cause is provoked, and says what C{docs/diagnosis.rst} shows.  Some take the
extras gssapi and fido2.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import errors
from conch_auth._remedies import REMEDIES
from conch_auth.diagnosis import CAUSES, Cause
from tests.causes import (
    PROVOKERS,
    Provoke,
    Stage,
    connecting,
    endings,
    files,
    keys,
    others,
    shown,
    signers,
    typed,
)

PAGE = Path(__file__).parent.parent / "docs" / "diagnosis.rst"
#: Each registers its logins.
MODULES = (connecting, endings, typed, keys, files, signers, others)

_SECTION = re.compile(
    r"^\.\. _([a-z0-9-]+):\n\n\1\n~+\n\n((?:.+\n|\n)+?)::\n\n((?:    .*\n|\n)+)",
    re.MULTILINE,
)


def printed() -> dict[str, tuple[str, str]]:
    """
    The page: of each cause, what is said of it, and what a login said.
    """
    return {
        cause: (told.strip(), textwrap.dedent(said).strip("\n"))
        for cause, told, said in _SECTION.findall(PAGE.read_text())
    }


def provokers() -> dict[Cause, Provoke]:
    return {c: p for under in PROVOKERS.values() for c, p in under.items()}


def test_name(cause: Cause) -> str:
    return f"test_{cause.replace('-', '_')}"


class CatalogueTests(SynchronousTestCase):
    """
    Nothing of a cause is missing, and there is nothing of what is none.
    """

    def test_every_cause_has_words(self) -> None:
        """
        Each says what is wrong and what to do.
        """
        self.assertEqual(set(REMEDIES), set(CAUSES))
        for cause, remedy in REMEDIES.items():
            self.assertTrue(remedy.problem and remedy.advice, cause)

    def test_every_cause_is_provoked(self) -> None:
        """
        Each has a login that fails so, and one only.
        """
        self.assertEqual(len(CAUSES), len(set(CAUSES)))
        self.assertEqual(sorted(provokers()), sorted(CAUSES))
        self.assertEqual(sum(map(len, PROVOKERS.values())), len(CAUSES))

    def test_every_cause_is_on_the_page(self) -> None:
        """
        Each has its paragraph there, which is what its provoker says, and the page
        has no other.
        """
        page = printed()
        self.assertEqual(list(page), list(provokers()))
        for cause, provoke in provokers().items():
            self.assertEqual(page[cause][0], inspect.getdoc(provoke))

    def test_every_error_has_a_cause(self) -> None:
        """
        Each error that can end an attempt or a login names one.
        """
        named = [
            kind
            for kind in vars(errors).values()
            if getattr(kind, "__module__", "") == errors.__name__
            and isinstance(kind, type)
        ]
        self.assertGreater(len(named), 20)
        for kind in named:
            if kind is not errors.LoginError:
                self.assertIn(kind.cause, CAUSES, kind)


class ProvokedTests(TestCase):
    """
    A login fails for each cause, and the first diagnosis names it.
    """

    timeout = 60

    async def provoke(self, cause: Cause, provoke: Provoke) -> None:
        from twisted.internet import reactor

        stage = Stage(self, reactor)
        error = await provoke(stage)
        self.assertEqual(error.diagnosis()[0].cause, cause, str(error))
        self.assertEqual(error.cause, cause)
        if error.report is not None:
            self.assertEqual(error.report.cause or cause, cause)
        self.check(cause, shown(error, stage.home))

    def check(self, cause: Cause, said: str) -> None:
        """
        The login says what the page shows.
        """
        self.assertEqual(said, printed()[cause][1])


def _test(
    cause: Cause, provoke: Provoke
) -> Callable[[ProvokedTests], Coroutine[Any, Any, None]]:
    async def test(self: ProvokedTests) -> None:
        await self.provoke(cause, provoke)

    test.__doc__ = f"C{{{cause}}}."
    return test


for _cause, _provoke in provokers().items():
    setattr(ProvokedTests, test_name(_cause), _test(_cause, _provoke))
