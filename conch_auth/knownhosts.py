"""
Which host keys are known: OpenSSH's known_hosts files, and what they say of a
key that a server has shown.

The rules are those of OpenSSH's C{hostfile.c} and C{sshconnect.c}, tried
against ssh 9.2:

  - A host on another port than 22 stands in the file as C{[host]:port}.  Where
    that name holds no key at all (or no authority that fits), a key or an
    authority of the bare C{host} is trusted too; a bare name that holds another
    key says nothing of the port.
  - Any key that is held for the name makes every other key a changed one,
    whatever its type: else a listener would only have to show a key of another
    type to be taken for a new host.
  - The address is not looked up (C{CheckHostIP no}), unless it is the name.
  - An alias (C{HostKeyAlias}) is looked up without a port: pass it as C{host}
    with port 22.

They are stricter in revoking: C{@revoked} counts for every form of the name,
with this port, another, or none, and for the address (C{ssh} takes a key that is
revoked for C{host} on C{[host]:2222}); and for every host where the line is not
wholly in order and its key can still be made out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from zope.interface import implementer

from conch_auth._knownhosts_file import append, locked, read_file, read_locked
from conch_auth._knownhosts_lines import (
    CERT_AUTHORITY,
    DEFAULT_PORT,
    REVOKED,
    Entry,
    Problem,
    format_line,
    lookup_name,
    read_line,
)
from conch_auth._policies import (
    PinnedKey,
    insecure_accept_any,
    known_first,
    plain_algorithms,
)
from conch_auth._verdicts import (
    DecidingLine,
    Verdict,
    VerdictKind,
    identity,
    refusal,
    verdict_of,
)
from conch_auth.certificates import HostKeyOffer
from conch_auth.display import printable
from conch_auth.interfaces import IHostKeyPolicy
from conch_auth.report import KeyIdentity

__all__ = [
    "CERT_AUTHORITY",
    "REVOKED",
    "DecidingLine",
    "KnownHosts",
    "KnownHostsPolicy",
    "PinnedKey",
    "Problem",
    "Verdict",
    "VerdictKind",
    "default_paths",
    "insecure_accept_any",
]

Path = str | os.PathLike[str]

_SYSTEM_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


def default_paths() -> tuple[str, ...]:
    """
    The files that C{ssh} reads, in its order: the user's, below C{$HOME}, then
    the system's.  The first is the one to add to.
    """
    return (*map(os.path.expanduser, _USER_FILES), *_SYSTEM_FILES)


class KnownHosts:
    """
    The lines of one or more known_hosts files.

    It is a reading: lines that others add later are not seen.

    @ivar problems: the L{Problem}s of the files: what could not be read, and
        each line that could not be used.  Such a line trusts nobody.
    """

    def __init__(
        self, entries: Iterable[Entry] = (), problems: Iterable[Problem] = ()
    ) -> None:
        self._entries = tuple(entries)
        self.problems = tuple(problems)

    @classmethod
    def from_files(cls, paths: Path | Iterable[Path]) -> KnownHosts:
        """
        Read files; C{~} stands for the home directory.  A file that is missing
        is empty, one that cannot be read is empty and among L{problems}.
        """
        if isinstance(paths, str | os.PathLike):
            paths = [paths]
        entries: list[Entry] = []
        problems: list[Problem] = []
        for path in map(_expanded, paths):
            data, unread = read_file(path)
            read, unusable = _read_lines(data, path)
            entries += read
            problems += unread + unusable
        return cls(entries, problems)

    @classmethod
    def from_bytes(cls, data: bytes, filename: str = "<bytes>") -> KnownHosts:
        """
        Read what a file would hold; C{filename} names it in verdicts.
        """
        return cls(*_read_lines(data, filename))

    @property
    def unread(self) -> tuple[Problem, ...]:
        """
        Of L{problems} the whole files.
        """
        return tuple(problem for problem in self.problems if not problem.number)

    def verdict(
        self, host: str, port: int, address: str | None, key_blob: bytes
    ) -> Verdict:
        """
        What is known of a plain host key.

        @param address: the address that was connected to; only C{@revoked}
            lines are looked up under it.
        """
        revoked = self._revocations(host, port, address, [key_blob])
        if revoked:
            return verdict_of(VerdictKind.REVOKED, key_blob, revoked)
        same = _with_key(self._keys(host, port), key_blob)
        if same:
            return verdict_of(VerdictKind.TRUSTED, key_blob, same)
        others = self._held("", lookup_name(host, port))
        kind = VerdictKind.CHANGED if others else VerdictKind.UNKNOWN
        return verdict_of(kind, key_blob, others)

    def ca_verdict(
        self,
        host: str,
        port: int,
        address: str | None,
        ca_blob: bytes,
        certified_key_blob: bytes,
    ) -> Verdict:
        """
        Whether an authority is trusted to certify this host: C{TRUSTED},
        C{UNKNOWN}, or C{REVOKED} where it or the certified key is revoked.
        Whether the certificate itself holds is not judged here.
        """
        revoked = self._revocations(host, port, address, [ca_blob, certified_key_blob])
        if revoked:
            return verdict_of(VerdictKind.REVOKED, ca_blob, revoked)
        same = _with_key(self._authorities(host, port), ca_blob)
        kind = VerdictKind.TRUSTED if same else VerdictKind.UNKNOWN
        return verdict_of(kind, ca_blob, same)

    def key_types(
        self, host: str, port: int = DEFAULT_PORT, address: str | None = None
    ) -> tuple[bytes, ...]:
        """
        The types of the keys that L{verdict} could trust for a host, each once,
        in the order of the lines.
        """
        return tuple(
            dict.fromkeys(
                entry.key_type
                for entry in self._keys(host, port)
                if not self._revocations(host, port, address, [entry.key_blob])
            )
        )

    def has_ca(
        self, host: str, port: int = DEFAULT_PORT, address: str | None = None
    ) -> bool:
        """
        Whether some authority is trusted to certify a host.
        """
        return any(
            not self._revocations(host, port, address, [entry.key_blob])
            for entry in self._authorities(host, port)
        )

    def lines_with(self, key_blob: bytes) -> tuple[DecidingLine, ...]:
        """
        The lines that trust a plain key for whatever host.
        """
        entries = _with_key(self._entries, key_blob)
        plain = [entry for entry in entries if not entry.marker]
        return verdict_of(VerdictKind.TRUSTED, key_blob, plain).lines

    def policy(
        self, host: str, port: int = DEFAULT_PORT, address: str | None = None
    ) -> KnownHostsPolicy:
        """
        The L{IHostKeyPolicy} that trusts what these lines trust for one host.
        """
        return KnownHostsPolicy(self, host, port, address)

    def add(
        self,
        host: str,
        port: int,
        key_blob: bytes,
        *,
        path: Path,
        hashed: bool = False,
    ) -> bool:
        """
        Append a line for a host's plain key to a file, and know it from now on.
        It waits for the disk and for a lock.

        @param hashed: write the name as a hash, as C{HashKnownHosts} does.
        @return: whether a line was written; C{False} where the file has one
            that says the same.
        @raise ValueError: the name or the key cannot stand in such a file.
        @raise OSError: the file could not be written; what it held is intact.
        """
        file = _expanded(path)
        line = format_line(host, port, key_blob, hashed)
        with locked(file) as descriptor:
            data = read_locked(descriptor, file)
            present = KnownHosts(_read_lines(data, file)[0])
            there = _with_key(present._held("", lookup_name(host, port)), key_blob)
            if not there:
                append(descriptor, line, file)
        said = there or _read_lines(line, file, _next_line(data))[0]
        self._entries += tuple(entry for entry in said if entry not in self._entries)
        return not there

    def _held(self, marker: str, *names: bytes) -> list[Entry]:
        return [
            entry
            for entry in self._entries
            if entry.marker == marker and any(map(entry.names.matches, names))
        ]

    def _keys(self, host: str, port: int) -> list[Entry]:
        with_port = self._held("", lookup_name(host, port))
        return with_port or self._held("", lookup_name(host))

    def _authorities(self, host: str, port: int) -> list[Entry]:
        return self._held(CERT_AUTHORITY, lookup_name(host, port), lookup_name(host))

    def _revocations(
        self, host: str, port: int, address: str | None, blobs: Sequence[bytes]
    ) -> list[Entry]:
        return [
            entry
            for entry in self._entries
            if entry.marker == REVOKED
            and entry.key_blob in blobs
            and any(_is_for(entry, name, port) for name in (host, address) if name)
        ]


def _is_for(entry: Entry, host: str, port: int) -> bool:
    """
    Whether a line is for a host under any form of its name.
    """
    return (
        entry.names.matches(lookup_name(host, port))
        or entry.names.matches(lookup_name(host))
        or entry.names.matches_at_any_port(lookup_name(host))
    )


def _with_key(entries: Iterable[Entry], blob: bytes) -> list[Entry]:
    return [entry for entry in entries if entry.key_blob == blob]


def _read_lines(
    data: bytes, filename: str, first: int = 1
) -> tuple[list[Entry], list[Problem]]:
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, line in enumerate(data.split(b"\n"), first):
        entry, found = read_line(filename, number, line)
        if entry is not None:
            entries.append(entry)
        problems += found
    return entries, problems


def _next_line(data: bytes) -> int:
    """
    The number of a line that is appended after C{data}.
    """
    return data.count(b"\n") + (1 if not data or data.endswith(b"\n") else 2)


def _expanded(path: Path) -> str:
    return os.path.expanduser(os.fspath(path))


@implementer(IHostKeyPolicy)
@dataclass(frozen=True)
class KnownHostsPolicy:
    """
    Trusts what known_hosts lines trust for one host.

    The host is the one named here, whatever a connection is called: a policy
    made for one host never accepts another's key.

    @ivar host: the name to look up: the alias, where there is one.
    @ivar port: the port; 22 for an alias.
    @ivar address: the address; that of the offer, where it has one, goes before.
    """

    known_hosts: KnownHosts
    host: str
    port: int = DEFAULT_PORT
    address: str | None = None

    def order_algorithms(self, supported: Sequence[bytes]) -> list[bytes]:
        """
        Certificates first where an authority is known for the host, and not at
        all where none is; then the types of known keys; then the others.
        """
        where = (self.host, self.port, self.address)
        plain = plain_algorithms(supported)
        certified = [algorithm for algorithm in supported if algorithm not in plain]
        if not self.known_hosts.has_ca(*where):
            certified = []
        return certified + known_first(plain, self.known_hosts.key_types(*where))

    def judge(self, offer: HostKeyOffer) -> Verdict:
        """
        What is known of an offered key.  A certificate of an authority that is
        not known for the host counts as the plain key in it, as for C{ssh}: a
        line may name that.  Here, unlike there, it does not count under the
        bare name where another key is held for C{[host]:port}.
        """
        address = offer.address or self.address
        if offer.certificate is not None:
            verdict = self.known_hosts.ca_verdict(
                self.host, self.port, address, offer.certificate.ca_blob, offer.key_blob
            )
            if verdict.kind is not VerdictKind.UNKNOWN:
                return verdict
        return self.known_hosts.verdict(self.host, self.port, address, offer.key_blob)

    def accept(self, offer: HostKeyOffer) -> Literal[True]:
        """
        @raise HostKeyUnknown: no line speaks of the host.
        @raise HostKeyChanged: the lines name other keys for the host.
        @raise HostKeyRevoked: the key or its authority is revoked.
        """
        verdict = self.judge(offer)
        if verdict:
            offer.trusted_by = _grounds(verdict)
            return True
        offered = identity(offer.key_blob)
        problem = _problem(verdict, offer, offered) or self._unread(verdict)
        raise refusal(verdict, self.host, self.port, offered, problem)

    def _unread(self, verdict: Verdict) -> str | None:
        """
        The host may be known in a file that could not be read.
        """
        unread = "; ".join(map(str, self.known_hosts.unread))
        if verdict.kind is VerdictKind.UNKNOWN and unread:
            return f"the host key is unknown, and {unread}"
        return None


def _grounds(verdict: Verdict) -> str:
    """
    The line that names the key, as a reader of the file finds it.
    """
    line = verdict.lines[0]
    whose = "the authority in " if line.marker else ""
    return f"{whose}{printable(line.file)}:{line.number}"


def _problem(verdict: Verdict, offer: HostKeyOffer, offered: KeyIdentity) -> str | None:
    if verdict.other_types_only:
        return "the host is known under keys of other types only"
    if verdict.kind is VerdictKind.REVOKED and all(
        line.key != offered for line in verdict.lines
    ):
        return "the authority that certified the host key is revoked"
    if verdict.kind is VerdictKind.UNKNOWN and offer.certificate is not None:
        return "neither the host key nor the authority that certified it is known"
    return None
