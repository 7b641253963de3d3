"""
Why a login failed, and what to do next: a judgement on the facts of its report.

>>> try:
...     connection = await connect("example.org")
... except LoginError as error:
...     for diagnosis in error.diagnosis():
...         print(diagnosis.cause, diagnosis.problem, diagnosis.advice)

Every way in which a login can fail is in the closed list L{CAUSES}, and each
has its paragraph in C{docs/diagnosis.rst}, with a login that fails so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from conch_auth._attempt import Attempt
from conch_auth._causes import CAUSES, Cause, MaybeCause
from conch_auth._facts import Facts, Words, capital, listed
from conch_auth._remedies import GIFTS, NEXT_FACTOR, REMEDIES
from conch_auth.display import printable

__all__ = ["CAUSES", "Cause", "Diagnosis", "MaybeCause", "diagnose", "diagnose_error"]


class Diagnosis(NamedTuple):
    """
    One cause of a failure.

    @ivar cause: its name, one of L{CAUSES}.
    @ivar problem: what is wrong, in a sentence, from the facts.
    @ivar advice: what to do next, in a sentence or two.
    """

    cause: Cause
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.problem} {self.advice}"


def diagnose(facts: Facts) -> tuple[Diagnosis, ...]:
    """
    Why a login failed: each cause once, the one that matters most first.  What
    did no harm is left out, and so is what was not given where something was.

    @param facts: an L{AuthReport<conch_auth.report.AuthReport>}.
    @return: nothing while the login runs, and after a success.
    """
    if facts.succeeded or not facts.ending:
        return ()
    return tuple(_diagnoses(facts))


def diagnose_error(
    cause: Cause, told: str, *, host: str = "", advice: str = ""
) -> Diagnosis:
    """
    Why no login could even begin.

    @param told: what happened, in words without a full stop.
    @param host: the host that was to be logged in to, where that is known.
    @param advice: what to do, for the causes that have no words of their own
        for it.
    """
    words = {
        "host": printable(host),
        "version": "it did not say which it is",
        "Advice": capital(advice).rstrip("."),
    }
    remedy = REMEDIES[cause].advice.format_map(words)
    # A host is called what it is called.
    named = bool(host) and told.startswith((printable(host), "["))
    return Diagnosis(cause, f"{told if named else capital(told)}.", remedy)


#: Endings that say all: what came before has nothing to do with them.
_WHOLE: frozenset[MaybeCause] = frozenset(
    {
        "trivial-success",
        "protocol-broken",
        "server-timeout",
        "login-cancelled",
        "lost-while-asking",
        "account-refused",
        "limit-reached",
    }
)
#: Endings that something before them may have led to.
_LAST_STRAWS: frozenset[MaybeCause] = frozenset(
    {"login-timeout", "too-many-tries", "server-disconnected", "connection-lost"}
)
#: What is of no account where something else went wrong.
_SLIGHT: frozenset[Cause] = frozenset(
    {"agent-unavailable", "agent-empty", "identities-only", "questions-unanswered"}
)
#: A certificate was not shown, or not accepted.
_CERTIFIED: frozenset[Cause] = frozenset(
    {
        "certificate-expired",
        "certificate-not-yet-valid",
        "certificate-of-another-key",
        "certificate-unusable",
        "certificate-refused",
    }
)
#: Nothing was given; and of these, what most people do not think of.
_ABSENT: tuple[Cause, ...] = ("no-key", "no-password", "no-answers")
_RARELY_MEANT: tuple[Cause, ...] = ("no-ticket", "no-host-key")
_NOT_MEANT: tuple[Cause, ...] = (
    "ticket-missing",
    "gssapi-not-installed",
    "method-unknown",
)
_NOTHING = frozenset((*_ABSENT, *_RARELY_MEANT, *_NOT_MEANT))
#: The verdicts of a server on what it was shown.
_REFUSED: tuple[Cause, ...] = (
    "password-refused",
    "password-change-refused",
    "answers-refused",
    "never-asked",
    "signature-refused",
    "certificate-refused",
    "key-refused",
    "host-refused",
    "ticket-refused",
    "gssapi-failed-on-server",
    "method-refused",
)
#: What is given for a method.
_GIFT_FOR: dict[str, Cause] = {
    "publickey": "no-key",
    "password": "no-password",
    "keyboard-interactive": "no-answers",
    "gssapi-with-mic": "no-ticket",
    "hostbased": "no-host-key",
}


def _diagnoses(facts: Facts) -> Iterator[Diagnosis]:
    ended = facts.cause in _WHOLE | _LAST_STRAWS
    if ended and facts.cause:
        yield _told(facts.cause, facts, facts.attempts[-1:])
    if facts.cause in _WHOLE:
        return
    found = _by_cause(facts.attempts)
    wrong = [cause for cause in CAUSES if cause in found and cause not in _NOTHING]
    if _CERTIFIED.intersection(wrong) and len(found.get("key-refused", ())) == 1:
        # A server that wants the certificate does not know the plain key.
        wrong.remove("key-refused")
    grave = [cause for cause in wrong if cause not in _SLIGHT]
    if ended:
        wrong = grave = [cause for cause in grave if cause in _REFUSED]
    if _is_partial(facts) and not ended:
        yield from _next_factor(facts, found, grave)
    elif wrong:
        for cause in grave or wrong:
            yield _told(cause, facts, found[cause])
    elif facts.cause and not ended:
        yield from _nothing(facts, found)


def _is_partial(facts: Facts) -> bool:
    return any(attempt.outcome == "partial" for attempt in facts.attempts)


def _by_cause(attempts: Sequence[Attempt]) -> dict[Cause, list[Attempt]]:
    """
    What came to nothing since the last factor was accepted, by its cause.
    """
    found: dict[Cause, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.outcome == "partial":
            found.clear()
        elif attempt.cause:
            found.setdefault(attempt.cause, []).append(attempt)
    return found


def _told(
    cause: Cause, facts: Facts, attempts: Sequence[Attempt], **more: str
) -> Diagnosis:
    words = Words(facts, attempts, **more)
    problem, advice = REMEDIES[cause]
    return Diagnosis(cause, _filled(problem, words), _filled(advice, words))


def _filled(template: str, words: Words) -> str:
    return template.format_map(words)


def _next_factor(
    facts: Facts, found: dict[Cause, list[Attempt]], grave: Iterable[Cause]
) -> Iterator[Diagnosis]:
    """
    A factor was accepted, and the one after it was not.
    """
    refused = next((cause for cause in _REFUSED if cause in found), None)
    if refused is not None:
        advice = NEXT_FACTOR.get(refused, REMEDIES[refused].advice)
        filled = _filled(advice, Words(facts, found[refused]))
        yield _told(
            "second-factor-refused", facts, found[refused], next_advice=filled
        )
    else:
        wanted = [_GIFT_FOR[name] for name in facts.server_methods if name in _GIFT_FOR]
        yield _told("second-factor-missing", facts, (), gifts=_gifts(wanted))
    for cause in grave:
        if cause != refused:
            yield _told(cause, facts, found[cause])


def _gifts(causes: Sequence[Cause]) -> str:
    return listed([GIFTS[cause] for cause in causes], "or") or "what it wants"


def _nothing(
    facts: Facts, found: dict[Cause, list[Attempt]]
) -> Iterator[Diagnosis]:
    """
    Nothing went wrong, and nothing was tried either.
    """
    absent = [cause for cause in _ABSENT if cause in found] or [
        cause for cause in _RARELY_MEANT if cause in found
    ]
    unmeant = next((cause for cause in _NOT_MEANT if cause in found), None)
    if absent:
        yield _told(absent[0], facts, (), gifts=_gifts(absent))
    elif unmeant is not None:
        yield _told(unmeant, facts, found[unmeant])
    else:
        yield _told(_why_nothing(facts), facts, ())


def _why_nothing(facts: Facts) -> Cause:
    if not facts.server_methods:
        asked = any(
            attempt.method == "none" and attempt.outcome == "refused"
            for attempt in facts.attempts
        )
        return "no-method-offered" if asked else "no-method-left"
    tried = {attempt.method for attempt in facts.attempts}
    untried = [name for name in facts.server_methods if name not in tried]
    if any(name in _GIFT_FOR for name in untried):
        return "method-off"
    return "method-unknown" if untried else "no-method-left"
