"""
Extension negotiation (RFC 8308): what the server may send, and when.
"""

from __future__ import annotations

import enum

from conch_auth._wire import Reader
from conch_auth.errors import UnexpectedMessage


def parse_extensions(payload: bytes) -> dict[bytes, bytes]:
    """
    Names and values, which may be any bytes.  Of a name that comes twice the
    last counts.

    @raise conch_auth.errors.MalformedMessage: where it is no EXT_INFO.
    """
    reader = Reader(payload, "EXT_INFO")
    extensions: dict[bytes, bytes] = {}
    for _ in range(reader.uint32()):
        name = reader.string()
        extensions[name] = reader.string()
    reader.end()
    return extensions


class _Turn(enum.Enum):
    NOT_YET = "before the connection was encrypted"
    FIRST = "as the first message after NEWKEYS"
    BETWEEN = "before SUCCESS"
    HELD = "a second time"
    OVER = "after the login was over"


class ExtensionTurns:
    """
    Where an EXT_INFO is legal: as the first message after the server's first
    NEWKEYS, and right before its USERAUTH_SUCCESS (RFC 8308, section 2.4).

    Whether the second stands in its place shows only with the message after
    it; until then it is held back.

    @ivar first: what came at the first place.
    """

    def __init__(self) -> None:
        self._turn = _Turn.NOT_YET
        self._held: dict[bytes, bytes] = {}
        self.first: dict[bytes, bytes] = {}

    @property
    def known(self) -> bool:
        """
        Whether the first has come, or can come no more.
        """
        return self._turn not in (_Turn.NOT_YET, _Turn.FIRST)

    def encrypted(self) -> None:
        """
        The server's first NEWKEYS has come.
        """
        self._turn = _Turn.FIRST

    def received(self, payload: bytes) -> dict[bytes, bytes] | None:
        """
        An EXT_INFO has come.

        @return: the extensions to use from now on, or C{None} where they are
            held back.
        @raise conch_auth.errors.ProtocolError: where it is malformed or out of
            place.
        """
        if self._turn not in (_Turn.FIRST, _Turn.BETWEEN):
            raise UnexpectedMessage("EXT_INFO", self._turn.value)
        extensions = parse_extensions(payload)
        if self._turn is _Turn.FIRST:
            self._turn = _Turn.BETWEEN
            self.first = extensions
            return extensions
        self._turn = _Turn.HELD
        self._held = extensions
        return None

    def other_message(self) -> None:
        """
        A message has come that is neither EXT_INFO, SUCCESS nor one that may
        stand anywhere.

        @raise conch_auth.errors.ProtocolError: where the EXT_INFO before it was
            out of place.
        """
        if self._turn is _Turn.HELD:
            raise UnexpectedMessage("EXT_INFO", "neither first nor before SUCCESS")
        if self._turn is _Turn.FIRST:
            self._turn = _Turn.BETWEEN

    def success(self) -> dict[bytes, bytes] | None:
        """
        USERAUTH_SUCCESS has come: the extensions that were held back for it.
        """
        held = self._held if self._turn is _Turn.HELD else None
        self._turn = _Turn.OVER
        return held
