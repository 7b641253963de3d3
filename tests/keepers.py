"""
Who in this process still holds a secret.
"""

from __future__ import annotations

import gc
import re
import secrets
from collections.abc import Iterator


class Secrets:
    """
    The secrets of one test, which all have one mark of their own.
    """

    def __init__(self) -> None:
        self._mark = secrets.token_hex(8)
        # What is given away matches, and not what is kept here.
        self._text = re.compile(f"{self._mark}-[0-9a-f]{{16}}")
        self._data = re.compile(self._text.pattern.encode("ascii"))

    def new(self) -> str:
        """
        One more, which is not remembered here.
        """
        return f"{self._mark}-{secrets.token_hex(8)}"

    def keepers(self) -> list[str]:
        """
        What holds one, in words: each object that garbage collection knows and
        that has a secret among what it refers to.
        """
        gc.collect()
        objects = gc.get_objects()
        return [
            f"{_shown(holder)}: {held}"
            for holder in objects
            for held in self._held_by(holder)
        ]

    def _held_by(self, holder: object, depth: int = 0) -> Iterator[str]:
        for held in gc.get_referents(holder):
            if isinstance(held, str):
                if self._text.search(held):
                    yield f"str of {len(held)}"
            elif isinstance(held, bytes | bytearray):
                if self._data.search(held):
                    yield f"{type(held).__name__} of {len(held)}"
            elif depth < _DEEPEST and not gc.is_tracked(held):
                # A dictionary or a tuple of plain values is not among the objects.
                for further in self._held_by(held, depth + 1):
                    yield f"{type(held).__name__}, {further}"


_DEEPEST = 4


def _shown(holder: object) -> str:
    """
    An object's type, and where it is in the code; never what is in it.
    """
    kind = type(holder)
    if kind.__name__ == "frame":
        code = holder.f_code  # type: ignore[attr-defined]
        return f"frame of {code.co_qualname} in {code.co_filename}"
    if kind.__name__ in ("coroutine", "generator", "function"):
        return f"{kind.__name__} {holder.__qualname__}"  # type: ignore[attr-defined]
    if isinstance(holder, dict):
        return f"dict with {sorted(map(str, holder))[:8]}"
    return f"{kind.__module__}.{kind.__qualname__}"
