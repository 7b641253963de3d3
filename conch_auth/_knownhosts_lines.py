"""
One line of a known_hosts file: which hosts it is for, and which key it names.

The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".  Nothing here
raises on what a file may hold: a line is an L{Entry}, a L{Problem}, both, or
neither.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from conch_auth._wire import Reader
from conch_auth.display import printable, text
from conch_auth.errors import MalformedMessage
from conch_auth.report import KeyIdentity

#: The longest line that is read, in bytes.  An RSA key of 16384 bits takes 2.8
#: kB of it; the rest is room for the names of a large cluster.
MAX_LINE_BYTES = 64 * 1024
#: The longest single name or pattern, in bytes: OpenSSH's own limit.
MAX_PATTERN_BYTES = 1023
#: How much of a line a L{Problem} quotes, in characters.
EXCERPT_LENGTH = 80

CERT_AUTHORITY = "@cert-authority"
REVOKED = "@revoked"
_MARKERS = {marker.encode(): marker for marker in (CERT_AUTHORITY, REVOKED)}

#: The key types that a line may name, and how many strings follow the type in
#: a key of each (RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709,
#: section 4; OpenSSH's PROTOCOL.u2f).
FIELDS_OF_KEY = {
    b"ssh-ed25519": 1,
    b"ssh-ed448": 1,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"sk-ssh-ed25519@openssh.com": 2,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 3,
    b"ssh-rsa": 2,
    b"ssh-dss": 4,
}

DEFAULT_PORT = 22

_BLANKS = re.compile(rb"[ \t]+")
#: What OpenSSH never writes as a name, and what would split the line.
_UNWRITABLE = re.compile(rb"[@?*#\[\]|'\"\\,!\x00-\x20\x7f]")
_WITH_PORT = re.compile(rb"\[(.*)\]:.*")
_STAR, _QUESTION = b"*?"
_SHA1_LENGTH = 20


class Problem(NamedTuple):
    """
    A line, or a whole file, that could not be used as it stands.

    @ivar file: the file's name.
    @ivar number: the line's number from 1; 0 for the whole file.
    @ivar reason: what is wrong, in a sentence.
    @ivar excerpt: the beginning of the line, fit for a screen.
    """

    file: str
    number: int
    reason: str
    excerpt: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.number}" if self.number else self.file
        told = f"{printable(where)}: {self.reason}"
        return f"{told}: {self.excerpt}" if self.excerpt else told


def lookup_name(host: str, port: int = DEFAULT_PORT) -> bytes:
    """
    The name under which a host stands in the file: in lower case, and as
    C{[host]:port} where the port is not 22.
    """
    name = host.encode("utf-8", "backslashreplace").lower()
    return name if port == DEFAULT_PORT else b"[%b]:%d" % (name, port)


def match_pattern(pattern: bytes, name: bytes) -> bool:
    """
    Whether C{pattern} matches all of C{name}: C{*} stands for any bytes, C{?}
    for one.  The time is at most the product of the two lengths.
    """
    at = here = resume = 0
    star = -1
    while here < len(name):
        wanted = pattern[at] if at < len(pattern) else None
        if wanted == _STAR:
            star, resume = at, here
            at += 1
        elif wanted is not None and wanted in (_QUESTION, name[here]):
            at += 1
            here += 1
        elif star >= 0:
            # Only the last star is tried anew: what an earlier one could take
            # in its place, the last one can take as well.
            resume += 1
            at, here = star + 1, resume
        else:
            return False
    return not pattern[at:].strip(b"*")


@dataclass(frozen=True)
class Patterns:
    """
    The names of a line, written out.

    @ivar wanted: patterns, one of which must match.
    @ivar excluded: patterns that were written with C{!}: none may match.
    """

    wanted: tuple[bytes, ...]
    excluded: tuple[bytes, ...] = ()

    def matches(self, name: bytes) -> bool:
        return _any_matches(self.wanted, name) and not _any_matches(self.excluded, name)

    def matches_at_any_port(self, host: bytes) -> bool:
        """
        Whether some C{[host]:port} of this host is meant.
        """
        return Patterns(
            tuple(map(_without_port, self.wanted)),
            tuple(map(_without_port, self.excluded)),
        ).matches(host)


def _any_matches(patterns: tuple[bytes, ...], name: bytes) -> bool:
    # A name that is written in full is found without a search by steps.
    return name in patterns or any(
        match_pattern(pattern, name)
        for pattern in patterns
        if b"*" in pattern or b"?" in pattern
    )


def _without_port(pattern: bytes) -> bytes:
    bracketed = _WITH_PORT.fullmatch(pattern)
    return pattern if bracketed is None else bracketed[1]


EVERY_HOST = Patterns((b"*",))


@dataclass(frozen=True)
class HashedName:
    """
    The one name of a line, as C{|1|salt|HMAC-SHA1}.
    """

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, name: bytes) -> HashedName:
        salt = secrets.token_bytes(_SHA1_LENGTH)
        return cls(salt, hmac.digest(salt, name, "sha1"))

    def matches(self, name: bytes) -> bool:
        return hmac.digest(self.salt, name, "sha1") == self.digest

    def matches_at_any_port(self, host: bytes) -> bool:
        """
        Whether some C{[host]:port} of this host is meant.  Every port is tried,
        which takes about a tenth of a second: ask last.
        """
        return any(self.matches(b"[%b]:%d" % (host, port)) for port in range(65536))

    def __bytes__(self) -> bytes:
        return b"|1|%b|%b" % (
            base64.b64encode(self.salt),
            base64.b64encode(self.digest),
        )


@dataclass(frozen=True)
class Entry:
    """
    A line that names a key.

    @ivar file: the file's name.
    @ivar number: the line's number from 1.
    @ivar marker: L{CERT_AUTHORITY}, L{REVOKED}, or the empty string.
    @ivar names: the hosts that it is for.
    @ivar key_type: the key's type.
    @ivar key_blob: the key, as in RFC 4253, section 6.6.
    """

    file: str
    number: int
    marker: str
    names: Patterns | HashedName
    key_type: bytes
    key_blob: bytes

    @property
    def key(self) -> KeyIdentity:
        return KeyIdentity.of(self.key_type, self.key_blob)


class _Unusable(Exception):
    """
    A line does not say what a line must; the argument is the reason.
    """


def read_line(
    file: str, number: int, line: bytes
) -> tuple[Entry | None, list[Problem]]:
    """
    What a line says, and what is wrong with it.

    A line that revokes and is not wholly in order still revokes what key can be
    made out, for every host: a slip of the pen must not bring a stolen key
    back.
    """
    line = line.strip(b" \t\r")
    if not line or line.startswith(b"#"):
        return None, []
    try:
        return _entry(file, number, line), []
    except _Unusable as unusable:
        excerpt = printable(text(line[: 4 * EXCERPT_LENGTH]), limit=EXCERPT_LENGTH)
        problem = Problem(file, number, str(unusable), excerpt)
        return _revocation(file, number, line), [problem]


def _entry(file: str, number: int, line: bytes) -> Entry:
    if len(line) > MAX_LINE_BYTES:
        raise _Unusable(f"the line is longer than {MAX_LINE_BYTES} bytes")
    marker, rest = _marker(line)
    fields = _BLANKS.split(rest, 3)
    if len(fields) < 3:
        raise _Unusable("names, a key type and a key are wanted")
    named_type, key_blob = fields[1], _decoded(fields[2])
    try:
        key_type = checked_key_type(key_blob)
    except ValueError as error:
        raise _Unusable(str(error)) from None
    if key_type != named_type:
        raise _Unusable("the key is of another type than the line says")
    return Entry(file, number, marker, _names(fields[0]), key_type, key_blob)


def _revocation(file: str, number: int, line: bytes) -> Entry | None:
    words = _BLANKS.split(line)
    if words[0] != REVOKED.encode():
        return None
    for word in words[1:]:
        try:
            key_blob = _decoded(word)
            key_type = checked_key_type(key_blob)
        except (_Unusable, ValueError):
            continue
        return Entry(file, number, REVOKED, EVERY_HOST, key_type, key_blob)
    return None


def _marker(line: bytes) -> tuple[str, bytes]:
    if not line.startswith(b"@"):
        return "", line
    word, *rest = _BLANKS.split(line, 1)
    if word not in _MARKERS:
        raise _Unusable("the marker is unknown")
    if rest and rest[0].startswith(b"@"):
        raise _Unusable("only one marker may stand on a line")
    return _MARKERS[word], rest[0] if rest else b""


def _names(field: bytes) -> Patterns | HashedName:
    if field.startswith(b"|"):
        return _hashed_name(field)
    patterns = field.lower().split(b",")
    if max(map(len, patterns)) > MAX_PATTERN_BYTES:
        raise _Unusable(f"a name is longer than {MAX_PATTERN_BYTES} bytes")
    return Patterns(
        tuple(p for p in patterns if p and not p.startswith(b"!")),
        tuple(p[1:] for p in patterns if p.startswith(b"!")),
    )


def _hashed_name(field: bytes) -> HashedName:
    parts = field.split(b"|")
    if len(parts) != 4 or parts[1] != b"1":
        raise _Unusable("the hashed name is not of the form |1|salt|hash")
    salt, digest = _decoded(parts[2]), _decoded(parts[3])
    if not len(salt) == len(digest) == _SHA1_LENGTH:
        raise _Unusable(f"salt and hash of a name take {_SHA1_LENGTH} bytes each")
    return HashedName(salt, digest)


def _decoded(word: bytes) -> bytes:
    try:
        return base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        raise _Unusable("the base64 is not valid") from None


def checked_key_type(blob: bytes) -> bytes:
    """
    The type of a plain public key.

    @raise ValueError: the type is none of L{FIELDS_OF_KEY}, or the key has not
        as many fields as its type wants.
    """
    reader = Reader(blob, "public key")
    try:
        key_type = reader.string()
        if key_type not in FIELDS_OF_KEY:
            shown = printable(text(key_type), limit=EXCERPT_LENGTH)
            raise ValueError(f"the key type {shown} is unknown")
        for _ in range(FIELDS_OF_KEY[key_type]):
            reader.string()
        reader.end()
    except MalformedMessage as error:
        raise ValueError(str(error)) from None
    return key_type


def format_line(host: str, port: int, key_blob: bytes, hashed: bool) -> bytes:
    """
    The line that names a host's key, with its line feed.

    @raise ValueError: the host's name cannot stand in the file, or the key is
        not a plain public key.
    """
    key_type = checked_key_type(key_blob)
    name = lookup_name(host)
    if not name or len(name) > MAX_PATTERN_BYTES or _UNWRITABLE.search(name):
        shown = printable(host, limit=EXCERPT_LENGTH)
        raise ValueError(f"the name {shown!r} cannot stand in known_hosts")
    name = lookup_name(host, port)
    field = bytes(HashedName.of(name)) if hashed else name
    return b"%b %b %b\n" % (field, key_type, base64.b64encode(key_blob))
