"""
Completion in the shell, by C{argcomplete}: it asks the program itself, which
arguments it takes, at each press of the Tab key.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

#: The shells that there is a completion for.
SHELLS = ("bash", "zsh", "fish")
#: What the shell sets when it asks.
_ASKING = "_ARGCOMPLETE"
#: How much of the known hosts is looked at, in bytes: it must not take long.
_MOST_BYTES = 1024 * 1024


class NotInstalled(Exception):
    """
    C{argcomplete} is not there.
    """

    def __str__(self) -> str:
        return (
            "completion takes the library argcomplete, which is not installed. "
            "Install it with: pip install 'conch_auth[cli]'"
        )


def answer(parser: argparse.ArgumentParser) -> None:
    """
    Where the shell asks for completions, give them, and end the process.
    """
    if _ASKING not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        sys.exit(1)
    argcomplete.autocomplete(parser, always_complete_options=False)


def shell_code(shell: str) -> str:
    """
    What the shell has to run once for completion to work.

    @param shell: one of L{SHELLS}.
    @raise NotInstalled: C{argcomplete} is missing.
    """
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError:
        raise NotInstalled from None
    return str(shellcode(["conch-auth"], shell=shell)) + "\n"


def destinations(prefix: str, **_: object) -> list[str]:
    """
    C{[user@]host}, for the hosts that known_hosts and ssh's configuration name.

    @param prefix: what is typed so far.
    """
    user, at, _host = prefix.rpartition("@")
    return [f"{user}{at}{host}" for host in sorted({*_known(), *_configured()})]


def _known() -> Iterator[str]:
    from conch_auth._knownhosts_lines import Patterns, read_line
    from conch_auth.knownhosts import default_paths

    for path in default_paths():
        for number, line in enumerate(_lines(path), 1):
            entry, _ = read_line(path, number, line)
            if entry is not None and isinstance(entry.names, Patterns):
                yield from filter(None, map(_plain_name, entry.names.wanted))


def _configured() -> Iterator[str]:
    for line in _lines(os.path.expanduser("~/.ssh/config")):
        keyword, *patterns = line.replace(b"=", b" ", 1).split() or [b""]
        if keyword.lower() == b"host":
            yield from filter(None, map(_plain_name, patterns))


def _lines(path: str) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_BYTES).splitlines()
    except OSError:
        return []


def _plain_name(pattern: bytes) -> str | None:
    """
    The host that a pattern is for, where it is for one and is fit to be typed;
    the port is another argument.
    """
    name = pattern.decode("ascii", "replace")
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    usual = name.replace("-", "").replace(".", "").replace(":", "").replace("_", "")
    return name if usual.isalnum() and usual.isascii() else None
