"""
A subcommand of C{conch-auth} from its beginning to its exit status: the
reactor, the signals, and the words for each error.
"""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from conch_auth import errors
from conch_auth._command import CommandFailed
from conch_auth._status import SIGNALLED, Status
from conch_auth._terminal import write_all
from conch_auth.display import printable

_STDERR = 2
_LEAST_COLUMNS = 40
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class WrongUsage(Exception):
    """
    What was asked for, or what is configured, cannot be done.
    """


def tell(message: str) -> None:
    """
    Say something to the person, on the standard error.
    """
    show_lines(f"conch-auth: {message}")


def show_lines(text: str, number: int = _STDERR) -> None:
    """
    Show lines of text; a terminal that is too narrow for one has it broken
    between words.
    """
    try:
        columns = os.get_terminal_size(number).columns
    except OSError:
        columns = 0
    lines = text.splitlines()
    if columns:
        lines = [part for line in lines for part in _broken(line, columns)]
    show("".join(f"{line}\n" for line in lines), number)


def _broken(line: str, columns: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line,
        max(columns, _LEAST_COLUMNS),
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def show(text: str, number: int = _STDERR) -> None:
    try:
        write_all(number, text.encode("utf-8", "replace"))
    except OSError:
        # Nobody is there to be told.
        return


def run(work: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    """
    Run the reactor until C{work} is done.  A signal cancels it, a second one
    ends the process at once.

    @param work: is given the reactor.
    @return: the exit status.
    """
    # Failures that nobody waits for are no concern of a person at a terminal.
    nobody: Any = lambda _event: None  # noqa: E731
    globalLogBeginner.beginLoggingTo(
        [nobody], redirectStandardIO=False, discardBuffer=True
    )
    # The reactor, too, takes over SIGTERM, and keeps what is ignored ignored.
    heard = [each for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
    from twisted.internet import reactor

    return _Run(reactor, work).until_done(heard)


class _Run:
    def __init__(
        self, reactor: Any, work: Callable[[Any], Coroutine[Any, Any, int]]
    ) -> None:
        self._reactor = reactor
        self._work = work
        # The signal that came before the work began is the reactor's SIGTERM.
        self._status = SIGNALLED + signal.SIGTERM
        self._interrupted = False

    def until_done(self, signals: list[signal.Signals]) -> int:
        self._reactor.callWhenRunning(self._start, signals)
        self._reactor.run()
        return self._status

    def _start(self, signals: list[signal.Signals]) -> None:
        for number in signals:
            signal.signal(number, self._signalled)
        self._task = Deferred.fromCoroutine(self._work(self._reactor))
        self._task.addErrback(tell_why).addCallback(self._finish)

    def _signalled(self, number: int, _frame: object) -> None:
        status = SIGNALLED + number
        if self._interrupted:
            os._exit(status)
        self._interrupted = True
        self._status = status
        self._reactor.callFromThread(lambda: self._task.cancel())

    def _finish(self, status: int) -> None:
        if not self._interrupted:
            self._status = status
        self._reactor.callLater(0, self._reactor.stop)


def tell_why(failure: Failure) -> int:
    """
    Tell why the work ended with an error.

    @return: the exit status.
    """
    error = failure.value
    assert error is not None
    if isinstance(error, CancelledError | errors.AuthenticationCancelled):
        # A person who has stopped it need not be told so.
        pass
    elif isinstance(error, errors.AuthenticationFailed):
        show_lines(str(error))
    elif isinstance(error, WrongUsage | errors.LoginError | errors.KeyUnusable):
        tell(str(error))
        if hinted := hint(error):
            tell(hinted)
    elif isinstance(error, CommandFailed | OSError):
        tell(printable(str(error)))
    else:
        tell(f"an error of this program: {printable(failure.getErrorMessage())}")
    return status_of(error)


def hint(error: BaseException) -> str:
    """
    What this program offers against an error, that a library does not; or
    nothing.
    """
    if not isinstance(error, errors.HostKeyUnknown):
        return ""
    return (
        "once it is confirmed, log in with --fingerprint "
        f"{error.fingerprint}, or name a file that holds the key with "
        "--known-hosts. What ssh-keyscan prints confirms nothing: it asks "
        "whoever answers on the network"
    )


def status_of(error: BaseException) -> Status:
    """
    The exit status that an error means.
    """
    if isinstance(error, CancelledError | errors.AuthenticationFailed):
        return Status.NOT_AUTHENTICATED
    if isinstance(error, errors.HostKeyNotVerifiable):
        return Status.HOST_KEY_NOT_VERIFIED
    if isinstance(error, WrongUsage | errors.KeyUnusable | errors.ConfigUnreadable):
        return Status.USAGE
    if isinstance(error, errors.ServerDisconnected) and _refused_something(error):
        return Status.NOT_AUTHENTICATED
    return Status.NOT_CONNECTED


def _refused_something(error: errors.ServerDisconnected) -> bool:
    """
    A server that disconnects after it has refused something, as for too many
    tries, has not let the user in.
    """
    attempts = error.report.attempts if error.report is not None else ()
    return any(a.outcome == "refused" and a.method != "none" for a in attempts)
