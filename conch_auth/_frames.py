"""
Errors without the frames that they came through.

A frame holds what was at hand, passwords among it, and all frames that it was
called from; it lives as long as a traceback does.  What is told of a login is
in its report, and needs none.
"""

from __future__ import annotations

from typing import TypeVar

from twisted.python.failure import Failure

_E = TypeVar("_E", bound=BaseException | None)


def without_frames(error: _E) -> _E:
    """
    C{error} without its traceback, and without those of what led to it.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            left += [found.__cause__, found.__context__]
    return error


def drop_frames(failure: Failure) -> Failure:
    """
    The same for a failure, as an errback.
    """
    without_frames(failure.value)
    failure.cleanFailure()
    return failure
