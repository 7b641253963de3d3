"""
Text from elsewhere, made fit to be shown to a person.

A server may send any text in a banner, a prompt or a reason (RFC 4252, section
5.4; RFC 4251, section 9.2): escape sequences that rewrite the screen, or
characters that reverse the order of what follows.  What is shown goes through
L{printable} first.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
import unicodedata
from functools import lru_cache

#: Control, format (bidirectional overrides, zero-width), surrogate, private
#: use and unassigned; line and paragraph separators.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def text(data: bytes) -> str:
    """
    UTF-8 bytes as text; each invalid byte becomes U+FFFD.
    """
    return data.decode("utf-8", "replace")


def printable(message: str, *, lines: bool = False, limit: int | None = None) -> str:
    """
    C{message} with every character that could act on a terminal, or hide or
    reorder text, written as an escape such as C{\\x1b} or C{\\u202e}.

    @param lines: keep line feeds and tabs, and drop carriage returns before a
        line feed, for text of several lines.
    @param limit: the most characters returned; a longer text ends in C{...}.
    """
    if message.isascii() and message.isprintable():
        return _limited(message, limit)
    if lines:
        message = message.replace("\r\n", "\n")
    if limit is not None:
        # An escape is longer than what it stands for, so that no more is needed.
        message = message[: limit + 1]
    kept = "\n\t" if lines else ""
    shown = "".join(
        character if character in kept or _is_safe(character) else _escaped(character)
        for character in message
    )
    return _limited(shown, limit)


def _limited(shown: str, limit: int | None) -> str:
    if limit is None or len(shown) <= limit:
        return shown
    return (shown[: max(limit - 3, 0)] + "...")[:limit]


def _is_safe(character: str) -> bool:
    return unicodedata.category(character) not in _UNSAFE_CATEGORIES


def _escaped(character: str) -> str:
    if character.isascii():
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode("ascii")


#: Columns of a line: every terminal has 80, and some wrap at the last.
WIDTH = 79
_HEAD = re.compile(r" *(\d+\. |- )?")


def wrapped(line: str) -> str:
    """
    A line as several of at most L{WIDTH} columns each, where its words allow.
    What follows the first is indented as far as its text, or its item in a
    list, is.
    """
    if len(line) <= WIDTH:
        return line
    head = _HEAD.match(line)
    assert head is not None
    return textwrap.fill(
        line,
        WIDTH,
        subsequent_indent=" " * (head.end() or 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


@lru_cache(maxsize=256)
def fingerprint(blob: bytes) -> str:
    """
    The SHA256 fingerprint of a public key blob, as OpenSSH prints it:
    C{SHA256:} and base64 without padding.

    A login names its key several times, and the next login the same one.
    """
    digest = base64.b64encode(hashlib.sha256(blob).digest())
    return "SHA256:" + digest.decode("ascii").rstrip("=")
