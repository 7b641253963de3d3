"""
C{conch-auth explain}: a login, and its whole story.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from conch_auth import _screen, errors
from conch_auth._running import hint, show, status_of, tell
from conch_auth._status import Status
from conch_auth._story import Story, server_facts, story_of, story_of_error
from conch_auth._story_text import plain
from conch_auth._terminal_login import TerminalLogin
from conch_auth.diagram import drawn
from conch_auth.display import printable
from conch_auth.errors import HostKeyNotVerifiable, LoginError
from conch_auth.report import AuthReport

_STDOUT = 1
#: The version of the shape of C{--json}, which C{docs/explain.schema.json}
#: describes.
JSON_VERSION = 1


class Told(NamedTuple):
    """
    What came of a login.

    @ivar report: C{None} where the login had not begun.
    @ivar error: what ended it without success.
    """

    status: int
    story: Story
    report: AuthReport | None
    error: LoginError | None

    def as_dict(self) -> dict[str, Any]:
        """
        The shape of C{--json}.
        """
        error = self.error
        return {
            "version": JSON_VERSION,
            "status": int(self.status),
            "report": None if self.report is None else self.report.as_dict(),
            "error": None
            if error is None
            else {
                "type": type(error).__name__,
                "cause": error.cause,
                "message": str(error),
            },
            "facts": [
                {"label": label, "text": text} for label, text in self.story.facts
            ],
            "diagnosis": [each._asdict() for each in self.story.diagnoses],
        }


async def explain(reactor: Any, arguments: argparse.Namespace) -> int:
    """
    @param arguments: those of C{conch-auth explain}.
    @return: the exit status: that of C{conch-auth login}.
    @raise WrongUsage: the arguments or the configuration cannot be followed.
    """
    attempt = TerminalLogin(reactor, arguments)
    try:
        told = await _told(attempt, arguments)
    finally:
        await attempt.close()
    _print(told, arguments.json)
    if told.error is not None and (hinted := hint(told.error)):
        tell(hinted)
    return _draw(told, arguments.svg)


async def _told(attempt: TerminalLogin, arguments: argparse.Namespace) -> Told:
    try:
        await attempt.log_in()
    except errors.ConfigUnreadable:
        raise
    except LoginError as error:
        return _failed(error, attempt, arguments)
    assert attempt.connection is not None
    report = attempt.connection.report
    assert report is not None
    return Told(Status.LOGGED_IN, story_of(report), report, None)


def _failed(
    error: LoginError, attempt: TerminalLogin, arguments: argparse.Namespace
) -> Told:
    status = status_of(error)
    if error.report is not None:
        return Told(status, story_of(error.report), error.report, error)
    who = f"{arguments.user}@" if arguments.user else ""
    ending = (
        "the host key was not verified"
        if status is Status.HOST_KEY_NOT_VERIFIED
        else "the login did not begin"
    )
    facts = _facts_before(error, attempt, arguments)
    story = story_of_error(f"{who}{arguments.host}", ending, facts, error)
    return Told(status, story, None, error)


def _facts_before(
    error: LoginError, attempt: TerminalLogin, arguments: argparse.Namespace
) -> Iterator[tuple[str, str]]:
    """
    What is known where the login has not begun.
    """
    connection = attempt.connection
    port = getattr(error, "port", arguments.port)
    port = port if connection is None else connection.port
    host = printable(arguments.host)
    yield "host", host if port in (None, 22) else f"{host}, port {port}"
    if connection is not None:
        version = connection.get_extra_info("server_version", "")
        yield from server_facts(version, None)
    if isinstance(error, HostKeyNotVerifiable):
        yield "host key", f"{printable(error.key_type)} {error.fingerprint}"
        if error.lines:
            places = ", ".join(f"{file}:{number}" for file, number in error.lines)
            yield "decided by", printable(places)


def _print(told: Told, as_json: bool) -> None:
    if as_json:
        show(json.dumps(told.as_dict(), indent=2) + "\n", _STDOUT)
        return
    console = _screen.console(sys.stdout)
    if console is None:
        show(plain(told.story), _STDOUT)
        return
    from conch_auth import _story_table

    show(_story_table.rendered(told.story, console), _STDOUT)


def _draw(told: Told, path: str | None) -> int:
    """
    @return: the exit status.
    """
    if path is None:
        return told.status
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(drawn(told.story))
    except OSError as error:
        tell(printable(f"{path} could not be written: {error.strerror}"))
        return told.status or Status.USAGE
    tell(f"the picture is in {printable(path)}")
    return told.status
