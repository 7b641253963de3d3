"""
Tests for L{conch_auth._progress} and L{conch_auth._spinner}: what is shown while
a login waits.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import Any
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _screen
from conch_auth._progress import PATIENCE, Progress
from conch_auth._spinner import SpinnerLine
from conch_auth.report import AuthReport, Party


class NotedLine:
    """
    A line that notes what is done to it.
    """

    def __init__(self) -> None:
        self.shown = ""

    def show(self, words: str) -> None:
        self.shown = words

    def hide(self) -> None:
        self.shown = ""


class FakeConnection:
    """
    A connection whose login waits for one party.
    """

    def __init__(self, party: Party | None) -> None:
        self.report = AuthReport("alice", "ssh-connection", waiting_for=party)


class ProgressTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.line = NotedLine()
        self.progress = Progress(self.clock, self.line, "ho\x1bst")  # type: ignore
        self.progress.start()

    def wait_for(self, party: Party | None, seconds: float) -> str:
        """
        @return: what is shown after C{seconds} of waiting for C{party}.
        """
        connection: Any = FakeConnection(party)
        self.progress.connection = connection
        self.pass_time(seconds)
        return self.line.shown

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds * 10))

    def test_whom(self) -> None:
        """
        It says who is waited for, and for how many seconds.
        """
        self.pass_time(2)
        self.assertEqual(self.line.shown, "connecting to ho\\x1bst, 2 s")
        for party, words in (
            (None, "exchanging keys with ho\\x1bst"),
            ("server", "waiting for the server"),
            ("agent", "waiting for the agent"),
            ("person", "waiting for an answer"),
        ):
            self.assertEqual(self.wait_for(party, 3.1), f"{words}, 3 s")  # type: ignore

    def test_touch(self) -> None:
        """
        A touch is waited for until the server has its turn again.
        """
        self.progress.touch = True
        words = "waiting for a touch of the security key, 1 s"
        self.assertEqual(self.wait_for("agent", 1.2), words)
        self.wait_for("server", 1)
        self.assertEqual(self.wait_for("agent", 1.2), "waiting for the agent, 1 s")

    def test_patience(self) -> None:
        """
        What takes no time is not told: a quick login shows nothing.
        """
        for party in "server", "agent", "server":
            self.assertEqual(self.wait_for(party, PATIENCE - 0.1), "")  # type: ignore

    def test_question(self) -> None:
        """
        Beside a question nothing is shown, and afterwards the seconds begin
        anew.
        """
        self.wait_for("person", 2)
        with self.progress.question():
            self.assertEqual(self.line.shown, "")
            self.pass_time(5)
            self.assertEqual(self.line.shown, "")
        self.assertEqual(self.wait_for("server", 1.2), "waiting for the server, 1 s")

    def test_hide(self) -> None:
        """
        It gives way to what is written, and comes back.
        """
        self.wait_for("server", 2)
        self.progress.hide()
        self.assertEqual(self.line.shown, "")
        self.pass_time(0.2)
        self.assertEqual(self.line.shown, "waiting for the server, 2 s")

    def test_stop(self) -> None:
        """
        In the end it is gone, and nothing is pending.
        """
        self.wait_for("server", 2)
        self.progress.stop()
        self.progress.stop()
        self.assertEqual(self.line.shown, "")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nowhere(self) -> None:
        """
        Without a place to show it nothing is even counted.
        """
        clock = Clock()
        progress = Progress(clock, None, "host")  # type: ignore[arg-type]
        progress.start()
        self.assertEqual(clock.getDelayedCalls(), [])
        with progress.question():
            progress.hide()
        progress.stop()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class SpinnerLineTests(SynchronousTestCase):
    """
    L{SpinnerLine} on a terminal.
    """

    def setUp(self) -> None:
        from rich.console import Console

        self.terminal = Terminal()
        console = Console(file=self.terminal, force_terminal=True, width=40)
        self.line = SpinnerLine(console)

    def written(self) -> str:
        written = self.terminal.getvalue()
        self.terminal.seek(0)
        self.terminal.truncate()
        return written

    def test_line(self) -> None:
        """
        The words are shown, and erased, so that the next line begins where they
        have stood.
        """
        self.line.show("waiting for the server, 1 s")
        self.assertIn("waiting for the server, 1 s", self.written())
        self.line.hide()
        self.assertTrue(self.written().endswith("\x1b[1A\x1b[2K"))
        self.line.hide()
        self.assertEqual(self.written(), "")

    def test_cursor(self) -> None:
        """
        The cursor is never hidden: who would show it again after a ^Z?
        """
        self.line.show("x")
        self.line.hide()
        self.assertNotIn("\x1b[?25", self.written())

    def test_no_thread(self) -> None:
        """
        Nothing but the reactor draws.
        """
        before = threading.active_count()
        self.line.show("x")
        self.assertEqual(threading.active_count(), before)
        self.line.hide()


class ScreenTests(SynchronousTestCase):
    """
    L{_screen.console}.
    """

    def console(self, stream: Any, **variables: str) -> Any:
        with patch.dict(os.environ, variables, clear=True):
            return _screen.console(stream)

    def test_terminal(self) -> None:
        """
        On a terminal there are colours.
        """
        self.assertIsNotNone(self.console(Terminal(), TERM="xterm-256color"))

    def test_plain(self) -> None:
        """
        A file, a plain terminal, C{NO_COLOR} and a missing C{rich} have plain
        text.
        """
        self.assertIsNone(self.console(io.StringIO(), TERM="xterm"))
        self.assertIsNone(self.console(None, TERM="xterm"))
        self.assertIsNone(self.console(Terminal(), TERM="xterm", NO_COLOR="1"))
        self.assertIsNone(self.console(Terminal(), TERM="dumb"))
        latin: Any = type("Latin", (Terminal,), {"encoding": "iso-8859-1"})
        self.assertIsNone(self.console(latin(), TERM="xterm"))
        with patch.dict(sys.modules, {"rich.console": None}):
            self.assertIsNone(self.console(Terminal(), TERM="xterm"))
