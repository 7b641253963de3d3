"""
The messages of RFC 4462, section 3, in the form of L{conch_auth.messages}.

A mechanism is named by its object identifier in DER, tag and length included
(section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from conch_auth import names
from conch_auth._message import Continuation, Message, MethodRequest
from conch_auth._wire import Reader, string, uint32


# RFC 4462, section 3.2
@dataclass(frozen=True)
class GSSRequest(MethodRequest):
    """
    The mechanisms that the client can do, most wanted first.
    """

    method = names.GSSAPI_WITH_MIC
    mechanisms: tuple[bytes, ...]

    @classmethod
    def read(cls, reader: Reader) -> GSSRequest:
        count = reader.uint32()
        if count > reader.remaining // 4:
            raise reader.malformed(f"no room for {count} mechanisms")
        return cls(tuple(reader.string() for _ in range(count)))

    def build(self) -> bytes:
        return uint32(len(self.mechanisms)) + b"".join(map(string, self.mechanisms))


# RFC 4462, section 3.3
@dataclass(frozen=True)
class GSSResponse(Message):
    number = names.MSG_USERAUTH_GSSAPI_RESPONSE
    title = "USERAUTH_GSSAPI_RESPONSE"
    mechanism: bytes

    @classmethod
    def _read(cls, reader: Reader) -> GSSResponse:
        return cls(reader.string())

    def build(self) -> bytes:
        return string(self.mechanism)


# RFC 4462, section 3.4
@dataclass(frozen=True)
class GSSToken(Continuation):
    """
    A token of the mechanism, in either direction.
    """

    number = names.MSG_USERAUTH_GSSAPI_TOKEN
    title = "USERAUTH_GSSAPI_TOKEN"
    method = names.GSSAPI_WITH_MIC
    token: bytes = field(repr=False)

    @classmethod
    def _read(cls, reader: Reader) -> GSSToken:
        return cls(reader.string())

    def build(self) -> bytes:
        return string(self.token)


# RFC 4462, section 3.5
@dataclass(frozen=True)
class GSSMic(Continuation):
    """
    The end of an exchange: a MIC over this session and request.
    """

    number = names.MSG_USERAUTH_GSSAPI_MIC
    title = "USERAUTH_GSSAPI_MIC"
    method = names.GSSAPI_WITH_MIC
    proves = True
    mic: bytes = field(repr=False)

    @classmethod
    def _read(cls, reader: Reader) -> GSSMic:
        return cls(reader.string())

    def build(self) -> bytes:
        return string(self.mic)


# RFC 4462, section 3.6
@dataclass(frozen=True)
class GSSExchangeComplete(Continuation):
    """
    The end of an exchange whose mechanism makes no MIC.  It proves who logs in,
    as the established context does, but not that it is in this session.
    """

    number = names.MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE
    title = "USERAUTH_GSSAPI_EXCHANGE_COMPLETE"
    method = names.GSSAPI_WITH_MIC
    proves = True

    @classmethod
    def _read(cls, reader: Reader) -> GSSExchangeComplete:
        return cls()

    def build(self) -> bytes:
        return b""


# RFC 4462, section 3.8
@dataclass(frozen=True)
class GSSStatus(Message):
    """
    What failed on the server; USERAUTH_FAILURE follows.
    """

    number = names.MSG_USERAUTH_GSSAPI_ERROR
    title = "USERAUTH_GSSAPI_ERROR"
    major: int
    minor: int
    message: bytes
    language: bytes

    @classmethod
    def _read(cls, reader: Reader) -> GSSStatus:
        major, minor = reader.uint32(), reader.uint32()
        return cls(major, minor, reader.string(), reader.string())

    def build(self) -> bytes:
        return (
            uint32(self.major)
            + uint32(self.minor)
            + string(self.message)
            + string(self.language)
        )


# RFC 4462, section 3.9
@dataclass(frozen=True)
class GSSErrorToken(Continuation):
    """
    What the mechanism has to say about a failure, in either direction.
    """

    number = names.MSG_USERAUTH_GSSAPI_ERRTOK
    title = "USERAUTH_GSSAPI_ERRTOK"
    method = names.GSSAPI_WITH_MIC
    token: bytes = field(repr=False)

    @classmethod
    def _read(cls, reader: Reader) -> GSSErrorToken:
        return cls(reader.string())

    def build(self) -> bytes:
        return string(self.token)
