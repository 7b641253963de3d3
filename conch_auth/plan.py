"""
Which credentials a login tries, in which order, and which it leaves out.

A server ends a connection after a number of refused requests: OpenSSH's
C{MaxAuthTries}, which is 6 by default, counts every key that it is shown, and
a certificate and its plain key as two.  Someone whose agent holds more keys
would be locked out before the right one, or a password, had its turn.  So the
order is decided before the first is shown:

  - keys that the application gave come before those that were found, and in
    either group what was refused when it was last tried comes last, longest
    ago first, and what worked last comes first;
  - what can never be accepted is not counted;
  - tries are kept for the methods that come after the keys, at most half of
    all;
  - what is left over is left out of this connection, and the report says so.

Nothing here asks or sends anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from conch_auth import names
from conch_auth._causes import MaybeCause
from conch_auth.algorithms import choose_signature
from conch_auth.certificates import key_type
from conch_auth.display import fingerprint, printable, text
from conch_auth.memory import Recollection
from conch_auth.report import KeyIdentity

__all__ = [
    "Candidate",
    "Circumstances",
    "Plan",
    "Step",
    "keys_allowed",
    "order_methods",
    "plan_keys",
]

#: The most keys beyond the budget that a report names one by one.
MOST_NAMED = 32

IDENTITIES_ONLY = (
    "IdentitiesOnly is set, and neither IdentityFile nor CertificateFile names it"
)


@dataclass(frozen=True)
class Candidate:
    """
    A key that might be offered.

    @ivar source: where it comes from, in words.
    @ivar blob: its public half; empty where nobody knows it yet.
    @ivar algorithms: what it can sign, as of an
        L{ISigner<conch_auth.interfaces.ISigner>}.
    @ivar given: whether the application named it.
    @ivar problem: why it can never be used; empty otherwise.
    @ivar cause: the same, as one of L{conch_auth.diagnosis.CAUSES}.
    @ivar unwanted: whether it is not to be used for this host.
    @ivar item: what the planner's caller knows it by.
    """

    source: str
    blob: bytes = field(default=b"", repr=False)
    algorithms: Sequence[bytes] = ()
    given: bool = False
    problem: str = ""
    cause: MaybeCause = ""
    unwanted: bool = False
    item: Any = field(default=None, repr=False, compare=False)

    @property
    def identity(self) -> KeyIdentity | None:
        return KeyIdentity.of(key_type(self.blob), self.blob) if self.blob else None


@dataclass(frozen=True)
class Circumstances:
    """
    What is known when keys are planned.

    @ivar allowed: the signature algorithms that are allowed here.
    @ivar listed: the server's C{server-sig-algs}; empty where they are not
        known.
    @ivar tries: requests that the server may still refuse; C{None} for no
        limit.
    @ivar limit: how many they were in the beginning.
    @ivar kept_for: what comes after the keys and needs a try of its own.
    @ivar recollection: what is remembered of this user on this host.
    @ivar remembering: whether there is a memory at all.
    """

    allowed: Sequence[bytes] = names.SIGNATURE_ALGORITHMS
    listed: Collection[bytes] = ()
    tries: int | None = names.MAX_AUTH_TRIES
    limit: int | None = names.MAX_AUTH_TRIES
    kept_for: Sequence[str] = ()
    recollection: Recollection = field(default_factory=Recollection)
    remembering: bool = False

    @property
    def kept(self) -> int:
        """
        How many tries are kept for what comes after the keys.
        """
        wanted = len(self.kept_for)
        return wanted if self.tries is None else min(wanted, max(self.tries, 0) // 2)

    def budget(self) -> str:
        """
        Why no more keys are offered, in words.
        """
        some = "one of them is" if self.kept == 1 else f"{self.kept} of them are"
        kept = f", and {some} kept for {_listed(self.kept_for)}" if self.kept else ""
        return f"{self.limit} refused attempts are all that most servers allow{kept}"


def keys_allowed(circumstances: Circumstances) -> int | None:
    """
    How many keys the server may refuse before no other is offered: one at
    least; C{None} for no limit.
    """
    tries = circumstances.tries
    return None if tries is None else max(1, tries - circumstances.kept)


@dataclass(frozen=True)
class Step:
    """
    A credential, and what becomes of it.

    @ivar method: the method's name.
    @ivar key: the public key, for a method that has one and once it is known.
    @ivar source: where the credential comes from, in words.
    @ivar left_out: why it is not tried; empty where it is.
    @ivar cause: the same, as one of L{conch_auth.diagnosis.CAUSES}; empty where
        it would do no good, as a key that is there twice.
    @ivar note: what is remembered of it, in words.
    @ivar dropped: whether it is taken out of the row altogether, rather than
        passed over when it has its turn.
    @ivar over_budget: whether it is the budget that it is left out for.
    """

    method: str
    key: KeyIdentity | None = None
    source: str = ""
    left_out: str = ""
    cause: MaybeCause = ""
    note: str = ""
    dropped: bool = False
    over_budget: bool = False
    item: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        with_key = f" with {self.key}" if self.key is not None else ""
        source = f" (from {printable(self.source)})" if self.source else ""
        said = self.left_out or self.note
        return f"{self.method}{with_key}{source}" + (f": {said}" if said else "")


def plan_keys(
    candidates: Iterable[Candidate], circumstances: Circumstances, refused: int = 0
) -> list[Step]:
    """
    The keys in the order in which to offer them, each with what becomes of it.

    @param refused: how many keys were refused before these are planned.
    """
    ordered = _in_order(list(candidates), circumstances.recollection)
    seen: dict[bytes, str] = {}
    steps: list[Step] = []
    number = refused
    for candidate in ordered:
        step = _judged(candidate, circumstances, seen)
        if not step.left_out:
            number += 1
            step = _within_budget(step, number, candidate, circumstances)
        steps.append(step)
    return steps


def _in_order(
    candidates: list[Candidate], recollection: Recollection
) -> list[Candidate]:
    refused = {key: place for place, key in enumerate(recollection.refused)}

    def rank(candidate: Candidate) -> tuple[bool, int, bool]:
        shown = fingerprint(candidate.blob) if candidate.blob else ""
        worked = bool(shown) and shown == recollection.key
        return not candidate.given, refused.get(shown, -1), not worked

    return sorted(candidates, key=rank)


def _judged(
    candidate: Candidate, circumstances: Circumstances, seen: dict[bytes, str]
) -> Step:
    """
    What becomes of a key, but for the budget.

    @param seen: the source of each key that was judged before, by its blob.
    """
    step = Step(
        "publickey",
        candidate.identity,
        candidate.source,
        note=_note(candidate.identity, circumstances.recollection),
        item=candidate.item,
    )
    if candidate.unwanted:
        return replace(
            step, left_out=IDENTITIES_ONLY, cause="identities-only", dropped=True
        )
    if candidate.problem:
        return replace(step, left_out=candidate.problem, cause=candidate.cause)
    if not candidate.blob:
        return step
    if candidate.blob in seen:
        first = f"it is the key from {printable(seen[candidate.blob])} again"
        return replace(step, left_out=first, dropped=True)
    seen[candidate.blob] = candidate.source
    choice = choose_signature(
        candidate.algorithms, circumstances.allowed, circumstances.listed
    )
    if choice.algorithm:
        return step
    return replace(step, left_out=choice.reason, cause=choice.cause)


def _note(identity: KeyIdentity | None, recollection: Recollection) -> str:
    if identity is None:
        return "which key it is, is known once it is decrypted"
    if identity.fingerprint == recollection.key:
        return "it was accepted last time"
    if identity.fingerprint in recollection.refused:
        return "it was refused before"
    return ""


def _within_budget(
    step: Step, number: int, candidate: Candidate, circumstances: Circumstances
) -> Step:
    allowed = keys_allowed(circumstances)
    if allowed is None or number <= allowed:
        return step
    advice = (
        "Give fewer keys before it, or raise max_auth_tries"
        if candidate.given
        else "Name it with client_keys= or -i to have it tried first"
    )
    if circumstances.remembering:
        advice += "; the next connection goes on with it"
    reason = f"{circumstances.budget()}; it is the {_ordinal(number)} key. {advice}"
    return replace(
        step, left_out=reason, cause="keys-left-out", dropped=True, over_budget=True
    )


def order_methods(
    methods: Sequence[bytes], recollection: Recollection
) -> tuple[bytes, ...]:
    """
    Password and keyboard-interactive, the one first by which the last login
    went; everything else stays in its place.
    """
    typed = [name for name in methods if name in _TYPED]
    last = [name for name in typed if text(name) in recollection.methods]
    in_turn = iter(last + [name for name in typed if name not in last])
    return tuple(next(in_turn) if name in _TYPED else name for name in methods)


_TYPED = (names.PASSWORD, names.KEYBOARD_INTERACTIVE)


@dataclass(frozen=True)
class Plan:
    """
    What a login would try, made without any connection to the server.

    @ivar user: the user name.
    @ivar host: the host.
    @ivar port: its port.
    @ivar steps: every L{Step}, in order.
    @ivar tries: requests that a server is taken to allow; C{None} for no limit.
    """

    user: str
    host: str
    port: int
    steps: tuple[Step, ...] = ()
    tries: int | None = names.MAX_AUTH_TRIES

    @property
    def tried(self) -> tuple[Step, ...]:
        """
        What would be tried, in order.
        """
        return tuple(step for step in self.steps if not step.left_out)

    @property
    def left_out(self) -> tuple[Step, ...]:
        """
        What would not, and each says why.
        """
        return tuple(step for step in self.steps if step.left_out)

    def as_dict(self) -> dict[str, Any]:
        """
        The plan as plain dictionaries, lists, strings and numbers, ready for
        JSON.
        """
        return {
            "user": self.user,
            "host": self.host,
            "port": self.port,
            "tries": self.tries,
            "steps": [
                {
                    "method": step.method,
                    "key": step.key._asdict() if step.key is not None else None,
                    "source": step.source,
                    "left_out": step.left_out,
                    "note": step.note,
                }
                for step in self.steps
            ],
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterable[str]:
        whom = f"{printable(self.user)} on {printable(self.host)}, port {self.port}"
        if not self.tried:
            yield f"To log in as {whom}, there is nothing to try."
        else:
            yield f"To log in as {whom}, these would be tried:"
            yield from (f"  {n}. {step}" for n, step in enumerate(self.tried, 1))
        if self.left_out:
            yield "These would be left out:"
            yield from (f"  - {step}" for step in self.left_out)
        yield (
            "What is not sure to be wanted is tried where the server says it takes it. "
            "It was not asked."
        )


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _ordinal(number: int) -> str:
    special = number % 100 in (11, 12, 13)
    return f"{number}{'th' if special else _SUFFIXES.get(number % 10, 'th')}"


_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}
