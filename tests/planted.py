"""
The secrets with which the tests log in, and a watch for them over the whole run:
a test in which one of them is logged fails.  CI looks for them in all that trial
has written, too.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger, eventAsText, globalLogPublisher

#: Passwords, answers and passphrases, each of a shape that nothing else has.
PLANTED = (
    "wonderland",
    "Old-secret-word-1",
    "New-secret-word-2",
    "a passphrase é",
    "S3CRET",
)


class SecretLoggedError(Exception):
    """
    A secret was logged.
    """


class Watch:
    """
    An observer of the log.
    """

    _log = Logger()

    def __call__(self, event: dict[str, Any]) -> None:
        """
        Fail the test that runs, as trial does for every error that is logged.
        """
        failure = event.get("log_failure")
        if failure is not None and failure.check(SecretLoggedError):
            return
        if holds_secret(eventAsText(event)) or holds_secret(_values(event)):
            try:
                raise SecretLoggedError(event.get("log_format"))
            except SecretLoggedError:
                self._log.failure("a secret was logged")


def holds_secret(said: str) -> bool:
    return any(word in said for word in PLANTED)


def _values(event: dict[str, Any]) -> str:
    """
    What the event holds besides, as a structured log would write it.
    """
    plain = str | bytes | int | float | list | tuple | dict | BaseException
    return repr([value for value in event.values() if isinstance(value, plain)])


def watch() -> None:
    """
    Watch from now on.  It formats every event, and takes its time.
    """
    globalLogPublisher.addObserver(Watch())
