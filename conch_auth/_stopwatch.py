"""
How much time has passed.
"""

from __future__ import annotations

from collections.abc import Callable


class Stopwatch:
    """
    Counts by a clock that somebody may set: where it goes back no time has passed.

    @param seconds: returns the clock's time in seconds.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._last: float | None = None
        self._passed = 0.0

    def use(self, seconds: Callable[[], float]) -> None:
        """
        Go on by another clock.
        """
        self()
        self._seconds, self._last = seconds, None

    def __call__(self) -> float:
        """
        The seconds since the first call.
        """
        now = self._seconds()
        if self._last is not None and now > self._last:
            self._passed += now - self._last
        self._last = now
        return self._passed
