"""
OpenSSH certificates: what they say, and whether a host's one holds.

The format is that of OpenSSH's PROTOCOL.certkeys.  C{cryptography} reads it;
nothing here trusts a certificate: that is for whoever knows the authorities
(L{conch_auth.interfaces.IHostKeyPolicy}).
"""

from __future__ import annotations

import base64
import datetime
import enum
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    load_ssh_public_identity,
)

from conch_auth import names
from conch_auth._causes import Cause
from conch_auth._wire import Reader
from conch_auth.display import printable, text
from conch_auth.errors import MalformedMessage

_SUFFIX = b"-cert-v01@openssh.com"
_RSA_ALGORITHMS = frozenset({names.RSA_SHA2_256, names.RSA_SHA2_512})
#: The C{valid before} that means no end.
_FOREVER = 2**64 - 1

#: Signatures of an authority that are taken.  C{ssh-rsa} is SHA-1, for which a
#: second certificate under the same signature can be made.
CA_SIGNATURE_ALGORITHMS = frozenset(
    {
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        names.RSA_SHA2_512,
        names.RSA_SHA2_256,
    }
)

_C = TypeVar("_C", bound="Certificate")


class InvalidCertificate(ValueError):
    """
    The bytes are not a certificate that can be read.
    """


class CertificateProblem(str):
    """
    What keeps a certificate from being of use, in a sentence.

    @ivar cause: the same, as one of L{conch_auth.diagnosis.CAUSES}.
    """

    __slots__ = ("cause",)
    cause: Cause

    def __new__(
        cls, problem: str, cause: Cause = "certificate-unusable"
    ) -> CertificateProblem:
        self = super().__new__(cls, problem)
        self.cause = cause
        return self


_WRONG_SIGNATURE = CertificateProblem(
    "the authority's signature of the certificate is wrong"
)


def is_certificate_algorithm(algorithm: bytes) -> bool:
    return algorithm.endswith(_SUFFIX)


def plain_algorithm(algorithm: bytes) -> bytes:
    """
    The algorithm that the signature itself is made with:
    C{rsa-sha2-512-cert-v01@openssh.com} signs as C{rsa-sha2-512}.  A plain
    algorithm is its own.
    """
    plain = algorithm.removesuffix(_SUFFIX)
    if plain != algorithm and plain.startswith(b"sk-"):
        # Those of security keys are OpenSSH's without a certificate, too.
        return plain + b"@openssh.com"
    return plain


def certificate_algorithm(plain: bytes) -> bytes:
    """
    The name of a plain algorithm where the key is a certificate: the opposite
    of L{plain_algorithm}.
    """
    return plain.removesuffix(b"@openssh.com") + _SUFFIX


def key_type_of(algorithm: bytes) -> bytes:
    """
    The type that a key blob must have to go with an algorithm.  It differs for
    RSA only, whose one type has several algorithms (RFC 8332, section 3;
    PROTOCOL.certkeys for certificates).
    """
    plain = plain_algorithm(algorithm)
    if plain not in _RSA_ALGORITHMS:
        return algorithm
    return names.SSH_RSA + algorithm[len(plain) :]


def key_type(blob: bytes) -> bytes:
    """
    The type of a key blob, its first field; empty where it has none.
    """
    try:
        return Reader(blob, "key").string()
    except MalformedMessage:
        return b""


class CertificateKind(enum.Enum):
    """
    What a certificate speaks of.
    """

    USER = 1
    HOST = 2


