# mypy: disallow-untyped-calls = False
# (Most of Conch's channel has no annotations.)
"""
One command, run on the server over a connection that is logged in.
"""

from __future__ import annotations

import signal
import struct
from collections.abc import Callable
from typing import Any

from twisted.conch.error import ConchError
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import EXTENDED_DATA_STDERR
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from conch_auth._status import SIGNALLED
from conch_auth._terminal import Readable
from conch_auth._wire import Reader
from conch_auth.display import printable, text


class CommandFailed(Exception):
    """
    The command was not run, or how it ended is not known.
    """


class CommandChannel(SSHChannel):
    """
    A session that runs one command (RFC 4254, section 6).

    @ivar status: the exit status; C{None} until the server has told it.
    @ivar signal: the name of the signal that ended the command, or empty.
    @ivar ended: fires with C{None} when the channel is closed, or errbacks with
        L{CommandFailed} where the command never ran.

    @param command: the command line, for the user's shell.
    @param wrote: called with each piece of its output.
    @param complained: the same for its standard error.
    @param source: makes the L{Readable} that is sent to it, from what takes the
        bytes and what is to be called at their end; C{None} for no input.
    """

    name = b"session"
    conn: Any

    def __init__(
        self,
        command: bytes,
        wrote: Callable[[bytes], object],
        complained: Callable[[bytes], object],
        source: Callable[[Callable[..., Any], Callable[..., Any]], Readable]
        | None = None,
    ) -> None:
        SSHChannel.__init__(self)
        self.status: int | None = None
        self.signal = ""
        self.ended: Deferred[None] = Deferred()
        self._command = command
        self._wrote = wrote
        self._complained = complained
        self._input = source(self.write, self._input_ended) if source else None
        self._input_done = False
        self._ran = False

    def channelOpen(self, specificData: bytes) -> None:
        asked = self.conn.sendRequest(self, b"exec", NS(self._command), wantReply=True)
        asked.addCallbacks(self._running, self._refused)

    def openFailed(self, reason: Any) -> None:
        self._fail("the server opened no session", reason)

    def _running(self, _: object) -> None:
        self._ran = True
        if self._input is None:
            self._input_ended()
        else:
            self._input.start()

    def _refused(self, _: Failure) -> None:
        self._fail("the server did not run the command")
        self.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        self._pass_on(self._wrote, data)

    def extReceived(self, dataType: int, data: bytes) -> None:
        if dataType == EXTENDED_DATA_STDERR:
            self._pass_on(self._complained, data)

    def _pass_on(self, write: Callable[[bytes], object], data: bytes) -> None:
        try:
            write(data)
        except OSError:
            # Whoever reads the output has gone, as in C{| head}.
            self._ended_with(SIGNALLED + signal.SIGPIPE)
            self.loseConnection()

    def request_exit_status(self, data: bytes) -> bool:
        (status,) = struct.unpack(">L", data[:4])
        self._ended_with(status)
        return True

    def request_exit_signal(self, data: bytes) -> bool:
        name = text(Reader(data, "exit-signal").string())
        number = getattr(signal, f"SIG{name}", None)
        self._ended_with(SIGNALLED + number if isinstance(number, int) else 255)
        self.signal = printable(name, limit=64)
        return True

    def _ended_with(self, status: int) -> None:
        if self.status is None:
            self.status = status

    def _input_ended(self) -> None:
        self._input_done = True
        if not self.buf:
            self.conn.sendEOF(self)

    def startWriting(self) -> None:
        if self._input is not None and self._ran and not self._input_done:
            self._input.start()

    def stopWriting(self) -> None:
        if self._input is not None:
            self._input.stop()

    def addWindowBytes(self, data: int) -> None:
        waiting = bool(self.buf)
        SSHChannel.addWindowBytes(self, data)
        if waiting and self._input_done:
            self._input_ended()

    def closeReceived(self) -> None:
        # The command has ended: nobody reads what it has not read yet.
        self.buf = b""
        self.loseConnection()

    def closed(self) -> None:
        if self._input is not None:
            self._input.stop()
        self._end(None)

    def _fail(self, problem: str, reason: Any = None) -> None:
        said = reason.value if isinstance(reason, ConchError) else None
        if isinstance(said, bytes):
            problem += f": {printable(text(said), limit=200)}"
        self._end(Failure(CommandFailed(problem)))

    def _end(self, result: Failure | None) -> None:
        if not self.ended.called:
            self.ended.callback(result)


async def run_command(connection: Any, channel: CommandChannel) -> int:
    """
    Run a command to its end.

    @param connection: the Conch C{SSHConnection} to run it on.
    @return: its exit status, or 128 and the number of the signal that ended it.
    @raise CommandFailed: it was not run, or the connection went.
    """
    connection.openChannel(channel)
    await channel.ended
    if channel.status is None:
        raise CommandFailed("the connection ended before the command did")
    return channel.status
