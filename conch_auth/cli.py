"""
The command C{conch-auth}.

What it says, and where:

  - The standard output has what was asked for and nothing else: the report of
    C{login}, or the output of its COMMAND; the story of C{explain}, whatever came
    of the login; the whole of C{demo}.
  - The standard error has the rest: banners, reports of a login that failed,
    and messages.  A message begins with C{conch-auth: } and a small letter; it
    has a period at its end only where it is of several sentences.
  - Questions go to the terminal, and are answered there.
  - What a server has sent is shown with everything escaped that could act on a
    terminal.
  - There is never a traceback.

The exit status is one of L{Status}, that of the COMMAND, or 128 and the number
of the signal that ended either.

The work is imported once the arguments are known: a person who asks for help,
or types ^C at once, does not wait for Twisted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Any

from conch_auth import _completion
from conch_auth._arguments import parse
from conch_auth._status import Status
from conch_auth.display import printable

#: What a subcommand does, given the reactor and the arguments.
Work = Callable[[Any, argparse.Namespace], Coroutine[Any, Any, int]]

#: Where the work of each is: the module, and the function in it.
_WORK = {
    "demo": ("_demo", "run_demo"),
    "login": ("_login_command", "login"),
    "explain": ("_explain_command", "explain"),
    "plan": ("_plan_command", "plan"),
}


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
    if arguments.command == "completion":
        return _print_completion(arguments.shell)
    try:
        from conch_auth._running import run

        work = _work(arguments.command)
    except ImportError as error:
        return _fail(_not_installed(error))
    return run(lambda reactor: work(reactor, arguments))


def _work(command: str) -> Work:
    module, name = _WORK[command]
    work: Work = getattr(import_module(f"conch_auth.{module}"), name)
    return work


def _print_completion(shell: str) -> int:
    try:
        print(_completion.shell_code(shell), end="")
    except _completion.NotInstalled as error:
        return _fail(str(error))
    return Status.LOGGED_IN


def _fail(problem: str) -> int:
    print(f"conch-auth: {problem}", file=sys.stderr)
    return Status.USAGE


def _not_installed(error: ImportError) -> str:
    return (
        f"a part of it is not installed ({printable(str(error))}). Install it with "
        "what it needs: pip install conch_auth"
    )
