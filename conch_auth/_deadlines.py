"""
How long each party may be waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from conch_auth.report import Party


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
        self._call: IDelayedCall | None = None
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
        self._stop(clock)
        limit = None if party is None else self._limit_of(party)
        over = party
        if party != "person" and self._left is not None:
            self._counted_from = clock.seconds()
            if limit is None or self._left < limit:
                limit, over = self._left, None
        if limit is not None:
            self._call = clock.callLater(max(limit, 0), self._fire, over)

    def stop(self) -> None:
        """
        The login is over.
        """
        self._over = True
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _stop(self, clock: IReactorTime) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if self._counted_from is not None and self._left is not None:
            # A clock that was set back gives nothing back.
            self._left -= max(clock.seconds() - self._counted_from, 0)
        self._counted_from = None

    def _fire(self, party: Party | None) -> None:
        self._call = None
        self._expired(party)
