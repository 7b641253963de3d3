"""
Tests for L{conch_auth._terminal}, on a pseudo-terminal.
"""

from __future__ import annotations

import os
import pty
import select
import termios
import threading
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth._terminal import NoTerminal, Readable, Terminal, write_all
from tests.keepers import Secrets


class FakeReactor:
    """
    Says that a file is ready when the test does.
    """

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def ready(self) -> None:
        """
        Let each reader read once, as a reactor would.
        """
        for reader in list(self.readers):
            why = reader.doRead()
            if why is not None:
                self.removeReader(reader)
                reader.connectionLost(why)


class TerminalTests(SynchronousTestCase):
    """
    L{Terminal} asks.
    """

    def setUp(self) -> None:
        self.keyboard, self.inside = pty.openpty()
        self.addCleanup(os.close, self.keyboard)
        self.reactor = FakeReactor()
        self.usual = termios.tcgetattr(self.inside)
        self.terminal = Terminal(self.reactor, os.ttyname(self.inside))
        self.addCleanup(self.terminal.close)
        self.addCleanup(os.close, self.inside)

    def type(self, data: bytes) -> None:
        os.write(self.keyboard, data)
        self.reactor.ready()

    def screen(self) -> bytes:
        shown = os.read(self.keyboard, 1000)
        # The kernel carries what was written in pieces, each in its own time.
        while select.select([self.keyboard], [], [], 0.1)[0]:
            shown += os.read(self.keyboard, 1000)
        return shown

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.inside)[3] & termios.ECHO)

    def test_line(self) -> None:
        """
        The answer is the line that was typed, and the prompt stands before it.
        """
        asked = self.terminal.ask("Name: ", echo=True)
        self.type("Zoë\n".encode())
        self.assertEqual(self.successResultOf(asked), "Zoë".encode())
        self.assertEqual(self.screen(), "Name: Zoë\r\n".encode())

    def test_hidden(self) -> None:
        """
        Where echo is off nothing but the line's end is shown, and the terminal
        is as it was once the answer is there.
        """
        asked = self.terminal.ask("Password: ")
        self.assertFalse(self.echoes())
        self.type(b"hunter2\n")
        self.assertEqual(self.successResultOf(asked), b"hunter2")
        self.assertEqual(self.screen(), b"Password: \r\n")
        self.assertEqual(termios.tcgetattr(self.inside), self.usual)

    def test_forgotten(self) -> None:
        """
        What was typed is held no more once it was given as the answer, or was
        typed in part to a question that is taken back.
        """
        made = Secrets()
        asked = self.terminal.ask("Password: ")
        self.type(f"{made.new()}\n".encode())
        self.successResultOf(asked)
        asked.addCallback(lambda _: None)
        self.assertEqual(made.keepers(), [])
        asked = self.terminal.ask("Password: ")
        self.type(f"{made.new()}\x04".encode())
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(made.keepers(), [])

    def test_typed_ahead(self) -> None:
        """
        What was typed before a hidden question is not taken for its answer.
        """
        os.write(self.keyboard, b"ls\n")
        asked = self.terminal.ask("Password: ")
        self.type(b"hunter2\n")
        self.assertEqual(self.successResultOf(asked), b"hunter2")

    def test_bytes(self) -> None:
        """
        Bytes that are not UTF-8 come as they were typed.
        """
        asked = self.terminal.ask("Password: ")
        self.type(b"\xe9\n")
        self.assertEqual(self.successResultOf(asked), b"\xe9")

    def test_empty(self) -> None:
        """
        An empty line is an answer.
        """
        asked = self.terminal.ask("Password: ")
        self.type(b"\n")
        self.assertEqual(self.successResultOf(asked), b"")

    def test_end_of_file(self) -> None:
        """
        ^D is no answer; the next question can be asked.
        """
        asked = self.terminal.ask("Password: ")
        self.type(b"\x04")
        self.assertIsNone(self.successResultOf(asked))
        self.assertTrue(self.echoes())
        asked = self.terminal.ask("Password: ")
        self.type(b"x\n")
        self.assertEqual(self.successResultOf(asked), b"x")

    def test_end_of_file_within_line(self) -> None:
        """
        A line that ^D sends early goes on.
        """
        asked = self.terminal.ask("Password: ")
        self.type(b"hun\x04")
        self.assertNoResult(asked)
        self.type(b"ter2\n")
        self.assertEqual(self.successResultOf(asked), b"hunter2")

    def test_cancel(self) -> None:
        """
        A question that is cancelled is not read for, and the terminal is as it
        was.
        """
        asked = self.terminal.ask("Password: ")
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(termios.tcgetattr(self.inside), self.usual)
        self.assertEqual(self.screen(), b"Password: \r\n")

    def test_close(self) -> None:
        """
        Closing takes back the question, and can be done twice.
        """
        asked = self.terminal.ask("Password: ")
        self.terminal.close()
        self.terminal.close()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(termios.tcgetattr(self.inside), self.usual)

    def test_one_question(self) -> None:
        """
        A second question has to wait for the first.
        """
        asked: Deferred[Any] = self.terminal.ask("Password: ")
        with self.assertRaises(RuntimeError):
            self.terminal.ask("Password: ")
        self.type(b"x\n")
        self.assertEqual(self.successResultOf(asked), b"x")

    def test_no_terminal(self) -> None:
        """
        Where there is no terminal, the error says so.
        """
        error = self.assertRaises(NoTerminal, Terminal, self.reactor, self.mktemp())
        self.assertIn("there is no terminal: ", str(error))


class GoneTests(SynchronousTestCase):
    """
    The terminal goes away.
    """

    def test_hangup(self) -> None:
        """
        A question on a terminal that goes is answered by nothing.
        """
        keyboard, inside = pty.openpty()
        reactor = FakeReactor()
        terminal = Terminal(reactor, os.ttyname(inside))
        os.close(inside)
        asked = terminal.ask("Password: ")
        os.close(keyboard)
        reactor.ready()
        self.assertIsNone(self.successResultOf(asked))
        terminal.close()


class StreamTests(TestCase):
    """
    L{Readable} and L{write_all}.
    """

    timeout = 20

    async def read(self, number: int) -> bytes:
        from twisted.internet import reactor

        ended: Deferred[None] = Deferred()
        received: list[bytes] = []
        Readable(reactor, number, received.append, lambda: ended.callback(None)).start()
        await ended
        return b"".join(received)

    async def test_pipe(self) -> None:
        """
        All that is written to a pipe is read, and then its end is told.
        """
        reading, writing = os.pipe()
        write_all(writing, b"one")
        os.close(writing)
        self.assertEqual(await self.read(reading), b"one")
        os.close(reading)

    async def test_regular_file(self) -> None:
        """
        A file on a disk is read, which not every reactor can watch.
        """
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"x" * 200_000)
        with open(path, "rb") as file:
            self.assertEqual(len(await self.read(file.fileno())), 200_000)

    def test_broken_pipe(self) -> None:
        """
        Writing to a pipe that nobody reads is an error.
        """
        reading, writing = os.pipe()
        os.close(reading)
        self.addCleanup(os.close, writing)
        self.assertRaises(BrokenPipeError, write_all, writing, b"x")

    def test_non_blocking(self) -> None:
        """
        Everything is written to a file that others have made non-blocking.
        """
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        sizes: list[int] = []

        def drain() -> None:
            while data := os.read(reading, 65536):
                sizes.append(len(data))

        reader = threading.Thread(target=drain)
        reader.start()
        write_all(writing, b"x" * 1_000_000)
        os.close(writing)
        reader.join()
        self.assertEqual(sum(sizes), 1_000_000)
