"""
Host-key policies that need no file: pinned fingerprints, and none at all; and
the order in which a policy asks for a host's keys.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from zope.interface import implementer

from conch_auth import certificates
from conch_auth._verdicts import Verdict, VerdictKind, refusal, verdict_of
from conch_auth.certificates import HostKeyOffer
from conch_auth.display import fingerprint
from conch_auth.interfaces import IHostKeyPolicy


def plain_algorithms(algorithms: Iterable[bytes]) -> list[bytes]:
    return [
        algorithm
        for algorithm in algorithms
        if not certificates.is_certificate_algorithm(algorithm)
    ]


def known_first(plain: list[bytes], held: Collection[bytes]) -> list[bytes]:
    """
    Algorithms of known keys before the others.  Where the first one is of a
    known key the order stays, so that it does not tell a listener which hosts
    are known (CVE-2020-14145); elsewhere it does, as C{ssh}'s does.
    """

    def is_new(algorithm: bytes) -> bool:
        return certificates.key_type_of(algorithm) not in held

    return sorted(plain, key=is_new) if plain and is_new(plain[0]) else plain


_SHA256_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@implementer(IHostKeyPolicy)
class PinnedKey:
    """
    Trusts the keys whose SHA256 fingerprints are given, and no other, for
    whatever host.  Certificates are not asked for.

    @param fingerprints: one or more, as C{ssh-keygen -l} prints them:
        C{SHA256:} and 43 characters.
    @raise ValueError: there is none, or one is not such a fingerprint.  An MD5
        one is not taken: another key with the same can be made.
    """

    def __init__(self, *fingerprints: str) -> None:
        for pin in fingerprints:
            if not _SHA256_FINGERPRINT.fullmatch(pin.rstrip("=")):
                raise ValueError(f"not a SHA256 fingerprint of a key: {pin!r}")
        if not fingerprints:
            raise ValueError("no fingerprint is given")
        self.fingerprints = tuple(pin.rstrip("=") for pin in fingerprints)

    def __repr__(self) -> str:
        return f"PinnedKey({', '.join(map(repr, self.fingerprints))})"

    def verdict(self, key_blob: bytes) -> Verdict:
        """
        C{TRUSTED}, or C{CHANGED} for every key that is not pinned.
        """
        pinned = fingerprint(key_blob) in self.fingerprints
        return verdict_of(
            VerdictKind.TRUSTED if pinned else VerdictKind.CHANGED, key_blob
        )

    def order_algorithms(self, supported: Sequence[bytes]) -> list[bytes]:
        return plain_algorithms(supported)

    def accept(self, offer: HostKeyOffer) -> Literal[True]:
        """
        @raise HostKeyChanged: the key is not pinned.
        """
        verdict = self.verdict(offer.key_blob)
        if verdict:
            offer.trusted_by = "its fingerprint, which was given"
            return True
        error = refusal(
            verdict,
            offer.host,
            offer.port,
            verdict.key,
            f"the host key is not the pinned one, {' or '.join(self.fingerprints)}",
        )
        error.advice = (
            "Do not log in before the host's owner has confirmed the new "
            "fingerprint; then pin that one."
        )
        raise error


@implementer(IHostKeyPolicy)
class _AcceptAny:
    def __repr__(self) -> str:
        return "insecure_accept_any()"

    def order_algorithms(self, supported: Sequence[bytes]) -> list[bytes]:
        # A certificate would add ways to fail and no way to be trusted.
        return plain_algorithms(supported)

    def accept(self, offer: HostKeyOffer) -> Literal[True]:
        offer.trusted_by = "insecure_accept_any, which checks nothing"
        return True


def is_judging(policy: IHostKeyPolicy) -> bool:
    """
    Whether C{policy} looks at the host key at all.
    """
    return not isinstance(policy, _AcceptAny)


def insecure_accept_any() -> IHostKeyPolicy:
    """
    A policy that accepts every host key of every host.

    Whoever stands between can then read and change all that is sent, passwords
    included.  It is for tests and for networks that are trusted on other
    grounds.
    """
    return _AcceptAny()
