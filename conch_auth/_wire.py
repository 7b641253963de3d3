"""
The data types of RFC 4251, section 5, to and from bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from conch_auth.errors import MalformedMessage


def string(data: bytes) -> bytes:
    """
    A C{string}: its length as a uint32, then its bytes.
    """
    return struct.pack(">L", len(data)) + data


def uint32(number: int) -> bytes:
    return struct.pack(">L", number)


def boolean(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def name_list(names: Iterable[bytes]) -> bytes:
    return string(b",".join(names))


class Reader:
    """
    Takes fields off the front of a message.

    @param data: the bytes of the message after its number.
    @param message: the message's name, for errors.

    Every method raises L{MalformedMessage} where the bytes do not reach.
    """

    def __init__(self, data: bytes, message: str) -> None:
        self._data = data
        self._at = 0
        self._message = message

    @property
    def remaining(self) -> int:
        """
        How many bytes are left.
        """
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.remaining:
            raise self.malformed(f"{count - self.remaining} bytes are missing")
        self._at += count
        return self._data[self._at - count : self._at]

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def boolean(self) -> bool:
        """
        Every value but 0 is C{True} (RFC 4251, section 5).
        """
        return self.take(1) != b"\x00"

    def string(self) -> bytes:
        return self.take(self.uint32())

    def name_list(self) -> tuple[bytes, ...]:
        """
        The names as they came: some may be empty, repeated or not ASCII.
        """
        names = self.string()
        return tuple(names.split(b",")) if names else ()

    def rest(self) -> bytes:
        return self.take(self.remaining)

    def end(self) -> None:
        """
        Nothing may follow.
        """
        if self.remaining:
            raise self.malformed(f"{self.remaining} bytes too many")

    def malformed(self, problem: str) -> MalformedMessage:
        return MalformedMessage(self._message, problem)
