"""
What every message of the authentication protocol has.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

from conch_auth import names
from conch_auth._wire import Reader

_M = TypeVar("_M", bound="Message")


class Message:
    """
    A message of the authentication protocol.

    @cvar number: its message number.
    @cvar title: its name in the RFC.
    """

    number: ClassVar[int]
    title: ClassVar[str]

    @classmethod
    def parse(cls: type[_M], payload: bytes) -> _M:
        """
        @raise conch_auth.errors.MalformedMessage: where C{payload} is not
            exactly one message.
        """
        reader = Reader(payload, cls.title)
        message = cls._read(reader)
        reader.end()
        return message

    @classmethod
    def _read(cls: type[_M], reader: Reader) -> _M:
        raise NotImplementedError

    def build(self) -> bytes:
        raise NotImplementedError


class Continuation(Message):
    """
    A message by which the client carries on its request.

    @cvar method: the method that it belongs to.
    @ivar proves: whether it proves who logs in.
    """

    method: ClassVar[bytes]

    @property
    def proves(self) -> bool:
        return False


# RFC 4252, section 5
class MethodRequest:
    """
    What follows the method's name in a USERAUTH_REQUEST.
    """

    method: bytes

    @property
    def listed_as(self) -> bytes:
        """
        The method that it is one of, as servers list it.
        """
        return names.LISTED_AS.get(self.method, self.method)

    def build(self) -> bytes:
        raise NotImplementedError

    def without_secrets(self) -> MethodRequest:
        """
        The request as it may be remembered once it was sent.
        """
        return self
