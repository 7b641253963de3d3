"""
What a server sends before its first packet (RFC 4253, section 4.2).
"""

from __future__ import annotations

import re

from conch_auth.display import text

#: Bytes in which the version must come.  The RFC gives it 255; lines before it
#: are a notice for people.
MAX_GREETING_BYTES = 4096

_VERSION = re.compile(rb"^SSH-[^\n]*\n", re.MULTILINE)


class Greeting:
    """
    Looks for the version, and keeps what comes before it.
    """

    def __init__(self) -> None:
        self._data = b""

    def received(self, data: bytes) -> tuple[bytes, bytes]:
        """
        @return: the line of the version and the bytes after it, both empty
            until it has come.
        """
        self._data += data
        version = _VERSION.search(self._data, 0, MAX_GREETING_BYTES)
        if version is None:
            return b"", b""
        after = self._data[version.end() :]
        self._data = self._data[: version.start()]
        return version.group(), after

    @property
    def too_long(self) -> bool:
        return len(self._data) > MAX_GREETING_BYTES

    @property
    def text(self) -> str:
        """
        All of it but the version.
        """
        return text(self._data)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line.rstrip("\r") for line in self.text.split("\n")[:-1])
