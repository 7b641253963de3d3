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

Here are the arguments.  The work is imported once they are known: a person who
asks for help, or types ^C at once, does not wait for Twisted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from conch_auth._status import Status
from conch_auth.display import printable

#: What a subcommand does, given the reactor and the arguments.
Work = Callable[[Any, argparse.Namespace], Coroutine[Any, Any, int]]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command.

    @param argv: the arguments; those of the process where it is C{None}.
    @return: the exit status.
    """
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        # Until there is something to clean up, ^C just ends it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        from conch_auth._running import run

        work = arguments.work()
    except ImportError as error:
        print(f"conch-auth: {_not_installed(error)}", file=sys.stderr)
        return Status.USAGE
    return run(lambda reactor: work(reactor, arguments))


def _not_installed(error: ImportError) -> str:
    return (
        f"a part of it is not installed ({printable(str(error))}). Install it with "
        "what it needs: pip install conch_auth"
    )


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
    commands = parser.add_subparsers(metavar="demo | login | plan")
    _add_demo(commands)
    login = _add_login(commands)
    plan = _add_plan(commands)
    if not argv:
        parser.print_help(sys.stderr)
        parser.exit(Status.USAGE)
    arguments = parser.parse_args(own)
    if "work" not in arguments:
        parser.error("say what to do: demo, login or plan")
    if command and arguments.work is not _login:
        parser.error("only login takes a COMMAND")
    if arguments.work is _login:
        _complete(arguments, login, command)
    if arguments.work is _plan:
        _complete(arguments, plan, command)
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
        usage="conch-auth login [-h] [-v] [-n] [-p PORT] [-i KEY] [-F FILE]\n"
        "                        [--known-hosts FILE] [--fingerprint SHA256:...]\n"
        "                        [user@]host [-- COMMAND ...]",
        description="Log in to a server. With a COMMAND, run it there: its input, "
        "output and exit status are passed through. Without one, print the report. "
        "What is configured for ssh counts here, too, if ssh is installed.",
        epilog="Exit status: 0 logged in, 1 authentication failed, 2 wrong usage or "
        "configuration, 3 host key not verified, 4 not connected or protocol broken; "
        "with a COMMAND, its own.",
    )
    add = login.add_argument
    add("destination", metavar="[user@]host")
    add("-v", "--verbose", action="store_true", help="print the report with a COMMAND")
    add(
        "-n",
        "--no-input",
        action="store_true",
        help="give the COMMAND no input",
    )
    _add_common(login)
    add(
        "--known-hosts",
        metavar="FILE",
        type=_readable,
        help="host keys that are trusted, instead of those in ~/.ssh/known_hosts; "
        "one that you accept is added to it",
    )
    add("--fingerprint", help="the host key that is trusted, as ssh-keygen -l shows it")
    login.set_defaults(work=_login)
    return login


def _add_plan(commands: Any) -> argparse.ArgumentParser:
    plan: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="show which keys and methods a login would try, and in which order",
        description="Show which keys and methods login would try, in which order, "
        "and what it would leave out. Nothing is sent to the server.",
        epilog="Exit status: 0, or 2 for wrong usage or configuration.",
    )
    plan.add_argument("destination", metavar="[user@]host")
    _add_common(plan)
    plan.set_defaults(work=_plan, fingerprint=None)
    return plan


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-p", "--port", type=_port, help="the port, if not the configured one or 22")
    add(
        "-i",
        "--identity",
        metavar="KEY",
        action="append",
        default=[],
        help="a file with a private key; may be given more than once",
    )
    add(
        "-F",
        "--config",
        metavar="FILE",
        type=_configuration,
        help="ssh's configuration file, instead of ~/.ssh/config and the system's; "
        "the word none stands for no configuration",
    )
    add(
        "--no-memory",
        action="store_true",
        help="neither read nor write ~/.ssh/conch_auth_memory, by which the key that "
        "worked last is tried first",
    )


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
        reason = f"{path}: {error.strerror}"
        raise argparse.ArgumentTypeError(printable(reason)) from None


def _configuration(path: str) -> str:
    return path if path == "none" else _readable(path)


def _complete(
    arguments: argparse.Namespace, parser: argparse.ArgumentParser, command: list[str]
) -> None:
    user, _, host = arguments.destination.rpartition("@")
    arguments.host = host.removeprefix("[").removesuffix("]")
    if not arguments.host:
        parser.error("no host is named")
    arguments.user = user or None
    arguments.command = " ".join(command)
    if arguments.fingerprint is not None:
        from conch_auth.knownhosts import PinnedKey

        try:
            PinnedKey(arguments.fingerprint)
        except ValueError as error:
            parser.error(str(error))


# The work


def _demo() -> Work:
    from conch_auth._demo import run_demo

    return run_demo


def _login() -> Work:
    from conch_auth._login_command import login

    return login


def _plan() -> Work:
    from conch_auth._plan_command import plan

    return plan
