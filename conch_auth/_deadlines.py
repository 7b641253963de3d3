"""
How long each party may be waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from conch_auth.report import Party

#: Seconds by which sums of times may be wrong.
_ROUNDING = 0.001


class Deadlines:
    """
    One running clock: for the party that is waited for, and for the login as a
    whole, in which the time that a person takes does not count.

    @param clock: returns the clock to use, or C{None} for no limits.
    @param limit_of: returns the seconds that a party may take, or C{None}.
    @param total: the seconds of the whole login, or C{None}.
    @param expired: called with the party whose time is over, or with C{None}
        when the time of the whole login is.
    """

    def __init__(
        self,
        clock: Callable[[], IReactorTime | None],
        limit_of: Callable[[Party], float | None],
        total: float | None,
        expired: Callable[[Party | None], object],
    ) -> None:
        self._clock = clock
        self._limit_of = limit_of
        self._left = total
        self._expired = expired
        self._over = False
        # A call that comes too early is put off when it comes: parties change
        # often, and hardly ever is one late.
        self._call: IDelayedCall | None = None
        self._due: float | None = None
        self._late: Party | None = None
        self._counted_from: float | None = None

    def use(self, clock: IReactorTime | None) -> None:
        """
        Go on by C{clock}, which is known now.
        """
        self._clock = lambda: clock

    def wait(self, party: Party | None) -> None:
        """
        From now on C{party} is waited for; with C{None}, whatever an override
        of the application's may be doing, which only the login as a whole
        limits.
        """
        clock = self._clock()
        if clock is None or self._over:
            return
        now = clock.seconds()
        self._count(now)
        limit = None if party is None else self._limit_of(party)
        self._late = party
        if party != "person" and self._left is not None:
            self._counted_from = now
            if limit is None or self._left < limit:
                limit, self._late = self._left, None
        self._due = None if limit is None else now + max(limit, 0)
        self._arm(clock, now)

    def stop(self) -> None:
        """
        The login is over.
        """
        self._over = True
        self._cancel()

    def _arm(self, clock: IReactorTime, now: float) -> None:
        call, due = self._call, self._due
        if due is None or (call is not None and now <= call.getTime() <= due):
            return
        self._cancel()
        self._call = clock.callLater(due - now, self._fire)

    def _cancel(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _count(self, now: float) -> None:
        if self._counted_from is not None and self._left is not None:
            # A clock that was set back gives nothing back.
            self._left -= max(now - self._counted_from, 0)
        self._counted_from = None

    def _fire(self) -> None:
        self._call = None
        clock = self._clock()
        if clock is None or self._due is None:
            return
        now = clock.seconds()
        if now < self._due - _ROUNDING:
            self._arm(clock, now)
        else:
            self._due = None
            self._expired(self._late)
