"""
What listens while a login runs, and makes its report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from conch_auth._causes import MaybeCause
from conch_auth._events import Events
from conch_auth._frames import without_frames
from conch_auth._stopwatch import Stopwatch
from conch_auth.display import printable, text
from conch_auth.names import MAX_STEPS
from conch_auth.report import (
    Actor,
    Attempt,
    AuthReport,
    Banner,
    Outcome,
    Party,
    ServerFacts,
    Step,
)


@dataclass
class _Open:
    """
    An attempt whose outcome is not known yet.
    """

    method: str
    known: dict[str, Any]
    seconds: dict[Party, float]
    answers: list[str] = field(default_factory=list)
    round_trips: int = 0


class Recorder:
    """
    Collects a report while a login runs, and logs its events.

    @param user: the user name.
    @param service: the name of the service that is to follow.
    @param seconds: returns the time in seconds, from any fixed point.
    """

    def __init__(
        self, user: bytes, service: bytes, seconds: Callable[[], float]
    ) -> None:
        self._seconds = Stopwatch(seconds)
        self._started: float | None = None
        self._facts: Callable[[], ServerFacts] = ServerFacts
        self._report = AuthReport(text(user), text(service))
        self._attempts: list[Attempt] = []
        self._banners: list[Banner] = []
        self._proofs: list[str] = []
        self._steps: list[Step] = []
        self._steps_left_out = 0
        self._round_trips = 0
        self._server_methods: tuple[str, ...] = ()
        self._events = Events(printable(text(user)))
        self._open: _Open | None = None
        # What was spent before an attempt was open belongs to the next one.
        self._early: dict[Party, float] = {}
        self._totals: dict[Party, float] = {}
        self._party: Party | None = None
        self._since = 0.0
        self._ended = False

    @property
    def is_open(self) -> bool:
        """
        Whether an attempt runs now.
        """
        return self._open is not None

    @property
    def answers(self) -> tuple[str, ...]:
        """
        What the server has answered the attempt that runs, by the names of its
        messages.
        """
        return () if self._open is None else tuple(self._open.answers)

    @property
    def banners_kept(self) -> int:
        return len(self._banners)

    def use(self, seconds: Callable[[], float]) -> None:
        """
        Count by another clock from now on.
        """
        self._seconds.use(seconds)

    def start(self, facts: Callable[[], ServerFacts]) -> None:
        """
        The login begins: its seconds are counted from now.

        @param facts: what is known of the server.  It is asked again for each
            report, for an EXT_INFO may come later.
        """
        self._started = self._seconds()
        self._facts = facts
        self._events.begun(facts())

    def step(self, sender: Actor, receiver: Actor, name: str, detail: str = "") -> None:
        """
        One side has told another something.

        @param detail: more of it, fit to be shown; never a secret.
        """
        if len(self._steps) >= MAX_STEPS:
            self._steps_left_out += 1
            return
        # It may be of an attempt that begins, or is left out, right after it.
        attempt = len(self._attempts)
        step = Step(self._elapsed(), sender, receiver, name, detail, attempt)
        self._steps.append(step)
        self._events.step(step)

    def answered(self, message: str) -> None:
        """
        The server has answered the attempt that runs.

        @param message: the name of its message.
        """
        if self._open is not None:
            self._open.answers.append(message)

    def begin(self, method: bytes, **known: Any) -> None:
        """
        A new attempt starts; one that was open is given up.
        """
        self.end("failed", "it was left unfinished")
        self._count_wait()
        self._open = _Open(printable(text(method)), known, self._early)
        self._early = {}

    def note(self, **known: Any) -> None:
        """
        More is known of the attempt that runs.
        """
        if self._open is not None:
            self._open.known.update(known)

    def end(
        self,
        outcome: Outcome,
        reason: str = "",
        methods: Iterable[bytes] | None = None,
        error: BaseException | None = None,
        cause: MaybeCause = "",
    ) -> None:
        """
        The attempt that runs is over.  Without one, nothing happens.

        @param error: what was raised on this side.
        @param cause: C{reason} as one of L{conch_auth.diagnosis.CAUSES}.
        """
        ended = self._open
        if ended is None:
            return
        self._count_wait()
        self._open = None
        attempt = Attempt(
            ended.method,
            outcome,
            reason,
            cause=cause,
            error=without_frames(error),
            server_methods=None if methods is None else _shown(methods),
            answers=tuple(ended.answers),
            round_trips=ended.round_trips,
            server_seconds=ended.seconds.get("server", 0.0),
            agent_seconds=ended.seconds.get("agent", 0.0),
            person_seconds=ended.seconds.get("person", 0.0),
            **ended.known,
        )
        self._attempts.append(attempt)
        self._events.attempt_ended(attempt)

    def skip(
        self,
        method: bytes,
        outcome: Outcome,
        reason: str,
        *,
        error: BaseException | None = None,
        cause: MaybeCause = "",
        **known: Any,
    ) -> None:
        """
        A credential was never sent.
        """
        self.begin(method, **known)
        self.end(outcome, reason, error=error, cause=cause)

    def knows(self, method: bytes) -> bool:
        """
        Whether anything was told of C{method}.
        """
        shown = printable(text(method))
        return any(attempt.method == shown for attempt in self._attempts)

    def proved(self, proof: str) -> None:
        """
        The server accepted C{proof}, as a factor or as the last one.
        """
        self._proofs.append(proof)

    def wait(self, party: Party | None) -> None:
        """
        From now on C{party} is waited for, or nobody.
        """
        self._count_wait()
        self._party = party

    def sent(self) -> None:
        """
        A message that wants a reply has left.
        """
        self._round_trips += 1
        if self._open is not None:
            self._open.round_trips += 1

    def server_methods(self, methods: Iterable[bytes]) -> None:
        self._server_methods = _shown(methods)

    def banner(self, banner: Banner) -> None:
        self._banners.append(banner)
        self._events.banner(banner)

    def finish(
        self, succeeded: bool, ending: str = "", cause: MaybeCause = ""
    ) -> None:
        """
        The login is over: from now on the report stays as it is.

        @param cause: C{ending} as one of L{conch_auth.diagnosis.CAUSES}.
        """
        if self._ended:
            return
        self.wait(None)
        self.end("failed", ending)
        report = replace(
            self.snapshot(), succeeded=succeeded, ending=ending, cause=cause
        )
        for first in report.diagnosis()[:1]:
            report = replace(report, cause=first.cause)
        self._report = report
        self._ended = True
        # The transport is not to be held by a report.
        self._facts = ServerFacts
        self._events.ended(self._report)

    def snapshot(self) -> AuthReport:
        """
        The report so far; after L{finish}, always the same value.
        """
        if self._ended:
            return self._report
        return replace(
            self._report,
            **self._facts()._asdict(),
            attempts=tuple(self._attempts),
            banners=tuple(self._banners),
            server_methods=self._server_methods,
            round_trips=self._round_trips,
            elapsed=self._elapsed(),
            proof=", then ".join(self._proofs) or None,
            waiting_for=self._party,
            steps=tuple(self._steps_told()),
            steps_left_out=self._steps_left_out,
            server_seconds=self._totals.get("server", 0.0),
            agent_seconds=self._totals.get("agent", 0.0),
            person_seconds=self._totals.get("person", 0.0),
        )

    def _steps_told(self) -> Iterable[Step]:
        known = len(self._attempts)
        for step in self._steps:
            none_came = step.attempt is not None and step.attempt >= known
            yield step._replace(attempt=None) if none_came else step

    def _elapsed(self) -> float:
        return 0.0 if self._started is None else self._seconds() - self._started

    def _count_wait(self) -> None:
        now = self._seconds()
        if self._party is not None:
            mine = self._open.seconds if self._open is not None else self._early
            for account in (mine, self._totals):
                account[self._party] = account.get(self._party, 0.0) + now - self._since
        self._since = now


def _shown(methods: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(printable(text(method)) for method in methods)
