"""
The messages of RFC 4252 and RFC 4256 as values; those of RFC 4462 are in
L{conch_auth._gss_messages}.

Each class has its RFC section above it and its fields in wire order; C{build}
gives the payload, which is the message without its number, and C{parse} takes
one.  Every secret is left out of C{repr}.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from conch_auth import names
from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSRequest,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth._message import Continuation
from conch_auth._message import Message as Message
from conch_auth._message import MethodRequest as MethodRequest
from conch_auth._wire import Reader, boolean, name_list, string, uint32


# RFC 4252, section 5.2
@dataclass(frozen=True)
class NoneRequest(MethodRequest):
    method = names.NONE

    @classmethod
    def read(cls, reader: Reader) -> NoneRequest:
        return cls()

    def build(self) -> bytes:
        return b""


class KeyRequest(MethodRequest):
    """
    A request that names a key and may hold a signature by it.
    """

    algorithm: bytes
    blob: bytes
    signature: bytes | None

    def unsigned(self) -> bytes:
        """
        The signed request up to its signature, which is what gets signed.
        """
        raise NotImplementedError


# RFC 4252, section 7
@dataclass(frozen=True)
class PublicKeyRequest(KeyRequest):
    """
    The query whether a key would do, when C{signature} is C{None}, or the
    signed request.
    """

    method = names.PUBLICKEY
    algorithm: bytes
    blob: bytes
    signature: bytes | None = field(default=None, repr=False)

    @classmethod
    def read(cls, reader: Reader) -> PublicKeyRequest:
        signed = reader.boolean()
        algorithm, blob = reader.string(), reader.string()
        return cls(algorithm, blob, reader.string() if signed else None)

    def build(self) -> bytes:
        if self.signature is None:
            return boolean(False) + self._key()
        return self.unsigned() + string(self.signature)

    def unsigned(self) -> bytes:
        return boolean(True) + self._key()

    def _key(self) -> bytes:
        return string(self.algorithm) + string(self.blob)

    def signed_with(self, signature: bytes) -> PublicKeyRequest:
        return replace(self, signature=signature)

    def without_secrets(self) -> PublicKeyRequest:
        return self if self.signature is None else self.signed_with(b"")


# OpenSSH's PROTOCOL, section 3.1
@dataclass(frozen=True)
class HostBoundRequest(PublicKeyRequest):
    """
    A request that is good for one server only: it holds the server's host key.
    """

    method = names.PUBLICKEY_HOSTBOUND
    host_key: bytes = field(kw_only=True)

    @classmethod
    def read(cls, reader: Reader) -> HostBoundRequest:
        signed = reader.boolean()
        algorithm, blob, host_key = (reader.string() for _ in range(3))
        signature = reader.string() if signed else None
        return cls(algorithm, blob, signature, host_key=host_key)

    def _key(self) -> bytes:
        return super()._key() + string(self.host_key)


# RFC 4252, section 8
@dataclass(frozen=True)
class PasswordRequest(MethodRequest):
    method = names.PASSWORD
    password: bytes = field(repr=False)
    new_password: bytes | None = field(default=None, repr=False)

    @classmethod
    def read(cls, reader: Reader) -> PasswordRequest:
        changes = reader.boolean()
        return cls(reader.string(), reader.string() if changes else None)

    def build(self) -> bytes:
        if self.new_password is None:
            return boolean(False) + string(self.password)
        # Every value but 0 is TRUE (RFC 4251, section 5); Conch has always put
        # 0xff here, and its tests look for it.
        return b"\xff" + string(self.password) + string(self.new_password)

    def without_secrets(self) -> PasswordRequest:
        return PasswordRequest(b"", None if self.new_password is None else b"")


# RFC 4256, section 3.1
@dataclass(frozen=True)
class KeyboardInteractiveRequest(MethodRequest):
    method = names.KEYBOARD_INTERACTIVE
    language: bytes = b""
    submethods: bytes = b""

    @classmethod
    def read(cls, reader: Reader) -> KeyboardInteractiveRequest:
        return cls(reader.string(), reader.string())

    def build(self) -> bytes:
        return string(self.language) + string(self.submethods)


# RFC 4252, section 9
@dataclass(frozen=True)
class HostBasedRequest(KeyRequest):
    """
    A host's word for its user; it is never sent without C{signature}.
    """

    method = names.HOSTBASED
    algorithm: bytes
    blob: bytes
    client_host: bytes
    client_user: bytes
    signature: bytes | None = field(default=None, repr=False)

    @classmethod
    def read(cls, reader: Reader) -> HostBasedRequest:
        return cls(*(reader.string() for _ in range(5)))

    def build(self) -> bytes:
        return self.unsigned() + string(self.signature or b"")

    def unsigned(self) -> bytes:
        fields = self.algorithm, self.blob, self.client_host, self.client_user
        return b"".join(map(string, fields))

    def signed_with(self, signature: bytes) -> HostBasedRequest:
        return replace(self, signature=signature)

    def without_secrets(self) -> HostBasedRequest:
        return self.signed_with(b"")


@dataclass(frozen=True)
class OtherRequest(MethodRequest):
    """
    A request of a method that is not described here.
    """

    method: bytes
    data: bytes = field(default=b"", repr=False)

    def build(self) -> bytes:
        return self.data

    def without_secrets(self) -> OtherRequest:
        return OtherRequest(self.method)


_REQUESTS: dict[
    bytes,
    type[NoneRequest]
    | type[PublicKeyRequest]
    | type[HostBoundRequest]
    | type[PasswordRequest]
    | type[KeyboardInteractiveRequest]
    | type[HostBasedRequest]
    | type[GSSRequest],
] = {
    request.method: request
    for request in (
        NoneRequest,
        PublicKeyRequest,
        HostBoundRequest,
        PasswordRequest,
        KeyboardInteractiveRequest,
        HostBasedRequest,
        GSSRequest,
    )
}


def is_described(method: bytes) -> bool:
    """
    Whether the requests of C{method} are described here.
    """
    return method in _REQUESTS


def method_request(method: bytes, data: bytes) -> MethodRequest:
    """
    What follows the name of C{method} in a USERAUTH_REQUEST, as a value.
    """
    known = _REQUESTS.get(method)
    if known is None:
        return OtherRequest(method, data)
    reader = Reader(data, UserAuthRequest.title)
    request = known.read(reader)
    reader.end()
    return request


# RFC 4252, section 5
@dataclass(frozen=True)
class UserAuthRequest(Message):
    number = names.MSG_USERAUTH_REQUEST
    title = "USERAUTH_REQUEST"
    user: bytes
    service: bytes
    request: MethodRequest

    @classmethod
    def _read(cls, reader: Reader) -> UserAuthRequest:
        user, service, method = reader.string(), reader.string(), reader.string()
        return cls(user, service, method_request(method, reader.rest()))

    def build(self) -> bytes:
        return self.head() + self.request.build()

    def head(self) -> bytes:
        """
        The fields that are the same for every method.
        """
        return string(self.user) + string(self.service) + string(self.request.method)


# RFC 4252, section 5.1
@dataclass(frozen=True)
class Failure(Message):
    number = names.MSG_USERAUTH_FAILURE
    title = "USERAUTH_FAILURE"
    methods: tuple[bytes, ...]
    partial: bool

    @classmethod
    def _read(cls, reader: Reader) -> Failure:
        return cls(reader.name_list(), reader.boolean())

    def build(self) -> bytes:
        return name_list(self.methods) + boolean(self.partial)


# RFC 4252, section 5.1
@dataclass(frozen=True)
class Success(Message):
    number = names.MSG_USERAUTH_SUCCESS
    title = "USERAUTH_SUCCESS"

    @classmethod
    def _read(cls, reader: Reader) -> Success:
        return cls()

    def build(self) -> bytes:
        return b""


# RFC 4252, section 5.4
@dataclass(frozen=True)
class Banner(Message):
    number = names.MSG_USERAUTH_BANNER
    title = "USERAUTH_BANNER"
    message: bytes
    language: bytes

    @classmethod
    def _read(cls, reader: Reader) -> Banner:
        message, language = reader.string(), reader.string()
        # Servers built on cryptlib end the message with a NUL of their own.
        if reader.remaining == 1 and reader.take(1) != b"\x00":
            raise reader.malformed("1 byte too many")
        return cls(message, language)

    def build(self) -> bytes:
        return string(self.message) + string(self.language)


# RFC 4252, section 7
@dataclass(frozen=True)
class PublicKeyOk(Message):
    number = names.MSG_USERAUTH_PK_OK
    title = "USERAUTH_PK_OK"
    algorithm: bytes
    blob: bytes

    @classmethod
    def _read(cls, reader: Reader) -> PublicKeyOk:
        return cls(reader.string(), reader.string())

    def build(self) -> bytes:
        return string(self.algorithm) + string(self.blob)


# RFC 4252, section 8
@dataclass(frozen=True)
class PasswordChangeRequest(Message):
    number = names.MSG_USERAUTH_PASSWD_CHANGEREQ
    title = "USERAUTH_PASSWD_CHANGEREQ"
    prompt: bytes
    language: bytes

    @classmethod
    def _read(cls, reader: Reader) -> PasswordChangeRequest:
        return cls(reader.string(), reader.string())

    def build(self) -> bytes:
        return string(self.prompt) + string(self.language)


class Prompt(NamedTuple):
    """
    One prompt, and whether what is typed may be shown.
    """

    prompt: bytes
    echo: bool


# RFC 4256, section 3.2
@dataclass(frozen=True)
class InfoRequest(Message):
    number = names.MSG_USERAUTH_INFO_REQUEST
    title = "USERAUTH_INFO_REQUEST"
    name: bytes
    instruction: bytes
    language: bytes
    prompts: tuple[Prompt, ...]

    @classmethod
    def _read(cls, reader: Reader) -> InfoRequest:
        name, instruction, language = reader.string(), reader.string(), reader.string()
        count = reader.uint32()
        # A prompt takes five bytes at least.
        if count > reader.remaining // 5:
            raise reader.malformed(f"no room for {count} prompts")
        prompts = tuple(
            Prompt(reader.string(), reader.boolean()) for _ in range(count)
        )
        return cls(name, instruction, language, prompts)

    def build(self) -> bytes:
        return (
            string(self.name)
            + string(self.instruction)
            + string(self.language)
            + uint32(len(self.prompts))
            + b"".join(string(p.prompt) + boolean(p.echo) for p in self.prompts)
        )


# RFC 4256, section 3.4
@dataclass(frozen=True)
class InfoResponse(Continuation):
    number = names.MSG_USERAUTH_INFO_RESPONSE
    title = "USERAUTH_INFO_RESPONSE"
    method = names.KEYBOARD_INTERACTIVE
    answers: tuple[bytes, ...] = field(repr=False)

    @property
    def proves(self) -> bool:
        return any(self.answers)

    @classmethod
    def _read(cls, reader: Reader) -> InfoResponse:
        count = reader.uint32()
        if count > reader.remaining // 4:
            raise reader.malformed(f"no room for {count} answers")
        return cls(tuple(reader.string() for _ in range(count)))

    def build(self) -> bytes:
        return uint32(len(self.answers)) + b"".join(map(string, self.answers))


@dataclass(frozen=True)
class MethodReply(Message):
    """
    Message 60 of a method that is not described here.
    """

    number = names.MSG_USERAUTH_PK_OK
    title = "message 60"
    data: bytes = field(repr=False)

    @classmethod
    def _read(cls, reader: Reader) -> MethodReply:
        return cls(reader.rest())

    def build(self) -> bytes:
        return self.data


_FROM_SERVER: dict[int, type[Message]] = {
    message.number: message for message in (Failure, Success, Banner)
}
_REPLIES: dict[tuple[bytes, int], type[Message]] = {
    (method, reply.number): reply
    for method, replies in (
        (names.PUBLICKEY, (PublicKeyOk,)),
        (names.PASSWORD, (PasswordChangeRequest,)),
        (names.KEYBOARD_INTERACTIVE, (InfoRequest,)),
        (names.GSSAPI_WITH_MIC, (GSSResponse, GSSToken, GSSStatus, GSSErrorToken)),
    )
    for reply in replies
}


def from_server(number: int, asked: bytes | None) -> type[Message] | None:
    """
    The message that C{number} means, coming from a server.

    @param asked: the method whose request is outstanding: numbers from 60 on
        are its own (RFC 4250, section 4.1.1).
    @return: C{None} where no server has cause to send such a number.
    """
    meant = _REPLIES.get((asked or b"", number)) or _FROM_SERVER.get(number)
    if meant is None and number == MethodReply.number:
        return MethodReply
    return meant
