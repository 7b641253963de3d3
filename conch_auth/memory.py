"""
What is remembered of earlier logins: for a user on a host, the methods and the
key that last worked, and the keys that were refused.

With it the right key is shown first, and a login that a server ended with
"Too many authentication failures" is gone on with by the next connection.  No
secret is among what is kept, and no name: each line says whom it is of by a
hash with a salt of its own, as in a hashed known_hosts file.  Keys stand there
by their SHA256 fingerprints.

A memory is a convenience.  Where its file cannot be read or written a warning
says so, and the login is as it would be without it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from twisted.logger import Logger

from conch_auth import _memory_file, names
from conch_auth._wire import string, uint32
from conch_auth.display import printable
from conch_auth.report import Attempt, AuthReport

__all__ = ["Memory", "Recollection", "default_path"]

#: Refused keys that are kept of one user on one host; the oldest go first.
MAX_REFUSED = 256

_PUBLICKEY = names.PUBLICKEY.decode("ascii")
_SALT_LENGTH = 16
_HASH_LENGTH = 32
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_NOTHING = "-"
_UNATTENDED = "unattended"
#: Seconds in which nobody can have read a question, and answered it.
_AT_ONCE = 0.2
#: What was learnt is written anew after so many seconds, though it be the same.
_A_DAY = 86400

_log = Logger()


def default_path() -> str | None:
    """
    The file that C{conch-auth} uses: C{~/.ssh/conch_auth_memory}, beside
    known_hosts, where nobody else may look.  C{None} where there is no home
    directory.
    """
    home = os.path.expanduser("~")
    return (
        os.path.join(home, ".ssh", "conch_auth_memory") if os.path.isdir(home) else None
    )


@dataclass(frozen=True)
class Recollection:
    """
    What is remembered of a user on a host.

    @ivar methods: the methods that the last login passed, in order; empty where
        there was none.
    @ivar key: the fingerprint of the first key that was accepted in it; empty
        where there was none.
    @ivar unattended: whether an agent has signed with it so fast that nobody can
        have been asked.
    @ivar refused: fingerprints of the keys that were refused since they were
        last accepted, longest ago first.
    @ivar seconds: when this was learnt, in seconds since 1970-01-01 UTC.
    """

    methods: tuple[str, ...] = ()
    key: str = ""
    refused: tuple[str, ...] = ()
    seconds: int = 0
    unattended: bool = False

    def after(self, report: AuthReport) -> Recollection:
        """
        What there is to remember after another login.
        """
        signed = _with_keys(report, "accepted", "partial")
        accepted = _fingerprints(signed)
        refused = _fingerprints(_with_keys(report, "refused"))
        key = "" if self.key in refused else self.key
        kept = [each for each in (*self.refused, *refused) if each not in accepted]
        return replace(
            self,
            methods=_passed(report) if report.succeeded else self.methods,
            key=accepted[0] if accepted else key,
            unattended=_is_unattended(signed[0]) if signed else self.unattended,
            refused=_last_of_each(kept)[-MAX_REFUSED:],
        )


def _with_keys(report: AuthReport, *outcomes: str) -> list[Attempt]:
    """
    The attempts with a key of the user's and one of these outcomes.
    """
    return [
        attempt
        for attempt in report.attempts
        if attempt.outcome in outcomes
        and attempt.method == _PUBLICKEY
        and attempt.key is not None
    ]


def _fingerprints(attempts: Iterable[Attempt]) -> list[str]:
    return [attempt.key.fingerprint for attempt in attempts if attempt.key is not None]


def _is_unattended(attempt: Attempt) -> bool:
    by_agent = (attempt.source or "").startswith(names.AGENT)
    return by_agent and attempt.agent_seconds < _AT_ONCE


def _passed(report: AuthReport) -> tuple[str, ...]:
    passed = [
        attempt.method
        for attempt in report.attempts
        if attempt.outcome in ("accepted", "partial") and _is_method(attempt.method)
    ]
    return tuple(passed[: names.MAX_METHODS])


def _last_of_each(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reversed(list(keys))))[::-1]


@dataclass(frozen=True)
class _Record:
    """
    One line: of whom, by a hash, and what.
    """

    salt: bytes
    digest: bytes
    recollection: Recollection

    @classmethod
    def of(cls, name: bytes) -> _Record:
        salt = secrets.token_bytes(_SALT_LENGTH)
        return cls(salt, hmac.digest(salt, name, "sha256"), Recollection())

    def is_of(self, name: bytes) -> bool:
        return hmac.compare_digest(
            hmac.digest(self.salt, name, "sha256"), self.digest
        )

    def line(self) -> bytes:
        kept = self.recollection
        fields = (
            base64.b64encode(self.salt).decode("ascii"),
            base64.b64encode(self.digest).decode("ascii"),
            str(kept.seconds),
            ",".join(kept.methods) or _NOTHING,
            kept.key or _NOTHING,
            ",".join(kept.refused) or _NOTHING,
            *[_UNATTENDED] * kept.unattended,
        )
        return " ".join(fields).encode("ascii") + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> _Record:
        """
        @raise ValueError: it is no such line.
        """
        salt, digest, seconds, methods, key, refused, *more = (
            line.decode("ascii").split(" ")
        )
        if not _SECONDS.fullmatch(seconds) or more not in ([], [_UNATTENDED]):
            raise ValueError(line)
        return cls(
            _decoded(salt, _SALT_LENGTH),
            _decoded(digest, _HASH_LENGTH),
            Recollection(
                _several(methods, _is_method),
                "".join(_several(key, _is_fingerprint, 1)),
                _several(refused, _is_fingerprint, MAX_REFUSED),
                int(seconds),
                bool(more),
            ),
        )


def _decoded(field: str, length: int) -> bytes:
    try:
        data = base64.b64decode(field, validate=True)
    except binascii.Error as error:
        raise ValueError(field) from error
    if len(data) != length:
        raise ValueError(field)
    return data


def _several(
    field: str, is_one: Callable[[str], bool], most: int = names.MAX_METHODS
) -> tuple[str, ...]:
    if field == _NOTHING:
        return ()
    found = tuple(field.split(","))
    if len(found) > most or not all(map(is_one, found)):
        raise ValueError(field)
    return found


def _is_method(word: str) -> bool:
    usable = word.isascii() and word != _NOTHING
    return usable and names.is_method_name(word.encode("ascii"))


def _is_fingerprint(word: str) -> bool:
    return _FINGERPRINT.fullmatch(word) is not None


class Memory:
    """
    A file of what is remembered.  Several programs may use it at once.

    What it says of a host is used only after the host has proved its key.

    @ivar path: the file.

    @param path: the file; C{~} stands for the home directory.
    @param warn: takes a sentence on why the file cannot be used; by default it
        goes to the log.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        warn: Callable[[str], object] | None = None,
    ) -> None:
        self.path = os.path.expanduser(os.fspath(path))
        self._warn = warn or _warn_log
        self._told: set[str] = set()

    def __repr__(self) -> str:
        return f"<Memory {printable(self.path)}>"

    def recall(self, user: str, host: str, port: int) -> Recollection:
        """
        What is remembered of a user on a host; an empty L{Recollection} where
        nothing is.
        """
        name = _name(user, host, port)
        try:
            records = self._read()
        except (OSError, ValueError) as error:
            self._tell("read", error)
            return Recollection()
        found = [record.recollection for record in records if record.is_of(name)]
        return found[-1] if found else Recollection()

    def learn(self, user: str, host: str, port: int, report: AuthReport) -> None:
        """
        Remember what a login has shown.
        """
        if not any(attempt.outcome in _INSTRUCTIVE for attempt in report.attempts):
            return
        try:
            with _memory_file.locked(self.path):
                self._learn(_name(user, host, port), report)
        except (OSError, ValueError) as error:
            self._tell("written", error)

    def _learn(self, name: bytes, report: AuthReport) -> None:
        others, known = [], None
        for record in self._read():
            if record.is_of(name):
                known = record
            else:
                others.append(record)
        record = known or _Record.of(name)
        new = record.recollection.after(report)
        now = int(time.time())
        if new == record.recollection and 0 <= now - new.seconds < _A_DAY:
            return
        if new == Recollection():
            return
        others.append(replace(record, recollection=replace(new, seconds=now)))
        _memory_file.replace(self.path, _fitting(record.line() for record in others))

    def _read(self) -> list[_Record]:
        """
        @raise OSError: the file is not to be used.
        """
        records, unreadable = [], 0
        for line in _memory_file.read(self.path).split(b"\n"):
            try:
                records += [_Record.parse(line)] if line else []
            except ValueError:
                unreadable += 1
        if unreadable:
            self._tell_once(f"{unreadable} lines of it cannot be read and are ignored")
        return records

    def _tell(self, done: str, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        self._tell_once(f"it cannot be {done} ({reason})")

    def _tell_once(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self._warn(f"the memory {printable(self.path)}: {printable(problem)}")


_INSTRUCTIVE = ("accepted", "partial", "refused")


def _warn_log(problem: str) -> None:
    _log.warn("{problem}", problem=problem)


def _name(user: str, host: str, port: int) -> bytes:
    """
    What is hashed: each part with its length, so that no two are alike.
    """
    known_as = host.lower().rstrip(".").encode("utf-8", "surrogateescape")
    return (
        string(user.encode("utf-8", "surrogateescape"))
        + string(known_as)
        + uint32(port)
    )


def _fitting(lines: Iterable[bytes]) -> bytes:
    """
    As many of the last lines as fit into a file.
    """
    kept: list[bytes] = []
    room = _memory_file.MAX_BYTES - len(_memory_file.HEADER)
    for line in reversed(list(lines)):
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return b"".join(reversed(kept))
