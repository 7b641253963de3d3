"""
A process as an application's is, not as a test's.
"""

from __future__ import annotations

import resource
from typing import IO

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)


def raise_descriptor_limit() -> int:
    """
    Have as many descriptors as this process may.

    @return: how many that are.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def log_warnings(to: IO[str]) -> None:
    """
    Log warnings and errors, and nothing below them, as C{logging} does for the
    libraries that use it, where nobody has said anything else.  Until it is said
    where to log, Twisted would keep every event.
    """
    wanted = LogLevelFilterPredicate(LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(to), [wanted])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
