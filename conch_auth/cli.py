"""
The command C{conch-auth}.

What it says, and where:

  - The standard output has what was asked for and nothing else: the report of
    C{login}, or the output of its COMMAND; the whole of C{demo}.
  - The standard error has the rest: banners, reports of a login that failed,
    and messages.  A message begins with C{conch-auth: } and a small letter; it
    has a period at its end only where it is of several sentences.
  - Questions go to the terminal, and are answered there.
  - What a server has sent is shown with everything escaped that could act on a
    terminal.
  - There is never a traceback.

The exit status is one of L{Status}, that of the COMMAND, or 128 and the number
of the signal that ended either.
"""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from enum import IntEnum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from conch_auth import errors
from conch_auth._command import SIGNALLED, CommandChannel, CommandFailed, run_command
from conch_auth._demo import demonstrate
from conch_auth._person import Asker, Person
from conch_auth._terminal import Readable, Terminal, write_all
from conch_auth.display import printable
from conch_auth.endpoints import connect
from conch_auth.keys import load_keys
from conch_auth.knownhosts import PinnedKey

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class Status(IntEnum):
    """
    The exit status of a login.
    """

    LOGGED_IN = 0
    NOT_AUTHENTICATED = 1
    USAGE = 2
    HOST_KEY_NOT_VERIFIED = 3
    NOT_CONNECTED = 4


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command.

    @param argv: the arguments; those of the process where it is C{None}.
    @return: the exit status.
    """
    arguments = parse(sys.argv[1:] if argv is None else argv)
    # Failures that nobody waits for are no concern of a person at a terminal.
    nobody: Any = lambda _event: None  # noqa: E731
    globalLogBeginner.beginLoggingTo(
        [nobody], redirectStandardIO=False, discardBuffer=True
    )
    from twisted.internet import reactor

    try:
        return run(reactor, lambda: arguments.work(reactor, arguments))
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT


def tell(message: str) -> None:
    """
    Say something to the person, on the standard error.
    """
    show(f"conch-auth: {message}\n")


def show(text: str, number: int = _STDERR) -> None:
    try:
        write_all(number, text.encode("utf-8", "replace"))
    except OSError:
        # Nobody is there to be told.
        return


def run(reactor: Any, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """
    Run the reactor until C{work} is done.  A signal cancels it, a second one
    ends the process at once.

    @return: the exit status.
    """
    outcome: list[int] = []
    task: Deferred[int] = Deferred()

    def start() -> None:
        nonlocal task
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, interrupted)
        task = Deferred.fromCoroutine(work())
        task.addErrback(_explain).addCallback(finish)

    def interrupted(number: int, _frame: object) -> None:
        status = SIGNALLED + number
        if outcome:
            os._exit(status)
        outcome.append(status)
        reactor.callFromThread(task.cancel)

    def finish(status: int) -> None:
        outcome.append(status)
        reactor.callLater(0, reactor.stop)

    reactor.callWhenRunning(start)
    reactor.run()
    return int(outcome[0])


def _explain(failure: Failure) -> int:
    """
    Tell why the work ended with an error.

    @return: the exit status.
    """
    error = failure.value
    if isinstance(error, CancelledError | errors.AuthenticationCancelled):
        return Status.NOT_AUTHENTICATED
    if isinstance(error, errors.AuthenticationFailed):
        show(f"{error}\n")
        return Status.NOT_AUTHENTICATED
    if isinstance(error, errors.HostKeyNotVerifiable):
        tell(str(error))
        if isinstance(error, errors.HostKeyUnknown):
            tell(f"once it is confirmed, add --fingerprint {error.fingerprint}")
        return Status.HOST_KEY_NOT_VERIFIED
    if isinstance(error, errors.KeyUnusable):
        tell(str(error))
        return Status.USAGE
    if isinstance(error, errors.LoginError):
        tell(str(error))
        return _status_of(error)
    if isinstance(error, CommandFailed | OSError):
        tell(printable(str(error)))
        return Status.NOT_CONNECTED
    tell(f"an error of this program: {printable(failure.getErrorMessage())}")
    return Status.NOT_CONNECTED


def _status_of(error: errors.LoginError) -> Status:
    """
    A server that disconnects after it has refused something, as for too many
    tries, has not let the user in.
    """
    attempts = error.report.attempts if error.report is not None else ()
    refused = any(a.outcome == "refused" and a.method != "none" for a in attempts)
    if isinstance(error, errors.ServerDisconnected) and refused:
        return Status.NOT_AUTHENTICATED
    return Status.NOT_CONNECTED


# The arguments


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """
    @raise SystemExit: they are wrong, or ask for help.
    """
    own, command = list(argv), []
    if "--" in own:
        at = own.index("--")
        own, command = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(
        prog="conch-auth", description="Log in to SSH servers, and see why not."
    )
    commands = parser.add_subparsers(required=True, metavar="demo | login")
    _add_demo(commands)
    login = _add_login(commands)
    arguments = parser.parse_args(own)
    if command and arguments.work is not _login:
        parser.error("only login takes a COMMAND")
    if arguments.work is _login:
        _complete(arguments, login, command)
    return arguments


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="log in to a server inside this process, by each method",
        description="Log in to a server inside this process, by each method. "
        "Nothing has to be configured, and nothing leaves 127.0.0.1.",
    )
    demo.set_defaults(work=_demo)


def _add_login(commands: Any) -> argparse.ArgumentParser:
    login: argparse.ArgumentParser = commands.add_parser(
        "login",
        help="log in to a server, and run a command on it",
        usage="conch-auth login [-h] [-v] [-p PORT] [-i KEY] [--known-hosts FILE]\n"
        "                        [--fingerprint SHA256:...] [user@]host "
        "[-- COMMAND ...]",
        description="Log in to a server. With a COMMAND, run it there: its input, "
        "output and exit status are passed through. Without one, print the report.",
        epilog="Exit status: 0 logged in, 1 authentication failed, 2 wrong usage, "
        "3 host key not verified, 4 not connected or protocol broken; with a "
        "COMMAND, its own.",
    )
    add = login.add_argument
    add("destination", metavar="[user@]host")
    add("-v", "--verbose", action="store_true", help="print the report with a COMMAND")
    add("-p", "--port", type=_port, default=22, help="the port (default: 22)")
    add(
        "-i",
        "--identity",
        metavar="KEY",
        action="append",
        default=[],
        help="a file with a private key; may be given more than once",
    )
    add(
        "--known-hosts",
        metavar="FILE",
        type=_readable,
        help="host keys that are trusted, instead of those in ~/.ssh/known_hosts",
    )
    add("--fingerprint", help="the host key that is trusted, as ssh-keygen -l shows it")
    login.set_defaults(work=_login)
    return login


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError
    return number


def _readable(path: str) -> str:
    """
    A file that is named must be there, although C{connect} would take it for
    empty where it is not.
    """
    try:
        with open(path, "rb"):
            return path
    except OSError as error:
        raise argparse.ArgumentTypeError(printable(str(error))) from None


def _complete(
    arguments: argparse.Namespace, parser: argparse.ArgumentParser, command: list[str]
) -> None:
    user, _, host = arguments.destination.rpartition("@")
    arguments.host = host.removeprefix("[").removesuffix("]")
    if not arguments.host:
        parser.error("no host is named")
    arguments.user = user or getpass.getuser()
    arguments.command = " ".join(command)
    try:
        arguments.policy = (
            PinnedKey(arguments.fingerprint) if arguments.fingerprint else None
        )
    except ValueError as error:
        parser.error(str(error))


# The work


async def _demo(reactor: Any, _arguments: argparse.Namespace) -> int:
    await demonstrate(reactor, lambda text: show(text, _STDOUT))
    return Status.LOGGED_IN


async def _login(reactor: Any, arguments: argparse.Namespace) -> int:
    asker = Asker(lambda: Terminal(reactor), tell)
    try:
        connection = await connect(
            arguments.host,
            arguments.port,
            client_factory=lambda: Person(asker, arguments.user, arguments.host, show),
            username=arguments.user,
            client_keys=await _keys(arguments.identity, asker),
            passphrase=lambda path: asker.ask_passphrase(path, 1),
            reactor=reactor,
            **_host_options(arguments),
        )
        try:
            return await _use(reactor, connection, arguments)
        finally:
            connection.close()
            await connection.wait_closed()
    finally:
        asker.close()


def _host_options(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.policy is not None:
        return {"known_hosts": arguments.policy}
    if arguments.known_hosts is not None:
        return {"known_hosts": arguments.known_hosts}
    return {}


async def _use(reactor: Any, connection: Any, arguments: argparse.Namespace) -> int:
    if arguments.verbose or not arguments.command:
        number = _STDERR if arguments.command else _STDOUT
        show(f"{connection.report}\n", number)
    if not arguments.command:
        return Status.LOGGED_IN
    channel = CommandChannel(
        os.fsencode(arguments.command),
        lambda data: write_all(_STDOUT, data),
        lambda data: write_all(_STDERR, data),
        None if sys.stdin is None else _input(reactor),
    )
    status = await run_command(connection.connection, channel)
    if channel.signal:
        tell(f"the command was ended by the signal {channel.signal}")
    return status


def _input(reactor: Any) -> Callable[..., Readable]:
    return lambda received, ended: Readable(reactor, _STDIN, received, ended)


async def _keys(paths: Sequence[str], asker: Asker) -> Any:
    """
    The keys of C{-i}; without one, what C{connect} finds by itself.

    @raise KeyUnusable: one cannot be used.
    """
    if not paths:
        return ()

    keys = load_keys(paths, ask_passphrase=asker.ask_passphrase)
    signers = []
    while (signer := await keys.take()) is not None:
        signers.append(signer)
    for problem in keys.unusable:
        tell(str(problem))
    return signers
