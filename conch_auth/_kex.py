"""
The key exchange, as far as it is judged here: what was negotiated, and whether
the server holds the host key that it showed.

The shared secret is Conch's.  The hash over the exchange is made here, because
the signature over it must be verified before anybody is asked about the key,
and Conch verifies it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.conch.ssh import keys

from conch_auth import names
from conch_auth._wire import Reader, boolean, name_list, string, uint32
from conch_auth.certificates import (
    HostCertificate,
    InvalidCertificate,
    is_certificate_algorithm,
    key_type,
    key_type_of,
    plain_algorithm,
)
from conch_auth.display import printable, text
from conch_auth.errors import MalformedMessage, NoCommonAlgorithm

#: Names that stand among the key exchanges and are none: RFC 8308, section 2.1,
#: and OpenSSH's PROTOCOL, "strict key exchange extension".
EXT_INFO_CLIENT = b"ext-info-c"
STRICT_CLIENT = b"kex-strict-c-v00@openssh.com"
STRICT_SERVER = b"kex-strict-s-v00@openssh.com"

#: The least modulus, in bits, of an RSA host key (OpenSSH's RequiredRSASize).
MINIMUM_RSA_BITS = 1024

COOKIE_SIZE = 16


# RFC 4253, section 7.1
@dataclass(frozen=True)
class KeyExchangeInit:
    """
    What one side offers, each list most wanted first.  C{out} is from client to
    server, whoever speaks.  C{parse} and C{build} work on the payload, which is
    the message without its number.
    """

    cookie: bytes
    key_exchanges: tuple[bytes, ...]
    host_keys: tuple[bytes, ...]
    ciphers_out: tuple[bytes, ...]
    ciphers_in: tuple[bytes, ...]
    macs_out: tuple[bytes, ...]
    macs_in: tuple[bytes, ...]
    compressions_out: tuple[bytes, ...]
    compressions_in: tuple[bytes, ...]
    languages_out: tuple[bytes, ...] = ()
    languages_in: tuple[bytes, ...] = ()
    guess_follows: bool = False

    @classmethod
    def parse(cls, payload: bytes) -> KeyExchangeInit:
        """
        @raise conch_auth.errors.MalformedMessage: where it is not one.
        """
        reader = Reader(payload, "KEXINIT")
        message = cls(
            reader.take(COOKIE_SIZE),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.name_list(),
            reader.boolean(),
        )
        reader.uint32()
        reader.end()
        return message

    def build(self) -> bytes:
        lists = (
            self.key_exchanges,
            self.host_keys,
            self.ciphers_out,
            self.ciphers_in,
            self.macs_out,
            self.macs_in,
            self.compressions_out,
            self.compressions_in,
            self.languages_out,
            self.languages_in,
        )
        return (
            self.cookie
            + b"".join(map(name_list, lists))
            + boolean(self.guess_follows)
            + uint32(0)
        )


def check_common(ours: KeyExchangeInit, theirs: KeyExchangeInit) -> None:
    """
    @raise NoCommonAlgorithm: where the two sides share no algorithm of some
        kind.
    """
    for kind, supported, offered in (
        ("key exchange", ours.key_exchanges, theirs.key_exchanges),
        ("host key algorithm", ours.host_keys, theirs.host_keys),
        ("cipher", ours.ciphers_out, theirs.ciphers_out),
        ("cipher", ours.ciphers_in, theirs.ciphers_in),
        ("MAC", ours.macs_out, theirs.macs_out),
        ("MAC", ours.macs_in, theirs.macs_in),
        ("compression", ours.compressions_out, theirs.compressions_out),
        ("compression", ours.compressions_in, theirs.compressions_in),
    ):
        if not set(supported) & set(offered):
            raise NoCommonAlgorithm(
                kind, without_markers(offered), without_markers(supported)
            )


def without_markers(names: Sequence[bytes]) -> list[bytes]:
    """
    What is an algorithm, of the names among which key exchanges are listed.
    """
    markers = (b"ext-info-", b"kex-strict-")
    return [name for name in names if not name.startswith(markers)]


def guessed_wrong(ours: KeyExchangeInit, theirs: KeyExchangeInit) -> bool:
    """
    Whether the packet that follows the server's KEXINIT is to be passed over
    (RFC 4253, section 7).
    """
    return theirs.guess_follows and (
        theirs.key_exchanges[:1] != ours.key_exchanges[:1]
        or theirs.host_keys[:1] != ours.host_keys[:1]
    )


class Reply(NamedTuple):
    """
    The server's last word in an exchange: C{public} is its public value, bytes
    in an exchange on a curve (RFC 5656, section 4; RFC 8731), a number else
    (RFC 4253, section 8; RFC 4419, section 3).
    """

    host_key: bytes
    public: bytes
    signature: bytes

    @classmethod
    def parse(cls, payload: bytes) -> Reply:
        """
        @raise conch_auth.errors.MalformedMessage: where it is not one.
        """
        reader = Reader(payload, "key exchange reply")
        reply = cls(reader.string(), reader.string(), reader.string())
        reader.end()
        return reply

    def number(self) -> int:
        """
        C{public} as the C{mpint} that it is in an exchange over a field.
        """
        return int.from_bytes(self.public, "big", signed=True)


def group_bits(payload: bytes) -> int:
    """
    The size of the prime in a group exchange's group (RFC 4419, section 3).

    @raise conch_auth.errors.MalformedMessage: where it is no group.
    """
    reader = Reader(payload, "key exchange group")
    prime, _ = reader.string(), reader.string()
    reader.end()
    return int.from_bytes(prime, "big").bit_length()


def exchange_hash(
    hash_: Callable[[bytes], Any],
    strings: Sequence[bytes],
    values: bytes,
    shared_secret: bytes,
) -> bytes:
    """
    The hash H that the host key signs (RFC 4253, section 8; RFC 4419, section
    3; RFC 5656, section 4).

    @param strings: the client's and the server's version, the payloads of their
        KEXINITs with the message number, and the host key.
    @param values: the public values and what else the kind of exchange puts
        between the host key and K, as it is on the wire.
    @param shared_secret: K, as it is on the wire.
    """
    data = b"".join(map(string, strings)) + values + shared_secret
    digest: bytes = hash_(data).digest()
    return digest


class HostKeyUnproved(Exception):
    """
    The server did not prove that it holds the host key; the text says why.
    """


@dataclass(frozen=True)
class ProvedKey:
    """
    A host key whose owner signed this exchange.
    """

    blob: bytes
    key_blob: bytes
    certificate: HostCertificate | None


class HostKeyProof(NamedTuple):
    """
    That the server holds its host key, as somebody else can verify it.

    @ivar host_key: the key, or the certificate, as the server showed it.
    @ivar session_id: what it signed, the hash of the first key exchange.
    """

    host_key: bytes
    session_id: bytes
    signature: bytes


def prove_host_key(
    algorithm: bytes, host_key: bytes, signature: bytes, digest: bytes
) -> ProvedKey:
    """
    The host key, once it has signed C{digest} with exactly the negotiated
    algorithm (RFC 4253, section 8; RFC 8332, section 3).

    @raise HostKeyUnproved: where it has not, or cannot be read.
    """
    shown = key_type(host_key)
    if shown != key_type_of(algorithm):
        raise HostKeyUnproved(
            f"the server showed a key of type {_shown(shown)} where "
            f"{_shown(algorithm)} was negotiated"
        )
    certificate: HostCertificate | None = None
    if is_certificate_algorithm(algorithm):
        try:
            certificate = HostCertificate.parse(host_key)
        except InvalidCertificate as error:
            raise HostKeyUnproved(
                f"the host certificate cannot be read: {error}"
            ) from error
    key_blob = certificate.key_blob if certificate is not None else host_key
    _verify(plain_algorithm(algorithm), key_blob, signature, digest)
    return ProvedKey(host_key, key_blob, certificate)


def _verify(algorithm: bytes, key_blob: bytes, signature: bytes, digest: bytes) -> None:
    try:
        made = _signature_algorithm(signature)
        key = keys.Key.fromString(key_blob, type="BLOB")
    except MalformedMessage as error:
        raise HostKeyUnproved(str(error)) from error
    except Exception as error:
        # Conch lets escape whatever its parsers and cryptography's meet.
        raise HostKeyUnproved("the host key cannot be read") from error
    if made != algorithm:
        raise HostKeyUnproved(
            f"the host key signed with {_shown(made)} where {_shown(algorithm)} "
            "was negotiated"
        )
    if key_type(key_blob) == names.SSH_RSA and key.size() < MINIMUM_RSA_BITS:
        raise HostKeyUnproved(f"the host key has {key.size()} bits only")
    try:
        verified = key.verify(signature, digest)
    except Exception:
        verified = False
    if verified is not True:
        raise HostKeyUnproved("the host key's signature of the exchange is wrong")


def _signature_algorithm(signature: bytes) -> bytes:
    reader = Reader(signature, "host key signature")
    algorithm, _ = reader.string(), reader.string()
    reader.end()
    return algorithm


def _shown(name: bytes) -> str:
    return printable(text(name), limit=64) or "none"