@dataclass(frozen=True)
class Certificate:
    """
    The fields of a certificate, in the order of PROTOCOL.certkeys.

    @ivar type_name: the certificate's own type, as
        C{ssh-ed25519-cert-v01@openssh.com}.
    @ivar key_blob: the plain public key that is certified.
    @ivar serial: the authority's number for it; 0 where it does not count.
    @ivar kind: whether it is for a user or for a host.
    @ivar key_id: the authority's text for logs.
    @ivar principals: the users or the host names it is for.
    @ivar valid_after: its first second, since 1970-01-01 UTC.
    @ivar valid_before: the first second in which it no longer holds.
    @ivar critical_options: names and values that must all be understood.
    @ivar extensions: names and values that need not be.
    @ivar ca_blob: the public key of the authority that signed it.
    @ivar signature_algorithm: what the authority signed with.
    @ivar signature_valid: whether the authority's signature holds.
    """

    blob: bytes = field(repr=False)
    type_name: bytes
    key_blob: bytes = field(repr=False)
    serial: int
    kind: CertificateKind
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical_options: tuple[tuple[bytes, bytes], ...]
    extensions: tuple[tuple[bytes, bytes], ...]
    ca_blob: bytes = field(repr=False)
    signature_algorithm: bytes
    signature_valid: bool

    @classmethod
    def parse(cls: type[_C], blob: bytes) -> _C:
        """
        @raise InvalidCertificate: where C{blob} is no certificate of a type
            that can be verified.
        """
        certificate = _load(blob)
        try:
            return cls(
                blob=blob,
                type_name=key_type(blob),
                key_blob=_plain_blob(certificate.public_key()),
                serial=certificate.serial,
                kind=CertificateKind(certificate.type.value),
                key_id=text(certificate.key_id),
                principals=tuple(map(text, certificate.valid_principals)),
                valid_after=certificate.valid_after,
                valid_before=certificate.valid_before,
                critical_options=tuple(certificate.critical_options.items()),
                extensions=tuple(certificate.extensions.items()),
                ca_blob=_plain_blob(certificate.signature_key()),
                signature_algorithm=_signature_algorithm(blob),
                signature_valid=_is_signature_valid(certificate),
            )
        except Exception as error:
            raise _unreadable(error) from error

    def certifies(self, key_blob: bytes) -> bool:
        """
        Whether this is a certificate of that plain public key.
        """
        return self.key_blob == key_blob


@dataclass(frozen=True)
class HostCertificate(Certificate):
    """
    A certificate that a host showed; L{check_host_certificate} judges it.
    """


@dataclass
class HostKeyOffer:
    """
    A host key whose possession the server has proved in this key exchange.

    @ivar host: the name to look up: the alias, where one was given.
    @ivar port: the port that was connected to.
    @ivar address: the address that was connected to, where it is known.
    @ivar algorithm: the negotiated host key algorithm.
    @ivar blob: the key as it was sent, a certificate included.
    @ivar key_blob: the plain public key; the certified one of a certificate.
    @ivar certificate: the certificate, which holds for C{host} now and is
        signed by the authority it names; C{None} where a plain key was sent.
    @ivar trusted_by: what made it trusted, in words for the report: set by
        whoever accepts it.
    """

    host: str
    port: int
    address: str | None
    algorithm: bytes
    blob: bytes = field(repr=False)
    key_blob: bytes = field(repr=False)
    certificate: HostCertificate | None = None
    trusted_by: str = field(default="", compare=False)


def check_host_certificate(
    certificate: Certificate,
    host: str,
    now: float,
    *,
    ca_algorithms: Collection[bytes] = CA_SIGNATURE_ALGORITHMS,
) -> str | None:
    """
    What keeps a certificate from holding for a host, in a sentence that
    follows a name; C{None} where nothing does.  Whether the authority is to be
    trusted is not asked here.

    A certificate without principals holds for no host.  PROTOCOL.certkeys calls
    it valid for every one; OpenSSH stopped doing so after CVE-2026-35414.

    @param host: the name, or the alias, that was asked for; case does not
        count.
    @param now: seconds since 1970-01-01 UTC.
    @param ca_algorithms: the signature algorithms taken from an authority.
    """
    if certificate.kind is not CertificateKind.HOST:
        return "the certificate is a user's, not a host's"
    if certificate.signature_algorithm not in ca_algorithms:
        made = printable(text(certificate.signature_algorithm), limit=64)
        return f"the authority's signature is made with {made}, which is not accepted"
    if not certificate.signature_valid:
        return _WRONG_SIGNATURE
    return (
        _time_problem(certificate, now)
        or _principal_problem(certificate, host)
        or _option_problem(certificate)
    )


