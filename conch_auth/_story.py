"""
What is to be told of a login, whether it got as far as to have a report or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from conch_auth.diagnosis import Diagnosis
from conch_auth.display import printable
from conch_auth.errors import LoginError
from conch_auth.report import Attempt, AuthReport, HostKey, Outcome, Step

#: The most characters that are shown of what a server says of itself.
_VERSION_LIMIT = 80
_EXTENSION_LIMIT = 300
_MOST_BANNERS, _BANNER_LIMIT = 3, 400
#: The shortest wait that is told, in seconds.
_TOLD = 0.0005


@dataclass(frozen=True)
class Story:
    """
    @ivar who: the user and the host, as C{"alice@example.org"}.
    @ivar succeeded: whether the login was complete.
    @ivar verdict: how it ended, in a sentence without its period.
    @ivar facts: what is known of the server and the connection: pairs of a
        label and text fit to be shown.
    @ivar attempts: each L{Attempt}, in order.
    @ivar steps: each L{Step}, in order.
    @ivar steps_left_out: how many more there were.
    @ivar elapsed: seconds in all.
    @ivar diagnoses: what is wrong, and what to do.
    """

    who: str
    succeeded: bool
    verdict: str
    facts: tuple[tuple[str, str], ...] = ()
    attempts: tuple[Attempt, ...] = ()
    steps: tuple[Step, ...] = ()
    steps_left_out: int = 0
    elapsed: float = 0.0
    diagnoses: tuple[Diagnosis, ...] = ()


def story_of(report: AuthReport) -> Story:
    """
    The story of a login that has begun.
    """
    return Story(
        who=f"{printable(report.user)}@{printable(report.host or 'server')}",
        succeeded=report.succeeded,
        verdict=_verdict(report),
        facts=tuple(_facts(report)),
        attempts=report.attempts,
        steps=report.steps,
        steps_left_out=report.steps_left_out,
        elapsed=report.elapsed,
        diagnoses=report.diagnosis(),
    )


def story_of_error(
    who: str, ending: str, facts: Iterable[tuple[str, str]], error: LoginError
) -> Story:
    """
    The story of a login that has not begun.

    @param ending: how it ended, in words.
    """
    return Story(
        who=printable(who),
        succeeded=False,
        verdict=f"not logged in: {ending}",
        facts=tuple(facts),
        diagnoses=error.diagnosis(),
    )


def _verdict(report: AuthReport) -> str:
    if report.succeeded:
        return f"logged in: {report.proof or 'without any proof'}"
    if report.ending:
        return f"not logged in: {report.ending}"
    return "still logging in"


def _facts(report: AuthReport) -> Iterator[tuple[str, str]]:
    host = printable(report.host or "unknown")
    yield "host", host if report.port in (None, 22) else f"{host}, port {report.port}"
    yield from server_facts(report.server_version, report.host_key)
    if report.extensions:
        yield "EXT_INFO", _extensions(report.extensions)
    yield "round trips", str(report.round_trips)
    waits = ", ".join(_waits(report))
    waited = f"; waited for: {waits}" if waits else ""
    yield "seconds", f"{report.elapsed:.3f}{waited}"
    if not report.succeeded and report.server_methods:
        yield "still accepted", ", ".join(report.server_methods)
    for banner in report.banners[:_MOST_BANNERS]:
        lines = " / ".join(filter(None, map(str.strip, banner.splitlines())))
        yield "banner", printable(lines, limit=_BANNER_LIMIT)


def server_facts(version: str, key: HostKey | None) -> Iterator[tuple[str, str]]:
    """
    What the server has said and shown of itself.
    """
    if version:
        yield "server", printable(version, limit=_VERSION_LIMIT)
    if key is not None:
        yield "host key", f"{printable(key.type)} {key.fingerprint}"
        yield "trusted by", printable(key.trusted_by) or "nothing"


def course_of(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """
    What is known of an attempt beside its method and outcome: pairs of a label
    and text fit to be shown.
    """
    if attempt.key is not None:
        yield "key", str(attempt.key)
    if attempt.source:
        yield "from", printable(attempt.source)
    if attempt.algorithm:
        why = f": {attempt.algorithm_reason}" if attempt.algorithm_reason else ""
        yield "using", printable(f"{attempt.algorithm}{why}")
    if attempt.key is not None and attempt.offered:
        yield "sent", f"the key {'and' if attempt.signed else 'without'} a signature"
    if attempt.answers:
        methods = ", ".join(attempt.server_methods or ())
        more = f"; can continue: {methods}" if methods else ""
        yield "answer", printable(", ".join(attempt.answers) + more)
    if attempt.reason:
        yield "why", attempt.reason
    if took := ", ".join(_waits(attempt)):
        yield "seconds", took


#: How an attempt ended, in a word or three.
OUTCOMES: dict[Outcome, str] = {
    "accepted": "accepted",
    "partial": "accepted, more is wanted",
    "refused": "refused",
    "skipped": "not tried",
    "failed": "given up",
}
#: What the opening request is for; that it is refused is no setback.
ASKED = "asks what is accepted"


def outcome_of(attempt: Attempt) -> tuple[Outcome, str]:
    """
    How an attempt ended: the kind that it is shown as, and its words.
    """
    if attempt.method == "none" and attempt.outcome == "refused":
        return "skipped", ASKED
    return attempt.outcome, OUTCOMES[attempt.outcome]


def _extensions(extensions: Sequence[tuple[str, str]]) -> str:
    told = "; ".join(f"{name}: {value}" for name, value in extensions)
    return printable(told.replace(",", ", "), limit=_EXTENSION_LIMIT)


def _waits(waited: Attempt | AuthReport) -> Iterator[str]:
    for party, seconds in (
        ("server", waited.server_seconds),
        ("agent", waited.agent_seconds),
        ("person", waited.person_seconds),
    ):
        if seconds >= _TOLD:
            yield f"{party} {seconds:.3f}"
