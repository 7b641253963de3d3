"""
Which signature algorithm a key is offered with.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from conch_auth import names
from conch_auth._causes import MaybeCause
from conch_auth.certificates import key_type, plain_algorithm
from conch_auth.display import printable, text
from conch_auth.messages import KeyRequest, PublicKeyOk, PublicKeyRequest


class Choice(NamedTuple):
    """
    An algorithm, or C{None} where none is left; C{reason} says why either, and
    C{cause} why none, as one of L{conch_auth.diagnosis.CAUSES}.
    """

    algorithm: bytes | None
    reason: str
    cause: MaybeCause = ""


def signature_algorithms(key_type: bytes) -> tuple[bytes, ...]:
    """
    What a key of this type can sign, strongest first (RFC 8332, section 3).
    """
    return names.SIGNATURE_ALGORITHMS_OF_KEY.get(key_type, (key_type,))


def choose_signature(
    able: Collection[bytes], allowed: Sequence[bytes], listed: Collection[bytes]
) -> Choice:
    """
    The algorithm to name in a request for a key.

    @param able: the algorithms that the key, and whoever signs with it, can do.
    @param allowed: the algorithms that the client allows, most wanted first.
    @param listed: the server's C{server-sig-algs}; empty where it sent none.
    """
    permitted = sorted(
        (algorithm for algorithm in able if plain_algorithm(algorithm) in allowed),
        key=lambda algorithm: allowed.index(plain_algorithm(algorithm)),
    )
    if not permitted:
        return Choice(
            None,
            f"{_shown(able)} is not among the algorithms allowed here",
            "algorithm-not-allowed",
        )
    if not listed:
        return _without_list(permitted)
    common = [
        algorithm
        for algorithm in permitted
        if algorithm in listed or plain_algorithm(algorithm) in listed
    ]
    if not common:
        return Choice(
            None,
            "no common signature algorithm: the server lists "
            f"{_shown(listed)}, the key can sign {_shown(permitted)}",
            "algorithm-not-listed",
        )
    # SHA-1 only where nothing else is common, wherever the caller ranks it.
    common.sort(key=lambda algorithm: plain_algorithm(algorithm) == names.SSH_RSA)
    return Choice(common[0], "listed by the server")


def _without_list(permitted: Sequence[bytes]) -> Choice:
    """
    A server that lists nothing may be older than RFC 8332: only C{ssh-rsa} is
    sure to be understood there.
    """
    if names.SSH_RSA in permitted:
        return Choice(names.SSH_RSA, "the server lists no signature algorithms")
    return Choice(permitted[0], "the server lists no signature algorithms")


def may_fall_back(
    algorithm: bytes,
    key_type: bytes,
    allowed: Collection[bytes],
    listed: Collection[bytes],
) -> bool:
    """
    Whether a signer that can make nothing but C{algorithm} may use it.
    """
    return (
        algorithm in signature_algorithms(key_type)
        and algorithm in allowed
        and (not listed or algorithm in listed)
    )


def confirms(answered: PublicKeyOk, asked: PublicKeyRequest) -> bool:
    """
    Whether a server's PK_OK is for the key and the algorithm that were asked
    for.  Servers older than RFC 8332 put the key's type for the algorithm.
    """
    return answered.blob == asked.blob and answered.algorithm in (
        asked.algorithm,
        key_type_of(asked),
    )


def key_type_of(request: KeyRequest) -> bytes:
    """
    The type of a request's key: the first field of its blob, or the algorithm
    where an override offers a blob of its own making.
    """
    return key_type(request.blob) or request.algorithm


def _shown(algorithms: Collection[bytes]) -> str:
    return printable(", ".join(map(text, algorithms)), limit=200)
