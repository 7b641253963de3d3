"""
A fuzzer's bytes, as decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Script:
    """
    Takes decisions off the front of C{data}; when it is used up each is the
    first that there is.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        """
        Whether any is left.
        """
        return self._at < len(self._data)

    def byte(self) -> int:
        """
        A number from 0 to 255.
        """
        return (self.take(1) or b"\0")[0]

    def choose(self, choices: Sequence[_T]) -> _T:
        return choices[self.byte() % len(choices)]

    def chunk(self) -> bytes:
        """
        Up to 65535 bytes: two for the length, then what is left of so many.
        """
        return self.take(self.byte() << 8 | self.byte())

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        return self.take(max(len(self._data) - self._at, 0))
