"""
What listens while a login runs, and makes its report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from conch_auth.display import printable, text
from conch_auth.report import Attempt, AuthReport, Banner, Outcome, Party


@dataclass
class _Open:
    """
    An attempt whose outcome is not known yet.
    """

    attempt: Attempt
    seconds: dict[Party, float] = field(default_factory=dict)


class Recorder:
    """
    Collects a report while a login runs.

    @param user: the user name.
    @param service: the name of the service that is to follow.
    @param seconds: returns the time in seconds, from any fixed point.
    """

    def __init__(
        self, user: bytes, service: bytes, seconds: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._started: float | None = None
        self._report = AuthReport(text(user), text(service))
        self._attempts: list[Attempt] = []
        self._banners: list[Banner] = []
        self._proofs: list[str] = []
        self._open: _Open | None = None
        # What was spent before an attempt was open belongs to the next one.
        self._early: dict[Party, float] = {}
        self._party: Party | None = None
        self._since = 0.0
        self._ended = False

    @property
    def attempt(self) -> Attempt | None:
        """
        The attempt that runs now.
        """
        return self._open.attempt if self._open is not None else None

    def start(self, host: str | None) -> None:
        """
        The login begins: its seconds are counted from now.

        @param host: the server's name, where it is known.
        """
        self._started = self._seconds()
        self._report = replace(self._report, host=host)

    def begin(self, method: bytes, **known: Any) -> None:
        """
        A new attempt starts; one that was open is given up.
        """
        self.end("failed", "it was left unfinished")
        self._count_wait()
        self._open = _Open(Attempt(printable(text(method)), "failed", **known))
        self._open.seconds, self._early = self._early, {}

    def note(self, **known: Any) -> None:
        """
        More is known of the attempt that runs.
        """
        if self._open is not None:
            self._open.attempt = replace(self._open.attempt, **known)

    def end(
        self,
        outcome: Outcome,
        reason: str = "",
        methods: Iterable[bytes] | None = None,
        error: BaseException | None = None,
    ) -> None:
        """
        The attempt that runs is over.  Without one, nothing happens.

        @param error: what was raised on this side.
        """
        if self._open is None:
            return
        self._count_wait()
        ended = replace(
            self._open.attempt,
            outcome=outcome,
            reason=reason,
            error=_without_frames(error),
            server_methods=None if methods is None else _shown(methods),
            server_seconds=self._open.seconds.get("server", 0.0),
            agent_seconds=self._open.seconds.get("agent", 0.0),
            person_seconds=self._open.seconds.get("person", 0.0),
        )
        self._open = None
        self._attempts.append(ended)

    def skip(
        self,
        method: bytes,
        outcome: Outcome,
        reason: str,
        *,
        error: BaseException | None = None,
        **known: Any,
    ) -> None:
        """
        A credential was never sent.
        """
        self.begin(method, **known)
        self.end(outcome, reason, error=error)

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
        self._report = replace(self._report, round_trips=self._report.round_trips + 1)

    def server_methods(self, methods: Iterable[bytes]) -> None:
        self._report = replace(self._report, server_methods=_shown(methods))

    def banner(self, banner: Banner) -> None:
        self._banners.append(banner)

    def finish(self, succeeded: bool, ending: str = "") -> None:
        """
        The login is over: from now on the report stays as it is.
        """
        if self._ended:
            return
        self.wait(None)
        self.end("failed", ending)
        self._report = replace(self.snapshot(), succeeded=succeeded, ending=ending)
        self._ended = True

    def snapshot(self) -> AuthReport:
        """
        The report so far; after L{finish}, always the same value.
        """
        if self._ended:
            return self._report
        return replace(
            self._report,
            attempts=tuple(self._attempts),
            banners=tuple(self._banners),
            elapsed=self._elapsed(),
            proof=", then ".join(self._proofs) or None,
        )

    def _elapsed(self) -> float:
        return 0.0 if self._started is None else self._seconds() - self._started

    def _count_wait(self) -> None:
        now = self._seconds()
        if self._party is not None:
            account = self._open.seconds if self._open is not None else self._early
            account[self._party] = account.get(self._party, 0.0) + now - self._since
        self._since = now


def _shown(methods: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(printable(text(method)) for method in methods)


def _without_frames(error: BaseException | None) -> BaseException | None:
    """
    C{error} without its traceback, and without those of what led to it: their
    frames hold the passwords that were at hand.
    """
    seen: set[int] = set()
    left = [error]
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            left += [found.__cause__, found.__context__]
    return error
