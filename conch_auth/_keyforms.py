"""
The forms in which an application may give keys and certificates.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.serialization import SSHCertificate
from twisted.conch.ssh.keys import Key
from twisted.python.filepath import FilePath

from conch_auth import _keyfiles
from conch_auth._keyfiles import PrivateKeyText, conch_key, expanded, shown
from conch_auth._signers import CertifiedSigner, KeySigner
from conch_auth.certificates import Certificate, InvalidCertificate
from conch_auth.errors import KeyUnusable
from conch_auth.interfaces import ISigner

GIVEN_KEY = "given key"
GIVEN_CERTIFICATE = "given certificate"

_PATHS = (str, os.PathLike, FilePath)


class GivenCertificate(NamedTuple):
    """
    A certificate, and where it came from.
    """

    certificate: Certificate
    path: str

    def by(self, signer: ISigner) -> CertifiedSigner:
        return CertifiedSigner(signer, self.certificate, shown(self.path))


def several(given: Any, pair: Any = tuple) -> Iterable[Any]:
    """
    What was given, one by one.

    @param pair: the type that is one thing although it has several.
    """
    if given is None or given == ():
        return ()
    one = ISigner.providedBy(given) or isinstance(given, (bytes, *_PATHS))
    if one or isinstance(given, pair) or not isinstance(given, Iterable):
        return (given,)
    return given


def key_and_certificate(item: Any) -> tuple[Any, Any]:
    if ISigner.providedBy(item) or not isinstance(item, tuple):
        return item, None
    if len(item) != 2:
        raise KeyUnusable(
            GIVEN_KEY,
            "a tuple is a key and its certificate",
            advice="give several as a list",
        )
    return item


def found_key(given: Any) -> tuple[str, Any]:
    """
    The path of a key, and an L{ISigner} or a L{PrivateKeyText}.
    """
    if ISigner.providedBy(given):
        return GIVEN_KEY, given
    if isinstance(given, _PATHS):
        path = _path(given, GIVEN_KEY)
        return path, PrivateKeyText.read(path)
    if isinstance(given, bytes | bytearray):
        return GIVEN_KEY, PrivateKeyText.parse(bytes(given), GIVEN_KEY)
    return GIVEN_KEY, KeySigner(_conch_key(given), GIVEN_KEY)


def _conch_key(given: Any) -> Key:
    if not isinstance(given, Key):
        return conch_key(given, GIVEN_KEY)
    if given.isPublic():
        raise KeyUnusable(
            GIVEN_KEY, "it is a public key", "key-not-private", "give the private one"
        )
    return given


def _path(given: Any, words: str) -> str:
    named = given.path if isinstance(given, FilePath) else given
    path = expanded(os.fsdecode(named))
    if "-----BEGIN" in path or "\n" in path:
        # Whoever takes a key for its path must not find it in an error.
        raise KeyUnusable(
            words,
            "its content was given as text, which names a file",
            "key-missing",
            "give bytes",
        )
    return path


def found_certificate(given: Any) -> GivenCertificate:
    path = GIVEN_CERTIFICATE
    if isinstance(given, Certificate):
        return GivenCertificate(given, path)
    if isinstance(given, SSHCertificate):
        given = given.public_bytes()
    elif isinstance(given, _PATHS):
        path = _path(given, path)
        given = _keyfiles.read(path)[0]
    blob = _keyfiles.public_blob(given) if isinstance(given, bytes) else None
    if blob is None:
        raise KeyUnusable(path, "it is not a certificate", "certificate-unusable")
    try:
        return GivenCertificate(Certificate.parse(blob), path)
    except InvalidCertificate as error:
        problem = f"it is not a certificate to use: {error}"
        raise KeyUnusable(path, problem, "certificate-unusable") from None
