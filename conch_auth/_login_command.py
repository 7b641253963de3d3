"""
C{conch-auth login}: a login of the person at the terminal, and a command on the
server.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from conch_auth._command import CommandChannel, run_command
from conch_auth._running import show_lines, tell
from conch_auth._status import Status
from conch_auth._terminal import Readable, write_all
from conch_auth._terminal_login import TerminalLogin

_STDIN, _STDOUT, _STDERR = 0, 1, 2


async def login(reactor: Any, arguments: argparse.Namespace) -> int:
    """
    @param arguments: those of C{conch-auth login}.
    @return: the exit status.
    @raise WrongUsage: the arguments or the configuration cannot be followed.
    """
    attempt = TerminalLogin(reactor, arguments)
    try:
        await attempt.log_in()
        return await _use(reactor, attempt.connection, arguments)
    finally:
        await attempt.close()


async def _use(reactor: Any, connection: Any, arguments: argparse.Namespace) -> int:
    if arguments.verbose or not arguments.remote_command:
        number = _STDERR if arguments.remote_command else _STDOUT
        show_lines(str(connection.report), number)
    if not arguments.remote_command:
        return Status.LOGGED_IN
    channel = CommandChannel(
        os.fsencode(arguments.remote_command),
        lambda data: write_all(_STDOUT, data),
        lambda data: write_all(_STDERR, data),
        None if arguments.no_input or sys.stdin is None else _input(reactor),
    )
    status = await run_command(connection.connection, channel)
    if channel.signal:
        tell(f"the command was ended by the signal {channel.signal}")
    return status


def _input(reactor: Any) -> Callable[..., Readable]:
    return lambda received, ended: Readable(reactor, _STDIN, received, ended)