def check_user_certificate(
    certificate: Certificate, now: float
) -> CertificateProblem | None:
    """
    What keeps a certificate from being of use to log in with, in a sentence;
    C{None} where nothing does.  For whom it holds is the server's to judge.

    @param now: seconds since 1970-01-01 UTC.
    """
    if certificate.kind is not CertificateKind.USER:
        return CertificateProblem("the certificate is a host's, not a user's")
    return _own_problem(certificate, now)


def check_own_host_certificate(
    certificate: Certificate, now: float
) -> CertificateProblem | None:
    """
    What keeps a certificate from being of use for this host to vouch for its
    users with (RFC 4252, section 9), in a sentence; C{None} where nothing does.
    For which host it holds is the server's to judge.

    @param now: seconds since 1970-01-01 UTC.
    """
    if certificate.kind is not CertificateKind.HOST:
        return CertificateProblem("the certificate is a user's, not a host's")
    return _own_problem(certificate, now)


def _own_problem(certificate: Certificate, now: float) -> CertificateProblem | None:
    if not certificate.signature_valid:
        return _WRONG_SIGNATURE
    return _time_problem(certificate, now)


def _time_problem(certificate: Certificate, now: float) -> CertificateProblem | None:
    if now < certificate.valid_after:
        return CertificateProblem(
            f"the certificate is not valid before {_when(certificate.valid_after)}",
            "certificate-not-yet-valid",
        )
    if now >= certificate.valid_before and certificate.valid_before != _FOREVER:
        return CertificateProblem(
            f"the certificate expired at {_when(certificate.valid_before)}",
            "certificate-expired",
        )
    return None


def _principal_problem(certificate: Certificate, host: str) -> str | None:
    if host.lower() in (principal.lower() for principal in certificate.principals):
        return None
    if not certificate.principals:
        return "the certificate names no host"
    named = printable(", ".join(certificate.principals), limit=200)
    return f"the certificate is for {named}, not for {printable(host)}"


def _option_problem(certificate: Certificate) -> str | None:
    if not certificate.critical_options:
        return None
    options = ", ".join(text(name) for name, _ in certificate.critical_options)
    return f"the certificate has unknown critical options: {printable(options)}"


def _when(seconds: int) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _load(blob: bytes) -> SSHCertificate:
    line = key_type(blob) + b" " + base64.b64encode(blob)
    try:
        loaded = load_ssh_public_identity(line)
    # cryptography lets escape whatever it meets: NotImplementedError for a
    # compressed point, InternalError of OpenSSL's.
    except Exception as error:
        raise _unreadable(error) from error
    if not isinstance(loaded, SSHCertificate):
        raise InvalidCertificate("it is a plain key, not a certificate")
    return loaded


def _unreadable(error: Exception) -> InvalidCertificate:
    return InvalidCertificate(printable(str(error), limit=200) or "it cannot be read")


def _plain_blob(key: object) -> bytes:
    line: bytes = key.public_bytes(  # type: ignore[attr-defined]
        Encoding.OpenSSH, PublicFormat.OpenSSH
    )
    return base64.b64decode(line.split(b" ")[1])


def _signature_algorithm(blob: bytes) -> bytes:
    """
    The name inside the last field, for which C{cryptography} has no accessor.
    """
    reader = Reader(blob, "certificate")
    for size in _FIELDS_BEFORE_SIGNATURE[plain_algorithm(reader.string())]:
        reader.take(size or reader.uint32())
    return Reader(reader.string(), "signature").string()


#: The sizes of a certificate's fields between its type and its signature; 0 for
#: a string.
_COMMON_FIELDS = (8, 4, 0, 0, 8, 8, 0, 0, 0, 0)
_FIELDS_BEFORE_SIGNATURE = {
    b"ssh-ed25519": (0, 0, *_COMMON_FIELDS),
    names.SSH_RSA: (0, 0, 0, *_COMMON_FIELDS),
    b"ecdsa-sha2-nistp256": (0, 0, 0, *_COMMON_FIELDS),
    b"ecdsa-sha2-nistp384": (0, 0, 0, *_COMMON_FIELDS),
    b"ecdsa-sha2-nistp521": (0, 0, 0, *_COMMON_FIELDS),
}


def _is_signature_valid(certificate: SSHCertificate) -> bool:
    try:
        certificate.verify_cert_signature()
    except (InvalidSignature, ValueError):
        return False
    return True
