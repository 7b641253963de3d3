"""
What is asked of an ssh-agent, and how its replies are read.

The protocol is draft-ietf-sshm-ssh-agent (formerly draft-miller-ssh-agent);
OpenSSH's extensions are in its PROTOCOL.agent.  Nothing here waits or decides:
each function gives a L{Request}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from conch_auth import names
from conch_auth._agent_constraints import Constraints
from conch_auth._wire import Reader, boolean, string, uint32
from conch_auth.certificates import key_type, plain_algorithm
from conch_auth.display import fingerprint, printable, text
from conch_auth.errors import AgentProtocolError, AgentRefused, MalformedMessage

# The draft's section on message numbers.
FAILURE = 5
SUCCESS = 6
REQUEST_IDENTITIES = 11
IDENTITIES_ANSWER = 12
SIGN_REQUEST = 13
SIGN_RESPONSE = 14
ADD_IDENTITY = 17
REMOVE_IDENTITY = 18
REMOVE_ALL_IDENTITIES = 19
ADD_SMARTCARD_KEY = 20
REMOVE_SMARTCARD_KEY = 21
LOCK = 22
UNLOCK = 23
ADD_ID_CONSTRAINED = 25
ADD_SMARTCARD_KEY_CONSTRAINED = 26
EXTENSION = 27
EXTENSION_FAILURE = 28
EXTENSION_RESPONSE = 29

#: The flags of SIGN_REQUEST; other algorithms have none.
_SIGN_FLAGS = {names.RSA_SHA2_256: 2, names.RSA_SHA2_512: 4}

QUERY = b"query"
SESSION_BIND = b"session-bind@openssh.com"

#: An agent has one word for all of these.
_REFUSED = "it refused"

_T = TypeVar("_T")


@dataclass(frozen=True)
class Request(Generic[_T]):
    """
    A request, and what a reply to it means.

    @ivar tried: what is asked for, in words that follow "the agent did not".
    @ivar payload: the message with its number.
    @ivar replies: the numbers of the replies that carry an answer, each with
        what takes it from them.
    @ivar patient: whether a person may have to do something first.
    @ivar extension: the extension's name, where it is one.
    """

    tried: str
    payload: bytes = field(repr=False)
    replies: Mapping[int, Callable[[Reader], _T]]
    patient: bool = False
    extension: bytes | None = None

    def answer(self, reply: bytes) -> _T:
        """
        What a reply says.

        @param reply: a message with its number.
        @raise AgentRefused: where the agent will not or cannot.
        @raise AgentProtocolError: where it is no reply to this request.
        """
        reader = Reader(reply, "reply")
        try:
            read = self._reader_of(reader.take(1)[0])
            value = read(reader)
            reader.end()
        except MalformedMessage as error:
            raise AgentProtocolError(self.tried, f"it sent a {error}") from None
        return value

    def _reader_of(self, number: int) -> Callable[[Reader], _T]:
        if number == FAILURE or (
            number == EXTENSION_FAILURE and self.extension is not None
        ):
            raise AgentRefused(self.tried, _REFUSED)
        if number not in self.replies:
            raise AgentProtocolError(self.tried, f"it answered with message {number}")
        return self.replies[number]


def _nothing(reader: Reader) -> None:
    """
    SUCCESS has no fields.
    """


_DONE = {SUCCESS: _nothing}


def identities() -> Request[tuple[tuple[bytes, bytes], ...]]:
    """
    The keys as pairs of public key blob and comment, neither looked into.
    """
    return Request(
        "list its keys",
        bytes((REQUEST_IDENTITIES,)),
        {IDENTITIES_ANSWER: _identities},
    )


def _identities(reader: Reader) -> tuple[tuple[bytes, bytes], ...]:
    count = reader.uint32()
    if count > names.MAX_AGENT_KEYS:
        raise reader.malformed(f"it lists {count} keys")
    return tuple((reader.string(), reader.string()) for _ in range(count))


def sign(blob: bytes, data: bytes, algorithm: bytes | None) -> Request[bytes]:
    """
    A signature (RFC 4253, section 6.6) by the key of C{blob}.

    @param algorithm: for an RSA key, which; otherwise it says nothing new.
    """
    flags = 0 if algorithm is None else _SIGN_FLAGS.get(plain_algorithm(algorithm), 0)
    using = f" by {printable(text(algorithm), limit=64)}" if algorithm else ""
    return Request(
        f"sign with {_key(blob)}{using}",
        bytes((SIGN_REQUEST,)) + string(blob) + string(data) + uint32(flags),
        {SIGN_RESPONSE: Reader.string},
        patient=True,
    )


def add(
    private_fields: bytes, comment: str | bytes, constraints: Constraints
) -> Request[None]:
    """
    Take a key.

    @param private_fields: the key's type and fields, as in the draft's section
        on adding keys.
    @raise ValueError: for constraints that cannot be put in words.
    """
    limits = constraints.build()
    number = ADD_ID_CONSTRAINED if limits else ADD_IDENTITY
    return Request(
        f"take the key {printable(text(_bytes(comment)), limit=64)!r}",
        bytes((number,)) + private_fields + string(_bytes(comment)) + limits,
        _DONE,
        patient=True,
    )


def remove(blob: bytes) -> Request[None]:
    """
    Forget a key.
    """
    payload = bytes((REMOVE_IDENTITY,)) + string(blob)
    return Request(f"remove {_key(blob)}", payload, _DONE)


def remove_all() -> Request[None]:
    """
    Forget every key.
    """
    payload = bytes((REMOVE_ALL_IDENTITIES,))
    return Request("remove all keys", payload, _DONE)


def add_smartcard(
    provider: str, pin: str | bytes, constraints: Constraints
) -> Request[None]:
    """
    Take the keys of a token.

    @param provider: for OpenSSH, the path of a PKCS#11 library.
    @raise ValueError: for constraints that cannot be put in words.
    """
    limits = constraints.build()
    number = ADD_SMARTCARD_KEY_CONSTRAINED if limits else ADD_SMARTCARD_KEY
    return _smartcard(number, "take the keys of", provider, pin, limits)


def remove_smartcard(provider: str, pin: str | bytes) -> Request[None]:
    """
    Forget the keys of a token.
    """
    return _smartcard(REMOVE_SMARTCARD_KEY, "remove the keys of", provider, pin, b"")


def _smartcard(
    number: int, verb: str, provider: str, pin: str | bytes, limits: bytes
) -> Request[None]:
    return Request(
        f"{verb} {printable(provider, limit=200)}",
        bytes((number,)) + string(provider.encode()) + string(_bytes(pin)) + limits,
        _DONE,
        patient=True,
    )


def lock(passphrase: str | bytes) -> Request[None]:
    """
    Neither list nor use keys until it is unlocked.
    """
    payload = bytes((LOCK,)) + string(_bytes(passphrase))
    return Request("lock itself", payload, _DONE)


def unlock(passphrase: str | bytes) -> Request[None]:
    """
    Undo L{lock}.
    """
    payload = bytes((UNLOCK,)) + string(_bytes(passphrase))
    return Request("unlock itself", payload, _DONE)


def query() -> Request[tuple[bytes, ...]]:
    """
    The names of the extensions that it knows.
    """
    return _extension(QUERY, b"", _strings)


def extension(name: bytes, contents: bytes) -> Request[bytes]:
    """
    An extension, and what follows in its reply.
    """
    return _extension(name, contents, Reader.rest)


def _extension(
    name: bytes, contents: bytes, read: Callable[[Reader], _T]
) -> Request[_T]:
    def read_response(reader: Reader) -> _T:
        # Older drafts, and OpenSSH for its own, answer with SUCCESS.
        if reader.string() != name:
            raise reader.malformed("it is of another extension")
        return read(reader)

    return Request(
        f"do {printable(text(name), limit=64)}",
        bytes((EXTENSION,)) + string(name) + contents,
        {SUCCESS: read, EXTENSION_RESPONSE: read_response},
        extension=name,
    )


def _strings(reader: Reader) -> tuple[bytes, ...]:
    found = []
    while reader.remaining:
        found.append(reader.string())
    return tuple(found)


def session_bind(
    host_key: bytes, session_id: bytes, signature: bytes, forwarding: bool
) -> bytes:
    """
    The contents of C{session-bind@openssh.com} (PROTOCOL.agent, section 1).
    """
    signed = string(host_key) + string(session_id) + string(signature)
    return signed + boolean(forwarding)


def private_fields(blob: bytes, certificate: bytes | None) -> bytes:
    """
    A private key as an agent takes it.

    @param blob: the type and the fields of the plain key.
    @param certificate: the blob of a certificate of the key; C{None} for the
        plain key.
    @raise ValueError: where they do not belong together.
    """
    if certificate is None:
        return blob
    kind, certified = key_type(blob), key_type(certificate)
    if certified == kind or plain_algorithm(certified) != kind:
        raise ValueError("that is no certificate of a key of this type")
    reader = Reader(blob, "private key")
    for _ in range(_PUBLIC_FIELDS.get(kind, _PUBLIC_FIELDS_OF_ECDSA)):
        reader.string()
    return string(certified) + string(certificate) + reader.rest()


#: The fields that a certificate stands for.  Ed25519 repeats the public key.
_PUBLIC_FIELDS = {b"ssh-ed25519": 1, names.SSH_RSA: 3, b"ssh-dss": 5}
_PUBLIC_FIELDS_OF_ECDSA = 3


def algorithm_named_in(data: bytes) -> bytes | None:
    """
    The algorithm that a C{publickey} request names (RFC 4252, section 7), or
    its host-bound kind (OpenSSH's PROTOCOL, section 3.1); C{None} where C{data}
    is not one that is to be signed.
    """
    reader = Reader(data, "signed request")
    try:
        reader.string()
        if reader.take(1) != bytes((names.MSG_USERAUTH_REQUEST,)):
            return None
        _user, _service, method = reader.string(), reader.string(), reader.string()
        if method not in _METHODS_WITH_KEY:
            return None
        reader.boolean()
        return reader.string()
    except MalformedMessage:
        return None


_METHODS_WITH_KEY = (names.PUBLICKEY, names.PUBLICKEY_HOSTBOUND)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _key(blob: bytes) -> str:
    return f"{printable(text(key_type(blob)), limit=64)} {fingerprint(blob)}"
