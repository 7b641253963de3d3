"""
What is known of a host key, as a value, and the error that says so.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from conch_auth import certificates
from conch_auth._knownhosts_lines import Entry
from conch_auth.errors import (
    HostKeyChanged,
    HostKeyNotVerifiable,
    HostKeyRevoked,
    HostKeyUnknown,
)
from conch_auth.report import KeyIdentity


class VerdictKind(enum.Enum):
    """
    What is known of a key.
    """

    #: A line names this key for this host.
    TRUSTED = "trusted"
    #: No line names a key for this host.
    UNKNOWN = "unknown"
    #: Lines name keys for this host, and this one is not among them.
    CHANGED = "changed"
    #: A line says that this key must never be accepted.
    REVOKED = "revoked"


class DecidingLine(NamedTuple):
    """
    A line that decided.

    @ivar file: the file's name.
    @ivar number: the line's number from 1.
    @ivar marker: L{CERT_AUTHORITY}, L{REVOKED}, or the empty string.
    @ivar key: the type and SHA256 fingerprint of the key on the line.
    """

    file: str
    number: int
    marker: str
    key: KeyIdentity


@dataclass(frozen=True)
class Verdict:
    """
    What is known of a key, and which lines say so.  It is true in a condition
    only where the key is trusted.

    @ivar key: the key that was judged; for a certificate, its authority's.
    @ivar lines: those that name the trusted key; those that revoke it; or, for
        a changed one, those that name the host's other keys.
    """

    kind: VerdictKind
    key: KeyIdentity
    lines: tuple[DecidingLine, ...] = ()

    def __bool__(self) -> bool:
        return self.kind is VerdictKind.TRUSTED

    @property
    def other_types_only(self) -> bool:
        """
        Whether the host's known keys are all of other types: a server that was
        given one more key looks so, and so does a listener.
        """
        types = {line.key.type for line in self.lines}
        return (
            self.kind is VerdictKind.CHANGED
            and bool(types)
            and self.key.type not in types
        )


def verdict_of(
    kind: VerdictKind, blob: bytes, entries: Iterable[Entry] = ()
) -> Verdict:
    lines = tuple(DecidingLine(e.file, e.number, e.marker, e.key) for e in entries)
    return Verdict(kind, identity(blob), lines)


def identity(blob: bytes) -> KeyIdentity:
    return KeyIdentity.of(certificates.key_type(blob), blob)


_ERRORS: dict[VerdictKind, type[HostKeyNotVerifiable]] = {
    VerdictKind.UNKNOWN: HostKeyUnknown,
    VerdictKind.CHANGED: HostKeyChanged,
    VerdictKind.REVOKED: HostKeyRevoked,
}


def refusal(
    verdict: Verdict, host: str, port: int, offered: KeyIdentity, problem: str | None
) -> HostKeyNotVerifiable:
    """
    The error for a key that is not trusted.

    @param offered: the key that the host showed.
    @param problem: what is wrong, where the error's own sentence says too little.
    """
    return _ERRORS[verdict.kind](
        host,
        port,
        offered.type,
        offered.fingerprint,
        [(line.file, line.number) for line in verdict.lines],
        problem,
    )
