"""
OpenSSH's programs: run once, within a bound, and killed when nobody waits for
them any more.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from conch_auth.display import text
from conch_auth.errors import ConfigUnreadable

#: Bytes that one run may write.  A usual answer of C{ssh -G} has 8 kB.
MAX_OUTPUT = 1024 * 1024


def output(reactor: Any, command: Sequence[str]) -> Deferred[bytes]:
    """
    What a program writes to its standard output.  It gets no input, and no shell
    comes between; cancelling kills it.

    @param command: the program, by path or as found on C{PATH}, and its arguments.
    @return: errbacks with L{ConfigUnreadable} where the program ends with another
        status than 0, or writes more than L{MAX_OUTPUT}.
    @raise ConfigUnreadable: where there is no such program.
    """
    tried = shlex.join(command)
    program = shutil.which(command[0])
    if program is None:
        raise ConfigUnreadable(
            tried,
            f"there is no program {command[0]}",
            advice="Install OpenSSH's client, or give no configuration to read",
        )

    def failed(problem: str, said: str) -> ConfigUnreadable:
        return ConfigUnreadable(tried, problem, said)

    return run(reactor, program, command, failed)


def run(
    reactor: Any,
    program: str,
    command: Sequence[str],
    failed: Callable[[str, str], Exception],
    *,
    given: bytes = b"",
    descriptors: Mapping[int, int] | None = None,
) -> Deferred[bytes]:
    """
    What a program writes to its standard output.  No shell comes between;
    cancelling kills it.

    @param program: its path.
    @param command: its name and its arguments.
    @param failed: makes the error of what went wrong, in a sentence, and of
        what the program said on its standard error.
    @param given: its input.
    @param descriptors: files that it inherits: its numbers for them, from 3,
        and ours.
    @return: errbacks with what C{failed} made where the program ends with
        another status than 0, or writes more than L{MAX_OUTPUT}.
    """
    running = _Run(failed, given)
    files = {0: "w", 1: "r", 2: "r", **(descriptors or {})}
    try:
        reactor.spawnProcess(running, program, command, env=None, childFDs=files)
    except OSError as error:
        raise failed(f"it could not be run ({error})", "") from error
    return running.ended


class _Run(ProcessProtocol):
    """
    One run of a program, within a bound.

    @ivar ended: fires with all that it wrote to its standard output.
    """

    transport: Any

    def __init__(self, failed: Callable[[str, str], Exception], given: bytes) -> None:
        self._failed = failed
        self._given = given
        self._written = {1: bytearray(), 2: bytearray()}
        self.ended: Deferred[bytes] = Deferred(lambda _: self._kill())

    def connectionMade(self) -> None:  # noqa: N802
        if self._given:
            self.transport.write(self._given)
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803
        self._written[childFD] += data
        if sum(map(len, self._written.values())) > MAX_OUTPUT:
            self._kill()
            self._fail(f"it wrote more than {MAX_OUTPUT} bytes")

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        if not reason.check(ProcessDone):
            self._fail(_ending(reason.value))
        elif not self.ended.called:
            self.ended.callback(bytes(self._written[1]))

    def _fail(self, problem: str) -> None:
        if not self.ended.called:
            said = text(bytes(self._written[2]))
            self.ended.errback(self._failed(problem, said))

    def _kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        # A command of "Match exec" may hold the other ends open for ever.
        self.transport.loseConnection()


def _ending(reason: Any) -> str:
    if reason.signal is not None:
        return f"it was ended by signal {reason.signal}"
    return f"it ended with status {reason.exitCode}"
