"""
README.rst says what is so: each of its code blocks is run, or held against what
it names.
"""

from __future__ import annotations

import configparser
import importlib
import os
import re
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.cli_process import environment
from tests.pages import alike, blocks_of, check_commands

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class ReadmeTests(SynchronousTestCase):
    """
    The blocks of README.rst, in their order.
    """

    def setUp(self) -> None:
        try:
            with open(os.path.join(_ROOT, "README.rst"), encoding="utf-8") as file:
                self.text = file.read()
        except FileNotFoundError:
            raise SkipTest("only a source tree has README.rst") from None
        self.blocks = [(block.language, block.text) for block in blocks_of(self.text)]

    def of(self, language: str) -> list[str]:
        return [block for kind, block in self.blocks if kind == language]

    def run_program(self, program: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_every_block_is_known(self) -> None:
        """
        There is no block that no test looks at.
        """
        self.assertEqual(
            [kind for kind, _ in self.blocks],
            ["sh", "sh", "python", "", "", "diff", "sh"],
        )

    def test_length(self) -> None:
        """
        It is read in a minute.
        """
        self.assertLess(len(self.text.splitlines()), 100)

    def test_program(self) -> None:
        """
        The program has eight lines and prints what is said.
        """
        (program,) = self.of("python")
        self.assertEqual(len(list(filter(None, program.splitlines()))), 8)
        ran = self.run_program(program)
        self.assertEqual(ran.stderr, "")
        self.assertEqual(
            alike(ran.stdout.strip("\n")), alike(self.of("")[0])
        )

    def test_refusal(self) -> None:
        """
        With another password the error says what is said.
        """
        (program,) = self.of("python")
        right = 'username="alice", password="wonderland"'
        self.assertIn(right, program)
        ran = self.run_program(program.replace(right, right.replace("won", "under")))
        self.assertIn("AuthenticationFailed", ran.stderr)
        self.assertIn(self.of("")[1], ran.stderr)

    def test_import(self) -> None:
        """
        The line that changes takes a Conch class out and puts ours in, which
        has all that Conch's has.
        """
        (change,) = self.of("diff")
        classes: list[Any] = []
        for line, sign in zip(change.splitlines(), "-+", strict=True):
            found = re.fullmatch(r"(.)from (\S+) import (\w+)", line)
            assert found is not None
            self.assertEqual(found[1], sign)
            classes.append(getattr(importlib.import_module(found[2]), found[3]))
        conch, ours = classes
        self.assertEqual(set(dir(conch)) - set(dir(ours)), set())

    def test_shell(self) -> None:
        """
        Each shell command names extras, commands, arguments and tests that
        there are.
        """
        setup = configparser.ConfigParser()
        setup.read(os.path.join(_ROOT, "setup.cfg"))
        installed = setup["options.entry_points"]["console_scripts"]
        self.assertIn("conch-auth = conch_auth.cli:main", installed)
        for block in self.of("sh"):
            self.assertTrue(check_commands(self, block), block)
