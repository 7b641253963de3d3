"""
Questions on the terminal, and bytes through the standard streams, while the
reactor runs on.

Files are read when the reactor says that they are ready.  No flag of a file
that is shared with the shell, or with other programs, is changed; what is
changed of the terminal, its echo, is put back with the answer, while the
program is suspended, and by L{Terminal.close} at the latest.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

#: Bytes that are read at once.
_CHUNK = 65536
_LFLAG = 3


class NoTerminal(Exception):
    """
    There is no terminal, so that nobody can be asked.
    """


@implementer(IReadDescriptor)
class Readable:
    """
    A file that is read as it comes.

    @param reactor: an C{IReactorFDSet}.
    @param number: the file's descriptor.
    @param received: called with bytes, not empty.
    @param ended: called once, at the end of the file or when it cannot be read.
    """

    def __init__(
        self,
        reactor: Any,
        number: int,
        received: Callable[[bytes], object],
        ended: Callable[[], object],
    ) -> None:
        self._reactor = reactor
        self._number = number
        self._received = received
        self._ended = ended

    def start(self) -> None:
        self._reactor.addReader(self)

    def stop(self) -> None:
        self._reactor.removeReader(self)

    def fileno(self) -> int:
        return self._number

    def logPrefix(self) -> str:
        return type(self).__name__

    def doRead(self) -> Any:
        try:
            data = os.read(self._number, _CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._received(data)
        return None

    def connectionLost(self, reason: Failure) -> None:
        self.stop()
        self._ended()


class Terminal:
    """
    The terminal of the person who started the program.

    @param reactor: an C{IReactorFDSet}.
    @param path: its file.
    @raise NoTerminal: there is none.
    """

    def __init__(self, reactor: Any, path: str = "/dev/tty") -> None:
        try:
            self._number = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise NoTerminal(
                f"there is no terminal: {path}: {error.strerror}"
            ) from None
        self._reader = Readable(reactor, self._number, self._typed, self._closed)
        self._usual: list[Any] | None = None
        self._prompt = ""
        self._echo = True
        self._line = b""
        self._asked: Deferred[bytes | None] | None = None

    def show(self, text: str) -> None:
        """
        Write C{text} as it is: what a server has sent must have gone through
        L{conch_auth.display.printable}.
        """
        write_all(self._number, text.encode("utf-8", "replace"))

    def ask(self, prompt: str, echo: bool = False) -> Deferred[bytes | None]:
        """
        Ask for one line.

        @param prompt: what is shown, as L{show} does.
        @param echo: whether what is typed may be seen.
        @return: the line as it was typed, without its end; C{None} where there
            is none because the person pressed ^D or the terminal went away.
            Cancelling it takes the question back.
        @raise RuntimeError: a question is open already.
        """
        if self._asked is not None:
            raise RuntimeError("the terminal asks one question at a time")
        self._asked = Deferred(self._cancelled)
        self._line = b""
        self._prompt = prompt
        # What was typed before it was asked for is no answer.
        termios.tcflush(self._number, termios.TCIFLUSH)
        self._echo = echo
        self._prepare()
        self.show(prompt)
        self._reader.start()
        return self._asked

    def close(self) -> None:
        """
        Take back an open question, and leave the terminal as it was found.
        """
        if self._asked is not None:
            self._asked.cancel()
        if self._number >= 0:
            os.close(self._number)
            self._number = -1

    def _prepare(self) -> None:
        """
        What the question takes of the terminal, and of ^Z.
        """
        if not self._echo:
            self._hide()
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._suspended)

    def _hide(self) -> None:
        self._usual = termios.tcgetattr(self._number)
        hidden = termios.tcgetattr(self._number)
        # The end of the line is shown still.
        hidden[_LFLAG] = hidden[_LFLAG] & ~termios.ECHO | termios.ECHONL
        # (TCSAFLUSH would wait for a terminal that ^S has stopped.)
        termios.tcsetattr(self._number, termios.TCSANOW, hidden)

    def _suspended(self, number: int, _frame: object) -> None:
        """
        ^Z: the shell gets the terminal as it was, and the question is put again
        when it gives it back.
        """
        self._restore()
        signal.raise_signal(number)
        if self._asked is not None:
            self._line = b""
            self._prepare()
            self.show(self._prompt)

    def _typed(self, data: bytes) -> None:
        self._line += data
        if self._line.endswith(b"\n"):
            self._answer(self._line[:-1])

    def _closed(self) -> None:
        self._answer(None)

    def _answer(self, line: bytes | None) -> None:
        asked = self._asked
        self._finish()
        if line is None:
            self._end_line()
        if asked is not None:
            asked.callback(line)

    def _cancelled(self, asked: Deferred[bytes | None]) -> None:
        self._finish()
        self._end_line()

    def _finish(self) -> None:
        self._asked = None
        self._line = b""
        self._reader.stop()
        self._restore()

    def _restore(self) -> None:
        if signal.getsignal(signal.SIGTSTP) == self._suspended:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        if self._usual is not None:
            usual, self._usual = self._usual, None
            try:
                termios.tcsetattr(self._number, termios.TCSANOW, usual)
            except termios.error:
                # A terminal that has gone keeps nothing.
                return

    def _end_line(self) -> None:
        """
        What is printed next does not stand beside the prompt.
        """
        try:
            self.show("\n")
        except OSError:
            return


def write_all(number: int, data: bytes) -> None:
    """
    Write all bytes to a file, which may take its time.

    @raise OSError: it takes no more; a C{BrokenPipeError} where its reader has
        gone.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(number, view) :]
        except BlockingIOError:
            # Somebody else has made it non-blocking.
            select.select([], [number], [])
