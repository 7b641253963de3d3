"""
C{docs/explain.rst}: what C{conch-auth explain} tells of each login on it.
"""

from __future__ import annotations

import re
import runpy
from typing import Any
from xml.etree import ElementTree

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.trial.unittest import TestCase

from tests.explained import Scene, Shown, perform
from tests.page_case import PageCase
from tests.pages import DOCS, alike, blocks_of, check_commands
from tests.scenes import SCENES

PAGE = DOCS / "explain.rst"
#: How many logins there are at once.
_AT_ONCE = 3
_VARYING = (
    # Too short a wait is not told.
    (re.compile(r"^ +seconds .*\n(?: {13,}.*\n)*", re.MULTILINE), ""),
    (re.compile(r"SSH-2\.0-OpenSSH_.*"), "SSH-2.0-OpenSSH"),
    (re.compile(r"SHA256:[A-Za-z0-9+/]{43}"), "SHA256:..."),
    (re.compile(r"^ +EXT_INFO .*\n(?: {12,}.*\n)*", re.MULTILINE), ""),
    # How wide a column is depends on what is in it.
    (re.compile(r"\s+"), " "),
)


def normal(page: str) -> str:
    """
    A page without what differs from run to run.
    """
    for varying, instead in _VARYING:
        page = varying.sub(instead, page)
    return alike(page)


# Its commands are run by the scenes.
PageCase.pages.add("explain")


class PageTests(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.scenes = [scene for scenes in SCENES.values() for scene in scenes]
        self.printer: Any = runpy.run_path(str(DOCS / "print_explain.py"))

    async def test_page(self) -> None:
        """
        The page has what comes of each login.
        """
        turn = DeferredSemaphore(_AT_ONCE)
        shown: list[Shown] = await gatherResults(
            [turn.run(self.play, scene) for scene in self.scenes]
        )
        names = [scene.name for scene in self.scenes]
        page = self.printer["page"](dict(zip(names, shown, strict=True)))
        for new, old in zip(
            normal(page).split("conch-auth explain"),
            normal(PAGE.read_text("utf-8")).split("conch-auth explain"),
            strict=True,
        ):
            self.assertEqual(new, old)

    def play(self, scene: Scene) -> Deferred[Shown]:
        return Deferred.fromCoroutine(perform(scene, reactor))

    def test_pictures(self) -> None:
        """
        Each picture is there, and is of the login above it.
        """
        drawn = {scene.name for scene in self.scenes if scene.drawn}
        files = {file.stem: file for file in self.printer["PICTURES"].iterdir()}
        self.assertEqual(set(files), drawn)
        told = re.sub(r"\s+", " ", PAGE.read_text("utf-8"))
        for name, file in files.items():
            title = ElementTree.parse(file).getroot()[0].text or ""
            self.assertIn(title.removeprefix("Login of "), told)
            self.assertIn(f".. image:: _static/explain/{name}.svg", told)

    def test_commands(self) -> None:
        """
        The commands of the introduction have options that there are.
        """
        for block in blocks_of(PAGE.read_text("utf-8")):
            if block.language == "sh":
                self.assertTrue(check_commands(self, block.text), block)

    def test_failures(self) -> None:
        """
        At least twenty logins fail, each in its own way.
        """
        failing = [scene for scene in self.scenes if scene.status]
        self.assertGreaterEqual(len(failing), 20)
