"""
The course of a login as a value: what was tried, what the server answered,
what to do next.

No secret ever enters it: a password, an answer or a signature is not among what
L{conch_auth.recorder.Recorder}, which makes it, can be told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from conch_auth._attempt import (
    Actor,
    Attempt,
    Banner,
    HostKey,
    KeyIdentity,
    Outcome,
    Party,
    ServerFacts,
    Step,
)
from conch_auth._causes import MaybeCause
from conch_auth.diagnosis import Diagnosis, diagnose
from conch_auth.display import printable, wrapped

__all__ = [
    "Actor",
    "Attempt",
    "AuthReport",
    "Banner",
    "HostKey",
    "KeyIdentity",
    "Outcome",
    "Party",
    "ServerFacts",
    "Step",
]

#: The version of what L{AuthReport.as_dict} returns; C{docs/report.schema.json}
#: describes it.
DICT_VERSION = 2


@dataclass(frozen=True)
class AuthReport:
    """
    What happened in one login, so far or in all.

    @ivar user: the user name that was asked for.
    @ivar service: the service that was to follow, as C{"ssh-connection"}.
    @ivar host: the server, where the transport could name it.
    @ivar port: the port that was connected to, where it is known.
    @ivar server_version: the server's identification string (RFC 4253, section
        4.2); empty where it is not known.
    @ivar extensions: the names and values of the server's EXT_INFO (RFC 8308),
        fit to be shown.
    @ivar host_key: the server's host key and what made it trusted; C{None}
        where the transport does not tell.
    @ivar succeeded: C{True} once the login is complete and proved.
    @ivar attempts: every L{Attempt}, in order.
    @ivar banners: every L{Banner} kept, in order.
    @ivar server_methods: the methods that the server last said may continue.
    @ivar round_trips: how often the server's reply was waited for.
    @ivar elapsed: seconds from the start of the service to its end, or to now.
    @ivar proof: the credentials that the server accepted, in words; C{None}
        while there is none.
    @ivar ending: why the login ended, in a sentence; empty while it runs and
        after a success.
    @ivar cause: why it failed, as one of L{conch_auth.diagnosis.CAUSES}: the
        first of L{diagnosis}; empty while it runs and after a success.
    @ivar waiting_for: who is waited for now; C{None} for nobody, and once the
        login is over.
    @ivar steps: every L{Step} kept, in order.
    @ivar steps_left_out: how many came after those.
    @ivar server_seconds: time spent waiting for the server's replies.
    @ivar agent_seconds: time in which keys and signatures were waited for.
    @ivar person_seconds: time in which a person was asked, also where no attempt
        came of it.
    """

    user: str
    service: str
    host: str | None = None
    succeeded: bool = False
    attempts: tuple[Attempt, ...] = ()
    banners: tuple[Banner, ...] = ()
    server_methods: tuple[str, ...] = ()
    round_trips: int = 0
    elapsed: float = 0.0
    proof: str | None = None
    ending: str = ""
    cause: MaybeCause = ""
    port: int | None = None
    server_version: str = ""
    extensions: tuple[tuple[str, str], ...] = ()
    host_key: HostKey | None = None
    waiting_for: Party | None = None
    steps: tuple[Step, ...] = ()
    steps_left_out: int = 0
    server_seconds: float = 0.0
    agent_seconds: float = 0.0
    person_seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """
        The report as plain dictionaries, lists, strings and numbers, ready for
        JSON.  C{version} says which shape it has.
        """
        plain = _fields_of(self)
        plain["attempts"] = [plain_attempt(attempt) for attempt in self.attempts]
        plain["steps"] = [step._asdict() for step in self.steps]
        plain["extensions"] = [
            {"name": name, "value": value} for name, value in self.extensions
        ]
        plain["host_key"] = self.host_key._asdict() if self.host_key else None
        plain["banners"] = [
            {"message": str(banner), "language": banner.language}
            for banner in self.banners
        ]
        plain["server_methods"] = list(self.server_methods)
        diagnosis = self.diagnosis()
        plain["diagnosis"] = [each._asdict() for each in diagnosis]
        plain["advice"] = [str(each) for each in diagnosis]
        return {"version": DICT_VERSION, **plain}

    def diagnosis(self) -> tuple[Diagnosis, ...]:
        """
        Why the login failed and what to do, the most important first; empty
        while it runs, and after a success.
        """
        return diagnose(self)

    def advice(self) -> list[str]:
        """
        L{diagnosis} as sentences.
        """
        return [str(each) for each in self.diagnosis()]

    def __str__(self) -> str:
        return "\n".join(map(wrapped, _explained(self)))


def _fields_of(value: AuthReport | Attempt) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def plain_attempt(attempt: Attempt) -> dict[str, Any]:
    """
    An attempt in the shape that L{AuthReport.as_dict} gives it.
    """
    plain = _fields_of(attempt)
    del plain["error"]
    plain["key"] = attempt.key._asdict() if attempt.key is not None else None
    plain["answers"] = list(attempt.answers)
    if attempt.server_methods is not None:
        plain["server_methods"] = list(attempt.server_methods)
    return plain


def _explained(report: AuthReport) -> Iterable[str]:
    """
    The lines of a report, however long they are.
    """
    user, host = printable(report.user), printable(report.host or "the server")
    if report.succeeded:
        trips = "1 round trip" if report.round_trips == 1 else (
            f"{report.round_trips} round trips"
        )
        yield f"{user} is logged in to {host}: {report.proof or 'without any proof'}"
        yield f"({trips}, {report.elapsed:.2f} s)."
    elif report.ending:
        yield f"{user} is not logged in to {host}: {report.ending}."
    else:
        yield f"{user} is logging in to {host}."
    # The opening "none" only asks what the server accepts: that is told above.
    told = [a for a in report.attempts if a.method != "none" or a.outcome != "refused"]
    if told and not (report.succeeded and len(told) == 1):
        yield "What was tried:"
        for number, attempt in enumerate(told, 1):
            yield f"  {number}. {attempt}"
    if not report.succeeded and report.server_methods:
        yield f"The server would still accept: {', '.join(report.server_methods)}."
    diagnosis = report.diagnosis()
    if diagnosis:
        yield "What is wrong, and what to do:"
        for each in diagnosis:
            yield f"  - {each.problem}"
            yield f"    {each.advice}"
