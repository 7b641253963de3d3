"""
The arguments of C{conch-auth}, and what its help says.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from conch_auth import _completion
from conch_auth._status import Status, described
from conch_auth.display import printable

_COMMANDS = ("demo", "login", "explain", "plan", "completion")
_NO_COMMAND = f"{', '.join(_COMMANDS[:-1])} or {_COMMANDS[-1]}"
_URI = "ssh://"
_SERVER = "ssh's configuration counts here, too, if ssh is installed."


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """
    @return: C{command}, the name of the subcommand, and its arguments.
    @raise SystemExit: they are wrong, or ask for help.
    """
    own, remote = list(argv), []
    if "--" in own:
        at = own.index("--")
        own, remote = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(
        prog="conch-auth",
        description="Log in to SSH servers, and see why not.",
        epilog="conch-auth COMMAND --help tells more of each.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version, and exit"
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    parsers = {name: _ADDED[name](commands) for name in _COMMANDS}
    _completion.answer(parser)
    if not argv:
        parser.print_help(sys.stderr)
        parser.exit(Status.USAGE)
    arguments, unknown = parser.parse_known_args(own)
    if arguments.command is None:
        parser.error(f"say what to do: {_NO_COMMAND}")
    own_parser = parsers[arguments.command]
    if unknown:
        own_parser.error(_not_understood(arguments, unknown))
    if remote and arguments.command != "login":
        own_parser.error("only login takes a COMMAND to run")
    arguments.remote_command = " ".join(remote)
    if "destination" in arguments:
        _complete(arguments, own_parser)
    return arguments


def _not_understood(arguments: argparse.Namespace, unknown: Sequence[str]) -> str:
    """
    What to say of arguments that there are not.
    """
    words = " ".join(unknown)
    if arguments.command == "login" and not unknown[0].startswith("-"):
        return (
            "a COMMAND stands after --: "
            f"conch-auth login {arguments.destination} -- {words}"
        )
    return f"there is no such argument: {words}"


class _Version(argparse.Action):
    """
    Looks the version up when it is asked for.
    """

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"{parser.prog} {version('conch_auth')}")
        parser.exit()


def _add_demo(commands: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="log in to a server inside this process, by each method",
        description="Log in to a server inside this process, by each method. "
        "Nothing has to be configured, and nothing leaves 127.0.0.1.",
        epilog=described(
            Status.LOGGED_IN, Status.USAGE, Status.NOT_CONNECTED, done="all shown"
        ),
    )
    return added


def _add_login(commands: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        "login",
        help="log in to a server, and run a command on it",
        usage="conch-auth login [options] [user@]host [-- COMMAND ...]",
        description="Log in to a server. With a COMMAND, run it there: its input, "
        "output and exit status are passed through. Without one, print the report. "
        f"{_SERVER}",
        epilog=f"{described(*Status)[:-1]}; with a COMMAND, its own.",
    )
    _add_destination(added)
    add = added.add_argument
    add("-v", "--verbose", action="store_true", help="print the report with a COMMAND")
    add("-n", "--no-input", action="store_true", help="give the COMMAND no input")
    _add_common(added)
    _add_host_key(added)
    return added


def _add_explain(commands: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        "explain",
        help="log in to a server, and tell how that went, or why not",
        usage="conch-auth explain [options] [user@]host",
        description="Log in to a server as login does, and print the whole story: "
        "each attempt, what the server answered, how long it took, what is wrong "
        f"and what to do. {_SERVER}",
        epilog=described(*Status),
    )
    _add_destination(added)
    add = added.add_argument
    add("--json", action="store_true", help="print the story as JSON")
    add(
        "--svg",
        metavar="FILE",
        type=_writable,
        help="draw the conversation, as an SVG picture",
    )
    _add_common(added)
    _add_host_key(added)
    return added


def _add_plan(commands: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="show which keys and methods a login would try, and in which order",
        usage="conch-auth plan [options] [user@]host",
        description="Show which keys and methods login would try, in which order, "
        f"and what it would leave out. Nothing is sent to the server. {_SERVER}",
        epilog=described(Status.LOGGED_IN, Status.USAGE, done="planned"),
    )
    _add_destination(added)
    _add_common(added)
    added.set_defaults(fingerprint=None)
    return added


def _add_completion(commands: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        "completion",
        help="print what makes a shell complete the arguments",
        description="Print what makes a shell complete these arguments, hosts "
        'included. Bash and zsh: eval "$(conch-auth completion bash)", or zsh, in '
        "~/.bashrc or ~/.zshrc. Fish: conch-auth completion fish | source, in "
        "~/.config/fish/config.fish.",
        epilog=described(Status.LOGGED_IN, Status.USAGE, done="printed"),
    )
    added.add_argument("shell", choices=_completion.SHELLS)
    return added


_ADDED = {
    "demo": _add_demo,
    "login": _add_login,
    "explain": _add_explain,
    "plan": _add_plan,
    "completion": _add_completion,
}


def _add_destination(parser: argparse.ArgumentParser) -> None:
    added: Any = parser.add_argument("destination", metavar="[user@]host")
    added.completer = _completion.destinations


def _add_host_key(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--known-hosts",
        metavar="FILE",
        type=_readable,
        help="host keys that are trusted, instead of those in ~/.ssh/known_hosts; "
        "one that you accept is added to it",
    )
    add(
        "--fingerprint",
        metavar="SHA256:...",
        help="the host key that is trusted, as ssh-keygen -l shows it",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "-p",
        "--port",
        type=_port,
        help="the port, if not the configured one or 22",
    )
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
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(
            f"{printable(text)!r} is not a port: a number from 1 to 65535 is"
        )
    return int(text)


def _readable(path: str) -> str:
    """
    A file that is named must be there, although C{connect} would take it for
    empty where it is not.
    """
    try:
        with open(path, "rb"):
            return path
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None


def _writable(path: str) -> str:
    """
    That it cannot be written is better told before than after the login.
    """
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(0, "it is a directory")
        os.stat(os.path.dirname(path) or ".")
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None
    return path


def _unusable(path: str, error: Exception) -> argparse.ArgumentTypeError:
    reason = getattr(error, "strerror", None) or str(error)
    return argparse.ArgumentTypeError(printable(f"{path}: {reason}"))


def _split_uri(
    rest: str, parser: argparse.ArgumentParser
) -> tuple[str, int | None]:
    destination, _, port = rest.removesuffix("/").rpartition(":")
    if not destination or port.endswith("]"):
        return rest.removesuffix("/"), None
    try:
        return destination, _port(port)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))


def _configuration(path: str) -> str:
    return path if path == "none" else _readable(path)


def _complete(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    destination = arguments.destination
    if destination.startswith(_URI):
        # As ssh takes it: ssh://[user@]host[:port].
        destination, port = _split_uri(destination.removeprefix(_URI), parser)
        arguments.port = arguments.port or port
    user, _, host = destination.rpartition("@")
    arguments.host = host.removeprefix("[").removesuffix("]")
    if not arguments.host:
        parser.error("no host is named")
    arguments.user = user or None
    if arguments.fingerprint is not None:
        from conch_auth.knownhosts import PinnedKey

        try:
            PinnedKey(arguments.fingerprint)
        except ValueError as error:
            parser.error(str(error))
