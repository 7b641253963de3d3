"""
What a login tells the application's log.

Each event has C{conch_auth}, its name, and C{login}, a number by which the
events of one login are told from those of others; C{docs/recipes/logging.rst} lists
them.  None has a secret, and whatever the server said is fit to be shown.
"""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from twisted.logger import Logger, LogLevel

from conch_auth.display import printable
from conch_auth.report import Attempt, AuthReport, Banner, ServerFacts, Step
from conch_auth.report import plain_attempt as plain

_log = Logger(namespace="conch_auth.login")
_numbers = count(1)

#: Characters of a banner that are logged; the report has all of it.
_BANNER_LIMIT = 400


def _tell(level: Any, log_format: str, **fields: Any) -> None:
    """
    What C{Logger.emit} does, less what it has to find out: there are a dozen
    events in a login, and mostly nobody reads them.
    """
    _log.observer(
        {
            "log_logger": _log,
            "log_level": level,
            "log_namespace": _log.namespace,
            "log_source": None,
            "log_format": log_format,
            "log_time": time.time(),
            **fields,
        }
    )


class Events:
    """
    Logs the events of one login.

    @param user: the user's name, fit to be shown.
    """

    def __init__(self, user: str) -> None:
        self._known: dict[str, Any] = {
            "login": next(_numbers),
            "user": user,
            "host": "the server",
            "port": None,
        }

    def begun(self, facts: ServerFacts) -> None:
        host = printable(facts.host or "the server")
        self._known.update(host=host, port=facts.port)
        _tell(
            LogLevel.debug,
            "{user} logs in to {host} ({server_version})",
            conch_auth="login-begun",
            server_version=facts.server_version,
            host_key=facts.host_key and facts.host_key._asdict(),
            **self._known,
        )

    def step(self, step: Step) -> None:
        _tell(
            LogLevel.debug,
            "{user}, {host}: {sender} to {receiver}: {name} {detail}",
            conch_auth="step",
            at=step.at,
            sender=step.sender,
            receiver=step.receiver,
            name=step.name,
            detail=step.detail,
            attempt=step.attempt,
            **self._known,
        )

    def attempt_ended(self, attempt: Attempt) -> None:
        _tell(
            LogLevel.info,
            "{user}, {host}: {summary}",
            conch_auth="attempt-ended",
            summary=str(attempt),
            attempt=plain(attempt),
            **self._known,
        )

    def banner(self, banner: Banner) -> None:
        _tell(
            LogLevel.info,
            "{user}, {host}: the server says: {banner}",
            conch_auth="banner",
            banner=printable(banner, limit=_BANNER_LIMIT),
            language=printable(banner.language, limit=64),
            **self._known,
        )

    def ended(self, report: AuthReport) -> None:
        """
        The whole report is for whoever waited for the login; the log has how it
        ended.
        """
        _tell(
            LogLevel.info,
            "{user}, {host}: {outcome}",
            conch_auth="login-succeeded" if report.succeeded else "login-failed",
            outcome=f"logged in: {report.proof or 'without any proof'}"
            if report.succeeded
            else f"not logged in: {report.ending}",
            proof=report.proof,
            ending=report.ending,
            cause=report.cause,
            round_trips=report.round_trips,
            elapsed=report.elapsed,
            advice=report.advice(),
            **self._known,
        )
