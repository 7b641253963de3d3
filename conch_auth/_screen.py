"""
Whether there is a screen for colours and moving lines: a terminal that can show
them, and C{rich}, of the extra C{cli}, to make them.
"""

from __future__ import annotations

import os
from typing import Any, TextIO


def console(stream: TextIO | None) -> Any:
    """
    A C{rich} console on C{stream}; C{None} where plain text is wanted: the
    stream is not a terminal, or a plain one or not of Unicode, C{NO_COLOR}
    (https://no-color.org) is set, or C{rich} is not installed.
    """
    if stream is None or not stream.isatty() or os.environ.get("NO_COLOR"):
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    found = Console(file=stream, markup=False, emoji=False, highlight=False)
    # Lines and spinners are drawn with characters that ASCII has not.
    plain = found.is_dumb_terminal or not found.encoding.startswith("utf")
    return None if plain else found
